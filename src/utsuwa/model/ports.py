"""Ports of containers: which one serves, and probes by number.

A probe may name its port, but some clients read integers alone and give up on the whole list
(`spec/kubernetes-api.md` §3.2), so a name that means the serving port is stored as its number.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from utsuwa.kit.documents import Document, copy, dig

DEFAULT_PORT = 8080
"""Where a container listens that declares no port."""

_PROBES = ("readinessProbe", "livenessProbe", "startupProbe")
_HANDLERS = ("httpGet", "tcpSocket")


def serving_container(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The container that takes the requests: the only one, or the one with a port.

    Raises:
        ValueError: there is no container.
    """
    containers: list[dict[str, Any]] = spec.get("containers") or []
    if not containers:
        raise ValueError("spec.containers: expected at least one container, found none")
    return next((one for one in containers if one.get("ports")), containers[0])


def serving_port(spec: Mapping[str, Any]) -> int:
    """The port on which the serving container is told to listen."""
    ports = serving_container(spec).get("ports") or [{}]
    number: int = ports[0].get("containerPort") or DEFAULT_PORT
    return number


def serving_protocol(spec: Mapping[str, Any]) -> str:
    """`http1` or `h2c`, by the name of the serving port."""
    ports = serving_container(spec).get("ports") or [{}]
    return "h2c" if ports[0].get("name") == "h2c" else "http1"


def with_numbered_probe_ports(document: Document) -> Document:
    """`document` with probe ports that name the serving port put as numbers; names that mean
    nothing are left for validation to refuse."""
    spec = _pod_spec(document)
    if spec is None or not any(True for _ in _named(spec)):
        return document
    result = copy(document)
    spec = _pod_spec(result) or {}
    for action in _named(spec):
        action["port"] = serving_port(spec)
    return result


def _pod_spec(document: Document) -> dict[str, Any] | None:
    spec = dig(document, "spec", "template", "spec") or dig(document, "spec")
    containers = spec.get("containers") if isinstance(spec, dict) else None
    if not isinstance(containers, list) or not containers:
        return None  # an open spec of another kind may have anything under that name
    return spec if all(isinstance(container, dict) for container in containers) else None


def _named(spec: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    container = serving_container(spec)
    ports = container.get("ports") or [{}]
    name = ports[0].get("name") or "http"
    for probe in _PROBES:
        for handler in _HANDLERS:
            action = dig(container, probe, handler)
            if isinstance(action, dict) and action.get("port") == name:
                yield action
