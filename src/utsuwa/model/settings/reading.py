"""Strict reading of one ConfigMap's data: every error names map, key, expected and found.

`spec/config.md` §1: booleans as Go's ParseBool, durations as Go writes them, an older spelling of
a key counts only where the present one is absent, unknown keys are ignored.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TypeVar

from utsuwa.kit.units import parse_duration, parse_quantity
from utsuwa.model.go_values import parse_bool, parse_float, parse_int
from utsuwa.model.quantities import canonical

T = TypeVar("T")

_BOOLEAN = "expected true or false (or 1, 0, t, f)"


def _int64(text: str) -> int:
    return parse_int(text, 64)


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
        return self.convert(key, default, parse_bool, older=older, expected=_BOOLEAN)

    def integer(self, key: str, default: int, *, low: int | None = None, older: str = "") -> int:
        """An integer, at least `low`."""
        value = self.convert(key, default, _int64, older=older, expected="expected an integer")
        if low is not None and value < low:
            raise self.fault(key, f"expected at least {low}")
        return value

    def number(self, key: str, default: float, *, low: float, high: float) -> float:
        """A number within [`low`, `high`]."""
        value = self.convert(key, default, parse_float, expected="expected a number")
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

    def convert(
        self,
        key: str,
        default: T,
        convert: Callable[[str], T],
        *,
        older: str = "",
        expected: str = "",
    ) -> T:
        """Whatever `convert` makes of the text; its ValueError gets map and key added, and says
        `expected` where that is given."""
        raw = self.raw(key, older)
        if raw is None:
            return default
        try:
            return convert(raw)
        except ValueError as error:
            used = key if key in self._data else older
            raise self.fault(used, expected or str(error)) from error
