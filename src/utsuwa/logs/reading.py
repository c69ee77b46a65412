"""All that a Service wrote, pods that are gone included, merged by time.

For whoever shows logs: the API server, and pages. Files are read in threads; nothing here asks a
cluster, and nothing is kept in memory but what is about to be given.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from utsuwa.kit.clock import Clock, rfc3339_micro
from utsuwa.kit.documents import Document
from utsuwa.logs.file import kept_from, line_start, on_disk, opened, read, size_of, tail_start
from utsuwa.logs.lines import DEFAULT, Entry, mentions, parse, parse_request, rank
from utsuwa.logs.places import PodPlace, pods, request_log
from utsuwa.logs.times import Times

POLL = 0.2
"""Seconds between two looks at files that are followed."""
RESCAN = 1.0
"""Seconds between two looks for new ones."""
_BATCH = 500
_LONGEST_LINE = 1024 * 1024
_NANOSECONDS = 1_000_000_000

OUTPUT, REQUESTS = "output", "requests"


@dataclass(frozen=True, slots=True)
class Source:
    """One file of a Service: the output of a life of a container, or its request log."""

    path: Path
    kind: str
    """`output` or `requests`."""
    service: str
    revision: str = ""
    pod: str = ""
    uid: str = ""
    container: str = ""
    restart: int = 0
    alive: bool = field(default=True, compare=False)
    """Whether the pod is still there; a life before the present one is part of that."""
    bytes: int = field(default=0, compare=False)
    """That it takes on the disk."""
    changed: float = field(default=0.0, compare=False)
    """When it last grew, in Unix seconds."""

    def to_json(self) -> Document:
        """For an answer."""
        return {
            "kind": self.kind, "pod": self.pod, "uid": self.uid, "revision": self.revision,
            "container": self.container, "restart": self.restart, "alive": self.alive,
            "bytes": self.bytes, "changed": rfc3339_micro(self.changed),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """One line. `received`: when it was written, in Unix seconds; `text`: as it was written."""

    source: Source
    received: float
    text: str
    entry: Entry
    position: int = 0
    """Where in its file it ends."""

    @property
    def time(self) -> float:
        """When what it tells of happened."""
        return self.received if self.entry.time is None else self.entry.time

    def to_json(self) -> Document:
        """For an answer: what is empty is left out."""
        source, entry = self.source, self.entry
        found: Document = {
            "position": self.position,
            "received": rfc3339_micro(self.received),
            "time": rfc3339_micro(self.time),
            "severity": entry.severity,
            "message": entry.message,
            "kind": source.kind,
            "revision": source.revision,
            "pod": source.pod,
            "container": source.container,
            "restart": source.restart,
            "trace": entry.trace,
            "span": entry.span,
            "httpRequest": entry.request,
            "labels": dict(entry.labels),
            "payload": entry.payload,
        }
        if entry.structured or entry.message != self.text:
            found["text"] = self.text
        return {name: value for name, value in found.items() if value or name == "message"}


@dataclass(frozen=True, slots=True)
class Wish:
    """Which lines are wanted; empty and None stand for all."""

    revision: str = ""
    pod: str = ""
    container: str = ""
    since: float | None = None
    """Unix seconds."""
    level: str = DEFAULT
    """At least as severe."""
    request_id: str = ""
    search: str = ""
    """In the line as it was written, whatever the case."""
    tail: int | None = None
    """The last so many of all that fit."""
    follow: bool = False
    output: bool = True
    requests: bool = False
    """Those of the request log."""

    @property
    def picks(self) -> bool:
        """Whether lines must be looked at."""
        return bool(self.request_id or self.search or rank(self.level))

    def wants(self, source: Source) -> bool:
        """Whether any line of a file can fit. The request log is one of all revisions."""
        if source.kind == REQUESTS:
            return self.requests
        return (
            self.output
            and self.pod in {"", source.pod}
            and self.container in {"", source.container}
            and self.revision in {"", source.revision}
            and (self.since is None or source.changed >= self.since)
        )

    def fits(self, line: Line) -> bool:
        """Whether a line is wanted."""
        if self.since is not None and line.received < self.since:
            return False
        if self.request_id and not mentions(line.text, self.request_id):
            return False
        if self.search and self.search.lower() not in line.text.lower():
            return False
        if line.source.kind == REQUESTS and self.revision and self.revision not in line.text:
            return False
        return rank(line.entry.severity) >= rank(self.level)


class ServiceLogs:
    """The logs below `root`; `alive` tells the uids of the Pods that there are."""

    def __init__(self, root: Path, clock: Clock, alive: Callable[[], Collection[str]]) -> None:
        self._root = root
        self._clock = clock
        self._alive = alive

    def __repr__(self) -> str:
        return f"<ServiceLogs below {self._root}>"

    async def sources(self, namespace: str, service: str) -> list[Source]:
        """Every file of a Service, pods in the order in which they last wrote."""
        alive = frozenset(self._alive())
        return await asyncio.to_thread(_sources, self._root, namespace, service, alive)

    async def lines(self, namespace: str, service: str, wish: Wish) -> AsyncIterator[list[Line]]:
        """The lines that are wanted, in batches, merged by the time at which they were written;
        with `follow` until the caller has enough, and an empty batch now and then."""
        found = await self.sources(namespace, service)
        files = {one.path: _File(one) for one in found if wish.wants(one)}
        old = _backlog(list(files.values()), wish)
        while batch := await asyncio.to_thread(lambda: list(islice(old, _BATCH))):
            yield batch
        looked = self._clock.monotonic()
        while wish.follow:
            yield await asyncio.to_thread(_news, list(files.values()), wish)
            await self._clock.sleep(POLL)
            if self._clock.monotonic() - looked >= RESCAN:
                looked = self._clock.monotonic()
                for one in await self.sources(namespace, service):
                    if one.path not in files and wish.wants(one):
                        files[one.path] = _File(one)

    async def text(self, namespace: str, service: str, wish: Wish) -> AsyncIterator[bytes]:
        """The same as they were written, for a download: each line after its time and its pod."""
        async for batch in self.lines(namespace, service, wish):
            parts = [
                f"{rfc3339_micro(line.received)} {line.source.pod or REQUESTS} {line.text}\n"
                for line in batch
            ]
            yield "".join(parts).encode()


def _sources(root: Path, namespace: str, service: str, alive: frozenset[str]) -> list[Source]:
    found = [
        _measured(Source(
            path=life.path, kind=OUTPUT, service=service, revision=place.revision, pod=place.pod,
            uid=place.uid, container=life.container, restart=life.restart,
            alive=place.uid in alive,
        ))
        for place in pods(root / namespace)
        if _belongs(place, service)
        for life in place.lives()
    ]  # fmt: skip
    requests = request_log(root, namespace, service)
    if requests.exists():
        found.append(_measured(Source(path=requests, kind=REQUESTS, service=service)))
    return sorted(found, key=lambda one: (one.kind == REQUESTS, one.changed))


def _belongs(place: PodPlace, service: str) -> bool:
    """Whether a Pod is one of `service`; where that was not written down, by its revision."""
    return service == (place.service or place.revision.rpartition("-")[0])


def _measured(source: Source) -> Source:
    with suppress(OSError):
        return replace(source, bytes=on_disk(source.path), changed=source.path.stat().st_mtime)
    return source


class _File:
    """Reads the lines of one file; for a thread. Mutable state: `_offset`, where the next line
    begins."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._times = Times(source.path)
        self._offset = 0

    def begin(self, wish: Wish) -> None:
        """Go to the first line that can be wanted."""
        with suppress(FileNotFoundError), opened(self._source.path) as file:
            self._offset = kept_from(file)
            self._times.refresh()
            if wish.since is not None:
                written = self._times.before(int(wish.since * _NANOSECONDS), size_of(file))
                self._offset = max(self._offset, line_start(file, written))
            if wish.tail is not None and not wish.picks:
                self._offset = max(self._offset, tail_start(file, size_of(file), wish.tail))

    def lines(self, *, whole: bool) -> Iterator[Line]:
        """What has come since the last call; `whole`: not a line that is still being written."""
        position, rest = self._offset, b""
        while True:
            start, data = self._chunk(position)
            if start != position:
                self._offset, rest = start, b""
            if not data:
                break
            position = start + len(data)
            self._times.refresh()
            *ended, rest = (rest + data).split(b"\n")
            if len(rest) > _LONGEST_LINE:
                ended, rest = [*ended, rest], b""
            for line in ended:
                self._offset = min(self._offset + len(line) + 1, position)
                yield self._line(line)
        if rest and not whole:
            self._offset = position
            yield self._line(rest)

    def _chunk(self, position: int) -> tuple[int, bytes]:
        """Opened each time: many files are read side by side."""
        try:
            if self._source.path.stat().st_size > position:
                with opened(self._source.path) as file:
                    return read(file, position)
        except FileNotFoundError:
            pass  # swept
        return position, b""

    def _line(self, data: bytes) -> Line:
        received = self._times.at(self._offset) / _NANOSECONDS
        text = data.decode(errors="replace").rstrip("\r")
        requests = self._source.kind == REQUESTS
        entry = parse_request(text) if requests else parse(text)
        return Line(self._source, received, text, entry, self._offset)


def _backlog(files: list[_File], wish: Wish) -> Iterator[Line]:
    for file in files:
        file.begin(wish)
    merged = heapq.merge(
        *(file.lines(whole=wish.follow) for file in files), key=lambda line: line.received
    )
    wanted = (line for line in merged if wish.fits(line))
    yield from wanted if wish.tail is None else deque(wanted, wish.tail)


def _news(files: list[_File], wish: Wish) -> list[Line]:
    found = [line for file in files for line in file.lines(whole=True) if wish.fits(line)]
    return sorted(found, key=lambda line: line.received)
