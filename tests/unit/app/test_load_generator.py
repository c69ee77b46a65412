"""The load generator against a server in the same loop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from utsuwa.app.load import Load, Progress, run
from utsuwa.kit.clock import SystemClock

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Answer = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """Reads requests one by one and lets `answer` write. Counts connections and requests."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.url = ""
        self.connections = 0
        self.requests = 0
        self.together = 0
        self.most_together = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.requests += 1
                self.together += 1
                self.most_together = max(self.most_together, self.together)
                try:
                    await self._answer(head, writer)
                finally:
                    self.together -= 1
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[Server]:
    """A server on a free port."""
    server = Server(answer)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/"
    try:
        yield server
    finally:
        listener.close()
        await listener.wait_closed()
        await asyncio.sleep(0)


async def ok(_head: bytes, writer: asyncio.StreamWriter) -> None:
    """An answer at once."""
    writer.write(OK)


async def test_exactly_as_many_requests_are_sent_as_were_asked_for() -> None:
    """Over connections that are kept open."""
    async with serving(ok) as server:
        results = await run(Load(server.url, 103, 10), SystemClock())
    assert (server.requests, server.connections) == (103, 10)
    assert results.statuses == {200: 103}
    assert (results.failures, results.bytes) == (0, 206)
    assert results.total > 0


async def test_there_are_never_more_connections_than_requests() -> None:
    """Ten connections for three requests would be seven too many."""
    async with serving(ok) as server:
        await run(Load(server.url, 3, 10), SystemClock())
    assert server.connections == 3


async def test_all_connections_have_a_request_in_flight() -> None:
    """Closed loop: the server sees five together, never more."""
    gate = asyncio.Event()

    async def held(_head: bytes, writer: asyncio.StreamWriter) -> None:
        if server.together == 5:
            gate.set()
        await gate.wait()
        writer.write(OK)

    async with serving(held) as server:
        await run(Load(server.url, 20, 5), SystemClock())
    assert server.most_together == 5


async def test_a_server_that_closes_after_an_answer_is_dialled_again() -> None:
    """`Connection: close` is no error."""

    async def once(_head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        writer.close()

    async with serving(once) as server:
        results = await run(Load(server.url, 6, 2), SystemClock())
    assert results.statuses == {200: 6}
    assert server.connections == 6


async def test_a_connection_that_breaks_in_an_answer_is_an_error() -> None:
    """Half an answer is none."""

    async def half(_head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(OK[:-1])
        writer.close()

    async with serving(half) as server:
        results = await run(Load(server.url, 4, 2), SystemClock())
    assert results.errors == {"connection: closed before the answer was complete": 4}


async def test_an_answer_that_is_not_http_is_an_error() -> None:
    """Garbage is named as such."""

    async def garbage(_head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH\r\n\r\n")

    async with serving(garbage) as server:
        results = await run(Load(server.url, 2, 1), SystemClock())
    (why,) = results.errors
    assert why.startswith("the answer is not HTTP")
    assert results.failures == 2


async def test_a_refused_connection_is_an_error_with_its_reason() -> None:
    """Nobody listens on port 1."""
    results = await run(Load("http://127.0.0.1:1/", 3, 3), SystemClock())
    assert results.errors == {"dial 127.0.0.1:1: Connection refused": 3}


async def test_a_request_that_takes_too_long_is_given_up() -> None:
    """The limit counts from sending."""

    async def never(_head: bytes, _writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with serving(never) as server:
        results = await run(Load(server.url, 1, 1, timeout=0.05), SystemClock())
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
    assert results.errors == {"no answer within 0.05 s": 1}


async def test_statuses_are_counted_and_announcements_are_not() -> None:
    """103 Early Hints comes before the answer proper."""

    async def hinted(_head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(
            b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"
        )

    async with serving(hinted) as server:
        results = await run(Load(server.url, 2, 1), SystemClock())
    assert results.statuses == {503: 2}
    assert results.failures == 2


async def test_chunked_answers_are_measured_to_their_end() -> None:
    """Their size is that of the body, not of its framing."""

    async def chunked(_head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        await writer.drain()
        writer.write(b"0\r\n\r\n")

    async with serving(chunked) as server:
        results = await run(Load(server.url, 2, 1), SystemClock())
    assert results.bytes == 6


class Hasty(SystemClock):
    """Whoever sleeps a second is woken after a hundredth of it."""

    async def sleep(self, seconds: float) -> None:
        """Shorter than asked for."""
        await asyncio.sleep(min(seconds, 0.01))


async def test_progress_tells_what_ended_and_what_is_in_flight() -> None:
    """Once a second: here while two requests are held, then when they have ended."""
    told: list[Progress] = []
    gate = asyncio.Event()

    async def held(_head: bytes, writer: asyncio.StreamWriter) -> None:
        await gate.wait()
        writer.write(OK)

    def tell(progress: Progress) -> None:
        told.append(progress)
        if server.together == 2:
            gate.set()

    async with serving(held) as server:
        await run(Load(server.url, 2, 2), Hasty(), tell)
    assert told[0] == Progress(elapsed=1, second=0, in_flight=2, done=0, failures=0)


async def test_a_load_that_is_cancelled_leaves_no_connection() -> None:
    """Ctrl-C in the middle of it."""
    gate = asyncio.Event()

    async def held(_head: bytes, _writer: asyncio.StreamWriter) -> None:
        gate.set()
        await asyncio.Event().wait()

    async with serving(held) as server:
        load = asyncio.ensure_future(run(Load(server.url, 5, 1), SystemClock()))
        await gate.wait()
        load.cancel()
        with pytest.raises(asyncio.CancelledError):
            await load
        others = asyncio.all_tasks() - {asyncio.current_task()}
        assert [task.get_name() for task in others if task.get_name().startswith("load")] == []
        for task in others:
            task.cancel()
