"""Finds out what a pod speaks, where its revision does not say (feature `autodetect-http2`)."""

import asyncio
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from utsuwa.gateway.pod import Pod

_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
_PATIENCE = 0.5
"""Seconds for a server to answer the preface: one of HTTP/1.1 refuses it, closes, or is silent."""


class _Ear(asyncio.Protocol):
    """Says hello in HTTP/2 and listens. Mutable state: `_heard`; `answer` is set when it is clear."""

    def __init__(self) -> None:
        self._heard = b""
        self.answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are none by class
        self.transport.write(_HELLO)

    def data_received(self, data: bytes) -> None:
        """The beginning of a frame SETTINGS, or of anything else."""
        self._heard += data
        if len(self._heard) >= 9:
            self._settle(self._heard[3:9] == b"\4\0\0\0\0\0")

    def connection_lost(self, exc: Exception | None) -> None:
        """It does not want to talk like this."""
        self._settle(False)

    def _settle(self, http2: bool) -> None:
        if not self.answer.done():
            self.answer.set_result(http2)


async def speaks_http2(pod: "Pod") -> bool:
    """Whether `pod` answers the preface of HTTP/2 as a server does: with its settings.

    Raises:
        OSError: it does not accept connections.
    """
    ear = await pod.connect(_Ear)
    try:
        async with asyncio.timeout(_PATIENCE):
            return await ear.answer
    except TimeoutError:
        return False
    finally:
        if ear.transport is not None:
            ear.transport.abort()
