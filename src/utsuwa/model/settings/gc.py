"""config-gc: which old Revisions are kept (`spec/config.md` §8)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from utsuwa.model.settings.reading import Reader

MAP = "config-gc"
_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class GarbageCollection:
    """Times in seconds; None stands for `disabled`."""

    retain_since_create_time: float | None = 48 * _HOUR
    retain_since_last_active_time: float | None = 15 * _HOUR
    min_non_active_revisions: int = 20
    max_non_active_revisions: int | None = 1000
    images_max_age: float | None = 168 * _HOUR
    images_high_percent: int = 85
    images_low_percent: int = 80
    """Our own: how long images that nobody needs are kept, and how full their disk may be."""

    @classmethod
    def parse(cls, data: Mapping[str, str]) -> Self:
        """The settings of `data`.

        Raises:
            ValueError: a value is malformed or out of range.
        """
        reader = Reader(MAP, data)
        fewest = reader.integer("min-non-active-revisions", 20, low=0)
        most = _most(reader)
        if most is not None and fewest > most:
            raise reader.fault(
                "min-non-active-revisions", f"expected at most max-non-active-revisions ({most})"
            )
        high = int(reader.number("images-disk-high-percent", 85, low=1, high=100))
        low = int(reader.number("images-disk-low-percent", min(80, high), low=0, high=100))
        if low > high:
            raise reader.fault(
                "images-disk-low-percent", f"expected at most images-disk-high-percent ({high})"
            )
        return cls(
            images_max_age=_retain(reader, "images-max-age", 168 * _HOUR),
            images_high_percent=high,
            images_low_percent=low,
            retain_since_create_time=_retain(reader, "retain-since-create-time", 48 * _HOUR),
            retain_since_last_active_time=_retain(
                reader, "retain-since-last-active-time", 15 * _HOUR
            ),
            min_non_active_revisions=fewest,
            max_non_active_revisions=most,
        )


def _disabled(reader: Reader, key: str) -> bool:
    return reader.text(key, "").lower() == "disabled"


def _retain(reader: Reader, key: str, default: float) -> float | None:
    if _disabled(reader, key):
        return None
    if not reader.text(key, ""):
        return default
    value = reader.duration(key, default)
    if value < 0:
        raise reader.fault(key, "expected a duration of at least zero, or disabled")
    return value


def _most(reader: Reader) -> int | None:
    key = "max-non-active-revisions"
    if _disabled(reader, key):
        return None
    return reader.integer(key, 1000, low=0) if reader.text(key, "") else 1000
