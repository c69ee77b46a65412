"""One point of a series: what a revision did in a second, or in a minute.

All members are whole numbers, so that points pack well and add up exactly: latencies in tenths of a
millisecond, CPU in thousandths of a core, memory in units of 64 KiB.

Two operations, both associative and commutative:

* :func:`merged`, of two spans of time: counts add up, of everything else the higher stays. A
  minute thus tells how many requests it had, and the peak of the rest.
* :func:`together`, of two revisions at the same time: everything adds up but latencies, of which
  the higher stays: percentiles cannot be added, and the slower revision is the one to look at.
"""

from typing import NamedTuple

import msgspec

TENTHS = 10_000
"""Units of latency in a second."""
MEMORY_UNIT = 64 * 1024
"""Bytes in a unit of memory."""


class Point(NamedTuple):
    """What a revision did. Answers by class of status (`left`: the client did not wait for it),
    the others at the end of the second."""

    s1: int = 0
    s2: int = 0
    s3: int = 0
    s4: int = 0
    s5: int = 0
    left: int = 0
    in_flight: int = 0
    waiting: int = 0
    desired: int = 0
    ready: int = 0
    total: int = 0
    p50: int = 0
    p95: int = 0
    p99: int = 0
    cpu: int = 0
    memory: int = 0


NOTHING = Point()
_COUNTS = frozenset(range(6))
_ADDED = frozenset(range(len(NOTHING))) - {11, 12, 13}
"""Members that add up over revisions: all but the latencies."""

COLUMNS = (
    "time", "1xx", "2xx", "3xx", "4xx", "5xx", "left", "inFlight", "waiting",
    "desired", "ready", "total", "p50", "p95", "p99", "cpu", "memory",
)  # fmt: skip
"""Names of the columns that :func:`shown` makes."""


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """Something that happened at one moment: `deploy`, `panic`, `calm`, `zero` or `woken`."""

    time: float
    kind: str
    revision: str
    text: str = ""


def merged(one: Point, other: Point) -> Point:
    """What was in two spans of time.

    >>> merged(Point(s2=3, ready=1), Point(s2=4, ready=2))[1::8]
    (7, 2)
    """
    return Point(*_combined(one, other, added=_COUNTS))


def together(one: Point, other: Point) -> Point:
    """What two revisions did in the same span."""
    return Point(*_combined(one, other, added=_ADDED))


def _combined(one: Point, other: Point, *, added: frozenset[int]) -> list[int]:
    return [
        a + b if index in added else max(a, b)
        for index, (a, b) in enumerate(zip(one, other, strict=True))
    ]


def shown(series: list[tuple[int, Point]]) -> list[list[float]]:
    """The series column by column, as `COLUMNS` names them, in units for people: seconds,
    milliseconds, thousandths of a core, bytes."""
    columns: list[list[float]] = [[time for time, _ in series]]
    members = zip(*(point for _, point in series), strict=True) if series else [()] * len(NOTHING)
    columns += [list(member) for member in members]
    for index in range(12, 15):
        columns[index] = [value / (TENTHS / 1000) for value in columns[index]]
    columns[16] = [value * MEMORY_UNIT for value in columns[16]]
    return columns
