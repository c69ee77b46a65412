"""When which part of a growing file was written: a short file beside it tells.

It holds records of 16 bytes: how many bytes there were, and when the last of them came (in
nanoseconds since 1970). Whoever watches the file appends one for each burst of writes.

    >>> times = Timeline()
    >>> times.extend(record(10, 5_000) + record(30, 9_000))
    >>> times.at(10), times.at(11), times.before(9_000)
    (5000, 9000, 10)
"""

import struct
from bisect import bisect_left
from pathlib import Path

_RECORD = struct.Struct("<QQ")
RECORD_SIZE = _RECORD.size


def index_of(path: Path) -> Path:
    """The file that tells of `path`."""
    return path.with_suffix(".times")


def record(size: int, nanoseconds: int) -> bytes:
    """One record."""
    return _RECORD.pack(size, nanoseconds)


def parse_record(data: bytes) -> tuple[int, int]:
    """Bytes and time of one record."""
    size, time = _RECORD.unpack(data)
    return size, time


class Timeline:
    """What the records say. A record with fewer bytes than the one before begins anew: the file
    was cut. Mutable state: `_sizes` and `_times`, both growing."""

    def __init__(self) -> None:
        self._sizes: list[int] = []
        self._times: list[int] = []

    def __repr__(self) -> str:
        return f"<Timeline of {self.size} bytes in {len(self._sizes)} records>"

    @property
    def size(self) -> int:
        """The bytes that are told of."""
        return self._sizes[-1] if self._sizes else 0

    def extend(self, data: bytes) -> int:
        """Add whole records; how many bytes of `data` those were."""
        taken = len(data) - len(data) % _RECORD.size
        for size, time in _RECORD.iter_unpack(data[:taken]):
            if size < self.size:
                self._sizes.clear()
                self._times.clear()
            self._sizes.append(size)
            self._times.append(max(time, self._times[-1] if self._times else 0))
        return taken

    def at(self, end: int) -> int | None:
        """When the bytes up to `end` were complete; None where nothing tells."""
        place = bisect_left(self._sizes, end)
        return self._times[place] if place < len(self._times) else None

    def before(self, nanoseconds: int) -> int:
        """How many bytes there were before that time, as far as is known."""
        place = bisect_left(self._times, nanoseconds)
        return self._sizes[place - 1] if place else 0
