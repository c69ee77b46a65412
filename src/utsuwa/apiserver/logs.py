"""`pods/NAME/log`: what a container wrote, from its end or as it goes (`spec/kubernetes-api.md` §8).

The output is a plain file that the container itself appends to, without times of its own. So
`timestamps` and `sinceSeconds` use what is known: the time at which the file last grew, or, while
following, the time at which a line was seen.
"""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from utsuwa.apiserver.calls import Call
from utsuwa.apiserver.ports import Backend, LogSource
from utsuwa.apiserver.status import bad_request
from utsuwa.cluster.errors import BadRequestError, NotFoundError
from utsuwa.kit.clock import Clock, parse_rfc3339, rfc3339
from utsuwa.kit.documents import Document, dig
from utsuwa.model.kinds import POD

_CHUNK = 64 * 1024
_POLL_SECONDS = 0.1
_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"


@dataclass(frozen=True, slots=True)
class _Wish:
    """What of the output is wanted."""

    container: str
    follow: bool
    previous: bool
    timestamps: bool
    tail: int | None
    limit: int | None
    since: float | None
    """Unix seconds; older output is left out."""


class Logs:
    """Serves the output of containers, and ends what follows when the server closes."""

    def __init__(self, cluster: Backend, source: LogSource, clock: Clock) -> None:
        self._cluster = cluster
        self._source = source
        self._clock = clock
        self._closing = False

    def close(self) -> None:
        """End every answer that follows."""
        self._closing = True

    async def serve(self, call: Call, request: web.Request) -> web.StreamResponse:
        """Stream a container's output to `request`.

        Raises:
            NotFoundError: no such Pod.
            BadRequestError: no such container, or it has not written anything yet.
        """
        pod = await self._cluster.get(POD, call.target.key)
        wish = self._wish(call, pod)
        path = self._source.path(pod, wish.container, wish.previous)
        if path is None and (wish.previous or not wish.follow):
            raise _nothing_yet(pod, wish)
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        if path is None:
            path = await self._started(call, wish)
        if path is not None:
            writer = _Writer(response, wish, self._clock)
            await self._copy(call, path, wish, writer, str(pod["metadata"]["uid"]))
        await response.write_eof()
        return response

    async def _started(self, call: Call, wish: _Wish) -> Path | None:
        """The file of a container that is still being started, once there is one; None when there
        will be none."""
        while not self._closing:
            try:
                pod = await self._cluster.get(POD, call.target.key)
            except NotFoundError:
                return None
            path = self._source.path(pod, wish.container, False)
            if path is not None or _has_ended(pod, wish.container):
                return path
            await self._clock.sleep(_POLL_SECONDS)
        return None

    async def _copy(self, call: Call, path: Path, wish: _Wish, writer: "_Writer", uid: str) -> None:
        offset = await asyncio.to_thread(_start, path, wish)
        while True:
            # The container's state is read before its file: what it wrote before it ended is seen.
            over = not wish.follow or self._closing or await self._over(call, wish, uid)
            while data := await asyncio.to_thread(_read, path, offset):
                offset += len(data)
                await writer.write(data)
                if writer.full:
                    return
            if over:
                await writer.flush()
                return
            await self._clock.sleep(_POLL_SECONDS)
            offset = await asyncio.to_thread(_rewound, path, offset)

    async def _over(self, call: Call, wish: _Wish, uid: str) -> bool:
        try:
            pod = await self._cluster.get(POD, call.target.key)
        except NotFoundError:
            return True
        return wish.previous or pod["metadata"]["uid"] != uid or _has_ended(pod, wish.container)

    def _wish(self, call: Call, pod: Document) -> _Wish:
        since = None
        seconds = call.number("sinceSeconds")
        if seconds is not None:
            since = self._clock.now() - seconds
        elif call.query.get("sinceTime"):
            try:
                since = parse_rfc3339(call.query["sinceTime"])
            except ValueError as error:
                raise bad_request(f"sinceTime: expected an RFC 3339 time: {error}") from error
        return _Wish(
            container_of(pod, call.query.get("container", "")),
            call.flag("follow"),
            call.flag("previous"),
            call.flag("timestamps"),
            call.number("tailLines"),
            call.number("limitBytes"),
            since,
        )


class _Writer:
    """Writes whole lines, marked with their time where wanted, up to the limit of bytes."""

    def __init__(self, response: web.StreamResponse, wish: _Wish, clock: Clock) -> None:
        self._response = response
        self._timestamps = wish.timestamps
        self._left = wish.limit
        self._clock = clock
        self._rest = b""

    @property
    def full(self) -> bool:
        """Whether the limit is reached."""
        return self._left is not None and self._left <= 0

    async def write(self, data: bytes) -> None:
        """Pass on `data`; with time stamps, whole lines only."""
        if self._timestamps:
            *lines, self._rest = (self._rest + data).split(b"\n")
            data = b"".join(self._stamped(line) for line in lines)
        await self._send(data)

    async def flush(self) -> None:
        """Pass on a last line that has no end."""
        if self._rest:
            await self._send(self._stamped(self._rest))
            self._rest = b""

    def _stamped(self, line: bytes) -> bytes:
        seconds = self._clock.now()
        nanos = int((seconds % 1) * 1_000_000_000)
        stamp = f"{rfc3339(seconds)[:-1]}.{nanos:09d}Z "
        return stamp.encode() + line + b"\n"

    async def _send(self, data: bytes) -> None:
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        if data:
            await self._response.write(data)


def container_of(pod: Document, asked: str) -> str:
    """The container that is meant, by its name or by default. Raises BadRequestError."""
    names = [
        str(container.get("name"))
        for member in ("containers", "initContainers")
        for container in dig(pod, "spec", member, default=[])
    ]
    name = pod["metadata"]["name"]
    if asked:
        if asked not in names:
            raise bad_request(
                f"container {asked} is not valid for pod {name}: choose one of [{' '.join(names)}]"
            )
        return asked
    default = dig(pod, "metadata", "annotations", _DEFAULT_CONTAINER)
    if default in names:
        return str(default)
    if len(dig(pod, "spec", "containers", default=[])) > 1:
        raise bad_request(
            f"a container name must be specified for pod {name}, choose one of: [{' '.join(names)}]"
        )
    return names[0] if names else ""


def _status(pod: Document, container: str) -> Document:
    for member in ("containerStatuses", "initContainerStatuses"):
        for status in dig(pod, "status", member, default=[]):
            if status.get("name") == container:
                return dict(status)
    return {}


def _has_ended(pod: Document, container: str) -> bool:
    ended = dig(_status(pod, container), "state", "terminated") is not None
    return ended or dig(pod, "status", "phase") in {"Succeeded", "Failed"}


def _nothing_yet(pod: Document, wish: _Wish) -> BadRequestError:
    name = pod["metadata"]["name"]
    if wish.previous:
        return bad_request(
            f'previous terminated container "{wish.container}" in pod "{name}" not found'
        )
    reason = dig(_status(pod, wish.container), "state", "waiting", "reason")
    return bad_request(
        f'container "{wish.container}" in pod "{name}" is waiting to start: '
        f"{reason or 'ContainerCreating'}"
    )


def _start(path: Path, wish: _Wish) -> int:
    """Where in the file to begin."""
    if not path.exists():
        return 0
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        if wish.since is not None and os.fstat(file.fileno()).st_mtime < wish.since:
            return end
        if wish.tail is None:
            return 0
        return _tail_start(file.fileno(), end, wish.tail)


def _tail_start(descriptor: int, end: int, lines: int) -> int:
    """The offset of the last `lines` lines, read backwards in chunks."""
    if lines == 0:
        return end
    position, seen = end, 0
    if end and os.pread(descriptor, 1, end - 1) != b"\n":
        seen = 1
    while position > 0:
        size = min(_CHUNK, position)
        position -= size
        chunk = os.pread(descriptor, size, position)
        place = len(chunk)
        while (place := chunk.rfind(b"\n", 0, place)) >= 0:
            seen += 1
            if seen > lines:
                return position + place + 1
    return 0


def _read(path: Path, offset: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(_CHUNK)
    except FileNotFoundError:
        return b""


def _rewound(path: Path, offset: int) -> int:
    """0 when the file was cut meanwhile, else `offset`."""
    try:
        return 0 if path.stat().st_size < offset else offset
    except FileNotFoundError:
        return offset
