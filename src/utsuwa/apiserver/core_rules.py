"""What a core object must be, so that nothing behind the API ever meets a malformed one. Pure.

Not the whole of Kubernetes' validation: what its users get wrong, and what our controllers and
the node agent rely on. The Knative kinds have their own admission.
"""

import base64
import binascii
from collections.abc import Callable, Iterator
from typing import Any

from utsuwa.apiserver.schemas import malformed
from utsuwa.apiserver.status import invalid
from utsuwa.cluster.errors import Cause
from utsuwa.kit.documents import Document, dig
from utsuwa.model.kinds import (
    CONFIG_MAP,
    CORE_SERVICE,
    DEPLOYMENT,
    POD,
    REPLICA_SET,
    SECRET,
    Kind,
)

_REQUIRED, _INVALID = "FieldValueRequired", "FieldValueInvalid"
_TYPES = {dict: "a map", list: "a list", str: "a text", bool: "a boolean", int: "a number"}


def check(kind: Kind, document: Document, subresource: str = "") -> None:
    """Refuse an object that breaks the rules of its kind. Of its status only the types matter.

    Raises:
        InvalidError: with one cause for each field at fault.
    """
    causes = malformed(kind, document)
    rule = _RULES.get(kind)
    if not causes and rule is not None and subresource != "status":
        causes = tuple(rule(document))
    if causes:
        raise invalid(kind, document["metadata"].get("name", ""), causes)


def _pod(document: Document) -> Iterator[Cause]:
    yield from _pod_spec(document.get("spec"), "spec")


def _workload(document: Document) -> Iterator[Cause]:
    spec = document.get("spec")
    if not isinstance(spec, dict):
        yield _must_be("spec", "a map", spec)
        return
    selector = dig(spec, "selector", "matchLabels", default={})
    labels = dig(spec, "template", "metadata", "labels", default={})
    replicas = spec.get("replicas", 1)
    if type(replicas) is not int or replicas < 0:
        yield Cause(f"Invalid value: {replicas!r}: must be greater than or equal to 0",
                    "spec.replicas", _INVALID)  # fmt: skip
    if not spec.get("selector"):
        yield Cause("Required value", "spec.selector", _REQUIRED)
    elif not isinstance(selector, dict) or not isinstance(labels, dict):
        yield _must_be("spec.selector.matchLabels", "a map", selector)
    elif any(labels.get(key) != value for key, value in selector.items()):
        yield Cause(
            f"Invalid value: {labels!r}: `selector` does not match template `labels`",
            "spec.template.metadata.labels", _INVALID,
        )  # fmt: skip
    yield from _pod_spec(dig(spec, "template", "spec"), "spec.template.spec")


def _pod_spec(spec: Any, path: str) -> Iterator[Cause]:
    if not isinstance(spec, dict):
        yield _must_be(path, "a map", spec)
        return
    for member in ("containers", "initContainers"):
        containers = spec.get(member)
        if containers is None and member == "initContainers":
            continue
        if not containers:
            yield Cause("Required value", f"{path}.{member}", _REQUIRED)
        elif not isinstance(containers, list):
            yield _must_be(f"{path}.{member}", "a list", containers)
        else:
            yield from _containers(containers, f"{path}.{member}")


def _containers(containers: list[Any], path: str) -> Iterator[Cause]:
    seen: set[str] = set()
    for index, container in enumerate(containers):
        place = f"{path}[{index}]"
        if not isinstance(container, dict):
            yield _must_be(place, "a map", container)
            continue
        for member in ("name", "image"):
            value = container.get(member)
            if not value:
                yield Cause("Required value", f"{place}.{member}", _REQUIRED)
            elif not isinstance(value, str):
                yield _must_be(f"{place}.{member}", "a text", value)
        name = container.get("name")
        if isinstance(name, str) and name in seen:
            yield Cause(f'Duplicate value: "{name}"', f"{place}.name", "FieldValueDuplicate")
        seen.add(str(name))
        yield from _ports(container.get("ports"), f"{place}.ports", "containerPort")


def _ports(ports: Any, path: str, member: str) -> Iterator[Cause]:
    if ports is None:
        return
    if not isinstance(ports, list):
        yield _must_be(path, "a list", ports)
        return
    for index, port in enumerate(ports):
        number = port.get(member) if isinstance(port, dict) else None
        if type(number) is not int or not 0 < number < 65536:
            yield Cause(
                f"Invalid value: {number!r}: must be between 1 and 65535, inclusive",
                f"{path}[{index}].{member}", _INVALID,
            )  # fmt: skip


def _service(document: Document) -> Iterator[Cause]:
    spec = document.get("spec")
    if not isinstance(spec, dict):
        yield _must_be("spec", "a map", spec)
        return
    yield from _ports(spec.get("ports"), "spec.ports", "port")
    external = spec.get("type") == "ExternalName"
    if external and not spec.get("externalName"):
        yield Cause("Required value", "spec.externalName", _REQUIRED)
    if not external and not spec.get("ports") and spec.get("clusterIP") != "None":
        yield Cause("Required value", "spec.ports", _REQUIRED)


def _config_map(document: Document) -> Iterator[Cause]:
    yield from _texts(document.get("data"), "data")


def _secret(document: Document) -> Iterator[Cause]:
    yield from _texts(document.get("stringData"), "stringData")
    yield from _texts(document.get("data"), "data")
    data = document.get("data")
    for key, value in data.items() if isinstance(data, dict) else ():
        try:
            base64.b64decode(str(value), validate=True)
        except (binascii.Error, ValueError):
            # The value stays out of the message: it may be the secret itself, not yet encoded.
            yield Cause("Invalid value: expected base64", f"data.{key}", _INVALID)


def _texts(data: Any, path: str) -> Iterator[Cause]:
    if data is None:
        return
    if not isinstance(data, dict):
        yield _must_be(path, "a map", data)
        return
    for key, value in data.items():
        if not isinstance(value, str):
            yield _must_be(f"{path}.{key}", "a text (put it in quotes)", value)


def _must_be(path: str, expected: str, found: Any) -> Cause:
    if found is None:
        return Cause("Required value", path, _REQUIRED)
    named = _TYPES.get(type(found), type(found).__name__)
    return Cause(
        f"Invalid value: expected {expected}, found {named}", path, "FieldValueTypeInvalid"
    )


_RULES: dict[Kind, Callable[[Document], Iterator[Cause]]] = {
    POD: _pod,
    DEPLOYMENT: _workload,
    REPLICA_SET: _workload,
    CORE_SERVICE: _service,
    CONFIG_MAP: _config_map,
    SECRET: _secret,
}
