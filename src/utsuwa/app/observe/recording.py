"""What was seen of a service, second by second. Pure.

The history leaves out the seconds in which nothing happens; here every second has a place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

STATUSES = ("1xx", "2xx", "3xx", "4xx", "5xx", "left")
"""Columns of answers; `left`: the client did not wait."""
CLASSES = {name: name if name != "left" else "client left" for name in STATUSES}
"""What they are called."""


class Event(NamedTuple):
    """Something that happened; kinds are those of the history's marks."""

    time: float
    kind: str
    revision: str
    text: str


@dataclass
class Recording:
    """Rows by second, from `start` to `end`, and events.

    Mutable state: `rows`, `events` and `end` grow with :meth:`take`, and shrink with :meth:`keep`.
    """

    name: str
    start: int
    end: int = 0
    rows: dict[int, dict[str, float]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    def take(self, answer: Mapping[str, Any]) -> None:
        """Add what the history tells."""
        columns: list[str] = answer["columns"]
        for values in zip(*answer["series"], strict=True):
            row = dict(zip(columns, values, strict=True))
            if row["time"] >= self.start:
                self.rows[int(row["time"])] = row
        known = set(self.events)
        told = [Event(*mark) for mark in answer["marks"]]
        self.events += [event for event in told if event not in known and event.time >= self.start]
        self.events.sort()
        self.end = max(self.end, int(answer["until"]))

    def keep(self, seconds: int) -> None:
        """Forget what lies further back than so many seconds."""
        self.start = max(self.start, self.end - seconds + 1)
        for second in [second for second in self.rows if second < self.start]:
            del self.rows[second]
        self.events = [event for event in self.events if event.time >= self.start]

    @property
    def seconds(self) -> range:
        """Every second from the first to the last."""
        return range(self.start, max(self.end, self.start) + 1)

    def column(self, name: str) -> list[float]:
        """One value for every second."""
        return [self.rows.get(second, {}).get(name, 0) for second in self.seconds]

    def drawn(self, name: str) -> list[float]:
        """The same, for lines: a gap has the value that follows it, or the one before."""
        values = self.column(name)
        for gap in self.gaps():
            at = gap.stop if gap.stop in self.rows else gap.start - 1
            value = self.rows[at][name]
            values[gap.start - self.start : gap.stop - self.start] = [value] * len(gap)
        return values

    def peak(self, name: str) -> float:
        """The highest of a column."""
        return max(self.column(name), default=0)

    def total(self, names: Sequence[str]) -> float:
        """The sum of columns over all seconds."""
        return sum(sum(self.column(name)) for name in names)

    @property
    def requests(self) -> list[float]:
        """Answers of every second, of all classes."""
        return [sum(values) for values in zip(*map(self.column, STATUSES), strict=True)]

    def last(self, name: str) -> float:
        """The value of the latest second."""
        return self.rows.get(self.end, {}).get(name, 0)

    def gaps(self) -> list[range]:
        """Seconds of which nothing is known: control was away. Of those in which nothing happened
        the first is told, and is all zeros."""
        found: list[range] = []
        began, busy = self.start, False
        for second in self.seconds:
            row = self.rows.get(second)
            if row is None:
                continue
            if busy and second > began:
                found.append(range(began, second))
            began, busy = second + 1, any(row[name] for name in row if name != "time")
        if busy and began <= self.end:
            found.append(range(began, self.end + 1))
        return found

    def panics(self) -> list[tuple[float, float]]:
        """Times during which any revision was in panic."""
        found: list[tuple[float, float]] = []
        began: dict[str, float] = {}
        for event in self.events:
            if event.kind == "panic":
                began.setdefault(event.revision, event.time)
            elif event.kind == "calm" and event.revision in began:
                found.append((began.pop(event.revision), event.time))
        found += [(time, self.end + 1.0) for time in began.values()]
        return sorted(found)
