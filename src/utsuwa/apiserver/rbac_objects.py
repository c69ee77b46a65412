"""What Roles and bindings must be, and what Kubernetes fills into them. Pure."""

from collections.abc import Iterator
from typing import Any

from utsuwa.apiserver.status import invalid
from utsuwa.cluster.errors import Cause
from utsuwa.kit.documents import Document, copy
from utsuwa.model.kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ROLE, ROLE_BINDING, Kind
from utsuwa.model.rights import GROUP

_REQUIRED, _INVALID = "FieldValueRequired", "FieldValueInvalid"
_UNSUPPORTED = "FieldValueNotSupported"
_BINDINGS = (ROLE_BINDING, CLUSTER_ROLE_BINDING)
_SUBJECTS = ("ServiceAccount", "User", "Group")


def completed(kind: Kind, new: Document) -> Document:
    """`new` (not changed) with the API groups that its references leave out."""
    if kind not in _BINDINGS:
        return new
    result = copy(new)
    reference = result.get("roleRef")
    if isinstance(reference, dict):
        reference["apiGroup"] = reference.get("apiGroup") or GROUP
    subjects = result.get("subjects")
    for subject in subjects if isinstance(subjects, list) else ():
        if isinstance(subject, dict) and subject.get("kind") in {"User", "Group"}:
            subject["apiGroup"] = subject.get("apiGroup") or GROUP
    return result


def check(kind: Kind, new: Document, old: Document | None) -> None:
    """Refuse what is no role or binding.

    Raises:
        InvalidError: with one cause for each field at fault.
    """
    if kind in (ROLE, CLUSTER_ROLE):
        causes = tuple(_rules(kind, new))
    elif kind in _BINDINGS:
        causes = (*_reference(kind, new, old), *_subjects(kind, new))
    else:
        return
    if causes:
        raise invalid(kind, str(new["metadata"].get("name", "")), causes)


def _rules(kind: Kind, role: Document) -> Iterator[Cause]:
    for index, rule in enumerate(role.get("rules") or ()):
        place = f"rules[{index}]"
        if not rule.get("verbs"):
            yield Cause("Required value: verbs must contain at least one value",
                        f"{place}.verbs", _REQUIRED)  # fmt: skip
        paths, resources = rule.get("nonResourceURLs"), rule.get("resources")
        if paths:
            if kind is ROLE:
                yield Cause(
                    f"Invalid value: {paths!r}: namespaced rules cannot apply to non-resource URLs",
                    f"{place}.nonResourceURLs", _INVALID,
                )  # fmt: skip
            if resources or rule.get("apiGroups") or rule.get("resourceNames"):
                yield Cause(
                    f"Invalid value: {paths!r}: rules cannot apply to both regular resources and "
                    "non-resource URLs",
                    f"{place}.nonResourceURLs", _INVALID,
                )  # fmt: skip
            continue
        if not rule.get("apiGroups"):
            yield Cause("Required value: resource rules must supply at least one api group",
                        f"{place}.apiGroups", _REQUIRED)  # fmt: skip
        if not resources:
            yield Cause("Required value: resource rules must supply at least one resource",
                        f"{place}.resources", _REQUIRED)  # fmt: skip


def _reference(kind: Kind, new: Document, old: Document | None) -> Iterator[Cause]:
    reference = new.get("roleRef") or {}
    known = ("Role", "ClusterRole") if kind is ROLE_BINDING else ("ClusterRole",)
    if reference.get("apiGroup") != GROUP:
        yield _unsupported("roleRef.apiGroup", reference.get("apiGroup"), (GROUP,))
    if reference.get("kind") not in known:
        yield _unsupported("roleRef.kind", reference.get("kind"), known)
    if not reference.get("name"):
        yield Cause("Required value", "roleRef.name", _REQUIRED)
    if old is not None and old.get("roleRef") != reference:
        yield Cause("Invalid value: cannot change roleRef; delete the binding and make another",
                    "roleRef", _INVALID)  # fmt: skip


def _subjects(kind: Kind, new: Document) -> Iterator[Cause]:
    for index, subject in enumerate(new.get("subjects") or ()):
        place = f"subjects[{index}]"
        if not subject.get("name"):
            yield Cause("Required value", f"{place}.name", _REQUIRED)
        if subject.get("kind") not in _SUBJECTS:
            yield _unsupported(f"{place}.kind", subject.get("kind"), _SUBJECTS)
        elif subject["kind"] == "ServiceAccount":
            if not subject.get("namespace"):
                yield Cause("Required value", f"{place}.namespace", _REQUIRED)
            if subject.get("apiGroup"):
                yield _unsupported(f"{place}.apiGroup", subject["apiGroup"], ("",))
        elif subject.get("apiGroup") != GROUP:
            yield _unsupported(f"{place}.apiGroup", subject.get("apiGroup"), (GROUP,))


def _unsupported(field: str, found: Any, known: tuple[str, ...]) -> Cause:
    listed = ", ".join(f'"{value}"' for value in known)
    shown = f'"{found}"' if found else '""'
    return Cause(f"Unsupported value: {shown}: supported values: {listed}", field, _UNSUPPORTED)
