"""The fixed vocabulary of problems (`spec/resources.md` §5), and whether a member is set at all."""

from collections.abc import Iterable, Mapping
from typing import Any

from utsuwa.model.problems import Problem

MAX_INT32 = 2**31 - 1

_ZERO_IS_UNSET = frozenset(
    (
        "hostIP",
        "hostPort",
        "hostname",
        "nodeName",
        "restartPolicy",
        "serviceAccount",
        "stdin",
        "stdinOnce",
        "subdomain",
        "tty",
    )
)
"""Members outside the schema that are plain values in Go: their zero value is not a setting."""


def missing(*paths: str) -> Problem:
    """A required member is absent."""
    return Problem("missing field(s)", paths)


def disallowed(*paths: str) -> Problem:
    """A member that must not be set is."""
    return Problem("must not set the field(s)", paths)


def invalid(value: Any, path: str, details: str = "") -> Problem:
    """A value that cannot be taken."""
    return Problem(f"invalid value: {shown(value)}", (path,), details)


def invalid_key(key: str, path: str, details: str = "") -> Problem:
    """A key or a reference whose name cannot be taken."""
    return Problem(f"invalid key name {quoted(key)}", (path,), details)


def out_of_bounds(value: float, low: float, high: float, path: str) -> Problem:
    """A number outside its range."""
    return Problem(f"expected {shown(low)} <= {shown(value)} <= {shown(high)}", (path,))


def neither(*paths: str) -> Problem:
    """One of several members is required and none is there."""
    return Problem("expected exactly one, got neither", paths)


def both(*paths: str) -> Problem:
    """One of several members is allowed and more are there."""
    return Problem("expected exactly one, got both", paths)


def quoted(text: str) -> str:
    """`text` as Go's %q prints it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped.replace(chr(9), chr(92) + "t")}"'


def shown(value: Any) -> str:
    """A value as Go's %v prints it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e21 else repr(value)
    return str(value)


def is_set(name: str, value: Any) -> bool:
    """Whether member `name`, which the schema does not know, was given a value."""
    if value is None or value == []:
        return False
    return not (name in _ZERO_IS_UNSET and not value) and not (name == "overhead" and not value)


def not_among(value: Mapping[str, Any], allowed: Iterable[str]) -> list[Problem]:
    """A problem naming every member of `value` that is set and not among `allowed`."""
    known = frozenset(allowed)
    found = sorted(key for key, member in value.items() if key not in known and is_set(key, member))
    return [disallowed(*found)] if found else []
