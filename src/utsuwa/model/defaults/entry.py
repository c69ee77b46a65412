"""Defaulting of whole objects, one function a kind."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from utsuwa.kit.documents import Document, copy
from utsuwa.model import kinds, labels
from utsuwa.model.defaults.revision_spec import default_revision_spec
from utsuwa.model.kinds import Kind, kind_of
from utsuwa.model.meta import annotations_of, owners_of
from utsuwa.model.normal_form import normal, same
from utsuwa.model.settings import Settings

Operation = Literal["CREATE", "UPDATE"]


@dataclass(frozen=True, slots=True)
class _Write:
    """The circumstances of a write; `operation` None is a look at an object that is stored."""

    operation: Operation | None
    old: Document | None
    user: str
    settings: Settings


def default(
    document: Document,
    settings: Settings,
    *,
    operation: Operation | None = "CREATE",
    old: Document | None = None,
    user: str = "",
) -> Document:
    """A copy of `document` with defaults filled in; other kinds than ours come back as they are.

    Args:
        document: of a type-correct spec (see :func:`utsuwa.model.schema.faults`).
        settings: the operator's defaults.
        operation: None for an object as it is stored: neither creating nor changing it.
        old: what is stored now, for an UPDATE.
        user: who writes; recorded as creator and last modifier where the kind has these.
    """
    before = None if old is None else default(old, settings, operation=None)
    return default_over(document, settings, operation=operation, before=before, user=user)


def default_over(
    document: Document,
    settings: Settings,
    *,
    operation: Operation | None,
    before: Document | None,
    user: str,
) -> Document:
    """As :func:`default`, where what is stored now has its defaults already (`before`)."""
    try:
        rule = _RULES.get(kind_of(document))
    except KeyError:
        rule = None
    if rule is None:
        return document
    fresh = normal(copy(document))
    rule(fresh, _Write(operation, before, user, settings))
    return fresh


def _service(document: Document, write: _Write) -> None:
    spec = document["spec"]
    _template(document, write)
    if not spec.get("traffic"):
        spec["traffic"] = [{"latestRevision": True, "percent": 100}]
    _traffic(spec)
    _user(document, write)


def _configuration(document: Document, write: _Write) -> None:
    _template(document, write)
    if not owners_of(document):
        _user(document, write)


def _route(document: Document, write: _Write) -> None:
    _traffic(document["spec"])
    if not owners_of(document):
        _user(document, write)


def _revision(document: Document, write: _Write) -> None:
    if write.operation != "UPDATE":
        creating = write.operation == "CREATE"
        default_revision_spec(document["spec"], {}, write.settings, creating=creating)


def _domain_mapping(document: Document, write: _Write) -> None:
    reference = document["spec"]["ref"]
    namespace = document["metadata"].get("namespace")
    if namespace and not reference.get("namespace"):
        reference["namespace"] = namespace
    _user(document, write)


def _pod_autoscaler(document: Document, write: _Write) -> None:
    annotations = document["metadata"].setdefault("annotations", {})
    class_ = annotations.setdefault(
        labels.AUTOSCALER_CLASS, write.settings.autoscaler.pod_autoscaler_class
    )
    metric = {labels.KPA: "concurrency", labels.HPA: "cpu"}.get(class_, "")
    annotations.setdefault(labels.AUTOSCALER_METRIC, metric)


_RULES: dict[Kind, Callable[[Document, _Write], None]] = {
    kinds.SERVICE: _service,
    kinds.CONFIGURATION: _configuration,
    kinds.ROUTE: _route,
    kinds.REVISION: _revision,
    kinds.DOMAIN_MAPPING: _domain_mapping,
    kinds.POD_AUTOSCALER: _pod_autoscaler,
}


def _template(document: Document, write: _Write) -> None:
    """Default the template, unless it keeps the revision name it has: a change there, even ours,
    would be refused for want of a new name."""
    template = document["spec"]["template"]
    name = template["metadata"].get("name")
    if name and write.old is not None and name == _template_name(write.old):
        return
    default_revision_spec(
        template["spec"],
        document["metadata"],
        write.settings,
        creating=write.operation == "CREATE",
    )


def _template_name(document: Document) -> str | None:
    name: str | None = document["spec"]["template"]["metadata"].get("name")
    return name


def _traffic(spec: dict[str, Any]) -> None:
    for target in spec.get("traffic") or []:
        if target.get("latestRevision") is None:
            target["latestRevision"] = not target.get("revisionName")
        if target.get("percent") is None:
            target["percent"] = 0


def _user(document: Document, write: _Write) -> None:
    """Record who writes: the creator once, the last modifier whenever the spec changes."""
    if not write.user or write.operation is None:
        return
    marks = {labels.LAST_MODIFIER: write.user}
    if write.operation == "CREATE":
        marks[labels.CREATOR] = write.user
    elif write.old is not None and same(write.old.get("spec"), document.get("spec")):
        return
    document["metadata"]["annotations"] = {**annotations_of(document), **marks}
