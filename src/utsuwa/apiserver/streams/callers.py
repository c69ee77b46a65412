"""The caller of a command, over a WebSocket with channels or over SPDY."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from utsuwa.apiserver.streams import channels
from utsuwa.apiserver.streams.multiplex import Incoming, Multiplexed, Stream
from utsuwa.apiserver.streams.wires import Wire, receive
from utsuwa.kit.caller import Caller
from utsuwa.kit.documents import Document, encode

_LARGEST_SIZE = 1024


@dataclass(frozen=True, slots=True)
class Wish:
    """Which streams the client asked for."""

    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool


class Line(Caller, Protocol):
    """A caller, and the line to him."""

    async def run(self) -> None:
        """Take what he sends until he is gone."""
        ...

    async def finish(self, status: Document) -> None:
        """Tell how it ended, and hang up."""
        ...


class Window:
    """The newest size of a window. Mutable state: `_size`, until it is taken."""

    def __init__(self) -> None:
        self._size: tuple[int, int] | None = None
        self._changed = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Window {self._size}>"

    def tell(self, data: bytes) -> None:
        """A message of the client; one that is no size is passed over."""
        if size := channels.window(data):
            self._size = size
            self._changed.set()

    async def resized(self) -> tuple[int, int]:
        """The next size."""
        while self._size is None:
            self._changed.clear()
            await self._changed.wait()
        size, self._size = self._size, None
        return size


class _Wisher:
    """What both kinds of callers have: a wish and a window."""

    def __init__(self, wish: Wish) -> None:
        self._wish = wish
        self._window = Window()

    @property
    def tty(self) -> bool:
        """As asked for."""
        return self._wish.tty

    @property
    def stdin(self) -> bool:
        """As asked for."""
        return self._wish.stdin

    async def resized(self) -> tuple[int, int]:
        """As the port."""
        return await self._window.resized()


class SocketCaller(_Wisher):
    """Over a WebSocket, protocol v4 or v5."""

    def __init__(self, socket: web.WebSocketResponse, wish: Wish) -> None:
        super().__init__(wish)
        self._socket = socket
        self._typed = Incoming()

    def __repr__(self) -> str:
        return f"<SocketCaller {self._wish} {self._typed!r}>"

    async def run(self) -> None:
        """Take messages until the client is gone."""
        await self._send(channels.STDOUT, b"")  # the client may see that we stand
        try:
            while (data := await receive(self._socket)) is not None:
                channel, rest = channels.split(data)
                if channel == channels.STDIN:
                    await self._typed.put(rest)
                elif channel == channels.RESIZE:
                    self._window.tell(rest)
                elif channel == channels.CLOSE and rest[:1] == bytes((channels.STDIN,)):
                    self._typed.end()
        finally:
            self._typed.end()

    async def read(self) -> bytes:
        """As the port."""
        return await self._typed.read()

    async def write(self, data: bytes) -> None:
        """As the port."""
        if self._wish.stdout:
            await self._send(channels.STDOUT, data)

    async def write_error(self, data: bytes) -> None:
        """As the port; with a terminal there is one output."""
        if self._wish.tty:
            await self.write(data)
        elif self._wish.stderr:
            await self._send(channels.STDERR, data)

    async def finish(self, status: Document) -> None:
        """As the port."""
        with suppress(ConnectionError):  # he need not have waited for it
            await self._send(channels.ERROR, encode(status))
            await self._socket.close()

    async def _send(self, channel: int, data: bytes) -> None:
        await self._socket.send_bytes(channels.message(channel, data))


class SpdyCaller(_Wisher):
    """Over SPDY: a stream for each of error, stdin, stdout, stderr and resize."""

    def __init__(self, wire: Wire, wish: Wish) -> None:
        super().__init__(wish)
        self._wire = wire
        self._multiplexed = Multiplexed(wire)
        self._streams: dict[str, Stream] = {}
        self._complete = asyncio.Event()

    def __repr__(self) -> str:
        return f"<SpdyCaller {self._wish} {list(self._streams)}>"

    async def run(self) -> None:
        """Take frames until the client is gone."""
        gathering = asyncio.create_task(self._gather(), name="streams of a command")
        try:
            await self._multiplexed.run()
        finally:
            gathering.cancel()
            await asyncio.gather(gathering, return_exceptions=True)

    async def _gather(self) -> None:
        """The client opens its streams one by one."""
        wanted = {"error"}
        for name in ("stdin", "stdout"):
            wanted |= {name} if getattr(self._wish, name) else set()
        if self._wish.stderr and not self._wish.tty:
            wanted.add("stderr")
        async with asyncio.TaskGroup() as group:
            while True:
                if wanted <= self._streams.keys():
                    self._complete.set()
                stream = await self._multiplexed.accept()
                kind = stream.headers.get("streamtype", "")
                if self._streams.setdefault(kind, stream) is not stream:
                    self._multiplexed.forget(stream)
                elif kind == "resize":
                    group.create_task(self._sizes(stream), name="sizes of a window")

    async def _sizes(self, stream: Stream) -> None:
        """One JSON document after the other, a line each."""
        rest = b""
        while data := await stream.read():
            *whole, rest = (rest + data).replace(b"}", b"}\n").split(b"\n")
            rest = rest[-_LARGEST_SIZE:]
            for line in whole:
                self._window.tell(line)

    async def _stream(self, name: str) -> Stream | None:
        await self._complete.wait()
        return self._streams.get(name)

    async def read(self) -> bytes:
        """As the port."""
        stream = await self._stream("stdin")
        return b"" if stream is None else await stream.read()

    async def write(self, data: bytes) -> None:
        """As the port."""
        if stream := await self._stream("stdout"):
            await stream.write(data)

    async def write_error(self, data: bytes) -> None:
        """As the port; with a terminal there is one output."""
        if stream := await self._stream("stdout" if self._wish.tty else "stderr"):
            await stream.write(data)

    async def finish(self, status: Document) -> None:
        """As the port."""
        with suppress(ConnectionError):  # he need not have waited for it
            if stream := await self._stream("error"):
                await stream.write(encode(status))
            for other in self._streams.values():
                await other.finish()
            await self._wire.close()
