"""The schemas of Kubernetes' own types as OpenAPI components, each type once, named as there.

`kubectl explain` prints the names; `kubectl apply` reads from them how lists are merged. Pure.
"""

from functools import cache
from typing import Any

from utsuwa.apiserver.core_types import Member, is_leaf, json_members, node_of
from utsuwa.kit.documents import Document
from utsuwa.model.schema import open_api

_MACHINERY = "io.k8s.apimachinery.pkg.apis.meta.v1."
OBJECT_META = "meta.v1.ObjectMeta"
DELETE_OPTIONS = "meta.v1.DeleteOptions"
STATUS = f"{_MACHINERY}Status"
LIST_META = f"{_MACHINERY}ListMeta"
_TEXT: Document = {"type": "string"}
_WHOLE: Document = {"type": "integer", "format": "int32"}
_CAUSE: Document = {
    "type": "object",
    "properties": {"reason": _TEXT, "message": _TEXT, "field": _TEXT},
}
SHARED: Document = {
    STATUS: {
        "description": "How a request ended that has no object for an answer.",
        "type": "object",
        "properties": {
            "apiVersion": _TEXT,
            "kind": _TEXT,
            "metadata": {"$ref": f"#/components/schemas/{LIST_META}"},
            "status": _TEXT,
            "message": _TEXT,
            "reason": _TEXT,
            "code": _WHOLE,
            "details": {
                "type": "object",
                "properties": {
                    "name": _TEXT, "group": _TEXT, "kind": _TEXT, "uid": _TEXT,
                    "causes": {"type": "array", "items": _CAUSE},
                    "retryAfterSeconds": _WHOLE,
                },
            },
        },
        "x-kubernetes-group-version-kind": [{"group": "", "version": "v1", "kind": "Status"}],
    },
    LIST_META: {
        "description": "What is known of a list as a whole.",
        "type": "object",
        "properties": {
            "resourceVersion": _TEXT,
            "continue": _TEXT,
            "remainingItemCount": {"type": "integer", "format": "int64"},
            "selfLink": _TEXT,
        },
    },
}  # fmt: skip


def component(name: str) -> str:
    """The name of a type's component: `io.k8s.api.core.v1.PodSpec`."""
    package, version, kind = name.split(".")
    return f"{_MACHINERY}{kind}" if package == "meta" else f"io.k8s.api.{package}.{version}.{kind}"


def reference(name: str) -> Document:
    """A reference to a type's component."""
    return {"$ref": f"#/components/schemas/{component(name)}"}


def components(name: str) -> Document:
    """The component of a type, and of every type that it is made of."""
    found: Document = {}
    _collect(name, found)
    return found


def _collect(name: str, found: Document) -> None:
    if component(name) in found:
        return
    found[component(name)] = _schema(name)
    for member in json_members(name).values():
        if not _is_plain(member.type):
            _collect(member.type, found)


@cache
def _schema(name: str) -> Document:
    properties = {key: _property(member) for key, member in sorted(json_members(name).items())}
    return {"type": "object", "properties": properties}


def _property(member: Member) -> Document:
    inner = open_api(node_of(member.type)) if _is_plain(member.type) else reference(member.type)
    schema: dict[str, Any] = inner
    if member.holder == "[]":
        schema = {"type": "array", "items": inner, **_list_type(member)}
    elif member.holder:
        schema = {"type": "object", "additionalProperties": inner}
    if member.retains:
        known = schema.get("x-kubernetes-patch-strategy")
        told = f"{known},retainKeys" if known else "retainKeys"
        # A reference may have nothing beside it, so it goes one level down.
        schema = {"allOf": [schema]} if "$ref" in schema else schema
        schema = {**schema, "x-kubernetes-patch-strategy": told}
    return schema


def _list_type(member: Member) -> Document:
    if member.set:
        return {"x-kubernetes-list-type": "set", "x-kubernetes-patch-strategy": "merge"}
    if member.keys:
        return {
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": list(member.keys),
            "x-kubernetes-patch-strategy": "merge",
            "x-kubernetes-patch-merge-key": member.keys[0],
        }
    return {"x-kubernetes-list-type": "atomic"}


def _is_plain(name: str) -> bool:
    return is_leaf(name) or name.endswith(".ExtraValue")
