"""What a schema is made of: one :class:`Node` per member of a document."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from types import MappingProxyType
from typing import Any

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Type(Enum):
    """What a member holds."""

    OBJECT = "object"
    MAP = "map"
    ARRAY = "array"
    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    QUANTITY = "quantity"
    """A Kubernetes quantity: a number or a text, stored as text."""
    PORT = "int-or-string"
    ANY = "any"

    __hash__ = object.__hash__  # Enum's own is a call of Python; these are looked up all the time


@dataclass(frozen=True, slots=True)
class Node:
    """One member. `members` for OBJECT, `items` for ARRAY, `values` for MAP."""

    type: Type
    members: Mapping[str, "Node"] = field(default_factory=lambda: _NOTHING)
    items: "Node | None" = None
    values: "Node | None" = None
    required: tuple[str, ...] = ()
    preserve: bool = False
    """Members that are not listed survive."""
    keep_zero: bool = False
    """A zero value says something (a Go pointer), so it is kept; elsewhere it is dropped."""
    always: bool = False
    """The member is there even when nobody set it (a plain Go value), with its zero value."""
    default: Any = None
    """Filled in by the schema itself, before any defaulting of ours."""
    merge_key: str = ""
    """The member by which items of an ARRAY are matched when changes are applied."""
    atomic: bool = False
    """An ARRAY that is replaced as a whole when changes are applied."""
    format: str = ""

    def member(self, name: str) -> "Node | None":
        """The node of member `name`, if the schema knows it."""
        return self.members.get(name) if self.type is Type.OBJECT else None

    def at(self, *path: str) -> "Node":
        """The node below `path`, arrays and maps being passed through.

        Raises:
            KeyError: the schema has no such member.
        """
        node = self
        for step in path:
            node = (node.items or node) if node.type is Type.ARRAY else node
            node = node.values if node.type is Type.MAP and node.values else node.members[step]
        return node


def obj(members: Mapping[str, Node], *required: str, preserve: bool = False) -> Node:
    """An object with known members."""
    return Node(Type.OBJECT, members=members, required=required, preserve=preserve)


def array(items: Node, *, merge_key: str = "", atomic: bool = False) -> Node:
    """A list."""
    return Node(Type.ARRAY, items=items, merge_key=merge_key, atomic=atomic)


def mapping(values: Node) -> Node:
    """An object with any keys."""
    return Node(Type.MAP, values=values)


def always(node: Node) -> Node:
    """The same node, there even when nobody set it."""
    return replace(node, always=True)


STRING = Node(Type.STRING)
INT32 = Node(Type.INTEGER, format="int32")
INT64 = Node(Type.INTEGER, format="int64")
BOOL = Node(Type.BOOLEAN)
OPTIONAL_STRING = Node(Type.STRING, keep_zero=True)
OPTIONAL_INT32 = Node(Type.INTEGER, format="int32", keep_zero=True)
OPTIONAL_INT64 = Node(Type.INTEGER, format="int64", keep_zero=True)
OPTIONAL_BOOL = Node(Type.BOOLEAN, keep_zero=True)
QUANTITY = Node(Type.QUANTITY, keep_zero=True)
PORT = Node(Type.PORT, keep_zero=True, default=None)
ANY = Node(Type.ANY)
OPEN = Node(Type.OBJECT, preserve=True)
"""An object that is kept as it is."""
LABELS = mapping(STRING)
STRINGS = array(STRING)
