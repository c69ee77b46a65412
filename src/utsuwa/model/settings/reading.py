"""Strict reading of one ConfigMap's data: every error names map, key, expected and found.

`spec/config.md` §1: booleans as Go's ParseBool, durations as Go writes them, an older spelling of
a key counts only where the present one is absent, unknown keys are ignored.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TypeVar

from utsuwa.kit.units import parse_duration, parse_quantity
from utsuwa.model.quantities import canonical

T = TypeVar("T")

_TRUE = frozenset(("1", "t", "T", "TRUE", "true", "True"))
_FALSE = frozenset(("0", "f", "F", "FALSE", "false", "False"))
_INTEGER = re.compile(r"[+-]?[0-9]+")
_FLOAT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
INT64 = (-(2**63), 2**63 - 1)


def parse_bool(text: str) -> bool:
    """A truth value as Go's ParseBool reads it.

    Raises:
        ValueError: anything else.
    """
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError("expected true or false (or 1, 0, t, f)")


def parse_int(text: str) -> int:
    """A decimal 64-bit integer.

    Raises:
        ValueError: anything else.
    """
    if not _INTEGER.fullmatch(text) or not INT64[0] <= int(text) <= INT64[1]:
        raise ValueError("expected an integer")
    return int(text)


def parse_float(text: str) -> float:
    """A finite decimal number.

    Raises:
        ValueError: anything else.
    """
    if not _FLOAT.fullmatch(text):
        raise ValueError("expected a number")
    return float(text)


class Reader:
    """Reads the keys of one ConfigMap."""

    def __init__(self, map_name: str, data: Mapping[str, str]) -> None:
        self._map = map_name
        self._data = data

    def __repr__(self) -> str:
        return f"<Reader {self._map}: {len(self._data)} keys>"

    def fault(self, key: str, expected: str) -> ValueError:
        """The error to raise for `key`."""
        found = self.raw(key)
        shown = "nothing" if found is None else repr(found)
        return ValueError(f"{self._map}: {key}: {expected}, found {shown}")

    def raw(self, *spellings: str) -> str | None:
        """The text under the first spelling present."""
        for key in spellings:
            if key in self._data:
                return self._data[key]
        return None

    def text(self, key: str, default: str, *, older: str = "") -> str:
        """A text without blanks around it."""
        raw = self.raw(key, older)
        return default if raw is None else raw.strip()

    def boolean(self, key: str, default: bool, *, older: str = "") -> bool:
        """A truth value."""
        return self.convert(key, default, parse_bool, older=older)

    def integer(self, key: str, default: int, *, low: int | None = None, older: str = "") -> int:
        """An integer, at least `low`."""
        value = self.convert(key, default, parse_int, older=older)
        if low is not None and value < low:
            raise self.fault(key, f"expected at least {low}")
        return value

    def number(self, key: str, default: float, *, low: float, high: float) -> float:
        """A number within [`low`, `high`]."""
        value = self.convert(key, default, parse_float)
        if not low <= value <= high:
            raise self.fault(key, f"expected a number from {low:g} to {high:g}")
        return value

    def duration(self, key: str, default: float, *, older: str = "") -> float:
        """A Go duration, in seconds."""
        return self.convert(key, default, parse_duration, older=older)

    def quantity(self, key: str, default: str | None = None, *, older: str = "") -> str | None:
        """A Kubernetes quantity in canonical form."""
        self.convert(key, Decimal(0), parse_quantity, older=older)
        raw = self.raw(key, older)
        return default if raw is None else canonical(raw)

    def names(self, key: str, default: frozenset[str], *, older: str = "") -> frozenset[str]:
        """A list with commas between, blanks around the names dropped."""
        raw = self.raw(key, older)
        return default if raw is None else frozenset(name.strip() for name in raw.split(","))

    def choice(self, key: str, default: str, allowed: tuple[str, ...], *, older: str = "") -> str:
        """One of `allowed` (lower case), in whatever case it is written; empty is the default."""
        raw = (self.raw(key, older) or "").lower()
        if raw and raw not in allowed:
            raise self.fault(key, f"expected one of {', '.join(allowed)}")
        return raw or default

    def convert(self, key: str, default: T, convert: Callable[[str], T], *, older: str = "") -> T:
        """Whatever `convert` makes of the text; its ValueError gets map and key added."""
        raw = self.raw(key, older)
        if raw is None:
            return default
        try:
            return convert(raw)
        except ValueError as error:
            used = key if key in self._data else older
            raise self.fault(used, str(error)) from error
