"""The smallest HTTP/1.1 server uvloop can carry: the floor that every hop is measured on.

`python -m benchmarks.gateway.backend PORT [BODY_BYTES]` answers every request (without a body)
with 200 and as many bytes.
"""

import asyncio
import sys
from typing import cast

import uvloop


def response(size: int) -> bytes:
    """A whole answer with `size` bytes of body."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % size
    return head + b"x" * size


class Backend(asyncio.Protocol):
    """Answers each head it reads."""

    transport: asyncio.Transport

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Count the heads that end here."""
        data = self._rest + data if self._rest else data
        count = data.count(b"\r\n\r\n")
        if count:
            self.transport.write(self._answer * count)
            self._rest = data[data.rfind(b"\r\n\r\n") + 4 :]
        else:
            self._rest = data


async def main(port: int, size: int) -> None:
    """Serve for ever."""
    answer = response(size)
    server = await asyncio.get_running_loop().create_server(
        lambda: Backend(answer), "127.0.0.1", port, backlog=4096
    )
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 13))
