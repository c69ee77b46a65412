"""From readings that only grow to what is used now.

Nobody is polled: a reading is taken when somebody asks, and the share of the processor is what was
used since an earlier question. Who asks regularly gets the average between two questions.
"""

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from utsuwa.kit.clock import Clock
from utsuwa.model.usage import ContainerUse, PodUse
from utsuwa.node import procfs

SPAN = 30.0
"""Seconds of the past over which is averaged at most; a reading older than that is forgotten."""
LEAST = 0.2
"""Seconds between two readings below which their difference says nothing: clock ticks are 10 ms."""
SPACING = 1.0
"""Seconds between two readings that are kept."""


class Reading(NamedTuple):
    """What a container has used since its start."""

    life: object
    """Another one after a restart: then the count has begun anew."""
    cpu_seconds: float
    memory: int
    """Bytes at this moment."""


class Rate(NamedTuple):
    """An average, and the seconds over which it was taken."""

    cores: float
    window: float


class Series:
    """The readings of one container. Mutable state: `_points`, (monotonic s, cpu s), `_life`."""

    __slots__ = ("_life", "_points")

    def __init__(self) -> None:
        self._life: object = None
        self._points: deque[tuple[float, float]] = deque()

    def __repr__(self) -> str:
        return f"<Series of {len(self._points)} readings>"

    def rate(self, now: float, reading: Reading) -> Rate | None:
        """Cores used since the oldest reading that counts; None when there is none yet."""
        points = self._points
        if reading.life is not self._life:
            points.clear()
            self._life = reading.life
        while points and points[0][0] < now - SPAN:
            points.popleft()
        found = None
        if points and now - points[0][0] >= LEAST:
            window = now - points[0][0]
            found = Rate(max(0.0, reading.cpu_seconds - points[0][1]) / window, window)
        if not points or now - points[-1][0] >= SPACING:
            points.append((now, reading.cpu_seconds))
        return found


class Meter:
    """What each pod uses. Mutable state: `_series` by pod and container."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._series: dict[str, dict[str, Series]] = {}

    def __repr__(self) -> str:
        return f"<Meter of {len(self._series)} pods>"

    def use(self, uid: str, readings: Mapping[str, Reading]) -> PodUse | None:
        """What the pod `uid` uses by these readings of its containers; None without any."""
        if not readings:
            return None
        now = self._clock.monotonic()
        known = self._series.setdefault(uid, {})
        rates = {
            name: known.setdefault(name, Series()).rate(now, reading)
            for name, reading in readings.items()
        }
        found = [rate for rate in rates.values() if rate is not None]
        containers = tuple(
            ContainerUse(name, None if rate is None else rate.cores, readings[name].memory)
            for name, rate in rates.items()
        )
        return PodUse(
            cores=sum(rate.cores for rate in found) if len(found) == len(rates) else None,
            memory=sum(reading.memory for reading in readings.values()),
            window=max((rate.window for rate in found), default=0.0),
            containers=containers,
        )

    def forget(self, uid: str) -> None:
        """The pod is gone."""
        self._series.pop(uid, None)


class MachineMeter:
    """What the whole machine uses, ours and everybody else's."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._series = Series()

    def __repr__(self) -> str:
        return f"<MachineMeter {self._series!r}>"

    def use(self) -> PodUse:
        """What is used now; `cores` is None at the first question."""
        memory = procfs.machine_memory()
        reading = Reading(None, procfs.machine_cpu_seconds(), memory)
        rate = self._series.rate(self._clock.monotonic(), reading)
        return PodUse(
            cores=None if rate is None else rate.cores,
            memory=memory,
            window=0.0 if rate is None else rate.window,
        )
