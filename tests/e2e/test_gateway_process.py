"""The real gateway process on real sockets, with a fake control and small pods."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import websockets

from utsuwa.routing.messages import (
    Ack,
    Drained,
    EndpointUp,
    Stats,
    Wake,
)
from utsuwa.testing.gateway import one_service
from utsuwa.testing.gateway_process import GatewayProcess as Gateway
from utsuwa.testing.servers import listening

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

HOST = "hello.default.example.com"
REVISION = "default/hello-00001"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def request(path: str = "/", *fields: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {HOST}", *fields, "", ""]).encode()


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    gateway = Gateway(tmp_path)
    yield gateway
    await gateway.stop()


async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers each request at once; `/slow` after 0.3 s."""
    while True:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"/slow" in head:
            await asyncio.sleep(0.3)
        writer.write(OK)


async def test_connections_wait_until_the_first_table_is_there(gateway: Gateway) -> None:
    """After a crash nobody is refused, and nobody gets a 404 for a service that exists."""
    async with listening(hello) as port:
        await gateway.start()
        early = asyncio.ensure_future(gateway.get())
        await asyncio.sleep(0.6)
        assert not early.done()
        gateway.control.snapshot = one_service(gateway.endpoint(port), host=HOST)
        await gateway.control.start()
        assert (await early).endswith(b"hello")


async def test_a_gateway_that_is_killed_is_replaced_behind_the_same_socket(
    gateway: Gateway,
) -> None:
    async with listening(hello) as port:
        await gateway.serve(gateway.endpoint(port))
        assert gateway.process is not None
        gateway.process.kill()
        await gateway.process.wait()
        waiting = asyncio.ensure_future(gateway.get())
        await gateway.start()
        assert (await waiting).endswith(b"hello")


async def test_it_serves_on_without_control_and_takes_the_table_of_the_next(
    gateway: Gateway,
) -> None:
    async with listening(hello) as port:
        await gateway.serve(gateway.endpoint(port))
        reader, writer = await gateway.connect()
        writer.write(request("/slow"))
        await gateway.control.stop()
        assert await reader.readexactly(len(OK)) == OK
        gateway.control.received.clear()
        gateway.control.snapshot = one_service(gateway.endpoint(port), host=HOST, epoch="e2")
        await gateway.control.start()
        await gateway.control.wait_for(Ack, lambda ack: ack.epoch == "e2")
        writer.write(request())
        assert await reader.readexactly(len(OK)) == OK
        writer.close()


async def test_a_cold_start_is_held_woken_probed_and_released(gateway: Gateway) -> None:
    async with listening(hello) as free:
        pass
    await gateway.serve()
    held = [asyncio.ensure_future(gateway.get()) for _ in range(20)]
    wake = await gateway.control.wait_for(Wake)
    assert wake.revision == REVISION
    gateway.control.send(
        one_service(gateway.endpoint(free, ready=False), host=HOST, revision=REVISION, version=2)
    )
    await gateway.control.wait_for(Ack, lambda ack: ack.version == 2)
    await asyncio.sleep(0.1)
    async with listening(hello, free):
        await gateway.control.wait_for(EndpointUp)
        assert all(answer.endswith(b"hello") for answer in await asyncio.gather(*held))
    assert len(gateway.control.of(Wake)) == 1


async def test_figures_come_once_a_second_and_end_with_a_zero(gateway: Gateway) -> None:
    async with listening(hello) as port:
        await gateway.serve(gateway.endpoint(port))
        for _ in range(5):
            await gateway.get()
        await gateway.control.wait_for(
            Stats, lambda stats: stats.revisions[0].concurrency == stats.revisions[0].requests == 0
        )
    stats = gateway.control.of(Stats)
    seconds = [one.second for one in stats]
    assert seconds == sorted(set(seconds))
    assert sum(one.revisions[0].completed for one in stats) == 5
    assert sum(one.revisions[0].requests for one in stats) + len(gateway.control.of(Wake)) == 5


async def test_sigterm_lets_requests_end_and_closes_the_rest(gateway: Gateway) -> None:
    async with listening(hello) as port:
        await gateway.serve(gateway.endpoint(port))
        assert gateway.process is not None
        reader, writer = await gateway.connect()
        writer.write(request("/slow"))
        idle_reader, idle_writer = await gateway.connect()
        idle_writer.write(request())
        await idle_reader.readexactly(len(OK))
        await gateway.control.wait_for(Wake)
        gateway.process.send_signal(signal.SIGTERM)
        assert await idle_reader.read() == b""
        answer = await reader.read()
        assert answer.endswith(b"hello")
        assert b"Connection: close" in answer
        assert await gateway.process.wait() == 0
        for open_writer in (writer, idle_writer):
            open_writer.close()


async def test_a_pod_is_told_drained_after_its_last_request(gateway: Gateway) -> None:
    async with listening(hello) as port:
        await gateway.serve(gateway.endpoint(port))
        running = asyncio.ensure_future(gateway.get("/slow"))
        await gateway.control.wait_for(Wake)
        gateway.control.send(one_service(host=HOST, revision=REVISION, version=2))
        await gateway.control.wait_for(Drained)
        assert (await running).endswith(b"hello")


async def test_a_client_that_hangs_up_is_counted_apart(gateway: Gateway) -> None:
    await gateway.serve()
    _, writer = await gateway.connect()
    writer.write(request())
    await gateway.control.wait_for(Wake)
    writer.close()
    stats = await gateway.control.wait_for(Stats, lambda stats: stats.revisions[0].completed == 1)
    assert stats.revisions[0].status == (0, 0, 0, 0, 0, 1)


async def test_a_large_upload_and_download_keep_memory_flat(gateway: Gateway) -> None:
    size = 100 * 2**20

    async def echo_size(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        left = size
        while left:
            left -= len(await reader.read(2**18))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        block = b"x" * 2**18
        for _ in range(size // len(block)):
            writer.write(block)
            await writer.drain()

    async with listening(echo_size) as port:
        await gateway.serve(gateway.endpoint(port))
        before = gateway.rss()
        reader, writer = await gateway.connect()
        writer.write(request("/", f"Content-Length: {size}", method="POST"))
        block = b"y" * 2**18
        for _ in range(size // len(block)):
            writer.write(block)
            await writer.drain()
        await reader.readuntil(b"\r\n\r\n")
        left = size
        while left:
            data = await reader.read(2**18)
            assert data
            left -= len(data)
        assert gateway.rss() - before < 8
        writer.close()


async def test_a_reader_that_stops_does_not_fill_our_memory(gateway: Gateway) -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            writer.write(b"x" * 2**18)
            await writer.drain()

    async with listening(flood) as port:
        await gateway.serve(gateway.endpoint(port))
        before = gateway.rss()
        _, writer = await gateway.connect()
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # a stream's transport can
        writer.write(request())
        await asyncio.sleep(0.5)
        assert gateway.rss() - before < 4
        writer.transport.abort()


async def test_a_real_websocket_passes(gateway: Gateway) -> None:
    async def echo(connection: websockets.ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with websockets.serve(echo, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        await gateway.serve(gateway.endpoint(port))
        async with websockets.connect(
            f"ws://{HOST}/", host="127.0.0.1", port=gateway.port, proxy=None
        ) as client:
            for message in ("hello", "x" * 200_000):
                await client.send(message)
                assert await client.recv() == message
            stats = await gateway.control.wait_for(Stats)
            assert stats.revisions[0].in_flight == 1


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"hello?\r\n\r\n",
        b"GET / HTTP/1.1\nHost: a\n\n",
    ],
    ids=["TLS", "words", "bare LF"],
)
async def test_garbage_gets_one_line_and_everything_else_goes_on(
    gateway: Gateway, garbage: bytes
) -> None:
    async with listening(hello) as port:
        await gateway.serve(gateway.endpoint(port))
        reader, writer = await gateway.connect()
        writer.write(garbage)
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert answer.partition(b"\r\n\r\n")[2].count(b"\n") == 1
        writer.close()
        assert (await gateway.get()).endswith(b"hello")


async def test_it_says_what_is_missing_in_its_environment() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "utsuwa.gateway", stderr=asyncio.subprocess.PIPE,
        env={key: value for key, value in os.environ.items() if not key.startswith("UTSUWA_")},
    )  # fmt: skip
    _, stderr = await process.communicate()
    assert process.returncode == 2
    assert b"UTSUWA_GATEWAY_FDS" in stderr


async def test_an_idle_gateway_is_small(gateway: Gateway) -> None:
    await gateway.serve()
    assert gateway.rss() < 40
