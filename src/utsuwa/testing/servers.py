"""A server on loopback that leaves nothing behind, for tests that are one end of a connection."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(serve: Serve, port: int = 0) -> AsyncIterator[int]:
    """The port on which `serve` gets each connection; it is over when the client goes away.

    At the end the connections are closed as well: `Server.close` leaves them open on Python 3.11,
    and the garbage collector then blames whatever test runs when it finds them.
    """
    connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await serve(reader, writer)

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(guarded(reader, writer))
        connections[task] = writer
        task.add_done_callback(lambda done: connections.pop(done).close())

    server = await asyncio.start_server(accept, "127.0.0.1", port, limit=2**20)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await _end(connections)


async def _end(connections: dict[asyncio.Task[None], asyncio.StreamWriter]) -> None:
    for task, writer in list(connections.items()):
        task.cancel()
        writer.transport.abort()
    await asyncio.gather(*connections, return_exceptions=True)
    await asyncio.sleep(0)  # the loop closes the sockets in its next turn
