"""Walks over a document along its schema: prune, find faults, fill in, put into normal form.

None of these changes its argument.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from utsuwa.model.quantities import canonical
from utsuwa.model.schema.node import Node, Type

_NAMES = {
    dict: "object",
    list: "array",
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    type(None): "null",
}
_ACCEPTS: dict[Type, tuple[type, ...]] = {
    Type.OBJECT: (dict,),
    Type.MAP: (dict,),
    Type.ARRAY: (list,),
    Type.STRING: (str,),
    Type.INTEGER: (int,),
    Type.NUMBER: (int, float),
    Type.BOOLEAN: (bool,),
    Type.QUANTITY: (str, int, float),
    Type.PORT: (str, int),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """A breach of the schema, in the words of a Kubernetes API server; one `details.causes`."""

    field: str
    message: str
    reason: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


def children(
    value: Any, node: Node, path: str
) -> Iterator[tuple[str | int, Any, Node | None, str]]:
    """Every member of `value`: its key or index, value, node (None for one that the schema does
    not know) and path."""
    if isinstance(value, dict):
        for key, member in value.items():
            child = node.values if node.type is Type.MAP else node.member(key)
            yield key, member, child, f"{path}.{key}" if path else key
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield index, item, node.items, f"{path}[{index}]"


def unknown_fields(value: Any, node: Node, path: str = "") -> list[str]:
    """The paths of members that the schema does not know, in the order of the document."""
    found: list[str] = []
    if node.type is Type.ANY or not isinstance(value, (dict, list)):
        return found
    for _, member, child, child_path in children(value, node, path):
        if child is None:
            if not node.preserve:
                found.append(child_path)
        elif isinstance(member, (dict, list)):
            found += unknown_fields(member, child, child_path)
    return found


def prune(value: Any, node: Node) -> Any:
    """`value` without the members that the schema does not know; a null in a list is an empty
    item, as Go reads it.

    On the path of every write, of every list of pods and so on: written out for speed.
    """
    kind = node.type
    if kind is Type.ANY:
        return value
    if isinstance(value, list):
        items = node.items
        if items is not None:
            return [_blank(items) if item is None else prune(item, items) for item in value]
        return list(value) if node.preserve else []
    if not isinstance(value, dict):
        return value
    kept: dict[str, Any] = {}
    for key, member in value.items():
        child = node.values if kind is Type.MAP else node.member(key)
        if child is not None:
            kept[key] = prune(member, child) if isinstance(member, (dict, list)) else member
        elif node.preserve:
            kept[key] = member
    return kept


def _blank(node: Node) -> Any:
    return {} if node.type in {Type.OBJECT, Type.MAP} else "" if node.type is Type.STRING else None


def fill(value: Any, node: Node) -> Any:
    """`value` with the schema's own defaults where members are missing."""
    if node.type is Type.ANY:
        return value
    filled = _like(
        value,
        (
            (key, member if child is None else fill(member, child))
            for key, member, child, _ in children(value, node, "")
        ),
    )
    if isinstance(filled, dict):
        for name, member in node.members.items():
            if member.default is not None and filled.get(name) is None:
                filled[name] = member.default
    return filled


def faults(value: Any, node: Node, path: str = "") -> list[Fault]:
    """Members of the wrong type and required members that are missing. Nulls count as missing."""
    if value is None or node.type is Type.ANY:
        return []
    if not _fits(value, node.type):
        return [_type_fault(value, node, path)]
    found: list[Fault] = []
    if node.type is Type.QUANTITY and canonical(value) is None:
        found.append(Fault(path, f'Invalid value: "{value}": expected a quantity', _INVALID))
    if isinstance(value, dict):
        found += [
            Fault(f"{path}.{name}" if path else name, "Required value", "FieldValueRequired")
            for name in node.required
            if value.get(name) is None
        ]
    if isinstance(value, (dict, list)):
        for _, member, child, child_path in children(value, node, path):
            if child is not None and not _is_text(member, child):
                found += faults(member, child, child_path)
    return found


def _is_text(value: Any, node: Node) -> bool:
    """Most members are texts, of which there is no more to say."""
    return node.type is Type.STRING and isinstance(value, str)


def normalise(value: Any, node: Node) -> Any:
    """`value` as the original's typed structures write it: zero values that say nothing dropped,
    members that are always there added, quantities as canonical texts.

    The value must be without :func:`faults`.
    """
    if node.type is Type.QUANTITY:
        return canonical(value) or value
    if node.type is Type.INTEGER and isinstance(value, float):
        return int(value)
    if isinstance(value, list):
        return [item if node.items is None else normalise(item, node.items) for item in value]
    if not isinstance(value, dict) or node.type is Type.ANY:
        return value
    result: dict[str, Any] = {}
    for key, member, child, _ in children(value, node, ""):
        fresh = member if child is None else normalise(member, child)
        if member is not None and not (child is not None and _says_nothing(fresh, child, node)):
            result[str(key)] = fresh
    for name, child in node.members.items():
        if child.always and name not in result:
            result[name] = normalise(_ZERO.get(child.type, {}), child)
    return result


_INVALID = "FieldValueInvalid"
_ZERO: dict[Type, Any] = {Type.PORT: 0, Type.STRING: ""}


def _says_nothing(value: Any, node: Node, parent: Node) -> bool:
    if node.keep_zero or node.always:
        return False
    if node.type is Type.OBJECT or node.type is Type.ANY:
        return False
    # Map entries are kept whatever they hold: a label with an empty value is a label.
    return parent.type is not Type.MAP and not value


def _fits(value: Any, type_: Type) -> bool:
    if isinstance(value, bool):
        return type_ is Type.BOOLEAN
    if type_ is Type.INTEGER and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _ACCEPTS[type_])


def _type_fault(value: Any, node: Node, path: str) -> Fault:
    expected = {Type.MAP: "object", Type.QUANTITY: "string", Type.PORT: "integer"}.get(
        node.type, node.type.value
    )
    found = _NAMES.get(type(value), "unknown")
    message = f'Invalid value: "{found}": {path} in body must be of type {expected}: "{found}"'
    return Fault(path, message, "FieldValueTypeInvalid")


def _like(value: Any, members: Iterator[tuple[str | int, Any]]) -> Any:
    """A container of the same sort as `value` with `members`; a scalar as it is."""
    if isinstance(value, dict):
        return dict(members)
    if isinstance(value, list):
        return [member for _, member in members]
    return value
