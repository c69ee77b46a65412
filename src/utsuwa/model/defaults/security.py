"""Secure defaults for containers, where `secure-pod-defaults` is on (`spec/resources.md` §4.1)."""

from collections.abc import Mapping
from typing import Any

from utsuwa.model.settings import Flag, Settings


def default_security_context(
    container: dict[str, Any], pod: Mapping[str, Any], settings: Settings
) -> None:
    """Fill in the container's security context in place; `pod` is the pod's own."""
    context: dict[str, Any] = dict(container.get("securityContext") or {})
    context.setdefault("allowPrivilegeEscalation", False)
    if not (pod.get("seccompProfile") or {}).get("type"):
        profile = dict(context.get("seccompProfile") or {})
        profile["type"] = profile.get("type") or "RuntimeDefault"
        context["seccompProfile"] = profile
    if context.get("capabilities") is None:
        context["capabilities"] = _capabilities(container)
    if settings.features.secure_pod_defaults is Flag.ENABLED and pod.get("runAsNonRoot") is None:
        context.setdefault("runAsNonRoot", True)
    container["securityContext"] = context


def _capabilities(container: Mapping[str, Any]) -> dict[str, list[str]]:
    ports = container.get("ports") or []
    if any((port.get("containerPort") or 0) < 1024 for port in ports):
        return {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}
    return {"drop": ["ALL"]}
