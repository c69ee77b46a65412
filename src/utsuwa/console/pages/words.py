"""Numbers and times for people. Pure; the filters of every template."""

from collections.abc import Callable
from typing import Any

from utsuwa.kit.clock import parse_rfc3339, time_of_day
from utsuwa.kit.units import format_age

NONE = "-"


def rate(value: float) -> str:
    """Requests a second.

    >>> rate(0), rate(0.13), rate(9.96), rate(1234.6)
    ('0', '0.1', '10', '1,235')
    """
    if not value:
        return "0"
    return f"{value:.1f}" if value < 9.95 else f"{value:,.0f}"


def ms(value: float | None) -> str:
    """Milliseconds.

    >>> ms(None), ms(3.21), ms(256.4), ms(12_340)
    ('-', '3.2 ms', '256 ms', '12.3 s')
    """
    if value is None:
        return NONE
    if value >= 10_000:
        return f"{value / 1000:.1f} s"
    return f"{value:.1f} ms" if value < 9.95 else f"{value:,.0f} ms"


def age(seconds: float) -> str:
    """How long ago, as kubectl says it."""
    return format_age(max(0.0, seconds))


def ago(timestamp: float | str, now: float) -> str:
    """How long ago `timestamp` (Unix seconds, or as Kubernetes writes it) was."""
    if isinstance(timestamp, str):
        timestamp = parse_rfc3339(timestamp)
    return age(now - timestamp)


FILTERS: dict[str, Callable[..., Any]] = {
    "rate": rate,
    "ms": ms,
    "age": age,
    "ago": ago,
    "clock": time_of_day,
}
