"""A connection that the gateway dialled, and that carries frames: to control, to the broker."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import msgspec

from utsuwa.kit.framing import FrameDecoder, FrameError, encode_frame
from utsuwa.kit.log import get_logger

_log = get_logger(__name__)

Heard = Callable[["Line", bytes], None]


class Line(asyncio.Protocol):
    """One connection to `peer`, whose frames `heard` gets; what that cannot decode ends it.

    Mutable state: `transport`; `lost` is set when the connection is no more.
    """

    def __init__(self, peer: str, heard: Heard) -> None:
        self._peer = peer
        self._heard = heard
        self._decoder = FrameDecoder()
        self.transport: asyncio.WriteTransport | None = None
        self.lost = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Line to {self._peer} {'down' if self.transport is None else 'up'}>"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        self.transport = cast("asyncio.WriteTransport", transport)  # uvloop's are none by class

    def data_received(self, data: bytes) -> None:
        """Hand on each message."""
        try:
            for body in self._decoder.feed(data):
                self._heard(self, body)
        except (FrameError, msgspec.MsgspecError) as error:
            _log.error(f"{self._peer} sent what is no message: dialling anew", error=error)
            self.abort()

    def send(self, message: Any) -> None:
        """Tell the peer; without a connection the message is lost."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(encode_frame(message))

    def abort(self) -> None:
        """Give the connection up."""
        if self.transport is not None:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The peer is gone."""
        self.transport = None
        self.lost.set()
