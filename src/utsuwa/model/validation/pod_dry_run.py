"""What Kubernetes would say to the pod of a template, for dry runs (`spec/resources.md` §7).

The validator of serving lets a few things pass that a pod would be refused for; a client that
asks with `dryRun=All` wants to know them beforehand.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from utsuwa.kit.documents import Document, dig
from utsuwa.kit.units import parse_quantity
from utsuwa.model import kinds, labels
from utsuwa.model.kinds import Kind
from utsuwa.model.meta import labels_of
from utsuwa.model.validation.names import dns_1123_label, environment_name
from utsuwa.model.validation.wording import quoted

NAME = "dry-run-validation"

_PULL_POLICIES = frozenset(("", "Always", "IfNotPresent", "Never"))


def pod_dry_run_fault(kind: Kind, document: Document) -> str:
    """The error that creating the pod would give, "" for none. A Configuration that belongs to a
    Service is not looked at: its Service was."""
    if kind is not kinds.SERVICE and (
        kind is not kinds.CONFIGURATION or labels.SERVICE in labels_of(document)
    ):
        return ""
    spec: Mapping[str, Any] = dig(document, "spec", "template", "spec", default={})
    faults = [
        fault
        for field in ("containers", "initContainers")
        for index, container in enumerate(spec.get(field) or [])
        for fault in _container_faults(container, f"spec.{field}[{index}]")
    ]
    if not faults:
        return ""
    listed = faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]"
    return f"Pod {quoted(NAME)} is invalid: {listed}"


def _container_faults(container: Mapping[str, Any], path: str) -> Iterator[str]:
    name = container.get("name") or ""
    for wrong in dns_1123_label(name):
        yield _invalid(f"{path}.name", name, wrong)
    for index, variable in enumerate(container.get("env") or []):
        for wrong in environment_name(variable.get("name") or ""):
            yield _invalid(f"{path}.env[{index}].name", variable.get("name") or "", wrong)
    policy = container.get("imagePullPolicy") or ""
    if policy not in _PULL_POLICIES:
        supported = ", ".join(quoted(value) for value in sorted(_PULL_POLICIES - {""}))
        unsupported = f"Unsupported value: {quoted(policy)}: supported values: {supported}"
        yield f"{path}.imagePullPolicy: {unsupported}"
    yield from _resource_faults(container.get("resources") or {}, f"{path}.resources")


def _resource_faults(resources: Mapping[str, Any], path: str) -> Iterator[str]:
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for field, values in (("limits", limits), ("requests", requests)):
        for name, value in values.items():
            if parse_quantity(str(value)) < 0:
                text = "must be greater than or equal to 0"
                yield _invalid(f"{path}.{field}[{name}]", str(value), text)
    for name, value in requests.items():
        limit = limits.get(name)
        if limit is not None and parse_quantity(str(value)) > parse_quantity(str(limit)):
            text = f"must be less than or equal to {name} limit of {limit}"
            yield _invalid(f"{path}.requests", str(value), text)


def _invalid(path: str, value: str, text: str) -> str:
    return f"{path}: Invalid value: {quoted(value)}: {text}"
