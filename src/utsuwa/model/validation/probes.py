"""Checks of probes (`spec/resources.md` §6.3)."""

from collections.abc import Mapping
from typing import Any

from utsuwa.model.problems import Problem, under
from utsuwa.model.validation.wording import (
    MAX_INT32,
    both,
    invalid,
    neither,
    not_among,
    out_of_bounds,
)

_NUMBERS = (
    "initialDelaySeconds",
    "timeoutSeconds",
    "periodSeconds",
    "successThreshold",
    "failureThreshold",
    "terminationGracePeriodSeconds",
)
_HANDLERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "httpGet": ("httpGet", ("host", "path", "scheme", "httpHeaders", "port")),
    "tcpSocket": ("tcpSocket", ("host", "port")),
    "exec": ("exec", ("command",)),
    "grpc": ("gRPC", ("port", "service")),
}
"""Handler to the name that the original uses when there are several, and its members."""

Probe = Mapping[str, Any]


def probe_problems(probe: Probe | None, port_name: str | None) -> list[Problem]:
    """Problems of any probe. `port_name` is the name of the serving container's port, None for a
    container beside it, which must say a port itself."""
    if probe is None:
        return []
    problems = not_among(probe, (*_HANDLERS, *_NUMBERS))
    used: list[str] = []
    for handler, (name, members) in _HANDLERS.items():
        action = probe.get(handler)
        if action is None:
            continue
        used.append(name)
        problems = under(handler, [*problems, *not_among(action, members)])
        if handler in {"httpGet", "tcpSocket"}:
            problems += _port_problems(action.get("port") or 0, f"{handler}.port", port_name)
    if not used:
        problems.append(neither("httpGet", "tcpSocket", "exec", "grpc"))
    elif len(used) > 1:
        problems.append(both(*used))
    return problems


def _port_problems(port: int | str, path: str, port_name: str | None) -> list[Problem]:
    if port_name is None:
        return [] if port else [invalid(0, path, "Probe port must be specified")]
    if isinstance(port, str) and port and port != port_name:
        return [invalid(port, path, "Probe port must match container port")]
    return []


def readiness_problems(probe: Probe | None, port_name: str | None) -> list[Problem]:
    """Problems of a readiness probe: also its numbers. A period of 0 asks for fast probing, which
    has no thresholds of its own."""
    if probe is None:
        return []
    problems = probe_problems(probe, port_name)
    period = probe.get("periodSeconds") or 0
    least = {"periodSeconds": 0, "initialDelaySeconds": 0, "successThreshold": 1}
    if period != 0:
        least |= {"timeoutSeconds": 1, "failureThreshold": 1}
    for field, low in least.items():
        value = probe.get(field) or 0
        if value < low:
            problems.append(out_of_bounds(value, low, MAX_INT32, field))
    if period == 0:
        problems += [
            Problem(f"{field} is disallowed when periodSeconds is zero", (field,))
            for field in ("failureThreshold", "timeoutSeconds")
            if probe.get(field)
        ]
    return problems


def refused_probe_problems(probe: Probe | None) -> list[Problem]:
    """Every member set is one too many: the probe of a container that may have none."""
    if probe is None:
        return []
    return not_among({key: value for key, value in probe.items() if value != 0}, ())
