"""Quantities and durations as Kubernetes and Go write them."""

import re
from decimal import Decimal, InvalidOperation

_SUFFIXES = {
    "": Decimal(1), "m": Decimal("0.001"), "u": Decimal("0.000001"), "n": Decimal("0.000000001"),
    "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9),
    "T": Decimal(10**12), "P": Decimal(10**15), "E": Decimal(10**18),
    "Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30),
    "Ti": Decimal(2**40), "Pi": Decimal(2**50), "Ei": Decimal(2**60),
}  # fmt: skip
_QUANTITY = re.compile(r"^([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|([numkMGTPE]|[KMGTPE]i))?$")
_DURATION_UNITS = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0,
}  # fmt: skip
_DURATION_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")


def parse_quantity(text: str) -> Decimal:
    """The number a Kubernetes quantity stands for: `"250m"` is 0.25, `"1Gi"` is 1073741824.

    Raises:
        ValueError: `text` is not a quantity.
    """
    match = _QUANTITY.match(text)
    if match is None:
        raise ValueError(
            f"quantity {text!r}: expected a number with an optional suffix (500m, 1Gi)"
        )
    number, exponent, suffix = match.groups()
    try:
        return Decimal(number + (exponent or "")) * _SUFFIXES[suffix or ""]
    except InvalidOperation as error:
        raise ValueError(f"quantity {text!r}: not a number") from error


def parse_duration(text: str) -> float:
    """Seconds of a Go duration such as `"1m30s"`, `"250ms"` or `"-1h"`; a bare number only if 0.

    Raises:
        ValueError: `text` is not a Go duration.
    """
    sign, rest = (-1.0, text[1:]) if text.startswith("-") else (1.0, text.removeprefix("+"))
    if rest == "0":
        return 0.0
    total, position = 0.0, 0
    for match in _DURATION_PART.finditer(rest):
        if match.start() != position:
            break
        total += float(match.group(1)) * _DURATION_UNITS[match.group(2)]
        position = match.end()
    if not rest or position != len(rest):
        raise ValueError(f"duration {text!r}: expected a number with a unit, like 90s or 1m30s")
    return sign * total


def format_duration(seconds: float) -> str:
    """`seconds` as Go prints a duration: `3600` is `"1h0m0s"`, `1.5` is `"1.5s"`."""
    if seconds == 0:
        return "0s"
    sign, rest = ("-", -seconds) if seconds < 0 else ("", seconds)
    if rest < 1:
        for unit, size in (("ms", 1e-3), ("µs", 1e-6)):
            if rest >= size:
                return f"{sign}{_plain(rest / size)}{unit}"
        return f"{sign}{_plain(rest / 1e-9)}ns"
    whole_minutes, left = divmod(rest, 60)
    hours, minutes = divmod(int(whole_minutes), 60)
    head = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{sign}{head}{_plain(left)}s"


def _plain(number: float) -> str:
    return f"{number:.9f}".rstrip("0").rstrip(".")


def format_age(seconds: float) -> str:
    """`seconds` as kubectl prints an age: `45s`, `3m12s`, `5h3m`, `2d4h`, `40d`."""
    left = max(0, int(seconds))
    days, hours, minutes = left // 86400, left // 3600, left // 60
    if minutes < 10:
        return f"{left}s" if left < 120 else _pair(minutes, "m", left % 60, "s")
    if hours < 8:
        return f"{minutes}m" if minutes < 180 else _pair(hours, "h", minutes % 60, "m")
    if days < 8:
        return f"{hours}h" if hours < 48 else _pair(days, "d", hours % 24, "h")
    return f"{days}d" if days < 730 else f"{days // 365}y"


def _pair(first: int, first_unit: str, second: int, second_unit: str) -> str:
    return f"{first}{first_unit}{second}{second_unit}" if second else f"{first}{first_unit}"
