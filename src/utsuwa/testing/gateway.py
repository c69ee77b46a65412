"""Fakes around the gateway: a control that speaks the link, a clock, transports and pods."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from utsuwa.kit.framing import FrameDecoder, encode_frame
from utsuwa.routing.messages import (
    Delta,
    Endpoint,
    HostTable,
    RevisionTable,
    Snapshot,
    Split,
    to_control,
)

M = TypeVar("M")


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

    async def __aenter__(self) -> "FakeControl":
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
