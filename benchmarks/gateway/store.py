"""`python -m benchmarks.gateway.store PORT`: gives and takes large bodies.

`GET /N` is answered with N bytes, as fast as the reader takes them; the body of anything else
(with Content-Length) is read to its end and answered with 200.
"""

import asyncio
import re
import sys

import uvloop

_CHUNK = bytes(256 << 10)
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"GET"):
                await _give(writer, int(head.split(b" ", 2)[1].strip(b"/") or b"0"))
            else:
                await _take(reader, head)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()  # the client has gone


async def _give(writer: asyncio.StreamWriter, size: int) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
    while size > 0:
        writer.write(_CHUNK[:size] if size < len(_CHUNK) else _CHUNK)
        size -= len(_CHUNK)
        await writer.drain()


async def _take(reader: asyncio.StreamReader, head: bytes) -> None:
    match = _LENGTH.search(head)
    left = int(match[1]) if match else 0
    while left:
        data = await reader.read(min(left, 1 << 20))
        if not data:
            raise asyncio.IncompleteReadError(b"", left)
        left -= len(data)


async def main(port: int) -> None:
    """Serve for ever."""
    server = await asyncio.start_server(serve, "127.0.0.1", port, limit=1 << 20)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
