"""Time-weighted statistics of requests, and what an activator reports of them.

`spec/autoscaling.md` §2.2, §2.3. The gateway keeps its own accounting for speed; this is the rule
itself, used by the simulator, by tests, and as the reference that the gateway is held against.
Times in seconds on any one clock.
"""

from typing import NamedTuple


class Report(NamedTuple):
    """One reporting window: averages over the time in use, and counts (not rates)."""

    concurrency: float
    proxied_concurrency: float
    requests: float
    proxied_requests: float


class RequestStats:
    """Concurrency and request count of one revision on one process.

    Worked example: two requests of 500 ms, one after the other, in a window of 1 s average 1.0.

    Mutable state: the present concurrency and when it last changed, kept for ever; the sums since
    the last report. A clock that steps back adds no time.
    """

    __slots__ = (
        "_changed",
        "_concurrency",
        "_in_use",
        "_proxied",
        "_proxied_requests",
        "_proxied_sum",
        "_requests",
        "_sum",
    )

    def __init__(self, now: float) -> None:
        self._changed = now
        self._concurrency = 0
        self._proxied = 0
        self._requests = 0.0
        self._proxied_requests = 0.0
        self._sum = 0.0
        self._proxied_sum = 0.0
        self._in_use = 0.0

    def __repr__(self) -> str:
        return f"<RequestStats {self._concurrency} in flight, {self._requests:g} arrived>"

    def arrive(self, now: float, *, proxied: bool = False) -> None:
        """A request comes; `proxied`: through an activator."""
        self._advance(now)
        self._requests += 1
        self._concurrency += 1
        if proxied:
            self._proxied_requests += 1
            self._proxied += 1

    def leave(self, now: float, *, proxied: bool = False) -> None:
        """A request has been answered, or given up."""
        self._advance(now)
        self._concurrency -= 1
        if proxied:
            self._proxied -= 1

    def report(self, now: float) -> Report:
        """Close the window. Requests still open count on in the next one."""
        self._advance(now)
        used = self._in_use
        report = Report(
            self._sum / used if used > 0 else 0.0,
            self._proxied_sum / used if used > 0 else 0.0,
            self._requests,
            self._proxied_requests,
        )
        self._sum = self._proxied_sum = self._in_use = 0.0
        self._requests = self._proxied_requests = 0.0
        return report

    def _advance(self, now: float) -> None:
        passed = now - self._changed
        if passed > 0:
            self._in_use += passed
            self._sum += self._concurrency * passed
            self._proxied_sum += self._proxied * passed
            self._changed = now


class Stat(NamedTuple):
    """What an activator tells the autoscaler about one revision."""

    revision: str
    concurrency: float
    requests: float


class _Entry:
    __slots__ = ("first", "open", "stats")

    def __init__(self, now: float) -> None:
        self.stats = RequestStats(now)
        self.first = 1.0
        self.open = 0


class Ticket(NamedTuple):
    """A request in flight: give it back to :meth:`ActivatorStats.leave`."""

    revision: str
    entry: _Entry


class ActivatorStats:
    """The statistics of every revision that one activator handles.

    Mutable state: `_entries`, one for each revision in use: made by its first request, removed
    after a report of a whole window without any concurrency.
    """

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}

    def __repr__(self) -> str:
        return f"<ActivatorStats of {len(self._entries)} revisions>"

    def arrive(self, revision: str, now: float) -> tuple[Ticket, Stat | None]:
        """A request comes. The first one for an idle revision is told at once: the statistic of
        one request, to be deducted from the next report."""
        entry = self._entries.get(revision)
        told = None
        if entry is None:
            entry = self._entries[revision] = _Entry(now)
            told = Stat(revision, 1.0, 1.0)
        entry.open += 1
        entry.stats.arrive(now)
        return Ticket(revision, entry), told

    def leave(self, ticket: Ticket, now: float) -> None:
        """The request has been answered, or given up."""
        ticket.entry.stats.leave(now)
        ticket.entry.open -= 1

    def report(self, now: float) -> list[Stat]:
        """Close the window of every revision; sorted by revision."""
        stats: list[Stat] = []
        for revision in sorted(self._entries):
            entry = self._entries[revision]
            closed = entry.stats.report(now)
            told, entry.first = entry.first, 0.0
            concurrency = max(closed.concurrency - told, 0.0)
            stats.append(Stat(revision, concurrency, closed.requests - told))
            if closed.concurrency == 0 and entry.open == 0:
                del self._entries[revision]
        return stats
