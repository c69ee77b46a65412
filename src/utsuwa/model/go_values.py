"""Numbers, truth values and durations in the spelling of Go's `strconv` and `time`.

Clients and operators write settings and annotations for the original, so what it reads we read,
and what it refuses we refuse: Python's own parsers are wider (`" 1"`, `"1_0"`). On purpose `inf`
and `nan` are refused everywhere, although the original lets some through: no setting means them.
"""

import re

from utsuwa.kit.units import parse_duration

MAX_INT32 = 2**31 - 1
_MAX_DURATION_NS = 2**63 - 1

_INTEGER = re.compile(r"^[+-]?[0-9]+$")
_DECIMAL = re.compile(r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$")
_HEXADECIMAL = re.compile(
    r"^[+-]?0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][+-]?[0-9]+$"
)
_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False"})


class OutOfRangeError(ValueError):
    """A number, but one that its type cannot hold."""


def parse_bool(text: str) -> bool:
    """`true`, `false` and Go's short forms (`1`, `T`, `f`, ...).

    Raises:
        ValueError: anything else.
    """
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError(f"expected true or false, found {text!r}")


def parse_int(text: str, bits: int = 32) -> int:
    """A decimal integer of `bits` bits, signed.

    Raises:
        OutOfRangeError: it does not fit.
        ValueError: not an integer.
    """
    if not _INTEGER.match(text):
        raise ValueError(f"expected an integer, found {text!r}")
    # Longer texts could only be out of range; int() itself refuses thousands of digits.
    value = int(text) if len(text) <= 400 else 10**400
    if not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
        raise OutOfRangeError(f"expected an integer of {bits} bits, found {text!r}")
    return value


def parse_float(text: str) -> float:
    """A finite floating point number, decimal (`1e2`) or hexadecimal (`0x1p4`).

    Raises:
        ValueError: not such a number.
    """
    try:
        if _DECIMAL.match(text):
            value = float(text)
        elif _HEXADECIMAL.match(text):
            value = float.fromhex(text)
        else:
            raise ValueError(f"expected a number, found {text!r}")
    except OverflowError:
        value = float("inf")
    if value in (float("inf"), float("-inf")):
        raise OutOfRangeError(f"expected a finite number, found {text!r}")
    return value


def parse_seconds(text: str) -> float:
    """Seconds of a Go duration such as `90s` or `1m30s`, exact to the nanosecond.

    Raises:
        ValueError: not a duration, or longer than Go can hold (about 292 years).
    """
    nanoseconds = round(parse_duration(text) * 1e9)
    if abs(nanoseconds) > _MAX_DURATION_NS:
        raise OutOfRangeError(f"expected less than 292 years, found {text!r}")
    return nanoseconds / 1e9
