"""Checks of containers (`spec/resources.md` §6.2)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from utsuwa.model.problems import Problem, under
from utsuwa.model.settings import Features, Flag
from utsuwa.model.validation.images import is_image_reference
from utsuwa.model.validation.probes import (
    probe_problems,
    readiness_problems,
    refused_probe_problems,
)
from utsuwa.model.validation.security import container_context_problems
from utsuwa.model.validation.volumes import mount_problems
from utsuwa.model.validation.wording import (
    both,
    invalid,
    missing,
    neither,
    not_among,
    out_of_bounds,
    quoted,
)

_MEMBERS = (
    "name",
    "args",
    "command",
    "env",
    "workingDir",
    "envFrom",
    "image",
    "imagePullPolicy",
    "livenessProbe",
    "ports",
    "readinessProbe",
    "resources",
    "securityContext",
    "startupProbe",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "volumeMounts",
)
_RESERVED_ENV = frozenset(("PORT", "K_SERVICE", "K_CONFIGURATION", "K_REVISION"))
_RESERVED_PORTS = frozenset((8008, 8012, 8013, 8022, 9090, 9091))
_PORT_NAMES = frozenset(("", "h2c", "http1"))
_MESSAGE_POLICIES = frozenset(("", "File", "FallbackToLogsOnError"))
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")

Container = Mapping[str, Any]


class Role(Enum):
    """What a container is for."""

    SERVING = "serving"
    SIDECAR = "sidecar"
    INIT = "init"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a container is checked against."""

    volumes: Mapping[str, Mapping[str, Any]]
    features: Features
    port_name: str = "http"
    """Name of the port that serves, `http` when it has none."""


def serving_problems(container: Container, around: Surroundings) -> list[Problem]:
    """Problems of the container that takes the requests."""
    return [
        *_all_probes(container, around.port_name),
        *_common_problems(container, Role.SERVING, around),
    ]


def sidecar_problems(container: Container, around: Surroundings) -> list[Problem]:
    """Problems of a container beside it."""
    if around.features.multi_container_probing is Flag.ENABLED:
        problems = _all_probes(container, None)
    else:
        problems = [
            problem
            for name in _PROBES
            for problem in under(name, refused_probe_problems(container.get(name)))
        ]
    return [*problems, *_common_problems(container, Role.SIDECAR, around)]


def init_problems(container: Container, around: Surroundings) -> list[Problem]:
    """Problems of a container that runs before the others."""
    problems = [
        Problem("field not allowed in an init container", (name,))
        for name in (*_PROBES, "lifecycle")
        if container.get(name) is not None
    ]
    return [*problems, *_common_problems(container, Role.INIT, around)]


def _all_probes(container: Container, port_name: str | None) -> list[Problem]:
    return [
        *under("livenessProbe", probe_problems(container.get("livenessProbe"), port_name)),
        *under("readinessProbe", readiness_problems(container.get("readinessProbe"), port_name)),
        *under("startupProbe", probe_problems(container.get("startupProbe"), port_name)),
    ]


def _common_problems(container: Container, role: Role, around: Surroundings) -> list[Problem]:
    if not any(container.values()):
        return [missing("")]
    problems = not_among(container, _MEMBERS)
    if container.get("name") == "queue-proxy":
        problems.append(Problem('"queue-proxy" is a reserved container name', ("name",)))
    problems += under("env", env_problems(container.get("env") or [], role, around.features))
    problems += under("envFrom", _env_from_problems(container.get("envFrom") or []))
    problems += _image_problems(container.get("image") or "")
    problems += under("ports", _port_problems(container.get("ports") or [], role))
    problems += under("resources", not_among(_of(container, "resources"), ("limits", "requests")))
    context = container_context_problems(container.get("securityContext"), around.features)
    problems += under("securityContext", context)
    policy = container.get("terminationMessagePolicy") or ""
    if policy not in _MESSAGE_POLICIES:
        problems.append(invalid(policy, "terminationMessagePolicy"))
    mounts = mount_problems(container.get("volumeMounts") or [], around.volumes, around.features)
    return [*problems, *under("volumeMounts", mounts)]


def _of(container: Container, member: str) -> Mapping[str, Any]:
    value: Mapping[str, Any] = container.get(member) or {}
    return value


def env_problems(
    variables: Iterable[Mapping[str, Any]], role: Role, features: Features
) -> list[Problem]:
    """Problems of environment variables, paths below `env`."""
    reserved = _RESERVED_ENV if role is Role.SERVING else _RESERVED_ENV - {"PORT"}
    sources = ["configMapKeyRef", "secretKeyRef"]
    if features.field_ref is not Flag.DISABLED:
        sources += ["fieldRef", "resourceFieldRef"]
    problems: list[Problem] = []
    for index, variable in enumerate(variables):
        found = not_among(variable, ("name", "value", "valueFrom"))
        name = variable.get("name") or ""
        if not name:
            found.append(missing("name"))
        elif name in reserved:
            text = f"{quoted(name)} is a reserved environment variable"
            found.append(Problem(text, ("name",)))
        if variable.get("valueFrom") is not None:
            found += under("valueFrom", not_among(variable["valueFrom"], sources))
        problems += under(f"[{index}]", found)
    return problems


def _env_from_problems(sources: Iterable[Mapping[str, Any]]) -> list[Problem]:
    problems: list[Problem] = []
    for index, source in enumerate(sources):
        found = not_among(source, ("prefix", "configMapRef", "secretRef"))
        problems += under(f"[{index}]", found)
        used = [name for name in ("configMapRef", "secretRef") if source.get(name) is not None]
        if len(used) > 1:
            problems.append(both(*used))
        elif not used:
            problems.append(neither("configMapRef", "secretRef"))
    return problems


def _image_problems(image: str) -> list[Problem]:
    if not image:
        return [missing("image")]
    if is_image_reference(image):
        return []
    details = f"image: {quoted(image)}, error: could not parse reference: {image}"
    return [Problem("Failed to parse image reference", ("image",), details)]


def _port_problems(ports: list[Mapping[str, Any]], role: Role) -> list[Problem]:
    if role is Role.INIT:
        return [problem for port in ports for problem in _one_port_problems(port)]
    if not ports:
        return []
    port = ports[0]
    problems = _one_port_problems(port)
    protocol, name = port.get("protocol") or "", port.get("name") or ""
    if protocol not in {"", "TCP"}:
        problems.append(invalid(protocol, "protocol"))
    if name not in _PORT_NAMES:
        details = "Name must be empty, or one of: 'h2c', 'http1'"
        problems.append(Problem(f"Port name {name} is not allowed", ("",), details))
    return problems


def _one_port_problems(port: Mapping[str, Any]) -> list[Problem]:
    problems = not_among(port, ("containerPort", "name", "protocol"))
    number = port.get("containerPort") or 0
    if number in _RESERVED_PORTS:
        text = f"{number} is a reserved port"
        problems.append(invalid(text, "containerPort", f"{text}, please use a different value"))
    if not 0 <= number <= 65535:
        problems.append(out_of_bounds(number, 0, 65535, "containerPort"))
    return problems
