"""What carries the bytes of a SPDY connection: a WebSocket, or the upgraded connection itself."""

import asyncio
from collections import deque
from collections.abc import Collection, Mapping
from typing import Any, Protocol, cast

from aiohttp import WSMsgType, web

_MOST_WAITING = 1024 * 1024
_FAREWELL = 2.0
"""Seconds that a client gets to say that it has read the end."""


class Wire(Protocol):
    """Bytes both ways."""

    async def read(self) -> bytes:
        """What comes next; b"" at the end."""
        ...

    async def write(self, data: bytes) -> None:
        """Send; waits while the other side is slow. Raises ConnectionError once it is gone."""
        ...

    async def close(self) -> None:
        """End it. Safe to call twice."""
        ...


def protocols(request: web.BaseRequest, name: str) -> list[str]:
    """The protocols that a header offers."""
    told = ",".join(request.headers.getall(name, []))
    return [word for word in (part.strip() for part in told.split(",")) if word]


def upgrade_of(request: web.BaseRequest) -> str:
    """What the client wants to speak instead of HTTP, in lower case; "" for nothing."""
    told = request.headers.get("Connection", "").lower()
    return request.headers.get("Upgrade", "").lower().strip() if "upgrade" in told else ""


async def open_socket(request: web.BaseRequest, offered: Collection[str]) -> web.WebSocketResponse:
    """A WebSocket that speaks one of the protocols `offered`."""
    socket = web.WebSocketResponse(
        protocols=tuple(offered), compress=False, max_msg_size=0, timeout=_FAREWELL
    )
    await socket.prepare(request)
    return socket


async def receive(socket: web.WebSocketResponse) -> bytes | None:
    """The next message; None at the end."""
    message = await socket.receive()
    if message.type is WSMsgType.BINARY:
        return cast("bytes", message.data)
    if message.type is WSMsgType.TEXT:
        return cast("str", message.data).encode()
    return None


class SocketWire:
    """The messages of a WebSocket, whose borders mean nothing."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket

    def __repr__(self) -> str:
        return f"<SocketWire {'closed' if self._socket.closed else 'open'}>"

    async def read(self) -> bytes:
        """As the port."""
        while (data := await receive(self._socket)) is not None:
            if data:
                return data
        return b""

    async def write(self, data: bytes) -> None:
        """As the port."""
        await self._socket.send_bytes(data)

    async def close(self) -> None:
        """As the port."""
        await self._socket.close()


class UpgradedWire:
    """The connection itself, after `101 Switching Protocols`.

    Stands where aiohttp has its reader of WebSockets. Mutable state: `_waiting`, what came and
    was not read yet; `_ended`.
    """

    def __init__(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        self._request = request
        self.response = response
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._ended = False
        self._news = asyncio.Event()

    def __repr__(self) -> str:
        return f"<UpgradedWire: {self._size} bytes wait{', ended' if self._ended else ''}>"

    @classmethod
    async def open(cls, request: web.BaseRequest, headers: Mapping[str, str]) -> "UpgradedWire":
        """Answer 101 with `headers`."""
        response = web.StreamResponse(status=101, headers={"Connection": "Upgrade", **headers})
        response.force_close()
        wire = cls(request, response)
        # Of a reader, aiohttp calls feed_data, feed_eof and set_exception.
        request.protocol.set_parser(cast("Any", wire))
        request.protocol.keep_alive(False)
        await response.prepare(request)
        await response.write(b"")
        return wire

    # --- called by aiohttp ------------------------------------------------------------------------

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Bytes came."""
        self._waiting.append(data)
        self._size += len(data)
        if self._size > _MOST_WAITING and self._request.transport is not None:
            self._request.transport.pause_reading()
        self._news.set()
        return False, b""

    def feed_eof(self) -> None:
        """No more will come."""
        self._ended = True
        self._news.set()

    def set_exception(self, *_: object) -> None:
        """The connection broke."""
        self.feed_eof()

    # --- called by us -----------------------------------------------------------------------------

    async def read(self) -> bytes:
        """As the port."""
        while not self._waiting:
            if self._ended:
                return b""
            self._news.clear()
            await self._news.wait()
        data = b"".join(self._waiting)
        self._waiting.clear()
        was, self._size = self._size, 0
        if was > _MOST_WAITING and self._request.transport is not None:
            self._request.transport.resume_reading()
        return data

    async def write(self, data: bytes) -> None:
        """As the port."""
        await self.response.write(data)

    async def close(self) -> None:
        """As the port."""
        if self._request.transport is not None:
            self._request.transport.close()
