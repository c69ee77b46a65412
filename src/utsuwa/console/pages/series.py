"""The series of a service as charts take them: an even grid of time, columns of numbers. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from typing import NamedTuple

from utsuwa.kit.documents import Document
from utsuwa.series import COLUMNS, MEMORY_UNIT, NOTHING, TENTHS, Point, together


class Window(NamedTuple):
    """What one may look at: so many seconds, one point every `grid` of them, made of points that
    are `step` apart."""

    name: str
    title: str
    seconds: int
    grid: int
    step: int


WINDOWS = {
    one.name: one
    for one in (
        Window("5m", "5 min", 300, 1, 1),
        Window("1h", "1 hour", 3600, 5, 1),
        Window("1d", "1 day", 86400, 120, 60),
        Window("1w", "1 week", 7 * 86400, 900, 60),
    )
}

COUNTS = ("1xx", "2xx", "3xx", "4xx", "5xx", "left")
LATENCIES = ("p50", "p95", "p99")
CHARTED = (*COUNTS, "inFlight", "waiting", "desired", "ready", "cold", *LATENCIES, "cpu", "memory")
"""Columns beside the time. Of a span, counts add up and of everything else the highest stays."""

Column = list[float | None]


def grid(history: Document, window: Window, since: int) -> Document:
    """The columns of `history` (as the API tells it) on an even grid from `since` on.

    Requests are a second's; a latency is null where there was no request. A second without a point
    was one in which nothing happened, and everything is null where control was away.
    """
    first = since - since % window.grid
    count = max(1, (int(history["until"]) - first) // window.grid + 1)
    told = dict(zip(history["columns"], history["series"], strict=True))
    columns: dict[str, Column] = {name: [0] * count for name in CHARTED}
    for name in LATENCIES:
        columns[name] = [None] * count
    places = [(int(time) - first) // window.grid for time in told["time"]]
    for place in _away(history, first, count, window.grid) - set(places):
        for column in columns.values():
            column[place] = None
    for row, place in enumerate(places):
        if 0 <= place < count:
            _add(columns, place, {name: told[name][row] for name in COLUMNS})
    for name in COUNTS:
        columns[name] = [_rate(value, window.grid) for value in columns[name]]
    return {
        "window": window.name,
        "grid": window.grid,
        "start": first,
        "columns": columns,
        "marks": [mark for mark in history["marks"] if mark[0] >= first],
    }


def _rate(count: float | None, seconds: int) -> float | None:
    return None if count is None else round(count / seconds, 3)


def _away(history: Document, first: int, count: int, width: int) -> set[int]:
    """The places of the grid of which all of the time is unknown."""
    found: set[int] = set()
    for start, end in history.get("away") or ():
        whole = range(-(-(start - first) // width), (end + 1 - first) // width)
        found.update(place for place in whole if 0 <= place < count)
    return found


def point(points: Iterable[Point], second: int) -> Document:
    """What a service did in one second, of its revisions' points: the newest on the grid."""
    total = reduce(together, points, NOTHING)
    requests = sum(total[:6])
    latencies = (total.p50, total.p95, total.p99)
    return {
        "time": second,
        **dict(zip(COUNTS, total[:6], strict=True)),
        "inFlight": total.in_flight,
        "waiting": total.waiting,
        "desired": total.desired,
        "ready": total.ready,
        "cold": max(0, total.total - total.ready),
        **{
            name: value / (TENTHS / 1000) if requests else None
            for name, value in zip(LATENCIES, latencies, strict=True)
        },
        "cpu": total.cpu,
        "memory": total.memory * MEMORY_UNIT,
    }


def _add(columns: Mapping[str, Column], place: int, row: Mapping[str, float]) -> None:
    for name in COUNTS:
        columns[name][place] = (columns[name][place] or 0) + row[name]
    if any(row[name] for name in COUNTS):
        _raise(columns, place, {name: row[name] for name in LATENCIES})
    rest = {
        name: row[name] for name in ("inFlight", "waiting", "desired", "ready", "cpu", "memory")
    }
    _raise(columns, place, {**rest, "cold": max(0, row["total"] - row["ready"])})


def _raise(columns: Mapping[str, Column], place: int, values: Mapping[str, float]) -> None:
    for name, value in values.items():
        columns[name][place] = max(columns[name][place] or 0, value)


def served(history: Document) -> dict[str, dict[str, int]]:
    """Answers of each revision by class of status, of a history with its revisions."""
    names = history["columns"]
    return {
        revision: {name: _total(series[names.index(name)]) for name in COUNTS}
        for revision, series in (history.get("revisions") or {}).items()
    }


def _total(column: Sequence[float]) -> int:
    return int(sum(column))
