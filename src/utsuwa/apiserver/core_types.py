"""The types of Kubernetes' own kinds, as a table: what protobuf, schemas and merges need of them.

`core_types.txt` is written by `scripts/kubernetes-types` and explained there. It holds the facts
of the public API (names, numbers, types, merge keys) of the kinds that are served or understood,
and of everything that they are made of. Read once, when first asked for.
"""

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from utsuwa.model.schema.node import Node, Type, array, mapping, obj

_MEMBER = re.compile(r"(\.?)(\w+)=(\d+):([?!]?)(\[\]|\{\}|)([\w.]+)(?:@([\w,]*))?(~?)")
_PACKAGES = {
    "": "core", "apps": "apps", "autoscaling": "autoscaling", "policy": "policy",
    "authentication.k8s.io": "authentication", "authorization.k8s.io": "authorization",
    "coordination.k8s.io": "coordination", "discovery.k8s.io": "discovery",
    "events.k8s.io": "events", "rbac.authorization.k8s.io": "rbac",
}  # fmt: skip
_LEAVES: dict[str, Node] = {
    "s": Node(Type.STRING),
    "i": Node(Type.INTEGER, format="int32"),
    "l": Node(Type.INTEGER, format="int64"),
    "b": Node(Type.BOOLEAN),
    "d": Node(Type.NUMBER),
    "y": Node(Type.STRING, format="byte"),
    "meta.v1.Time": Node(Type.STRING, format="date-time"),
    "meta.v1.MicroTime": Node(Type.STRING, format="date-time"),
    "Quantity": Node(Type.QUANTITY),
    "IntOrString": Node(Type.PORT),
    "Raw": obj({}, preserve=True),
}


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a type."""

    name: str
    number: int
    type: str
    """A leaf (see the table), or the name of another type."""
    holder: str = ""
    """`[]` for a list of the type, `{}` for a map to it."""
    pointer: bool = False
    """Whether its zero value says something."""
    always: bool = False
    """Whether it is written even when zero."""
    inline: bool = False
    """Whether JSON has its members in the place of itself."""
    keys: tuple[str, ...] = ()
    """The members by which the items of a list are told apart."""
    set: bool = False
    """Whether a list is a set."""
    retains: bool = False
    """Whether a strategic patch names the keys that stay."""


def type_name(api_version: str, kind: str) -> str:
    """The table's name of a kind; empty when it has none.

    >>> type_name("apps/v1", "Deployment"), type_name("v1", "Nothing")
    ('apps.v1.Deployment', '')
    """
    if kind == "DeleteOptions":  # Go sends it in the group of what is deleted
        return "meta.v1.DeleteOptions"
    group, _, version = api_version.rpartition("/")
    name = f"{_PACKAGES.get(group)}.{version}.{kind}"
    return name if name in _table() else ""


def is_leaf(name: str) -> bool:
    """Whether a type has no members of its own."""
    return name in _LEAVES


@cache
def members(name: str) -> tuple[Member, ...]:
    """The members of a type, in the table's order. Raises KeyError when there is no such type."""
    return tuple(_member(text) for text in _table()[name])


@cache
def json_members(name: str) -> dict[str, Member]:
    """The members of a type by their name in JSON, those that are inline taken apart."""
    found: dict[str, Member] = {}
    for member in members(name):
        found |= json_members(member.type) if member.inline else {member.name: member}
    return found


@cache
def node_of(name: str) -> Node:
    """The schema of a type."""
    if is_leaf(name):
        return _LEAVES[name]
    if name.endswith(".ExtraValue"):  # a list that protobuf cannot have inside a map
        return array(_LEAVES["s"])
    return obj({key: _held(member) for key, member in json_members(name).items()})


@cache
def list_members(name: str) -> dict[str, Member]:
    """The lists in a type that are maps or sets in disguise, by their path from the root (lists
    on the way are passed through): `spec.containers.env`."""
    found: dict[str, Member] = {}
    for key, member in json_members(name).items():
        if member.keys or member.set:
            found[key] = member
        if not is_leaf(member.type) and member.holder != "{}":
            for path, inner in list_members(member.type).items():
                found[f"{key}.{path}"] = inner
    return found


def _held(member: Member) -> Node:
    node = node_of(member.type)
    if member.holder == "[]":
        return array(node)
    return mapping(node) if member.holder else node


def _member(text: str) -> Member:
    match = _MEMBER.fullmatch(text)
    if match is None:
        raise ValueError(f"core_types.txt: expected [.]NAME=NUMBER:TYPE, found {text!r}")
    inline, name, number, mark, holder, type_, keys, retains = match.groups()
    return Member(
        name, int(number), type_, holder, mark == "?", mark == "!", bool(inline),
        tuple(keys.split(",")) if keys else (), keys == "", bool(retains),
    )  # fmt: skip


@cache
def _table() -> dict[str, list[str]]:
    text = files("utsuwa.apiserver").joinpath("core_types.txt").read_text(encoding="utf-8")
    lines = (line.split() for line in text.splitlines())
    return {name: rest for name, *rest in lines}
