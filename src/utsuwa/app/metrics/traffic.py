"""What gateways tell, added up for as long as control lives: a counter that begins anew with it is
what Prometheus expects of a process that was restarted."""

from bisect import bisect_left
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from utsuwa.app.metrics.catalogue import (
    CLASSES,
    COLD_PHASE,
    COLD_START,
    DURATION,
    ROUTE_DURATION,
    THAW,
)
from utsuwa.kit.clock import Clock
from utsuwa.kit.exposition import Buckets, Metric
from utsuwa.routing.messages import ColdStarts, RevisionName, RevisionStats, Stats, Wake
from utsuwa.routing.receipts import PHASES, phases, total

RouteOf = Callable[[RevisionName], str]
FRESH = 3.0
"""Seconds for which a gateway's word on what is inside counts; a dead one has nothing inside."""


@dataclass(slots=True)
class Figures:
    """One revision's. Mutable state: all of it."""

    duration: Buckets = field(default_factory=lambda: Buckets.of(DURATION))
    classes: list[int] = field(default_factory=lambda: [0] * len(CLASSES))
    platform_errors: int = 0
    wakeups: int = 0
    cold: Buckets | None = None
    thaws: Buckets | None = None
    phases: dict[str, Buckets] = field(default_factory=dict)
    inside: dict[str, tuple[int, RevisionStats]] = field(default_factory=dict)
    """By gateway: the last second told of, and its figures."""

    def now(self, now: float) -> tuple[float, int, int]:
        """(average concurrency, waiting, on pods) of all gateways together."""
        fresh = [told for second, told in self.inside.values() if now - second <= FRESH]
        return (
            sum(told.concurrency for told in fresh),
            sum(told.waiting for told in fresh),
            sum(told.in_flight for told in fresh),
        )


class Traffic:
    """A sink of the gateways' words. Mutable state: `figures` by revision, and `routes`, durations
    by `namespace/name` of the Route; on the loop only."""

    def __init__(self, clock: Clock, route: RouteOf = lambda revision: "") -> None:
        """`route`: the one Route that leads to a revision, or "": there is none, or several."""
        self._clock = clock
        self._route = route
        self.figures: dict[RevisionName, Figures] = {}
        self.routes: dict[str, Buckets] = {}

    def __repr__(self) -> str:
        return f"<Traffic of {len(self.figures)} revisions>"

    def wake(self, message: Wake) -> None:
        """A first request came for an idle revision."""
        self._of(message.revision).wakeups += 1

    def stats(self, gateway: str, message: Stats) -> None:
        """One gateway's figures of one second."""
        for told in message.revisions:
            figures = self._of(told.revision)
            figures.inside[gateway] = (message.second, told)
            figures.platform_errors += told.platform_errors
            for number, count in enumerate(told.status):
                figures.classes[number] += count
            figures.duration.add(told.buckets, told.latency_sum)
            if told.buckets and (route := self._route(told.revision)):
                durations = self.routes.get(route)
                if durations is None:
                    durations = self.routes[route] = Buckets.of(ROUTE_DURATION)
                durations.add(told.buckets, told.latency_sum)

    def cold_starts(self, message: ColdStarts) -> None:
        """What requests that found no pod have waited for."""
        for start in message.starts:
            figures = self._of(start.revision)
            if start.thawed:
                figures.thaws = figures.thaws or Buckets.of(THAW)
                _observe(figures.thaws, THAW, total(start))
                continue
            if figures.cold is None:
                figures.cold = Buckets.of(COLD_START)
                figures.phases = {name: Buckets.of(COLD_PHASE) for name in PHASES}
            _observe(figures.cold, COLD_START, total(start))
            for name, seconds in phases(start).items():
                _observe(figures.phases[name], COLD_PHASE, seconds)

    def keep(self, revisions: Collection[RevisionName], routes: Collection[str] = ()) -> None:
        """Forget every revision and Route but these, and gateways that have been silent."""
        for name in self.routes.keys() - routes:
            del self.routes[name]
        for name in self.figures.keys() - revisions:
            del self.figures[name]
        now = self._clock.now()
        for figures in self.figures.values():
            for gateway, (second, _) in list(figures.inside.items()):
                if now - second > FRESH:
                    del figures.inside[gateway]

    def _of(self, revision: RevisionName) -> Figures:
        found = self.figures.get(revision)
        if found is None:
            found = self.figures[revision] = Figures()
        return found


def _observe(buckets: Buckets, metric: Metric, seconds: float) -> None:
    buckets.counts[bisect_left(metric.bounds, seconds)] += 1
    buckets.total += seconds
