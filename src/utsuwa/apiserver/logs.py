"""`pods/NAME/log`: what a container wrote, from its end or as it goes (`spec/kubernetes-api.md` §8).

The output is a plain file that the container itself appends to, without times of its own; the node
notes beside it when it grew (`kit.timeline`), which `timestamps`, `sinceSeconds` and `sinceTime`
look up.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from utsuwa.apiserver.calls import Call
from utsuwa.apiserver.ports import Backend, LogSource
from utsuwa.apiserver.service_logs import since
from utsuwa.apiserver.status import bad_request
from utsuwa.cluster.errors import BadRequestError, NotFoundError
from utsuwa.kit.clock import Clock, rfc3339
from utsuwa.kit.documents import Document, dig
from utsuwa.logs.file import kept_from, line_start, opened, read, size_of, tail_start
from utsuwa.logs.times import Times
from utsuwa.model.kinds import POD

_POLL_SECONDS = 0.1
_NANOSECONDS = 1_000_000_000
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

    async def serve(self, call: Call, request: web.BaseRequest) -> web.StreamResponse:
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
            times = Times(path)
            offset = await asyncio.to_thread(_start, path, wish, times)
            reader = _Reader(path, offset, _Writer(response, wish, times))
            await self._copy(call, wish, reader, str(pod["metadata"]["uid"]))
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

    async def _copy(self, call: Call, wish: _Wish, reader: "_Reader", uid: str) -> None:
        while True:
            # The container's state is read before its file: what it wrote before it ended is seen.
            over = not wish.follow or self._closing or await self._over(call, wish, reader, uid)
            await reader.pass_on()
            if reader.writer.full:
                return
            if over:
                await reader.writer.flush()
                return
            await self._clock.sleep(_POLL_SECONDS)
            await reader.rewind()

    async def _over(self, call: Call, wish: _Wish, reader: "_Reader", uid: str) -> bool:
        try:
            pod = await self._cluster.get(POD, call.target.key)
        except NotFoundError:
            return True
        if wish.previous or pod["metadata"]["uid"] != uid or _has_ended(pod, wish.container):
            return True
        return self._source.path(pod, wish.container, False) != reader.path  # started again

    def _wish(self, call: Call, pod: Document) -> _Wish:
        return _Wish(
            container_of(pod, call.query.get("container", "")),
            call.flag("follow"),
            call.flag("previous"),
            call.flag("timestamps"),
            call.number("tailLines"),
            call.number("limitBytes"),
            since(call, self._clock),
        )


class _Reader:
    """Reads a file as it grows. Mutable state: `_offset`, up to where."""

    def __init__(self, path: Path, offset: int, writer: "_Writer") -> None:
        self.path = path
        self.writer = writer
        self._offset = offset

    async def pass_on(self) -> None:
        """Write what is there, until the writer has enough."""
        while not self.writer.full:
            start, data = await asyncio.to_thread(_read, self.path, self._offset)
            if not data:
                return
            await self.writer.write(data, start, gap=start != self._offset)
            self._offset = start + len(data)

    async def rewind(self) -> None:
        """Begin anew if the file was cut."""
        self._offset = await asyncio.to_thread(_rewound, self.path, self._offset)


class _Writer:
    """Writes whole lines, marked with their time where wanted, up to the limit of bytes.

    Mutable state: `_rest`, the beginning of a line; `_position`, where in the file it begins;
    `_at_start`: what was passed on ends with a line.
    """

    def __init__(self, response: web.StreamResponse, wish: _Wish, times: Times) -> None:
        self._response = response
        self._timestamps = wish.timestamps
        self._left = wish.limit
        self._times = times
        self._rest = b""
        self._position = 0
        self._at_start = True

    @property
    def full(self) -> bool:
        """Whether the limit is reached."""
        return self._left is not None and self._left <= 0

    async def write(self, data: bytes, start: int, *, gap: bool = False) -> None:
        """Pass on `data`, which begins at `start`; with time stamps, whole lines only. `gap`: what
        stood before it was dropped before we came to read it."""
        if gap and not self._at_start and not self._timestamps:
            data = b"\n" + data
        self._at_start = data.endswith(b"\n")
        if self._timestamps:
            await asyncio.to_thread(self._times.refresh)
            if start != self._position + len(self._rest):
                self._rest, self._position = b"", start
            *lines, self._rest = (self._rest + data).split(b"\n")
            data = b"".join(self._stamped(line) for line in lines)
        await self._send(data)

    async def flush(self) -> None:
        """Pass on a last line that has no end."""
        if self._rest:
            await self._send(self._stamped(self._rest)[:-1])
            self._rest = b""

    def _stamped(self, line: bytes) -> bytes:
        self._position += len(line) + 1
        return stamp(self._times.at(self._position)).encode() + line + b"\n"

    async def _send(self, data: bytes) -> None:
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        if data:
            await self._response.write(data)


def stamp(nanoseconds: int) -> str:
    """As it stands before a line, always with nine digits.

    >>> stamp(1_500_000_000)
    '1970-01-01T00:00:01.500000000Z '
    """
    seconds, nanos = divmod(nanoseconds, _NANOSECONDS)
    return f"{rfc3339(seconds)[:-1]}.{nanos:09d}Z "


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
    status = _status(pod, container)
    ended = dig(status, "state", "terminated") is not None
    ended = ended or (
        dig(status, "state", "running") is None
        and dig(status, "lastState", "terminated") is not None
    )
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


def _start(path: Path, wish: _Wish, times: Times) -> int:
    """Where in the file to begin."""
    if not path.exists():
        return 0
    with opened(path) as file:
        end = size_of(file)
        start = kept_from(file)
        if wish.since is not None:
            times.refresh()
            written = times.before(int(wish.since * _NANOSECONDS), end)
            start = max(start, line_start(file, written))
        if wish.tail is not None:
            start = max(start, tail_start(file, end, wish.tail))
        return start


def _read(path: Path, offset: int) -> tuple[int, bytes]:
    try:
        with opened(path) as descriptor:
            return read(descriptor, offset)
    except FileNotFoundError:
        return offset, b""


def _rewound(path: Path, offset: int) -> int:
    """0 when the file was cut meanwhile, else `offset`."""
    try:
        return 0 if path.stat().st_size < offset else offset
    except FileNotFoundError:
        return offset
