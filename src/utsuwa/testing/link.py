"""The other end of the link for control's tests: a gateway driven by hand, and a listener."""

import asyncio
from pathlib import Path

from utsuwa.kit.framing import FrameDecoder, encode_frame
from utsuwa.routing.messages import (
    ColdStarts,
    Hello,
    Stats,
    ToControl,
    ToGateway,
    Wake,
    to_gateway,
)


class Sink:
    """Keeps what gateways say of traffic."""

    def __init__(self) -> None:
        self.heard: list[object] = []
        self.raised_at: dict[str, float] = {}

    def wake(self, message: Wake) -> None:
        """Keep it."""
        self.heard.append(message)

    def cold_starts(self, message: ColdStarts) -> None:
        """As the port."""
        self.heard.append(message)

    def raised(self, revision: str) -> float:
        """As the port."""
        return self.raised_at.get(revision, 0.0)

    def stats(self, gateway: str, message: Stats) -> None:
        """Keep it."""
        self.heard.append((gateway, message))


class FakeGateway:
    """A gateway that says what it is told to say."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._frames = FrameDecoder()
        self._bodies: list[bytes] = []

    @classmethod
    async def dial(cls, path: Path, name: str = "gateway-0") -> "FakeGateway":
        """A gateway that has connected and said Hello."""
        gateway = cls(*await asyncio.open_unix_connection(str(path)))
        gateway.say(Hello(name))
        return gateway

    def say(self, message: ToControl) -> None:
        """Send a message."""
        self._writer.write(encode_frame(message))

    def babble(self) -> None:
        """Send a frame that is no message."""
        self._writer.write(encode_frame({"what": "?"}))

    async def hear(self) -> ToGateway | None:
        """The next message, or None when control hung up."""
        while not self._bodies:
            data = await self._reader.read(65536)
            if not data:
                return None
            self._bodies += self._frames.feed(data)
        message: ToGateway = to_gateway.decode(self._bodies.pop(0))
        return message

    async def hang_up(self) -> None:
        """Close the connection."""
        self._writer.close()
        await self._writer.wait_closed()
