"""Which lists of which kinds are maps or sets in disguise.

Strategic merge and server-side apply merge these lists by key; every other list is replaced as a
whole. Custom resources (the Knative kinds) have none for strategic merge, and for apply only
those that their schema names (`spec/kubernetes-api.md` §7, `spec/resources.md` §8).
"""

from typing import Any

from utsuwa.model.kinds import SERVING_KINDS, Kind

BUILT_IN_GROUPS = frozenset({"", "apps", "discovery.k8s.io", "coordination.k8s.io"})
"""Groups of the kinds that Kubernetes itself defines: they alone take strategic merge."""

_META = {"metadata.ownerReferences": ("uid",)}
_CONTAINER = {
    "env": ("name",),
    "ports": ("containerPort", "protocol"),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
}
_POD = {
    "containers": ("name",),
    "initContainers": ("name",),
    "ephemeralContainers": ("name",),
    "volumes": ("name",),
    "imagePullSecrets": ("name",),
    "hostAliases": ("ip",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    **{
        f"{member}.{name}": keys
        for member in ("containers", "initContainers", "ephemeralContainers")
        for name, keys in _CONTAINER.items()
    },
}
_MAPS: dict[str, dict[str, tuple[str, ...]]] = {
    "Pod": {**{f"spec.{path}": keys for path, keys in _POD.items()}, "status.conditions": ("type",)},
    "Deployment": {
        **{f"spec.template.spec.{path}": keys for path, keys in _POD.items()},
        "status.conditions": ("type",),
    },
    "Service": {"spec.ports": ("port", "protocol"), "status.conditions": ("type",)},
    "ServiceAccount": {"secrets": ("name",), "imagePullSecrets": ("name",)},
    "Node": {
        "status.conditions": ("type",), "status.addresses": ("type",), "spec.taints": ("key",),
    },
    "Namespace": {"status.conditions": ("type",)},
}  # fmt: skip
_MAPS["ReplicaSet"] = _MAPS["Deployment"]
_SERVING_TEMPLATE = {
    "containers.env": ("name",),
    "containers.volumeMounts": ("mountPath",),
    "volumes": ("name",),
    "imagePullSecrets": ("name",),
}
_SETS = frozenset({"metadata.finalizers", "spec.finalizers"})

KEY_DEFAULTS: dict[str, Any] = {"protocol": "TCP"}
"""A key member that is absent counts as this."""


def map_keys(kind: Kind, path: str) -> tuple[str, ...]:
    """The members that identify an item of the list at `path`; empty when it is no such list."""
    if path in _META:
        return _META[path]
    if kind.group in BUILT_IN_GROUPS:
        return _MAPS.get(kind.name, {}).get(path, ())
    return ()


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


def identity(item: Any, keys: tuple[str, ...]) -> tuple[Any, ...] | None:
    """What identifies an item of a list, or None when it lacks its key."""
    if not isinstance(item, dict):
        return None
    values = tuple(item.get(key, KEY_DEFAULTS.get(key)) for key in keys)
    return None if None in values else values
