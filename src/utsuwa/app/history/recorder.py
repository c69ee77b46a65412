"""The recorder: once a second, a point for every revision that does something.

The figures of a second come from the gateways just after it; half a second later the point of that
second is made. What comes later still is counted in the next one, so that no request is lost.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from utsuwa.app.history.file import Asked, Batch, Kept, Name
from utsuwa.app.history.fleet import Fleet, State
from utsuwa.cluster.port import Key
from utsuwa.kit.clock import Clock
from utsuwa.routing.messages import RevisionStats, Stats, Wake
from utsuwa.series import (
    MEMORY_UNIT,
    NOTHING,
    SECOND,
    TENTHS,
    Life,
    Mark,
    Point,
    Track,
    away,
    fold,
    merged,
    together,
)

LAG = 0.5
"""Seconds after the end of a second at which its point is made."""
FLUSH_EVERY = 10
"""Seconds between two batches for the file."""
ALIVE_EVERY = 60
"""Seconds between two notes that we are still there, while nothing else is written."""
SETTLING = 10.0
"""Seconds after our own start in which nobody knows whether a revision rested before."""
QUIET = 120
"""Seconds after which a revision that does nothing is forgotten here; the file has it."""
NO_STATE = State()
MOST_MARKS = 5_000
"""Marks between two batches: more than that is not a history but noise."""


class Sink(Protocol):
    """Who wants to know of traffic."""

    def wake(self, message: Wake) -> None:
        """A first request came for an idle revision."""
        ...

    def stats(self, gateway: str, message: Stats) -> None:
        """One gateway's figures of one second."""
        ...


class Archive(Protocol):
    """Who keeps what the recorder forgets: the file."""

    def write(self, batch: Batch) -> None:
        """Keep it; never waits."""
        ...

    async def read(self, asked: Asked) -> Kept:
        """What is kept of it."""
        ...


class Past(NamedTuple):
    """What was: points of each revision by time, marks, and the spans of which nothing is known
    because there was no recorder, each with its first and last second."""

    points: dict[str, dict[int, Point]]
    marks: list[Mark]
    away: list[tuple[int, int]]


class Sinks:
    """Several who want to know of traffic, told in order."""

    def __init__(self, *sinks: Sink) -> None:
        self._sinks = sinks

    def __repr__(self) -> str:
        return f"<Sinks {self._sinks!r}>"

    def wake(self, message: Wake) -> None:
        """Pass it on."""
        for sink in self._sinks:
            sink.wake(message)

    def stats(self, gateway: str, message: Stats) -> None:
        """Pass it on."""
        for sink in self._sinks:
            sink.stats(gateway, message)


Panicking = Callable[[Key], float | None]
"""Since when the autoscaler is in panic about a revision; None when it is not."""


class Recorder:
    """Makes the points, keeps the latest of them, and hands all to the file.

    Mutable state, changed on the loop only: `_tracks` by revision; `_figures`, what gateways told
    since the last point, and `_states`, what pods there were at its end; `_marks`, of the last
    minutes; `_panic`, the revisions in panic; `_alive`, until when the file knows of us.
    """

    def __init__(self, file: Archive, fleet: Fleet, clock: Clock, *, panicking: Panicking) -> None:
        self._file = file
        self._fleet = fleet
        self._clock = clock
        self._panicking = panicking
        self._started = clock.now()
        self._life = math.floor(self._started)
        self._second = self._life - 1
        self._alive = 0
        self._tracks: dict[Key, Track] = {}
        self._seen: dict[Key, int] = {}
        self._states: dict[Key, State] = {}
        self._figures: dict[Key, dict[str, Point]] = {}
        self._marks: list[tuple[Key, Mark]] = []
        self._unwritten: list[tuple[Key, Mark]] = []
        self._panic: set[Key] = set()
        fleet.on_deploy(self._deployed)
        fleet.on_scale(self._scaled)

    def __repr__(self) -> str:
        return f"<Recorder {len(self._tracks)} revisions at {self._second}>"

    @property
    def second(self) -> int:
        """The last second of which there are points."""
        return self._second

    # --- what gateways say ----------------------------------------------------------------------

    def wake(self, message: Wake) -> None:
        """A request came for an idle revision: a mark, if no pod was wanted."""
        key = _key(message.revision)
        if self._fleet.knows(key) and self._fleet.desired(key) == 0:
            text = f"{message.path or '?'} from {message.client or '?'}"
            self._mark(key, Mark(message.time, "woken", key.name, text))

    def stats(self, gateway: str, message: Stats) -> None:
        """One gateway's figures of one second."""
        for figures in message.revisions:
            known = self._figures.setdefault(_key(figures.revision), {})
            point = _point(figures)
            before = known.get(gateway)
            known[gateway] = point if before is None else _later(before, point)

    # --- once a second --------------------------------------------------------------------------

    async def run(self) -> None:
        """Make points, and a batch for the file now and then, for ever."""
        while True:
            ends = math.floor(self._clock.now() - LAG) + 1
            await self._clock.sleep(ends - self._clock.now())
            self.sample()
            await self._clock.sleep(ends + LAG - self._clock.now())
            self.close_second(ends - 1)
            if self._second % FLUSH_EVERY == 0:
                self.flush()

    def sample(self) -> None:
        """A second ends now: see what pods there are. Its point is made later."""
        self._states = {key: self._fleet.state(key) for key in self._fleet.alive()}

    def close_second(self, second: int) -> None:
        """Make the points of `second`."""
        if second <= self._second:  # the clock was set back: wait until it has caught up
            return
        self._second = second
        figures, self._figures = self._figures, {}
        states, self._states = self._states, {}
        busy = {key for key, track in self._tracks.items() if not track.silent}
        certain = second - self._started > SETTLING
        for key in states.keys() | figures.keys() | busy:
            if not self._fleet.knows(key) and key not in self._tracks:
                continue
            point = _point_of(states.get(key, NO_STATE), figures.get(key, {}))
            track = self._tracks.get(key)
            if track is None:
                track = self._tracks[key] = Track(self._life)
            track.add(second, point, rested=certain)
            self._seen[key] = second
            self._watch_panic(key)
        for track in self._tracks.values():
            track.end_minute(second)

    def flush(self, *, last: bool = False) -> None:
        """Hand all that is new to the file, and forget who is long silent."""
        blocks = [
            (self._name(key), block)
            for key, track in self._tracks.items()
            for block in track.unwritten()
        ]
        marks, self._unwritten = self._unwritten, []
        if blocks or marks or last or self._second >= self._alive + ALIVE_EVERY:
            named = [(self._name(key), mark) for key, mark in marks]
            self._alive = self._second
            self._file.write(Batch(self._clock.now(), blocks, named, life=self._lived()))
        for key in [key for key, seen in self._seen.items() if seen < self._second - QUIET]:
            del self._tracks[key], self._seen[key]
            self._panic.discard(key)
        oldest = self._second - QUIET
        self._marks = [(key, mark) for key, mark in self._marks if mark.time >= oldest]

    def seal(self) -> None:
        """The end: hand over what there is, complete or not."""
        for track in self._tracks.values():
            track.seal()
        self.flush(last=True)

    # --- reading --------------------------------------------------------------------------------

    async def read(self, revisions: Sequence[Key], asked: Asked) -> Past:
        """What was; `revisions` are those that are known here of what is `asked` for."""
        here = {key: self._tracks[key] for key in revisions if key in self._tracks}
        kept = Kept({}, [])
        if not all(self._has_all(self._tracks.get(key), asked) for key in revisions):
            kept = await self._file.read(asked)
        blocks = dict(kept.blocks)
        for key, track in here.items():
            blocks[key.name] = [*blocks.get(key.name, ()), *track.blocks(asked.step)]
        known = set(revisions)
        latest = [
            mark
            for key, mark in self._marks
            if key in known and asked.since <= mark.time < asked.until + asked.step
        ]
        marks = {(mark.time, mark.kind, mark.revision): mark for mark in (*kept.marks, *latest)}
        return Past(
            {name: fold(found, asked.since, asked.until) for name, found in blocks.items()},
            sorted(marks.values(), key=lambda mark: mark.time),
            away([*kept.lives, self._lived()], asked.since, asked.until),
        )

    def latest(self, revision: Key, since: int) -> dict[int, Point]:
        """Points of the latest two minutes at most; nothing is read from the file."""
        track = self._tracks.get(revision)
        return {} if track is None else track.latest(since)

    def latest_marks(self, revisions: Sequence[Key]) -> list[Mark]:
        """What happened to `revisions` in the latest two minutes at least."""
        known = set(revisions)
        return [mark for key, mark in self._marks if key in known]

    def _lived(self) -> Life:
        return Life(self._life, max(self._life, self._second))

    def _has_all(self, track: Track | None, asked: Asked) -> bool:
        """Whether the file can add nothing."""
        if asked.step != SECOND or asked.since < self._started + 1:
            return False
        if asked.since < self._second - QUIET:
            return False
        return track is None or track.holds(SECOND, asked.since)  # no track: silent all that time

    # --- making points --------------------------------------------------------------------------

    def _watch_panic(self, key: Key) -> None:
        since = self._panicking(key)
        if since is not None and key not in self._panic:
            self._panic.add(key)
            # Not before this second: whoever reads on from here must not miss it.
            self._mark(key, Mark(max(since, float(self._second)), "panic", key.name))
        elif since is None and key in self._panic:
            self._panic.discard(key)
            self._mark(key, Mark(self._clock.now(), "calm", key.name))

    def _deployed(self, key: Key, created: float) -> None:
        if created >= math.floor(self._started):
            self._mark(key, Mark(created, "deploy", key.name))

    def _scaled(self, key: Key, before: int, now: int) -> None:
        if before > 0 and now == 0 and self._fleet.knows(key):
            self._mark(key, Mark(self._clock.now(), "zero", key.name))

    def _mark(self, key: Key, mark: Mark) -> None:
        if len(self._unwritten) < MOST_MARKS:
            self._marks.append((key, mark))
            self._unwritten.append((key, mark))

    def _name(self, key: Key) -> Name:
        return Name(key.namespace, key.name, self._fleet.service(key))


def _point_of(state: State, by_gateway: dict[str, Point]) -> Point:
    served = functools.reduce(together, by_gateway.values(), NOTHING)
    return served._replace(
        desired=state.desired,
        ready=state.ready,
        total=state.total,
        cpu=round(state.cores * 1000),
        memory=round(state.memory / MEMORY_UNIT),
    )


def _key(revision: str) -> Key:
    namespace, _, name = revision.partition("/")
    return Key(namespace, name)


def _point(figures: RevisionStats) -> Point:
    served = Point(*figures.status)
    p50, p95, p99 = (round(seconds * TENTHS) for seconds in figures.latency)
    return served._replace(
        in_flight=figures.in_flight, waiting=figures.waiting, p50=p50, p95=p95, p99=p99
    )


def _later(before: Point, point: Point) -> Point:
    """Two seconds of one gateway as one: counts add up, of latencies the higher stays, and the rest
    is as it is now."""
    return merged(before, point)._replace(in_flight=point.in_flight, waiting=point.waiting)
