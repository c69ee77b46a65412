"""What each kind may contain: its tree of members, for checking fields and for OpenAPI.

The Knative kinds have theirs in `model.schema`, those of Kubernetes in :mod:`core_types`.
"""

from functools import cache

from utsuwa.apiserver.core_types import node_of, type_name
from utsuwa.cluster.errors import Cause
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import Kind
from utsuwa.model.schema import (
    METADATA,
    SCHEMAS,
    Node,
    Type,
    faults,
    open_api,
    unknown_fields,
)
from utsuwa.model.schema.node import obj

_STRING = Node(Type.STRING)
_NO_SCHEMA = obj({"apiVersion": _STRING, "kind": _STRING, "metadata": METADATA}, preserve=True)


@cache
def tree_of(kind: Kind) -> Node:
    """The members of a kind."""
    name = type_name(kind.api_version, kind.name)
    if kind in SCHEMAS or not name:
        return SCHEMAS.get(kind, _NO_SCHEMA)
    members = node_of(name).members
    return obj({"apiVersion": _STRING, "kind": _STRING, **members})


def unknown(kind: Kind, document: Document) -> list[str]:
    """The paths in `document` that its kind does not know, in the order of the document."""
    return unknown_fields(document, tree_of(kind))


def malformed(kind: Kind, document: Document) -> tuple[Cause, ...]:
    """Members of the wrong type. Of the Knative kinds admission looks after it."""
    if kind in SCHEMAS:
        return ()
    found = faults(document, tree_of(kind))
    return tuple(Cause(fault.message, fault.field, fault.reason) for fault in found)


def open_api_of(kind: Kind) -> Document:
    """The OpenAPI schema of a kind."""
    return {
        **open_api(tree_of(kind)),
        "description": f"{kind.name} ({kind.api_version}).",
        "x-kubernetes-group-version-kind": [
            {"group": kind.group, "version": kind.version, "kind": kind.name}
        ],
    }
