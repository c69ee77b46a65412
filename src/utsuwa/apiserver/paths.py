"""From a URL path to the objects it names.

`/api/v1/namespaces/NS/pods/NAME/log` names the sub-resource `log` of one Pod;
`/apis/G/V/PLURAL` all objects of a kind (`spec/kubernetes-api.md` §4).
"""

from dataclasses import dataclass

from utsuwa.cluster.port import Key
from utsuwa.model.kinds import (
    KINDS,
    MEASURED_KINDS,
    NAMESPACE,
    NODE,
    POD,
    POD_AUTOSCALER,
    REVISION,
    SERVICE,
    SERVICE_ACCOUNT,
    SHOWN_KINDS,
    VIEW_KINDS,
    Kind,
)

_BY_PATH: dict[tuple[str, str], Kind] = {
    (kind.api_version, kind.plural): kind
    for kind in (*KINDS, *VIEW_KINDS, *MEASURED_KINDS, *SHOWN_KINDS)
}
STREAMED = ("attach", "exec", "portforward")
"""Sub-resources of a Pod that are streams."""
ALL = "-"
"""In place of a name: all of them. Understood where a history or alerts are asked for."""
_SERVED_HERE: dict[Kind, tuple[str, ...]] = {
    NAMESPACE: ("finalize",),
    POD: STREAMED,
    POD_AUTOSCALER: ("decisions",),
    NODE: ("alerts",),
    REVISION: ("alerts", "history"),
    SERVICE: ("alerts", "history", "logs"),
    SERVICE_ACCOUNT: ("token",),
}
"""Sub-resources that are no part of the stored object."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a path names. No `name` means the collection; no `namespace` all of them."""

    kind: Kind
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def key(self) -> Key:
        """Where the named object lives."""
        return Key(self.namespace if self.kind.namespaced else "", self.name)


def parse(path: str) -> Target | None:
    """The target of a path, or None when it names nothing that is served.

    >>> parse("/apis/apps/v1/namespaces/default/deployments/web/scale").subresource
    'scale'
    """
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) > 2:
        api_version, rest = parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        api_version, rest = f"{parts[1]}/{parts[2]}", parts[3:]
    else:
        return None
    if not all(rest):
        return None
    return _resolve(api_version, rest)


def _resolve(api_version: str, rest: list[str]) -> Target | None:
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and (api_version, rest[2]) in _BY_PATH:
        namespace, rest = rest[1], rest[2:]
    kind = _BY_PATH.get((api_version, rest[0]))
    if kind is None or len(rest) > 3 or (namespace and not kind.namespaced):
        return None
    name = rest[1] if len(rest) > 1 else ""
    if name and kind.namespaced and not namespace:
        return None
    subresource = rest[2] if len(rest) > 2 else ""
    if subresource and subresource not in served_subresources(kind):
        return None
    return Target(kind, namespace, name, subresource)


def served_subresources(kind: Kind) -> tuple[str, ...]:
    """The sub-resources of a kind; Namespaces also have `finalize`, PodAutoscalers `decisions`,
    Pods their streams, ServiceAccounts `token`, Services and Revisions of ours `history`, they and
    Nodes `alerts`, Services `logs`."""
    return (*kind.subresources, *_SERVED_HERE.get(kind, ()))
