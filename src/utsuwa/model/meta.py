"""Metadata of raw documents: accessors and ownership (`spec/reconcilers.md` §1.3)."""

from collections.abc import Mapping
from typing import Any

from utsuwa.kit.documents import Document


def name_of(document: Mapping[str, Any]) -> str:
    """`metadata.name`, or "" when it has none yet."""
    value: str = (document.get("metadata") or {}).get("name") or ""
    return value


def namespace_of(document: Mapping[str, Any]) -> str:
    """`metadata.namespace`, or "" for cluster-scoped objects."""
    value: str = (document.get("metadata") or {}).get("namespace") or ""
    return value


def uid_of(document: Mapping[str, Any]) -> str:
    """`metadata.uid`, or "" for an object that is not stored yet."""
    value: str = (document.get("metadata") or {}).get("uid") or ""
    return value


def generation_of(document: Mapping[str, Any]) -> int:
    """`metadata.generation`, 0 when unset."""
    value: int = (document.get("metadata") or {}).get("generation") or 0
    return value


def observed_generation_of(document: Mapping[str, Any]) -> int:
    """`status.observedGeneration`, 0 when unset."""
    value: int = (document.get("status") or {}).get("observedGeneration") or 0
    return value


def labels_of(document: Mapping[str, Any]) -> dict[str, str]:
    """`metadata.labels`; an empty dict when there are none. Not to be changed."""
    value: dict[str, str] = (document.get("metadata") or {}).get("labels") or {}
    return value


def annotations_of(document: Mapping[str, Any]) -> dict[str, str]:
    """`metadata.annotations`; an empty dict when there are none. Not to be changed."""
    value: dict[str, str] = (document.get("metadata") or {}).get("annotations") or {}
    return value


def owners_of(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """`metadata.ownerReferences`; an empty list when there are none. Not to be changed."""
    value: list[dict[str, Any]] = (document.get("metadata") or {}).get("ownerReferences") or []
    return value


def owner_reference(parent: Mapping[str, Any]) -> Document:
    """The reference by which a child names `parent` as its one controller."""
    return {
        "apiVersion": parent["apiVersion"],
        "kind": parent["kind"],
        "name": name_of(parent),
        "uid": uid_of(parent),
        "controller": True,
        "blockOwnerDeletion": True,
    }


def controller_of(document: Mapping[str, Any]) -> dict[str, Any] | None:
    """The owner reference with `controller: true`, if there is one."""
    return next((ref for ref in owners_of(document) if ref.get("controller")), None)


def is_controlled_by(document: Mapping[str, Any], parent: Mapping[str, Any]) -> bool:
    """Whether `parent`, this very one by its uid, is the controller of `document`."""
    reference = controller_of(document)
    return reference is not None and reference.get("uid") == uid_of(parent)


def is_owned_as(document: Mapping[str, Any], kind: str, name: str) -> bool:
    """Whether any owner reference names an object of `kind` called `name`."""
    return any(ref.get("kind") == kind and ref.get("name") == name for ref in owners_of(document))


def is_deleting(document: Mapping[str, Any]) -> bool:
    """Whether the object is on its way out."""
    return bool((document.get("metadata") or {}).get("deletionTimestamp"))
