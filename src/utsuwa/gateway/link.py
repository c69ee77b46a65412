"""The gateway's end of the link to control: dials, listens, tells; for ever."""

import asyncio
from collections.abc import Callable

from utsuwa.gateway.line import Line
from utsuwa.kit.clock import Clock
from utsuwa.kit.log import get_logger
from utsuwa.routing.messages import Ack, Hello, ToControl, ToGateway, to_gateway

_log = get_logger(__name__)
RETRY = 0.05
"""Seconds between two attempts to reach control."""

Apply = Callable[[ToGateway], Ack]


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
        self._protocol: Line | None = None
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
                    lambda: Line("control", self._heard), self._path
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

    def _heard(self, line: Line, body: bytes) -> None:
        """Put a message in force, then say so."""
        line.send(self._apply(to_gateway.decode(body)))
