"""What a write does to an object: the rules of Kubernetes, pure.

Each function takes the object as it is and what is asked, and answers the object as it shall be,
or the very same object when nothing changes. Nothing that goes in is changed. The
resourceVersion is not set here: it is the store's.
"""

from dataclasses import dataclass
from typing import Any

from utsuwa.cluster import refusals
from utsuwa.cluster.metadata import check_form
from utsuwa.cluster.names import check_name
from utsuwa.cluster.port import Key
from utsuwa.cluster.strategies import (
    WITHOUT_GENERATION,
    prepare_for_create,
    prepare_for_update,
)
from utsuwa.kit.clock import rfc3339
from utsuwa.kit.documents import Document, copy, dig, merge_patch, without
from utsuwa.kit.ids import Ids
from utsuwa.model.kinds import NAMESPACE, Kind

_GENERATED_BASE = 58
_IMMUTABLE = (
    "name", "namespace", "uid", "creationTimestamp", "deletionTimestamp",
    "deletionGracePeriodSeconds", "generation", "resourceVersion",
)  # fmt: skip
_BORN_WITHOUT = ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a write leads to. `gone`: the object is removed; `document` is its last state."""

    document: Document
    gone: bool = False


def created(kind: Kind, document: Document, *, now: float, ids: Ids, uid: str = "") -> Document:
    """A new object from what a client sent: named, stamped, without status where the kind has a
    status sub-resource. `uid`: one that was chosen before.

    Raises:
        InvalidError: its name is missing or malformed, or its metadata is.
        BadRequestError: it has no namespace, or a resourceVersion.
    """
    check_form(kind, document)
    new = copy(document)
    given: Document = new["metadata"]
    if given.get("resourceVersion"):
        raise refusals.bad_request("resourceVersion should not be set on objects to be created")
    metadata = _tidy(without(given, _BORN_WITHOUT))
    metadata["name"] = _name(kind, given, ids)
    if not kind.namespaced:
        metadata.pop("namespace", None)
    elif not given.get("namespace"):
        raise refusals.bad_request("an empty namespace may not be set during creation")
    metadata["uid"] = uid or ids.uid()
    metadata["creationTimestamp"] = rfc3339(now)
    metadata.pop("generation", None)
    if kind not in WITHOUT_GENERATION:
        metadata["generation"] = 1
    new["metadata"] = metadata
    if "status" in kind.subresources:
        new.pop("status", None)
    prepare_for_create(kind, new)
    return new


def updated(kind: Kind, current: Document, document: Document) -> Outcome:
    """`current` replaced by `document`, all but its status and what nobody may change.

    Raises:
        ConflictError: `document` was read from another version, or is of another object.
        InvalidError: it adds a finalizer to an object that is being deleted, or its metadata
            is malformed.
    """
    check_form(kind, document)
    check_version(kind, current, document)
    new = copy(document)
    new["apiVersion"], new["kind"] = current["apiVersion"], current["kind"]
    new["metadata"] = _kept_metadata(current["metadata"], new["metadata"])
    _check_finalizers(kind, current, new)
    if "status" in kind.subresources:
        _replace(new, "status", current.get("status"))
    if kind == NAMESPACE:
        _replace(new, "spec", current.get("spec"))
    prepare_for_update(kind, new)
    if new == current:
        return Outcome(current)
    if "generation" in new["metadata"] and _substance(new) != _substance(current):
        new["metadata"]["generation"] = current["metadata"]["generation"] + 1
    return Outcome(new, gone=_is_over(kind, current, new))


def status_updated(kind: Kind, current: Document, document: Document) -> Outcome:
    """`current` with the status of `document`.

    Raises:
        ConflictError: as :func:`updated`.
        NotFoundError: the kind has no status sub-resource.
    """
    require_subresource(kind, current["metadata"]["name"], "status")
    check_version(kind, current, document)
    status = document.get("status")
    if status == current.get("status"):
        return Outcome(current)
    new = {**current, "metadata": dict(current["metadata"])}
    _replace(new, "status", copy(status) if status is not None else None)
    return Outcome(new)


def scaled(kind: Kind, current: Document, patched: Document) -> Outcome:
    """`current` with the `spec.replicas` of `patched`, which is a scale or the object itself.

    Raises:
        InvalidError: the number is not a whole number of at least 0.
        NotFoundError: the kind has no scale sub-resource.
    """
    name = current["metadata"]["name"]
    require_subresource(kind, name, "scale")
    check_version(kind, current, patched)
    replicas = dig(patched, "spec", "replicas", default=0)
    if type(replicas) is not int or replicas < 0:
        problem = f"Invalid value: {replicas!r}: must be greater than or equal to 0"
        raise refusals.invalid(kind, name, "spec.replicas", problem, "FieldValueInvalid")
    return updated(kind, current, {**current, "spec": {**current["spec"], "replicas": replicas}})


def finalized(kind: Kind, current: Document, document: Document) -> Outcome:
    """A Namespace with the `spec.finalizers` of `document`: how its content is declared gone."""
    if kind != NAMESPACE:
        raise refusals.not_found(kind, f"{current['metadata']['name']}/finalize")
    check_version(kind, current, document)
    finalizers = dig(document, "spec", "finalizers", default=[])
    if finalizers == dig(current, "spec", "finalizers", default=[]):
        return Outcome(current)
    spec = {**current.get("spec", {}), "finalizers": finalizers}
    if not finalizers:
        del spec["finalizers"]
    new = {**current, "metadata": dict(current["metadata"]), "spec": spec}
    return Outcome(new, gone=_is_over(kind, current, new))


def written(kind: Kind, current: Document, document: Document, subresource: str) -> Outcome:
    """`current` after a write of `document` through `subresource` ("" is the object itself).

    Raises:
        NotFoundError: the kind has no such sub-resource. Else as the functions above.
    """
    if subresource == "":
        return updated(kind, current, document)
    if subresource == "status":
        return status_updated(kind, current, document)
    if subresource == "scale":
        return scaled(kind, current, document)
    if subresource == "finalize":
        return finalized(kind, current, document)
    raise refusals.not_found(kind, f"{current['metadata']['name']}/{subresource}")


def merged(current: Document, patch: Document) -> Document:
    """`current` with the merge patch laid over, to be :func:`written`."""
    result: Document = merge_patch(current, patch)
    return result


def check_version(kind: Kind, current: Document, document: Document) -> None:
    """Optimistic concurrency: what `document` says of uid and resourceVersion must be so.

    Raises:
        ConflictError: it is not.
    """
    metadata = document.get("metadata") or {}
    stored = current["metadata"]
    uid = metadata.get("uid")
    if uid and uid != stored["uid"]:
        why = (
            f"Precondition failed: UID in precondition: {uid}, UID in object meta: {stored['uid']}"
        )
        raise refusals.conflict(kind, stored["name"], why)
    version = metadata.get("resourceVersion")
    if version and str(version) != stored.get("resourceVersion"):
        raise refusals.conflict(kind, stored["name"])


def require_subresource(kind: Kind, name: str, subresource: str) -> None:
    """Raises NotFoundError when the kind has no such sub-resource."""
    if subresource not in kind.subresources:
        raise refusals.not_found(kind, f"{name}/{subresource}")


def key_for(kind: Kind, document: Document) -> Key:
    """Where `document` lives or shall live; InvalidError when it has no name."""
    metadata = document.get("metadata")
    if not isinstance(metadata, dict):
        metadata = {}
    name = metadata.get("name")
    if not name:
        problem = "Required value: name is required"
        raise refusals.invalid(kind, "", "metadata.name", problem, "FieldValueRequired")
    return Key(metadata.get("namespace") or "" if kind.namespaced else "", name)


def _name(kind: Kind, metadata: Document, ids: Ids) -> str:
    name = metadata.get("name")
    if not name:
        base = metadata.get("generateName")
        if not base:
            problem = "Required value: name or generateName is required"
            raise refusals.invalid(kind, "", "metadata.name", problem, "FieldValueRequired")
        name = base[:_GENERATED_BASE] + ids.suffix()
    check_name(kind, name)
    return str(name)


def _tidy(metadata: Document) -> Document:
    """Without empty members: they are the same as absent ones."""
    return {key: value for key, value in metadata.items() if value not in (None, "", {}, [])}


def _kept_metadata(stored: Document, given: Document) -> Document:
    metadata = _tidy(without(given, (*_IMMUTABLE, "selfLink")))
    for member in _IMMUTABLE:
        if member in stored:
            metadata[member] = stored[member]
    if "generateName" in stored:
        metadata["generateName"] = stored["generateName"]
    return metadata


def _check_finalizers(kind: Kind, current: Document, new: Document) -> None:
    if "deletionTimestamp" not in current["metadata"]:
        return
    known = current["metadata"].get("finalizers", [])
    added = [name for name in new["metadata"].get("finalizers", []) if name not in known]
    if added:
        shown = ", ".join(f'"{name}"' for name in added)
        problem = (
            "Forbidden: no new finalizers can be added if the object is being deleted, "
            f"found new finalizers []string{{{shown}}}"
        )
        name = current["metadata"]["name"]
        raise refusals.invalid(kind, name, "metadata.finalizers", problem, "FieldValueForbidden")


def _is_over(kind: Kind, current: Document, new: Document) -> bool:
    """Whether an object that is being deleted has lost the last thing that kept it."""
    metadata = new["metadata"]
    if "deletionTimestamp" not in metadata or metadata.get("finalizers"):
        return False
    if kind == NAMESPACE:
        return not dig(new, "spec", "finalizers")
    had = bool(current["metadata"].get("finalizers"))
    return had and not metadata.get("deletionGracePeriodSeconds")


def _substance(document: Document) -> Document:
    """What generation counts: everything but metadata and status."""
    return without(document, ("metadata", "status"))


def _replace(document: Document, member: str, value: Any) -> None:
    if value is None:
        document.pop(member, None)
    else:
        document[member] = value
