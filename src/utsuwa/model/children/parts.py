"""What the builders of child objects share."""

from collections.abc import Collection, Mapping
from typing import Any

from utsuwa.kit.documents import Document, copy, without
from utsuwa.model.kinds import Kind
from utsuwa.model.meta import namespace_of, owner_reference


def child(
    parent: Mapping[str, Any],
    kind: Kind,
    name: str,
    *,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    **members: Any,
) -> Document:
    """A new object of `kind` beside `parent`, controlled by it (`spec/reconcilers.md` §1.3)."""
    document = kind.document(namespace_of(parent), name, **members)
    metadata = document["metadata"]
    if labels:
        metadata["labels"] = dict(sorted(labels.items()))
    if annotations:
        metadata["annotations"] = dict(sorted(annotations.items()))
    metadata["ownerReferences"] = [owner_reference(parent)]
    return document


def kept(values: Mapping[str, str], drop: Collection[str] = ()) -> dict[str, str]:
    """`values` without the keys in `drop`."""
    return without(values, drop)


def drifted(existing: Document, wanted: Document) -> Document | None:
    """`existing` brought to the labels, annotations and spec of `wanted`; None if it has them."""
    metadata, ours = existing["metadata"], wanted["metadata"]
    if (
        existing.get("spec") == wanted.get("spec")
        and (metadata.get("labels") or {}) == (ours.get("labels") or {})
        and (metadata.get("annotations") or {}) == (ours.get("annotations") or {})
    ):
        return None
    changed = copy({**existing, "spec": wanted.get("spec")})
    for member in ("labels", "annotations"):
        changed["metadata"].pop(member, None)
        if ours.get(member):
            changed["metadata"][member] = dict(ours[member])
    return changed
