"""Exact figures per revision and second: what the autoscaler is fed with.

Time-weighted concurrency and counts follow `spec/autoscaling.md` §2.2 and §2.3: the first request
of an idle revision opens an entry (and is told at once), the next report deducts that request, and
a revision that was empty for a whole second is reported once more with 0 and forgotten.

Nothing here reads a clock: every call is given `now` (monotonic seconds). A window is closed at
the exact end of its second even when nobody looks until later, because every call first checks
:attr:`Accounts.boundary`.
"""

import math
from bisect import bisect_left
from collections.abc import Callable

from utsuwa.routing.messages import LATENCY_BOUNDS, RevisionStats

CLIENT_LEFT = 499
_TOLERANCE = 0.05
"""Seconds by which the wall clock may disagree with the monotonic one from second to second."""
_STEPS = 16
"""Histogram steps per doubling of the latency: at most 6 % wide, so percentiles are within 3 %."""


class Usage:
    """One revision's entry, from its first request until a second without any.

    Mutable state: all of it. `concurrency` is the number of requests inside now, `tunnels` that of
    open WebSockets among them; the rest are the sums of the second that is running.
    """

    __slots__ = (
        "area", "completed", "concurrency", "deduct", "in_use", "latencies", "name",
        "platform_errors", "requests", "since", "status", "tunnels",
    )  # fmt: skip

    def __init__(self, name: str, now: float) -> None:
        self.name = name
        self.concurrency = 0
        self.tunnels = 0
        self.since = now
        self.deduct = True
        self._reset()

    def __repr__(self) -> str:
        return f"<Usage {self.name} concurrency={self.concurrency} requests={self.requests}>"

    def _reset(self) -> None:
        self.area = 0.0
        self.in_use = 0.0
        self.requests = 0
        self.completed = 0
        self.platform_errors = 0
        self.status = [0, 0, 0, 0, 0, 0]
        self.latencies: dict[int, int] = {}

    def enter(self, now: float) -> None:
        """A request arrived."""
        passed = now - self.since
        if passed > 0:
            self.in_use += passed
            self.area += self.concurrency * passed
            self.since = now
        self.requests += 1
        self.concurrency += 1

    def leave(self, now: float, status: int, latency: float) -> None:
        """A request is over, with `status` (499: its client left) after `latency` seconds."""
        passed = now - self.since
        if passed > 0:
            self.in_use += passed
            self.area += self.concurrency * passed
            self.since = now
        self.concurrency -= 1
        self.completed += 1
        self.status[5 if status == CLIENT_LEFT else status // 100 - 1] += 1
        fraction, exponent = math.frexp(latency or 1e-9)
        step = exponent * _STEPS + int(fraction * (2 * _STEPS))
        self.latencies[step] = self.latencies.get(step, 0) + 1

    def close(self, now: float, waiting: int) -> tuple[RevisionStats, bool]:
        """The figures of the window that ends `now`, and whether the entry is to be forgotten."""
        passed = now - self.since
        if passed > 0:
            self.in_use += passed
            self.area += self.concurrency * passed
            self.since = now
        average = self.area / self.in_use if self.in_use else 0.0
        forget = average == 0.0 and self.concurrency == 0
        requests = self.requests
        if self.deduct:
            self.deduct = False
            average = max(0.0, average - 1.0)
            requests -= 1
        a, b, c, d, e, f = self.status
        buckets, latency_sum = bucketed(self.latencies)
        figures = RevisionStats(
            revision=self.name,
            concurrency=average,
            requests=requests,
            in_flight=self.concurrency - waiting,
            waiting=waiting,
            tunnels=self.tunnels,
            completed=self.completed,
            status=(a, b, c, d, e, f),
            platform_errors=self.platform_errors,
            latency=percentiles(self.latencies, self.completed),
            buckets=buckets,
            latency_sum=latency_sum,
        )
        self._reset()
        return figures, forget


def bucketed(latencies: dict[int, int]) -> tuple[tuple[int, ...], float]:
    """The counts of the steps in the buckets of metrics, and the seconds of all together: each
    step counts where its middle lies, so a bound is met to within 3 %. Once a second, not for each
    request."""
    if not latencies:
        return (), 0.0
    counts = [0] * (len(LATENCY_BOUNDS) + 1)
    total = 0.0
    for step, count in latencies.items():
        middle = _middle(step)
        counts[bisect_left(LATENCY_BOUNDS, middle)] += count
        total += count * middle
    return tuple(counts), total


def percentiles(latencies: dict[int, int], count: int) -> tuple[float, float, float]:
    """p50, p95 and p99 in seconds, each the middle of its histogram step."""
    if not latencies:
        return (0.0, 0.0, 0.0)
    ranks = (count * 0.50, count * 0.95, count * 0.99)
    found: list[float] = []
    passed = 0
    for step in sorted(latencies):
        passed += latencies[step]
        while len(found) < 3 and passed >= ranks[len(found)]:
            found.append(_middle(step))
    while len(found) < 3:
        found.append(_middle(max(latencies)))
    return (found[0], found[1], found[2])


def _middle(step: int) -> float:
    # frexp gives a fraction in [0.5, 1), so `fraction * 2 * _STEPS` is in [_STEPS, 2 * _STEPS):
    # step = exponent * _STEPS + _STEPS + offset, with the offset in [0, _STEPS).
    exponent, offset = divmod(step - _STEPS, _STEPS)
    if exponent < -60:
        return 0.0
    return math.ldexp((_STEPS + offset + 0.5) / (2 * _STEPS), exponent)


Report = Callable[[int, tuple[RevisionStats, ...]], None]


class Accounts:
    """Every revision in use, and the second that is running.

    Mutable state: `entries` and `boundary` (monotonic time at which the running second ends).
    Callers must do `if now >= accounts.boundary: accounts.roll(now)` before they enter or leave.
    """

    __slots__ = ("_closed", "_wall", "boundary", "entries", "second")

    def __init__(self, wall: Callable[[], float], now: float) -> None:
        self._wall = wall
        self.entries: dict[str, tuple[Usage, Callable[[], int], Callable[[], None]]] = {}
        self._closed: list[tuple[int, tuple[RevisionStats, ...]]] = []
        self.second = 0
        self.boundary = now
        self._align(now)

    def __repr__(self) -> str:
        return f"<Accounts second={self.second} in_use={len(self.entries)}>"

    def open(
        self, name: str, now: float, *, waiting: Callable[[], int], forgotten: Callable[[], None]
    ) -> Usage:
        """A new entry; `waiting` tells how many wait, `forgotten` is called when it is dropped."""
        usage = Usage(name, now)
        self.entries[name] = (usage, waiting, forgotten)
        return usage

    def roll(self, now: float) -> None:
        """Close the second that has ended by `now` at its exact end."""
        while now >= self.boundary:
            self._closed.append((self.second, self.close(self.boundary)))
            del self._closed[:-10]
            if now - self.boundary > 10:  # the machine slept: nothing to tell of that time
                self.boundary = now
            self._align(self.boundary, now)

    def take_closed(self) -> list[tuple[int, tuple[RevisionStats, ...]]]:
        """The seconds closed since the last call, oldest first."""
        closed, self._closed = self._closed, []
        return closed

    def close(self, now: float) -> tuple[RevisionStats, ...]:
        """Every entry's figures up to `now`; those that were idle are dropped."""
        figures: list[RevisionStats] = []
        for name, (usage, waiting, forgotten) in list(self.entries.items()):
            stats, forget = usage.close(now, waiting())
            figures.append(stats)
            if forget:
                del self.entries[name]
                forgotten()
        return tuple(figures)

    def _align(self, start: float, now: float | None = None) -> None:
        # The wall time of `start`, which may lie a few milliseconds back.
        wall = self._wall() - ((now - start) if now is not None else 0.0)
        # A boundary is met to within microseconds of scheduling and clock slewing: what lies just
        # before a second's beginning belongs to that second, not to a sliver of its own.
        whole = math.floor(wall + _TOLERANCE)
        self.second = whole
        self.boundary = start + (whole + 1 - wall)
