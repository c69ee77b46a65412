"""What each kind may contain: its tree of members, for checking fields and for OpenAPI.

The Knative kinds have theirs in `model.schema`, those of Kubernetes in :mod:`core_types`.
"""

from functools import cache
from typing import Any

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
    prune,
    unknown_fields,
)
from utsuwa.model.schema.node import obj
from utsuwa.model.schema.words import with_words

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


def typed(kind: Kind, document: Document) -> Document:
    """`document` as one of Kubernetes' own types would hold it: without members that the kind does
    not know, and without nulls. Of the Knative kinds admission looks after it."""
    if kind in SCHEMAS:
        return document
    kept: Document = _without_nulls(prune(document, tree_of(kind)))
    return kept


def open_api_of(kind: Kind) -> Document:
    """The OpenAPI schema of a kind, whole."""
    schema = open_api(tree_of(kind))
    return {**described(kind), **(with_words(kind.name, schema) if kind in SCHEMAS else schema)}


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _without_nulls(item) if isinstance(item, (dict, list)) else item
            for key, item in value.items()
            if item is not None
        }
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def described(kind: Kind) -> Document:
    """What the schema of a kind says beside its members."""
    return {
        "description": f"{kind.name} ({kind.api_version}).",
        "x-kubernetes-group-version-kind": [
            {"group": kind.group, "version": kind.version, "kind": kind.name}
        ],
    }
