"""Validation of whole objects, one function a kind (`spec/resources.md` §5)."""

from collections.abc import Callable
from dataclasses import dataclass

from utsuwa.kit.documents import Document
from utsuwa.model import kinds, labels
from utsuwa.model.kinds import Kind
from utsuwa.model.meta import annotations_of, name_of, namespace_of, owners_of
from utsuwa.model.names import CLUSTER_DOMAIN
from utsuwa.model.normal_form import same
from utsuwa.model.problems import Problem, merged, under
from utsuwa.model.settings import Settings
from utsuwa.model.validation.differences import differences
from utsuwa.model.validation.metadata import (
    metadata_problems,
    owner_problems,
    rollout_problems,
    user_problems,
)
from utsuwa.model.validation.names import (
    c_identifier,
    dns_1123_label,
    domain_name,
    qualified_name,
)
from utsuwa.model.validation.template import (
    concurrency_problems,
    revision_spec_problems,
    template_problems,
)
from utsuwa.model.validation.traffic import traffic_problems
from utsuwa.model.validation.wording import disallowed, invalid, missing, not_among, quoted


@dataclass(frozen=True, slots=True)
class _Check:
    document: Document
    old: Document | None
    settings: Settings
    status_only: bool


def validate(
    document: Document,
    settings: Settings,
    *,
    kind: Kind,
    old: Document | None = None,
    status_only: bool = False,
) -> list[Problem]:
    """What is wrong with `document`, in the order in which it is printed; warnings included.

    Args:
        document: with defaults, in normal form.
        old: what is stored now, with defaults, for an update.
        status_only: the write is to the status; Service and Configuration are then not looked at
            again, so that a limit that was tightened since does not keep them from reporting.
    """
    rule = _RULES.get(kind)
    if rule is None:
        return []
    return merged(rule(_Check(document, old, settings, status_only)))


def _service(check: _Check) -> list[Problem]:
    document, problems = check.document, list[Problem]()
    if not check.status_only:
        annotations = annotations_of(document)
        rollout = rollout_problems(annotations)
        metadata = metadata_problems(document, check.settings, scaled=False)
        problems += under("metadata", [*metadata, *under("annotations", rollout)])
        problems += _template(check)
        targets = document["spec"].get("traffic") or []
        problems += under("spec.traffic", traffic_problems(targets, of_service=True))
    if check.old is not None:
        problems += under("metadata.annotations", user_problems(check.old, document))
        problems += _name_change(check.old, document)
    return problems


def _configuration(check: _Check) -> list[Problem]:
    document, problems = check.document, list[Problem]()
    if not check.status_only:
        metadata = metadata_problems(document, check.settings, scaled=False)
        owner = owner_problems(document, labels.SERVICE, kinds.SERVICE.name)
        problems += [*under("metadata", [*metadata, *owner]), *_template(check)]
    if check.old is not None:
        if not owners_of(document):
            problems += under("metadata.annotations", user_problems(check.old, document))
        problems += _name_change(check.old, document)
    return problems


def _route(check: _Check) -> list[Problem]:
    document = check.document
    metadata = [
        *metadata_problems(document, check.settings, scaled=False),
        *owner_problems(document, labels.SERVICE, kinds.SERVICE.name),
        *under("annotations", rollout_problems(annotations_of(document))),
    ]
    targets = document["spec"].get("traffic") or []
    problems = [
        *under("metadata", metadata),
        *under("spec.traffic", traffic_problems(targets, of_service=False)),
    ]
    if check.old is not None and not owners_of(document):
        problems += under("metadata.annotations", user_problems(check.old, document))
    return problems


def _revision(check: _Check) -> list[Problem]:
    document = check.document
    if check.old is not None:
        before, after = check.old.get("spec"), document.get("spec")
        if not same(before, after):
            changed = differences(before, after, "spec")
            return [Problem("Immutable fields changed (-old +new)", ("spec",), changed)]
    metadata = [
        *metadata_problems(document, check.settings, scaled=True),
        *owner_problems(document, labels.CONFIGURATION, kinds.CONFIGURATION.name),
    ]
    problems = under("metadata", metadata)
    if check.old is None:
        problems += under("spec", revision_spec_problems(document["spec"], check.settings))
    return problems


def _domain_mapping(check: _Check) -> list[Problem]:
    document, name = check.document, name_of(check.document)
    problems: list[Problem] = []
    if document["metadata"].get("generateName"):
        problems.append(disallowed("generateName"))
    wrong = domain_name("name", name)
    if wrong:
        problems.append(Problem(f"invalid name {quoted(name)}: {wrong}", ("name",)))
    if name.endswith(f".{CLUSTER_DOMAIN}"):
        text = "must not be a subdomain of cluster local domain"
        problems.append(
            Problem(f"invalid name {quoted(name)}: {text} {quoted(CLUSTER_DOMAIN)}", ("name",))
        )
    if check.old is not None:
        problems += under("annotations", user_problems(check.old, document))
    return [*under("metadata", problems), *under("spec.ref", _reference_problems(document))]


def _reference_problems(document: Document) -> list[Problem]:
    reference = document["spec"].get("ref") or {}
    problems = [
        missing(field) for field in ("name", "apiVersion", "kind") if not reference.get(field)
    ]
    if reference.get("group"):
        problems.append(disallowed("group"))
    own, other = namespace_of(document), reference.get("namespace") or ""
    if own != other:
        details = f"parent namespace: {quoted(own)} does not match ref: {quoted(other)}"
        problems.append(Problem("mismatched namespaces", ("namespace",), details))
    return problems


def _pod_autoscaler(check: _Check) -> list[Problem]:
    problems = under("metadata", metadata_problems(check.document, check.settings, scaled=True))
    spec = check.document["spec"]
    if same(spec, {}):
        return [*problems, missing("spec")]
    found = under("scaleTargetRef", _target_problems(spec.get("scaleTargetRef") or {}))
    found += concurrency_problems(spec.get("containerConcurrency") or 0, check.settings)
    protocol = spec.get("protocolType") or ""
    if not protocol:
        found.append(missing("protocolType"))
    elif protocol not in {"http1", "h2c"}:
        found.append(invalid(protocol, "protocolType"))
    return [*problems, *under("spec", found)]


def _target_problems(reference: Document) -> list[Problem]:
    problems = not_among(reference, ("apiVersion", "kind", "name"))
    for field, check in (
        ("apiVersion", qualified_name),
        ("kind", c_identifier),
        ("name", dns_1123_label),
    ):
        value = reference.get(field) or ""
        wrong = check(value) if value else []
        if not value:
            problems.append(missing(field))
        elif wrong:
            problems.append(invalid(", ".join(wrong), field))
    return problems


def _template(check: _Check) -> list[Problem]:
    template, parent = check.document["spec"]["template"], check.document["metadata"]
    return under("spec.template", template_problems(template, parent, check.settings))


def _name_change(old: Document, new: Document) -> list[Problem]:
    """A template that keeps its revision name must not change at all."""
    before, after = old["spec"]["template"], new["spec"]["template"]
    name = after["metadata"].get("name")
    if not name or name != before["metadata"].get("name") or same(before, after):
        return []
    message = "Saw the following changes without a name change (-old +new)"
    changed = differences(before, after, "spec.template")
    return [Problem(message, ("spec.template.metadata.name",), changed)]


_RULES: dict[Kind, Callable[[_Check], list[Problem]]] = {
    kinds.SERVICE: _service,
    kinds.CONFIGURATION: _configuration,
    kinds.ROUTE: _route,
    kinds.REVISION: _revision,
    kinds.DOMAIN_MAPPING: _domain_mapping,
    kinds.POD_AUTOSCALER: _pod_autoscaler,
}
