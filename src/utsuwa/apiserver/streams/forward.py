"""`port-forward`: connections of a client, carried to ports of a Pod.

kubectl opens two SPDY streams for each connection, with the same `requestid`: `error`, on which we
say what went wrong, and `data`. The Python client uses a WebSocket instead, with two channels for
each port: 2n carries data, 2n+1 errors; the first two bytes on each say which port it is.
"""

import asyncio
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from aiohttp import web

from utsuwa.apiserver.ports import Containers
from utsuwa.apiserver.streams import channels
from utsuwa.apiserver.streams.multiplex import Incoming, Multiplexed, Stream
from utsuwa.apiserver.streams.wires import receive
from utsuwa.kit.documents import Document

_CHUNK = 64 * 1024
_LARGEST_PORT = 0xFFFF
_PORT = struct.Struct("<H")


@dataclass(frozen=True, slots=True)
class Client:
    """One connection of a client. `end` tells him that nothing more comes; None where his
    protocol cannot."""

    read: Callable[[], Awaitable[bytes]]
    write: Callable[[bytes], Awaitable[None]]
    end: Callable[[], Awaitable[None]] | None = None


class Forwarding:
    """The connections of one kubectl. Mutable state: `_half`, streams whose partner has not come
    yet, by request."""

    def __init__(self, streams: Multiplexed, pod: Document, containers: Containers) -> None:
        self._streams = streams
        self._pod = pod
        self._containers = containers
        self._half: dict[str, Stream] = {}

    def __repr__(self) -> str:
        return f"<Forwarding to {self._pod['metadata']['name']}: {self._streams!r}>"

    async def run(self) -> None:
        """Serve connections until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                stream = await self._streams.accept()
                partner = self._half.pop(stream.headers.get("requestid", ""), None)
                if partner is None:
                    self._half[stream.headers.get("requestid", "")] = stream
                    continue
                pair = {s.headers.get("streamtype", ""): s for s in (partner, stream)}
                group.create_task(self._connection(pair, stream, partner), name="forwarded port")

    async def _connection(self, pair: dict[str, Stream], *both: Stream) -> None:
        with suppress(ConnectionError):  # the client has gone: who listens to him ends us
            error, data = pair.get("error"), pair.get("data")
            if error is None or data is None:
                await asyncio.gather(*(stream.reset() for stream in both))
                return
            try:
                await self._carry(data)
            except OSError as why:
                name = self._pod["metadata"]["name"]
                port = data.headers.get("port", "")
                await error.write(f"error forwarding port {port} to pod {name}: {why}".encode())
            await error.finish()
            await data.finish()
        for stream in both:
            self._streams.forget(stream)

    async def _carry(self, data: Stream) -> None:
        port = data.headers.get("port", "")
        if not port.isascii() or not port.isdigit() or not 0 < int(port) <= _LARGEST_PORT:
            raise OSError(f"expected a port from 1 to {_LARGEST_PORT}")
        reader, writer = await self._containers.connect(self._pod, int(port))
        await carry(reader, writer, Client(data.read, data.write, data.finish))


async def carry(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, client: "Client"
) -> None:
    """Copy both ways until both sides have ended, whichever ends first; a client who cannot half
    close is through when the pod is."""

    async def there() -> None:
        with suppress(ConnectionError):  # the pod hung up; what it wrote still goes back
            while data := await client.read():
                writer.write(data)
                await writer.drain()
            writer.write_eof()

    async def back() -> None:
        with suppress(ConnectionResetError):
            while data := await reader.read(_CHUNK):
                await client.write(data)
        if client.end is not None:
            await client.end()

    sending = asyncio.create_task(there(), name="forwarded to a pod")
    try:
        await back()
        if client.end is not None:
            await sending
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        writer.close()


class SocketForwarding:
    """The ports of one WebSocket, each for one connection."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        pod: Document,
        containers: Containers,
        ports: list[int],
    ) -> None:
        self._socket = socket
        self._pod = pod
        self._containers = containers
        self._ports = ports
        self._incoming = [Incoming() for _ in ports]

    def __repr__(self) -> str:
        return f"<SocketForwarding {self._ports}>"

    async def listen(self) -> None:
        """Take messages until the client is gone."""
        while (data := await receive(self._socket)) is not None:
            channel, rest = channels.split(data)
            if channel % 2 == 0 and channel // 2 < len(self._incoming):
                await self._incoming[channel // 2].put(rest)

    async def run(self) -> None:
        """Until each port's connection has ended."""
        with suppress(ConnectionError):  # the client has gone
            await asyncio.gather(*(self._one(i, port) for i, port in enumerate(self._ports)))

    async def _one(self, index: int, port: int) -> None:
        async def write(data: bytes) -> None:
            await self._socket.send_bytes(channels.message(2 * index, data))

        for channel in (2 * index, 2 * index + 1):
            await self._socket.send_bytes(channels.message(channel, _PORT.pack(port)))
        try:
            reader, writer = await self._containers.connect(self._pod, port)
        except OSError as why:
            name = self._pod["metadata"]["name"]
            text = f"error forwarding port {port} to pod {name}: {why}"
            await self._socket.send_bytes(channels.message(2 * index + 1, text.encode()))
            return
        await carry(reader, writer, Client(self._incoming[index].read, write))
