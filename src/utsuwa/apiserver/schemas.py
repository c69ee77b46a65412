"""The OpenAPI schema of each kind."""

from typing import Any

from utsuwa.kit.documents import Document
from utsuwa.model.kinds import Kind

_TEXT = {"type": "string"}
_TEXTS = {"type": "object", "additionalProperties": _TEXT}
_OPEN: dict[str, Any] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def schema_of(kind: Kind) -> Document:
    """The component schema of a kind."""
    return {
        "type": "object",
        "description": f"{kind.name} ({kind.api_version}).",
        "properties": {
            "apiVersion": {**_TEXT, "description": "The version of this form of the object."},
            "kind": {**_TEXT, "description": "The kind of the object."},
            "metadata": metadata(),
            "spec": {**_OPEN, "description": "What is wanted."},
            "status": {**_OPEN, "description": "What is."},
        },
        "x-kubernetes-preserve-unknown-fields": True,
        "x-kubernetes-group-version-kind": [
            {"group": kind.group, "version": kind.version, "kind": kind.name}
        ],
    }


def metadata() -> Document:
    """The schema of `metadata`."""
    return {
        "type": "object",
        "description": "Name, namespace, labels, annotations and ownership of the object.",
        "properties": {
            "name": {**_TEXT, "description": "Unique among the kind's objects of a namespace."},
            "generateName": {
                **_TEXT,
                "description": "A prefix, to which the server adds the rest.",
            },
            "namespace": {**_TEXT, "description": "The namespace that the object lives in."},
            "labels": {**_TEXTS, "description": "What selectors find the object by."},
            "annotations": {**_TEXTS, "description": "Anything else that tools keep with it."},
        },
        "x-kubernetes-preserve-unknown-fields": True,
    }
