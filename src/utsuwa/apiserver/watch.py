"""Watches: one line of JSON for each change, until time, client or server ends them.

Rules of `spec/kubernetes-api.md` §5. A watch holds no queue of its own: it takes the next change
from the cluster once the client has taken the last line, and a reader that falls too far behind
is told 410 by the cluster. A client that takes nothing for a minute is cut off.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from utsuwa.apiserver.calls import Call
from utsuwa.apiserver.ports import Backend
from utsuwa.apiserver.reads import Reads
from utsuwa.apiserver.selectors import Match
from utsuwa.apiserver.shown import Shown, is_shown
from utsuwa.apiserver.status import failure, invalid
from utsuwa.cluster.errors import ApiError, Cause, ExpiredError
from utsuwa.cluster.port import EventType, Key, WatchEvent
from utsuwa.kit.clock import Clock
from utsuwa.kit.documents import Document, encode

_DEFAULT_SECONDS = 45 * 60
_BOOKMARK_SECONDS = 60.0
_STALLED_SECONDS = 60.0
_INITIAL_END = "k8s.io/initial-events-end"


@dataclass(frozen=True, slots=True)
class Start:
    """Where a watch begins: objects to tell first, and the version after which changes follow."""

    initial: list[Document]
    since: int
    closes_initial: bool = False
    """Whether a bookmark marks the end of the initial objects."""


class Watches:
    """Serves watches, and ends them all when the server closes.

    Hundreds of them stand idle, so each is no more than the task of its request: what ends a wait
    for the next change is the wait's own timeout, which :meth:`close` moves to now.

    Mutable state: `_closing`, and `_waits`, the timeouts of those that wait for a change.
    """

    def __init__(self, cluster: Backend, reads: Reads, shown: Shown, clock: Clock) -> None:
        self._cluster = cluster
        self._reads = reads
        self._shown = shown
        self._clock = clock
        self._closing = False
        self._waits: set[asyncio.Timeout] = set()

    def close(self) -> None:
        """End every watch cleanly, after the line it writes."""
        self._closing = True
        for wait in self._waits:
            if not wait.expired():
                wait.reschedule(asyncio.get_running_loop().time())

    async def serve(self, call: Call, request: web.BaseRequest) -> web.StreamResponse:
        """Stream the changes to `request`.

        Raises:
            ApiError: before the first byte only; later errors become ERROR events.
        """
        selected = Selected(call)
        start = await self._start(call)
        seconds = call.number("timeoutSeconds") or _DEFAULT_SECONDS
        deadline = self._clock.monotonic() + seconds
        stream = _Stream(call, request, self._clock)
        source = self._changes(call, start.since)
        await stream.open()
        try:
            await self._initial(stream, selected, start, deadline)
            await self._follow(stream, selected, source, deadline)
        except ApiError as error:
            await stream.send("ERROR", failure(error))
        except (ConnectionError, TimeoutError):
            stream.abort()
        return await stream.end()

    async def _start(self, call: Call) -> Start:
        asked = call.query.get("resourceVersion", "")
        initial = call.query.get("sendInitialEvents", "")
        if initial:
            _check_initial(call)
        if initial == "false" or (asked not in {"", "0"} and not call.flag("sendInitialEvents")):
            since = call.number("resourceVersion") or self._cluster.resource_version
            if since > self._cluster.resource_version:
                raise ExpiredError(
                    f"too large resource version: {since} ({self._cluster.resource_version})"
                )
            return Start([], since)
        reads: Reads | Shown = self._shown if is_shown(call.target.kind) else self._reads
        items, version = await reads.select(call)
        return Start(items, version, call.flag("sendInitialEvents"))

    def _changes(self, call: Call, since: int) -> AsyncIterator[WatchEvent]:
        if is_shown(call.target.kind):
            return _Nothing()
        return self._cluster.watch(call.target.kind, call.target.namespace, since=since)

    async def _initial(
        self, stream: "_Stream", selected: "Selected", start: Start, deadline: float
    ) -> None:
        for document in start.initial:
            if self._clock.monotonic() >= deadline + _STALLED_SECONDS:
                raise TimeoutError("the client takes what there is too slowly")
            selected.enter(document)
            await stream.send_object("ADDED", document)
        if start.closes_initial:
            await stream.bookmark(start.since, {_INITIAL_END: "true"})
        stream.version = start.since

    async def _follow(
        self,
        stream: "_Stream",
        selected: "Selected",
        source: AsyncIterator[WatchEvent],
        deadline: float,
    ) -> None:
        bookmark_at = self._clock.monotonic() + _BOOKMARK_SECONDS
        while not self._closing:
            now = self._clock.monotonic()
            if now >= deadline:
                return
            if now >= bookmark_at:
                await stream.maybe_bookmark()
                bookmark_at = now + _BOOKMARK_SECONDS
            event = await self._next(source, min(deadline, bookmark_at) - now)
            if event is not None:
                await self._tell(stream, selected, event)

    async def _next(self, source: AsyncIterator[WatchEvent], seconds: float) -> WatchEvent | None:
        """The next change; None when none came for so long, or the server closes."""
        try:
            async with asyncio.timeout(seconds) as wait:
                self._waits.add(wait)
                try:
                    return await anext(source)
                finally:
                    self._waits.discard(wait)
        except TimeoutError:
            return None

    async def _tell(self, stream: "_Stream", selected: "Selected", event: WatchEvent) -> None:
        stream.version = event.resource_version
        told = selected.judge(event)
        if told is not None:
            await stream.send_object(told, event.object)


class _Nothing:
    """The changes of what never changes."""

    def __aiter__(self) -> AsyncIterator[WatchEvent]:
        return self

    async def __anext__(self) -> WatchEvent:
        never: asyncio.Future[WatchEvent] = asyncio.get_running_loop().create_future()
        return await never


def _check_initial(call: Call) -> None:
    match = call.query.get("resourceVersionMatch", "")
    if match != "NotOlderThan" or not call.flag("allowWatchBookmarks"):
        cause = Cause(
            "Forbidden: sendInitialEvents is forbidden for watch unless resourceVersionMatch is "
            "NotOlderThan and allowWatchBookmarks is true",
            field="sendInitialEvents", reason="FieldValueForbidden",
        )  # fmt: skip
        raise invalid(call.target.kind, "", (cause,))


class Selected:
    """What a watch with selectors tells of a change: objects that enter are ADDED, objects that
    leave DELETED.

    Mutable state: `_inside`, the objects that the client knows of.
    """

    def __init__(self, call: Call) -> None:
        self._matches: Match | None = call.selection()
        self._tracks = self._matches is not None and call.selects_by_state
        self._inside: set[Key] = set()

    def enter(self, document: Document) -> None:
        """The client was told of this object."""
        if self._tracks:
            self._inside.add(_key(document))

    def judge(self, event: WatchEvent) -> str | None:
        """The type of event to send, or None when it is nothing to this client."""
        if event.type is EventType.BOOKMARK:
            return None
        if self._matches is None:
            return str(event.type.value)
        if not self._tracks:
            return str(event.type.value) if self._matches(event.object) else None
        return self._judge_by_state(event, self._matches)

    def _judge_by_state(self, event: WatchEvent, matches: Match) -> str | None:
        key = _key(event.object)
        was = key in self._inside or (event.previous is not None and matches(event.previous))
        isin = event.type is not EventType.DELETED and matches(event.object)
        (self._inside.add if isin else self._inside.discard)(key)
        if isin:
            return "MODIFIED" if was else "ADDED"
        return "DELETED" if was or self._left(event, matches) else None

    def _left(self, event: WatchEvent, matches: Match) -> bool:
        """A deleted object that still matched in its last state."""
        return event.type is EventType.DELETED and matches(event.object)


def _key(document: Document) -> Key:
    metadata = document["metadata"]
    return Key(metadata.get("namespace", ""), metadata["name"])


class _Stream:
    """The answer that lines are written to."""

    def __init__(self, call: Call, request: web.BaseRequest, clock: Clock) -> None:
        self._request = request
        self._shape = call.shape
        self._clock = clock
        self._bookmarks = call.flag("allowWatchBookmarks")
        self._response = web.StreamResponse(
            headers={"Content-Type": "application/json", "Cache-Control": "no-cache, private"}
        )
        self._first = True
        self.version = 0

    async def open(self) -> None:
        """Send the head, so the client knows that the watch stands."""
        await self._response.prepare(self._request)

    async def send_object(self, event: str, document: Document) -> None:
        """One change, in the form that was asked for."""
        shaped = self._shape.watched(document, self._clock.now(), first=self._first)
        self._first = False
        await self.send(event, shaped)

    async def maybe_bookmark(self) -> None:
        """A bookmark, if the client takes them."""
        if self._bookmarks:
            await self.bookmark(self.version)

    async def bookmark(self, version: int, annotations: dict[str, str] | None = None) -> None:
        """The point up to which the client has seen everything."""
        metadata: dict[str, Any] = {"resourceVersion": str(version), "creationTimestamp": None}
        if annotations:
            metadata["annotations"] = annotations
        await self.send("BOOKMARK", self._shape.bookmark(metadata))

    async def send(self, event: str, document: Document) -> None:
        """One line. Raises TimeoutError when the client takes nothing for a minute."""
        line = encode({"type": event, "object": document}) + b"\n"
        async with asyncio.timeout(_STALLED_SECONDS):
            await self._response.write(line)

    def abort(self) -> None:
        """Cut the connection."""
        if self._request.transport is not None:
            self._request.transport.abort()

    async def end(self) -> web.StreamResponse:
        """End the answer as a whole one."""
        if self._request.transport is not None and not self._request.transport.is_closing():
            await self._response.write_eof()
        return self._response
