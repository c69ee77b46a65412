"""The gateway's end of the link to control: dials, listens, tells; for ever."""

import asyncio
from collections.abc import Callable
from typing import cast

import msgspec

from utsuwa.kit.clock import Clock
from utsuwa.kit.framing import FrameDecoder, FrameError, encode_frame
from utsuwa.kit.log import get_logger
from utsuwa.routing.messages import Ack, Hello, ToControl, ToGateway, to_gateway

_log = get_logger(__name__)
RETRY = 0.05
"""Seconds between two attempts to reach control."""

Apply = Callable[[ToGateway], Ack]


class LinkProtocol(asyncio.Protocol):
    """One connection to control.

    Mutable state: `transport`; `lost` is set when the connection is no more.
    """

    def __init__(self, apply: Apply) -> None:
        self._apply = apply
        self._decoder = FrameDecoder()
        self.transport: asyncio.WriteTransport | None = None
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        self.transport = cast("asyncio.WriteTransport", transport)  # uvloop's are none by class

    def data_received(self, data: bytes) -> None:
        """Put each message in force, then say so."""
        try:
            for body in self._decoder.feed(data):
                ack = self._apply(to_gateway.decode(body))
                self.send(ack)
        except (FrameError, msgspec.MsgspecError) as error:
            _log.error("control sent what is no message: dialling anew", error=error)
            self.abort()

    def send(self, message: ToControl) -> None:
        """Tell control; without a connection the message is lost."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(encode_frame(message))

    def abort(self) -> None:
        """Give the connection up."""
        if self.transport is not None:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Control is gone."""
        self.transport = None
        self.lost.set()


class Link:
    """Keeps a connection to control, whatever happens to it.

    Mutable state: `_protocol`, the connection there is (None while there is none), and
    `connected`, how many there have been.
    """

    def __init__(self, path: str, hello: Hello, apply: Apply, clock: Clock) -> None:
        self._path = path
        self._hello = hello
        self._apply = apply
        self._clock = clock
        self._protocol: LinkProtocol | None = None
        self.connected = 0

    def __repr__(self) -> str:
        return f"<Link {self._path} {'up' if self._protocol else 'down'}>"

    def send(self, message: ToControl) -> None:
        """Tell control; while the link is down the message is lost (all state is told anew)."""
        if self._protocol is not None:
            self._protocol.send(message)

    def reset(self) -> None:
        """Dial anew, for a fresh snapshot."""
        if self._protocol is not None:
            self._protocol.abort()

    async def run(self) -> None:
        """Dial, serve until the connection is lost, again; every 50 ms while control is absent."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                _, protocol = await loop.create_unix_connection(
                    lambda: LinkProtocol(self._apply), self._path
                )
            except OSError:
                await self._clock.sleep(RETRY)
                continue
            _log.info("control is there", link=self._path)
            self._protocol = protocol
            self.connected += 1
            protocol.send(self._hello)
            try:
                await protocol.lost.wait()
            finally:
                self._protocol = None
            _log.warning("control is gone: serving on with what we have", link=self._path)
            await self._clock.sleep(RETRY)
