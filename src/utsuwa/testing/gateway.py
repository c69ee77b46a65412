"""Fakes around the gateway: a control that speaks the link, a clock, transports and pods."""

import asyncio
import random
from collections.abc import Callable
from typing import Any, Self, TypeVar, cast

from utsuwa.gateway.core import Core, Limits
from utsuwa.gateway.http1.client import ClientConnection
from utsuwa.gateway.probing import Prober
from utsuwa.gateway.table import Table
from utsuwa.kit.clock import LoopClock
from utsuwa.kit.framing import FrameDecoder, encode_frame
from utsuwa.kit.tasks import TaskSet
from utsuwa.routing.messages import (
    Delta,
    Endpoint,
    HostTable,
    RevisionStats,
    RevisionTable,
    Snapshot,
    Split,
    to_control,
)

M = TypeVar("M")
P = TypeVar("P", bound=asyncio.BaseProtocol)


class FakeControl:
    """Listens on the link as control does, remembers what gateways say, sends what it is told.

    Mutable state: `received` (all messages so far) and `connections`.
    """

    def __init__(self, path: str, snapshot: Snapshot | None = None) -> None:
        self.path = path
        self.snapshot = snapshot
        self.received: list[Any] = []
        self.connections: list[asyncio.StreamWriter] = []
        self._changed = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_unix_server(self._serve, self.path)

    async def stop(self) -> None:
        """Close the listener and every connection: control is gone."""
        if self._server is not None:
            self._server.close()
            for writer in self.connections:
                writer.close()
            self.connections.clear()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._server.wait_closed()
            self._server = None

    def send(self, message: Snapshot | Delta) -> None:
        """Tell every gateway."""
        if isinstance(message, Snapshot):
            self.snapshot = message
        for writer in self.connections:
            writer.write(encode_frame(message))

    def of(self, kind: type[M]) -> list[M]:
        """What was received of one kind, oldest first."""
        return [message for message in self.received if isinstance(message, kind)]

    async def wait_for(
        self, kind: type[M], match: Callable[[M], bool] = lambda _: True, seconds: float = 5.0
    ) -> M:
        """The first message of `kind` that `match` accepts, now or later.

        Raises:
            TimeoutError: none came within `seconds`.
        """
        async with asyncio.timeout(seconds):
            while True:
                for message in self.of(kind):
                    if match(message):
                        return message
                self._changed.clear()
                await self._changed.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections.append(writer)
        decoder = FrameDecoder()
        try:
            while data := await reader.read(65536):
                for body in decoder.feed(data):
                    message = to_control.decode(body)
                    self.received.append(message)
                    if type(message).__name__ == "Hello" and self.snapshot is not None:
                        writer.write(encode_frame(self.snapshot))
                self._changed.set()
        except ConnectionError:
            pass  # a gateway may die at any time
        finally:
            if writer in self.connections:
                self.connections.remove(writer)
            writer.close()
            self._tasks.discard(task)


def one_service(
    *endpoints: Endpoint,
    host: str = "hello.default.example.com",
    revision: str = "default/hello-00001",
    epoch: str = "e1",
    version: int = 1,
    **fields: Any,
) -> Snapshot:
    """A table with one host that goes to one revision; `fields` are the revision's."""
    return Snapshot(
        epoch=epoch,
        version=version,
        hosts=(HostTable(host=host, splits=(Split(revision=revision),)),),
        revisions=(RevisionTable(name=revision, endpoints=endpoints, **fields),),
    )


class FakeTransport:
    """A transport that keeps what is written and says what it was told.

    Mutable state: `written`, `reading`, `eof`, `closed` and `aborted`.
    """

    def __init__(
        self,
        protocol: asyncio.Protocol,
        *,
        peer: tuple[str, int] = ("10.0.0.9", 4711),
        address: str = "127.0.0.1",
    ) -> None:
        self.protocol = protocol
        self.written = bytearray()
        self.writes = 0
        self.reading = True
        self.eof = False
        self.closed = False
        self.aborted = False
        self._peer = peer
        self._address = address
        protocol.connection_made(cast("asyncio.Transport", self))

    def __repr__(self) -> str:
        return f"<FakeTransport {len(self.written)} bytes written, closed={self.closed}>"

    def write(self, data: bytes) -> None:
        """Keep `data`; a closed transport drops it, as real ones do."""
        if not self.closed:
            self.written += data
            self.writes += 1

    def take(self) -> bytes:
        """What was written since the last call."""
        data = bytes(self.written)
        self.written.clear()
        return data

    def feed(self, data: bytes) -> None:
        """The peer sends `data`."""
        assert self.reading, "the other side has stopped reading"
        self.protocol.data_received(data)

    def feed_eof(self) -> None:
        """The peer sends no more."""
        if not self.protocol.eof_received():
            self.close()

    def lose(self, error: Exception | None = None) -> None:
        """The connection breaks."""
        if not self.closed:
            self.closed = True
            self.protocol.connection_lost(error)

    def close(self) -> None:
        """Close; the protocol hears of it in the loop's next round."""
        if not self.closed:
            self.closed = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    def abort(self) -> None:
        """Close, dropping what was not sent."""
        self.aborted = True
        self.close()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """From now on another protocol hears of what happens."""
        self.protocol = cast("asyncio.Protocol", protocol)

    def is_closing(self) -> bool:
        """Whether it was closed."""
        return self.closed

    def can_write_eof(self) -> bool:
        """TCP can."""
        return True

    def write_eof(self) -> None:
        """Half-close."""
        self.eof = True

    def pause_reading(self) -> None:
        """Stop."""
        self.reading = False

    def resume_reading(self) -> None:
        """Go on."""
        self.reading = True

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """The peer's address, and ours."""
        return {"peername": self._peer, "sockname": (self._address, 8080)}.get(name, default)


class FakeNetwork:
    """Pods that can be dialled: `connect` for a Core.

    Mutable state: `refusing` (ports that refuse) and `dialled` (each pod connection, oldest first).
    """

    def __init__(self) -> None:
        self.refusing: set[int] = set()
        self.dialled: list[FakeTransport] = []

    async def __call__(
        self, factory: Callable[[], P], host: str, port: int
    ) -> tuple[asyncio.BaseTransport, P]:
        """A connected fake transport."""
        await asyncio.sleep(0)
        if port in self.refusing:
            raise ConnectionRefusedError(f"{host}:{port} refuses")
        protocol = factory()
        transport = FakeTransport(cast("asyncio.Protocol", protocol), peer=(host, port))
        self.dialled.append(transport)
        return cast("asyncio.BaseTransport", transport), protocol


class Hop:
    """A gateway without sockets: fake clients before it, fake pods behind it, virtual time.

    Mutable state: `said`, what control was told.
    """

    def __init__(self, *, limits: Limits | None = None, seed: int = 1) -> None:
        self.network = FakeNetwork()
        self.tasks = TaskSet()
        self.core = Core(
            loop=asyncio.get_running_loop(),
            clock=LoopClock(),
            source=random.Random(seed),
            tasks=self.tasks,
            connect=self.network,
            limits=limits,
        )
        self.table = Table(self.core, Prober(self.core).start)
        self.said: list[Any] = []
        self.core.send = self.said.append

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.tasks.close()

    @property
    def pods(self) -> list[FakeTransport]:
        """The pods' ends of the connections, oldest first."""
        return self.network.dialled

    def client(self, address: str = "127.0.0.1") -> FakeTransport:
        """A new client's connection to our `address`; `feed` is what the client sends, `take` what
        it got."""
        return FakeTransport(ClientConnection(self.core), address=address)

    def of(self, kind: type[M]) -> list[M]:
        """What control was told of one kind."""
        return [message for message in self.said if isinstance(message, kind)]

    def sweep(self) -> None:
        """Look at the deadlines, as the server does eight times a second."""
        now = self.core.monotonic()
        for connection in [one for one in self.core.connections if one.deadline <= now]:
            connection.expired(now)

    def close_second(self) -> tuple[RevisionStats, ...]:
        """The figures of what has happened since the last call."""
        return self.core.accounts.close(self.core.monotonic())


async def settle(rounds: int = 12) -> None:
    """Let everything that can happen now happen."""
    for _ in range(rounds):
        await asyncio.sleep(0)
