"""Streams of one SPDY connection, each read and written on its own."""

import asyncio
from collections import deque
from collections.abc import Mapping

from utsuwa.apiserver.streams.spdy import Answer, Data, Event, Opened, Reset, Spdy
from utsuwa.apiserver.streams.wires import Wire

MOST_WAITING = 1024 * 1024
"""Bytes of one stream that may wait to be read; then the whole connection waits, for SPDY as
Kubernetes speaks it has no other means."""


class Incoming:
    """Bytes on their way from a client to who reads them.

    Mutable state: `_waiting` with `_size` in bytes; `_ended`.
    """

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._ended = False
        self._changed = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Incoming: {self._size} bytes wait{', ended' if self._ended else ''}>"

    async def put(self, data: bytes) -> None:
        """Add bytes; waits while too many wait."""
        while self._size > MOST_WAITING and not self._ended:
            await self._change()
        if data and not self._ended:
            self._waiting.append(data)
            self._size += len(data)
            self._changed.set()

    def end(self) -> None:
        """Nothing more comes."""
        self._ended = True
        self._changed.set()

    async def read(self) -> bytes:
        """What comes next; b"" at the end."""
        while not self._waiting:
            if self._ended:
                return b""
            await self._change()
        data = self._waiting.popleft()
        self._size -= len(data)
        self._changed.set()
        return data

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()


class Stream:
    """One stream. Mutable state: `_open`, whether we may still send on it."""

    def __init__(self, number: int, headers: Mapping[str, str], wire: Wire, spdy: Spdy) -> None:
        self.number = number
        self.headers = headers
        self.incoming = Incoming()
        self._wire = wire
        self._spdy = spdy
        self._open = True

    def __repr__(self) -> str:
        return f"<Stream {self.number} {self.headers.get('streamtype', '')} {self.incoming!r}>"

    async def read(self) -> bytes:
        """What comes next; b"" at the end."""
        return await self.incoming.read()

    async def write(self, data: bytes) -> None:
        """Send; nothing happens after the end of the stream. Raises ConnectionError."""
        if data and self._open:
            await self._wire.write(self._spdy.data(self.number, data))

    async def finish(self) -> None:
        """Send nothing more. Safe to call twice. Raises ConnectionError."""
        if self._open:
            self._open = False
            await self._wire.write(self._spdy.data(self.number, b"", fin=True))

    async def reset(self) -> None:
        """Give it up, both ways."""
        self.abandon()
        await self._wire.write(self._spdy.reset(self.number))

    def abandon(self) -> None:
        """The other side gave it up."""
        self._open = False
        self.incoming.end()


class Multiplexed:
    """The streams that a client opens over a wire.

    Mutable state: `_streams` by number; `_opened`, those that nobody has accepted yet.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._spdy = Spdy()
        self._streams: dict[int, Stream] = {}
        self._opened: asyncio.Queue[Stream] = asyncio.Queue()

    def __repr__(self) -> str:
        return f"<Multiplexed {list(self._streams.values())}>"

    async def accept(self) -> Stream:
        """The next stream that the client opens."""
        return await self._opened.get()

    def forget(self, stream: Stream) -> None:
        """What still comes on it is not wanted."""
        stream.abandon()
        self._streams.pop(stream.number, None)

    async def run(self) -> None:
        """Read until the client is gone.

        Raises:
            SpdyError: it sends something else.
            ConnectionError: it went away.
        """
        try:
            while data := await self._wire.read():
                for event in self._spdy.feed(data):
                    await self._take(event)
        finally:
            for stream in self._streams.values():
                stream.incoming.end()

    async def _take(self, event: Event) -> None:
        match event:
            case Opened():
                stream = Stream(event.stream, event.headers, self._wire, self._spdy)
                self._streams[event.stream] = stream
                if event.fin:
                    stream.incoming.end()
                await self._wire.write(self._spdy.reply(event.stream))
                self._opened.put_nowait(stream)
            case Data():
                await self._bytes(event)
            case Reset():
                if reset := self._streams.pop(event.stream, None):
                    reset.abandon()
            case Answer():
                await self._wire.write(event.data)

    async def _bytes(self, event: Data) -> None:
        stream = self._streams.get(event.stream)
        if stream is None:
            return
        await stream.incoming.put(event.data)
        if event.fin:
            stream.incoming.end()
