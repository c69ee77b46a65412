"""Defaulting of a revision's specification (`spec/resources.md` §4.1), in place.

Works on documents in normal form (:mod:`utsuwa.model.normal_form`).
"""

from collections.abc import Mapping
from typing import Any

from utsuwa.model.defaults.security import default_security_context
from utsuwa.model.names import child_name
from utsuwa.model.settings import Settings

_HANDLERS = ("tcpSocket", "httpGet", "exec", "grpc")
_PROBES = ("readinessProbe", "livenessProbe", "startupProbe")
_WRITABLE = ("emptyDir", "persistentVolumeClaim", "ephemeral")

Spec = dict[str, Any]


def default_revision_spec(
    spec: Spec, parent: Mapping[str, Any], settings: Settings, *, creating: bool
) -> None:
    """Fill in `spec`. `parent` is the metadata of the Service or Configuration around it, for
    templates of container names; `creating` also settles enableServiceLinks."""
    _times_and_limits(spec, settings)
    _names(spec, parent, settings)
    containers: list[Spec] = spec.get("containers") or []
    for container in containers:
        _resources(container, settings)
        if len(containers) == 1 or container.get("ports"):
            _own_readiness_probe(container)
        _probe_numbers(container)
        _mounts(container, spec)
    if containers and creating and spec.get("enableServiceLinks") is None:
        links = settings.defaults.enable_service_links
        if links is not None:
            spec["enableServiceLinks"] = links
    if settings.features.secure_pods:
        for container in (*containers, *(spec.get("initContainers") or [])):
            default_security_context(container, spec.get("securityContext") or {}, settings)


def _times_and_limits(spec: Spec, settings: Settings) -> None:
    defaults = settings.defaults
    if not spec.get("timeoutSeconds"):
        spec["timeoutSeconds"] = defaults.revision_timeout_seconds
    for field, seconds in (
        ("idleTimeoutSeconds", defaults.revision_idle_timeout_seconds),
        ("responseStartTimeoutSeconds", defaults.revision_response_start_timeout_seconds),
    ):
        if spec.get(field) is None and seconds != 0 and seconds < spec["timeoutSeconds"]:
            spec[field] = seconds
    if spec.get("containerConcurrency") is None:
        spec["containerConcurrency"] = defaults.container_concurrency


def _names(spec: Spec, parent: Mapping[str, Any], settings: Settings) -> None:
    containers: list[Spec] = spec.get("containers") or []
    first: list[Spec] = spec.get("initContainers") or []
    taken = {container.get("name") or "" for container in (*containers, *first)}
    _name_all(containers, taken, settings.defaults.container_name(parent))
    _name_all(first, taken, settings.defaults.init_container_name(parent))


def _name_all(containers: list[Spec], taken: set[str], base: str) -> None:
    """Number the unnamed ones of several, past names that are taken already."""
    suffix = 0
    for container in containers:
        if container.get("name"):
            continue
        name = base
        if len(containers) > 1 or name in taken:
            name = child_name(base, f"-{suffix}")
            suffix += 1
            while name in taken:
                name = child_name(base, f"-{suffix}")
                suffix += 1
        container["name"] = name


def _resources(container: Spec, settings: Settings) -> None:
    resources = container.setdefault("resources", {})
    for field, values in (
        ("requests", settings.defaults.requests),
        ("limits", settings.defaults.limits),
    ):
        missing = {
            name: value for name, value in values if name not in (resources.get(field) or {})
        }
        if missing:
            resources[field] = {**(resources.get(field) or {}), **missing}


def _own_readiness_probe(container: Spec) -> None:
    """The container that serves is always probed: by a TCP connect unless it says otherwise."""
    probe = container.setdefault("readinessProbe", {})
    if not any(handler in probe for handler in _HANDLERS):
        probe["tcpSocket"] = {"port": 0}


def _probe_numbers(container: Spec) -> None:
    readiness = container.get("readinessProbe")
    if readiness is not None:
        readiness["successThreshold"] = readiness.get("successThreshold") or 1
        if readiness.get("periodSeconds"):
            readiness["failureThreshold"] = readiness.get("failureThreshold") or 3
            readiness["timeoutSeconds"] = readiness.get("timeoutSeconds") or 1
    for name in _PROBES:
        grpc = (container.get(name) or {}).get("grpc")
        if grpc is not None:
            grpc.setdefault("service", "")


def _mounts(container: Spec, spec: Spec) -> None:
    writable = {
        volume.get("name")
        for volume in spec.get("volumes") or []
        if any(source in volume for source in _WRITABLE)
    }
    for mount in container.get("volumeMounts") or []:
        if mount.get("name") not in writable:
            mount["readOnly"] = True
