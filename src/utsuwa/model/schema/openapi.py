"""A schema as OpenAPI v3, for the API server's documents."""

from typing import Any

from utsuwa.model.schema.node import Node, Type

_SCALARS = {
    Type.STRING: "string",
    Type.INTEGER: "integer",
    Type.NUMBER: "number",
    Type.BOOLEAN: "boolean",
}


def open_api(node: Node) -> dict[str, Any]:
    """The structural OpenAPI schema of `node`."""
    schema: dict[str, Any] = {}
    if node.type in {Type.QUANTITY, Type.PORT}:
        schema["x-kubernetes-int-or-string"] = True
    elif node.type is Type.ARRAY:
        schema |= {"type": "array", "items": open_api(node.items or Node(Type.ANY))}
        if node.merge_key:
            schema["x-kubernetes-list-type"] = "map"
            schema["x-kubernetes-list-map-keys"] = [node.merge_key]
        elif node.atomic:
            schema["x-kubernetes-list-type"] = "atomic"
    elif node.type is Type.MAP:
        schema |= {
            "type": "object",
            "additionalProperties": open_api(node.values or Node(Type.ANY)),
        }
    elif node.type is Type.OBJECT:
        schema["type"] = "object"
        if node.members:
            schema["properties"] = {
                name: open_api(member) for name, member in sorted(node.members.items())
            }
    else:
        schema |= {"type": _SCALARS[node.type]} if node.type in _SCALARS else {}
    return schema | _extras(node)


def _extras(node: Node) -> dict[str, Any]:
    extras: dict[str, Any] = {}
    if node.format:
        extras["format"] = node.format
    if node.required:
        extras["required"] = sorted(node.required)
    if node.preserve or node.type is Type.ANY:
        extras["x-kubernetes-preserve-unknown-fields"] = True
    if node.default is not None:
        extras["default"] = node.default
    return extras
