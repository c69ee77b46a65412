"""Which lists of which kinds are maps or sets in disguise.

Strategic merge and server-side apply merge these lists by key; every other list is replaced as a
whole. Custom resources (the Knative kinds) have none for strategic merge, and for apply only
those that their schema names (`spec/kubernetes-api.md` §7, `spec/resources.md` §8).
"""

from functools import cache
from typing import Any

from utsuwa.apiserver.core_types import list_members, type_name
from utsuwa.model.kinds import SERVING_KINDS, Kind

_SERVING_TEMPLATE = {
    "containers.env": ("name",),
    "containers.volumeMounts": ("mountPath",),
    "volumes": ("name",),
    "imagePullSecrets": ("name",),
}
_META = {"metadata.ownerReferences": ("uid",)}
_SETS = frozenset({"metadata.finalizers", "spec.finalizers"})

KEY_DEFAULTS: dict[str, Any] = {"protocol": "TCP"}
"""A key member that is absent counts as this."""


def is_built_in(kind: Kind) -> bool:
    """Whether Kubernetes itself defines the kind: those alone take strategic merge."""
    return bool(type_name(kind.api_version, kind.name))


def map_keys(kind: Kind, path: str) -> tuple[str, ...]:
    """The members that identify an item of the list at `path`; empty when it is no such list."""
    if path in _META:
        return _META[path]
    return _maps(kind).get(path, ())


def applied_keys(kind: Kind, path: str) -> tuple[str, ...]:
    """As :func:`map_keys`, for server-side apply. In the serving kinds `containers` is one value
    (its items' lists would be maps, but are never reached inside it)."""
    if kind in SERVING_KINDS:
        for prefix in ("spec.template.spec.", "spec."):
            if path.startswith(prefix) and path.removeprefix(prefix) in _SERVING_TEMPLATE:
                return _SERVING_TEMPLATE[path.removeprefix(prefix)]
    return map_keys(kind, path)


def is_set(path: str) -> bool:
    """Whether the list at `path` is a set of plain values."""
    return path in _SETS


@cache
def _maps(kind: Kind) -> dict[str, tuple[str, ...]]:
    name = type_name(kind.api_version, kind.name)
    listed = list_members(name) if name else {}
    return {path: member.keys for path, member in listed.items() if member.keys}


def identity(item: Any, keys: tuple[str, ...]) -> tuple[Any, ...] | None:
    """What identifies an item of a list, or None when it lacks its key."""
    if not isinstance(item, dict):
        return None
    values = tuple(item.get(key, KEY_DEFAULTS.get(key)) for key in keys)
    return None if None in values else values
