"""The clients of the endurance run: each loops until told to stop, and counts how it fared."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import grpc
import grpc.aio
import websockets

HOST = "soak.default.localhost"
CALLS = "calls.default.localhost"
TIMEOUT = 60.0
"""Seconds after which an answer is said to be lost."""
SAMPLES = 3
"""Errors of each kind that are shown in full."""
UPLOAD = 512 * 1024


class WrongError(Exception):
    """An answer that is not the application's; the message says what it was."""


@dataclass
class Tally:
    """Outcomes by kind of client. Mutable state: `counts` and `samples`, a few errors in full."""

    limit: int
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    samples: list[str] = field(default_factory=list)

    def add(self, kind: str, outcome: str, detail: str = "") -> None:
        """One more; `detail` only of errors."""
        self.counts[kind, outcome] += 1
        if detail and self.counts[kind, outcome] <= SAMPLES:
            self.samples.append(f"{kind} {outcome}: {detail}")

    def inside(self, kind: str, value: str) -> None:
        """How many were inside the pod, as it said."""
        if int(value) > self.limit:
            self.add(kind, "above the limit", f"{value} of {self.limit}")

    @property
    def errors(self) -> int:
        """Everything that the platform did wrong."""
        return sum(n for (_, outcome), n in self.counts.items() if outcome not in FINE)


FINE = frozenset({"ok", "aborted"})


@dataclass
class Clients:
    """Mutable state: `stopping`, set when no new request is to begin."""

    port: int
    tally: Tally
    source: random.Random
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def all(self) -> list[Awaitable[None]]:
        """One coroutine for each client of the mix."""
        return [
            *(self._loop("short", self._short) for _ in range(20)),
            *(self._loop("one second", self._second) for _ in range(8)),
            *(self._loop("streaming", self._stream) for _ in range(6)),
            *(self._loop("upload", self._upload) for _ in range(4)),
            *(self._loop("websocket", self._websocket) for _ in range(4)),
            *(self._loop("aborting", self._abort) for _ in range(6)),
            *(self._loop("gRPC unary", self._unary) for _ in range(4)),
            *(self._loop("gRPC both ways", self._both) for _ in range(4)),
        ]

    async def _loop(self, kind: str, session: Callable[[], AsyncIterator[str]]) -> None:
        while not self.stopping.is_set():
            try:
                async for outcome in session():
                    self.tally.add(kind, outcome)
            except WrongError as error:
                self.tally.add(kind, "wrong answer", str(error))
            except ConnectionRefusedError as error:
                self.tally.add(kind, "refused", repr(error))
            except TimeoutError as error:
                self.tally.add(kind, "no answer in 60 s", repr(error))
            except grpc.aio.AioRpcError as error:
                self.tally.add(kind, "wrong answer", f"{error.code()} {error.details()}")
            except (OSError, EOFError, websockets.WebSocketException) as error:
                self.tally.add(kind, "broken", repr(error))

    # --- sessions: one connection each --------------------------------------------------------

    async def _short(self) -> AsyncIterator[str]:
        async with self._connection() as wire:
            for _ in range(200):
                if self.stopping.is_set() or wire.closing:
                    return
                await wire.get("short", f"/?sleep={self.source.randrange(20)}", b"ok\n")
                yield "ok"

    async def _second(self) -> AsyncIterator[str]:
        async with self._connection() as wire:
            while not (self.stopping.is_set() or wire.closing):
                await wire.get("one second", "/?sleep=1000", b"ok\n")
                yield "ok"

    async def _stream(self) -> AsyncIterator[str]:
        async with self._connection() as wire:
            while not (self.stopping.is_set() or wire.closing):
                parts = self.source.randrange(5, 30)
                await wire.get("streaming", f"/stream?parts={parts}", b"part\n" * parts)
                yield "ok"

    async def _upload(self) -> AsyncIterator[str]:
        async with self._connection() as wire:
            while not (self.stopping.is_set() or wire.closing):
                await wire.post("upload", UPLOAD)
                yield "ok"

    async def _websocket(self) -> AsyncIterator[str]:
        async with asyncio.timeout(TIMEOUT):
            socket = await websockets.connect(
                f"ws://{HOST}:{self.port}/", host="127.0.0.1", compression=None, proxy=None
            )
        assert socket.response is not None
        self.tally.inside("websocket", socket.response.headers["X-Inside"])
        for number in range(self.source.randrange(10, 60)):
            async with asyncio.timeout(TIMEOUT):
                await socket.send(f"message {number}")
                if await socket.recv() != f"message {number}":
                    raise WrongError("not the echo of what was sent")
            yield "ok"
            await asyncio.sleep(0.1)
        await socket.close()

    async def _abort(self) -> AsyncIterator[str]:
        async with self._connection() as wire:
            path = self.source.choice(["/?sleep=1000&leaves=1", "/stream?parts=20&leaves=1"])
            wire.send(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
            await asyncio.sleep(self.source.uniform(0.0, 0.8))
            yield "aborted"

    async def _unary(self) -> AsyncIterator[str]:
        async with self._channel() as channel:
            call = channel.unary_unary("/echo/Unary")
            for number in range(100):
                if self.stopping.is_set():
                    return
                message = b"message %d" % number
                if await call(message, timeout=TIMEOUT) != message:
                    raise WrongError("not the echo of what was sent")
                yield "ok"
                await asyncio.sleep(0.02)

    async def _both(self) -> AsyncIterator[str]:
        async with self._channel() as channel:
            stream = channel.stream_stream("/echo/Both")(timeout=TIMEOUT)
            for number in range(self.source.randrange(10, 40)):
                message = b"message %d" % number
                await stream.write(message)
                if await stream.read() != message:
                    raise WrongError("not the echo of what was sent")
                yield "ok"
                await asyncio.sleep(0.1)
            await stream.done_writing()
            if await stream.code() is not grpc.StatusCode.OK:
                raise WrongError(f"a stream ended with {await stream.code()}")

    @contextlib.asynccontextmanager
    async def _channel(self) -> AsyncIterator[grpc.aio.Channel]:
        # The number keeps channels of equal options from sharing a connection.
        options = [("grpc.default_authority", CALLS), ("soak.channel", self.source.getrandbits(31))]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{self.port}", options) as channel:
            yield channel

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncIterator["Wire"]:
        async with asyncio.timeout(TIMEOUT):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield Wire(reader, writer, self.tally)
        finally:
            writer.transport.abort()


@dataclass
class Wire:
    """One connection. Mutable state: `closing`, the server said that it closes."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    tally: Tally
    closing: bool = False

    def send(self, data: bytes) -> None:
        """Write."""
        self.writer.write(data)

    async def get(self, kind: str, path: str, expected: bytes) -> None:
        """One exchange; raises what went wrong."""
        self.send(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        await self._answer(kind, expected)

    async def post(self, kind: str, size: int) -> None:
        """One upload, in pieces."""
        self.send(f"POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {size}\r\n\r\n".encode())
        async with asyncio.timeout(TIMEOUT):
            for _ in range(size // 16384):
                self.send(bytes(16384))
                await self.writer.drain()
        await self._answer(kind, b"%d\n" % size)

    async def _answer(self, kind: str, expected: bytes) -> None:
        async with asyncio.timeout(TIMEOUT):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            lines = head.split("\r\n")
            fields = {
                name.lower(): value.strip()
                for name, _, value in (line.partition(":") for line in lines[1:])
            }
            body = await self._body(fields)
        self.closing = fields.get("connection") == "close"
        if not lines[0].startswith("HTTP/1.1 200"):
            raise WrongError(f"{lines[0]}: {body.decode(errors='replace').strip()}")
        if body != expected:
            raise WrongError(f"{len(body)} bytes instead of {len(expected)}")
        self.tally.inside(kind, fields["x-inside"])

    async def _body(self, fields: dict[str, str]) -> bytes:
        if "content-length" in fields:
            return await self.reader.readexactly(int(fields["content-length"]))
        parts = []
        while size := int(await self.reader.readline(), 16):
            parts.append(await self.reader.readexactly(size))
            await self.reader.readexactly(2)
        await self.reader.readexactly(2)
        return b"".join(parts)
