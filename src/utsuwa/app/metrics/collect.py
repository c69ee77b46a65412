"""The page of metrics, put together when somebody asks for it: nothing is kept for it but what
adds up (:mod:`utsuwa.app.metrics.traffic`)."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import psutil

from utsuwa.alerts import Alert, Standing
from utsuwa.app.metrics import catalogue as c
from utsuwa.app.metrics.traffic import RouteOf, Traffic
from utsuwa.cluster.informer import Informer, key_of
from utsuwa.cluster.port import Key
from utsuwa.controllers.framework import Controller
from utsuwa.controllers.podautoscaler import Scaler
from utsuwa.kit.clock import Clock
from utsuwa.kit.exposition import Buckets, Labels, Metric, histograms, numbers
from utsuwa.model import labels
from utsuwa.model.kinds import SERVICE
from utsuwa.model.meta import annotations_of, labels_of
from utsuwa.routing.messages import RevisionName
from utsuwa.store import Store

_Numbers = dict[Labels, float]


@dataclass(frozen=True, slots=True)
class Internals:
    """What of the control process is looked at."""

    store: Store
    controllers: Callable[[], Iterable[Controller]]
    gateways: Callable[[], int]
    warm_parents: Callable[[], Iterable[tuple[str, int]]]
    """Revision and bytes of each."""
    version: str
    alerts: Callable[[], Iterable[Standing]] = tuple
    traces: Callable[[], tuple[int, int]] = lambda: (0, 0)
    """Traced requests that were exported, and that were dropped."""
    late: Callable[[], float] = float
    """Seconds by which the loop was late at worst, lately."""


class Collector:
    """Reads everything, now."""

    def __init__(
        self,
        traffic: Traffic,
        scaler: Scaler,
        revisions: Informer,
        internals: Internals,
        clock: Clock,
    ) -> None:
        self._traffic = traffic
        self._scaler = scaler
        self._revisions = revisions
        self._internals = internals
        self._clock = clock
        self._process = psutil.Process()

    def __repr__(self) -> str:
        return f"<Collector of {self._traffic!r}>"

    def pieces(self) -> Iterator[str]:
        """The page, piece by piece: between two of them others may run. What is on it is of the
        time of the first."""
        known = {key_of(document): document for document in self._revisions.list()}
        routes = {
            f"{key.namespace}/{name}"
            for key, document in known.items()
            for name in labels.split_routes(annotations_of(document).get(labels.ROUTES, ""))
        }
        self._traffic.keep({str(key) for key in known}, routes)
        named: dict[Key, Labels] = {
            key: (
                key.namespace,
                labels_of(document).get(labels.SERVICE, ""),
                labels_of(document).get(labels.CONFIGURATION, ""),
                key.name,
            )
            for key, document in known.items()
        }
        decisions = self._decisions(named)
        yield from self._requests(named)
        warm = (c.WARM_MEMORY, self._warm(named))
        for metric, samples in (*decisions.items(), *self._internal(), warm):
            yield from numbers(metric, samples)

    def _requests(self, named: dict[Key, Labels]) -> Iterator[str]:
        now = self._clock.now()
        durations: dict[Labels, Buckets] = {}
        cold: dict[Labels, Buckets] = {}
        phases: dict[Labels, Buckets] = {}
        thaws: dict[Labels, Buckets] = {}
        found: dict[Metric, _Numbers] = {metric: {} for metric in (
            c.REQUESTS, c.PLATFORM_ERRORS, c.CONCURRENCY, c.QUEUED, c.ACTIVE, c.WAKEUPS,
        )}  # fmt: skip
        for key, own in named.items():
            figures = self._traffic.figures.get(str(key))
            if figures is None:
                continue
            durations[own] = figures.duration
            for name, count in zip(c.CLASSES, figures.classes, strict=True):
                found[c.REQUESTS][*own, name] = count
            found[c.PLATFORM_ERRORS][own] = figures.platform_errors
            found[c.WAKEUPS][own] = figures.wakeups
            concurrency, waiting, active = figures.now(now)
            found[c.CONCURRENCY][own] = concurrency
            found[c.QUEUED][own] = waiting
            found[c.ACTIVE][own] = active
            if figures.cold is not None:
                cold[own] = figures.cold
                phases.update({(*own, name): one for name, one in figures.phases.items()})
            if figures.thaws is not None:
                thaws[own] = figures.thaws
        yield from histograms(c.DURATION, durations)
        by_route = {tuple(name.split("/", 1)): one for name, one in self._traffic.routes.items()}
        yield from histograms(c.ROUTE_DURATION, by_route)
        for metric, samples in found.items():
            yield from numbers(metric, samples)
        yield from histograms(c.COLD_START, cold)
        yield from histograms(c.COLD_PHASE, phases)
        yield from histograms(c.THAW, thaws)

    def _decisions(self, named: dict[Key, Labels]) -> dict[Metric, _Numbers]:
        found: dict[Metric, _Numbers] = {metric: {} for metric in (
            c.DESIRED, c.EXCESS, c.PANIC, *c.MEASURED.values(), c.REQUESTED, c.COUNT, c.NOT_READY,
            c.FROZEN, c.PENDING, c.TERMINATING, c.DECISIONS,
        )}  # fmt: skip
        for key in self._scaler.revisions():
            if key in named:
                for metric, rest, value in self._of(key):
                    found[metric][*named[key], *rest] = value
        return found

    def _of(self, key: Key) -> Iterable[tuple[Metric, Labels, float]]:
        """What the autoscaler knows of one revision."""
        counts = self._scaler.counts(key)
        yield c.COUNT, (), counts.ready
        yield c.NOT_READY, (), counts.not_ready
        yield c.FROZEN, (), counts.frozen
        yield c.PENDING, (), counts.pending
        yield c.TERMINATING, (), counts.terminating
        for direction, count in self._scaler.directions(key).items():
            yield c.DECISIONS, (direction,), count
        entry = self._scaler.current(key)
        if entry is None:
            return
        if entry.scaling is not None and entry.scaling.want >= 0:
            yield c.REQUESTED, (), entry.scaling.want
        decision = entry.decision
        if decision is None:
            return
        yield c.DESIRED, (), decision.desired
        yield c.EXCESS, (), decision.excess_burst_capacity
        yield c.PANIC, (), int(decision.panicking)
        values = {"stable": decision.stable, "panic": decision.panic, "target": decision.target}
        for name, value in values.items():
            metric = c.MEASURED.get((decision.metric, name))
            if metric is not None:
                yield metric, (), value

    def _warm(self, named: dict[Key, Labels]) -> _Numbers:
        memory: _Numbers = {}
        for revision, used in self._internals.warm_parents():
            key = Key(*revision.split("/"))
            if key in named:
                memory[named[key]] = memory.get(named[key], 0) + used
        return memory

    def _internal(self) -> Iterator[tuple[Metric, _Numbers]]:
        internals = self._internals
        yield c.ALERT, {_alert(one.alert): 1 for one in internals.alerts()}
        exported, dropped = internals.traces()
        yield c.TRACES, {("exported",): exported, ("dropped",): dropped}
        queues = {one.name: one.queue for one in internals.controllers()}
        yield c.WORK_DEPTH, {(name,): queue.depth for name, queue in queues.items()}
        yield c.WORK_FAILING, {(name,): queue.failing for name, queue in queues.items()}
        yield (
            c.WORK_PASSES,
            {
                (one.name, result): count
                for one in internals.controllers()
                for result, count in one.passes.items()
            },
        )
        yield c.LOOP_LATE, {(): internals.late()}
        yield c.STORE_WRITES, {(): internals.store.version}
        yield c.STORE_COMMITS, {(): internals.store.commits}
        yield c.STORE_OBJECTS, {(): internals.store.size}
        yield c.GATEWAYS, {(): internals.gateways()}
        yield c.BUILD, {(internals.version,): 1}
        times = self._process.cpu_times()
        yield c.CPU, {(): float(times.user + times.system)}
        yield c.MEMORY, {(): int(self._process.memory_info().rss)}
        yield c.START, {(): float(self._process.create_time())}


def _alert(alert: Alert) -> Labels:
    subject = alert.subject
    service = subject.name if subject.kind == SERVICE.name else ""
    return (alert.code, alert.severity.value, subject.namespace, service, alert.about)


def route_of(revisions: Informer) -> RouteOf:
    """Knows the one Route that leads to a revision."""

    def route(revision: RevisionName) -> str:
        key = Key(*revision.split("/", 1))
        document = revisions.get(key)
        text = annotations_of(document).get(labels.ROUTES, "") if document is not None else ""
        names = labels.split_routes(text)
        return f"{key.namespace}/{next(iter(names))}" if len(names) == 1 else ""

    return route
