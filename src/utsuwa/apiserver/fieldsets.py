"""Sets of fields as `managedFields` writes them (FieldsV1), and the sums that apply needs.

A set is a tree of dicts: `f:NAME` a member, `k:{...}` an item of a map-like list, `v:...` a value
of a set, `.` the item itself; a leaf is `{}`. A path is the tuple of keys from the root to a leaf.
Pure.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from utsuwa.apiserver.lists import KEY_DEFAULTS, applied_keys, identity, is_set
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import Kind

Path: TypeAlias = tuple[str, ...]
Paths: TypeAlias = frozenset[Path]

_UNOWNED = frozenset({
    ("f:apiVersion",), ("f:kind",),
    *(
        ("f:metadata", f"f:{name}")
        for name in (
            "name", "namespace", "uid", "creationTimestamp", "generation", "managedFields",
            "resourceVersion", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds",
        )
    ),
})  # fmt: skip
MISSING = object()
"""What :func:`value_at` answers where there is nothing."""


def leaves(kind: Kind, document: Document) -> Paths:
    """The paths of every value that a manager can own in a document."""
    return frozenset(
        path
        for path in _walk(kind, "", document)
        if path[:1] not in _UNOWNED and path[:2] not in _UNOWNED
    )


def to_fields(paths: Iterable[Path]) -> Document:
    """The FieldsV1 tree of some paths."""
    root: Document = {}
    for path in sorted(paths):
        node = root
        for key in path:
            node = node.setdefault(key, {})
    return root


def from_fields(fields: Document) -> Paths:
    """The paths of a FieldsV1 tree; parents that are owned as such (`.`) included.

    Raises:
        ValueError: a key is none that FieldsV1 knows.
    """
    return frozenset(_leaves_of(fields, ()))


def value_at(kind: Kind, document: Any, path: Path) -> Any:
    """The value at a path, :data:`MISSING` when there is none."""
    value, place = document, ""
    for key in path:
        if key == ".":
            break
        value, place = _step(kind, value, key, place)
        if value is MISSING:
            return MISSING
    return value


def remove(kind: Kind, document: Document, path: Path) -> None:
    """Take the value at `path` out of `document` (which must be a copy), and the maps that it
    leaves empty."""
    _remove(kind, document, path, "")


def show(path: Path) -> str:
    """A path as conflict messages write it: `.spec.template.spec.containers[name="a"].image`."""
    shown = ""
    for key in path:
        if key.startswith("f:"):
            shown += f".{key[2:]}"
        elif key.startswith("k:"):
            inner = ",".join(f"{k}={json.dumps(v)}" for k, v in json.loads(key[2:]).items())
            shown += f"[{inner}]"
        elif key.startswith("v:"):
            shown += f"[={key[2:]}]"
    return shown


def item_key(item: Document, keys: tuple[str, ...]) -> str:
    """The `k:` of an item of a map-like list."""
    members = {key: item.get(key, KEY_DEFAULTS.get(key)) for key in sorted(keys)}
    return "k:" + json.dumps(members, separators=(",", ":"))


def _walk(kind: Kind, place: str, value: Any) -> Iterator[Path]:
    if isinstance(value, dict) and value:
        for key, member in value.items():
            inner = f"{place}.{key}" if place else key
            for path in _walk(kind, inner, member):
                yield (f"f:{key}", *path)
        return
    if isinstance(value, list) and is_set(place):
        for item in value:
            yield (f"v:{json.dumps(item)}",)
        return
    keys = applied_keys(kind, place) if isinstance(value, list) else ()
    if keys and value and all(identity(item, keys) is not None for item in value):
        for item in value:
            yield (item_key(item, keys), ".")
            for path in _walk(kind, place, item):
                yield (item_key(item, keys), *path)
        return
    yield ()


def _leaves_of(fields: Document, path: Path) -> Iterator[Path]:
    if not fields:
        yield path
        return
    for key, inner in fields.items():
        _check_key(key)
        yield from _leaves_of(inner if isinstance(inner, dict) else {}, (*path, key))


def _check_key(key: str) -> None:
    if key.startswith("k:"):
        if not isinstance(json.loads(key[2:]), dict):
            raise ValueError(f"FieldsV1 key {key!r}: expected an object after k:")
    elif key.startswith("v:"):
        json.loads(key[2:])
    elif key != "." and not key.startswith(("f:", "i:")):
        raise ValueError(f"FieldsV1 key {key!r}: expected f:, k:, v:, i: or .")


def _step(kind: Kind, value: Any, key: str, place: str) -> tuple[Any, str]:
    if key.startswith("f:") and isinstance(value, dict):
        name = key[2:]
        return value.get(name, MISSING), f"{place}.{name}" if place else name
    if isinstance(value, list) and key.startswith(("k:", "v:")):
        index = _index(kind, value, key, place)
        return (MISSING if index is None else value[index]), place
    return MISSING, place


def _index(kind: Kind, items: list[Any], key: str, place: str) -> int | None:
    if key.startswith("v:"):
        wanted = json.loads(key[2:])
        return next((i for i, item in enumerate(items) if item == wanted), None)
    keys = applied_keys(kind, place)
    for index, item in enumerate(items):
        if isinstance(item, dict) and item_key(item, keys) == key:
            return index
    return None


def _remove(kind: Kind, value: Any, path: Path, place: str) -> None:
    key, rest = path[0], path[1:]
    inner, inner_place = _step(kind, value, key, place)
    if inner is MISSING:
        return
    if rest and rest != (".",):
        _remove(kind, inner, rest, inner_place)
        if inner not in ({}, []):
            return
        if key.startswith("k:"):
            return
    if isinstance(value, dict):
        value.pop(key[2:], None)
    else:
        index = _index(kind, value, key, place)
        if index is not None:
            del value[index]
