"""HTTP/2 and gRPC through the real gateway process, with clients that nobody here wrote."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from utsuwa.routing.messages import Delta, RevisionTable, Wake
from utsuwa.testing.gateway_process import HOST, REVISION, GatewayProcess
from utsuwa.testing.servers import listening

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

Context = Any  # grpc.aio.ServicerContext, which is generic over messages that are bytes here


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[GatewayProcess]:
    gateway = GatewayProcess(tmp_path)
    yield gateway
    await gateway.stop()


@asynccontextmanager
async def http1_pod() -> AsyncIterator[int]:
    """Answers with how many bytes of body came, and what it was asked; `/trailers` with trailers."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            size = 0
            if match := re.search(rb"content-length: (\d+)", head, re.IGNORECASE):
                size = len(await reader.readexactly(int(match[1])))
            elif b"transfer-encoding: chunked" in head.lower():
                while line := await reader.readline():
                    length = int(line, 16)
                    size += len(await reader.readexactly(length + 2)) - 2
                    if not length:
                        break
            body = b"%d " % size + head.splitlines()[0]
            if b" /trailers " in head:
                writer.write(
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                    b"%x\r\n%b\r\n0\r\nx-sum: 42\r\n\r\n" % (len(body), body)
                )
            else:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
            await writer.drain()

    async with listening(serve) as port:
        yield port


class Echo:
    """A service of all four kinds over bytes.

    Mutable state: `cancelled`, set when a client has left `/echo/Wait`.
    """

    def __init__(self) -> None:
        self.cancelled = asyncio.Event()

    def handler(self) -> Any:
        methods = {
            "Unary": grpc.unary_unary_rpc_method_handler(self.unary),
            "Down": grpc.unary_stream_rpc_method_handler(self.down),
            "Up": grpc.stream_unary_rpc_method_handler(self.up),
            "Both": grpc.stream_stream_rpc_method_handler(self.both),
            "Fail": grpc.unary_unary_rpc_method_handler(self.fail),
            "Wait": grpc.unary_unary_rpc_method_handler(self.wait),
        }
        return grpc.method_handlers_generic_handler("echo", methods)

    async def unary(self, message: bytes, context: Context) -> bytes:
        context.set_trailing_metadata((("x-size", str(len(message))),))
        return message

    async def down(self, message: bytes, context: Context) -> AsyncIterator[bytes]:
        for number in range(int(message)):
            yield b"%d" % number * 1000

    async def up(self, messages: AsyncIterator[bytes], context: Context) -> bytes:
        return b"%d" % sum([len(message) async for message in messages])

    async def both(self, messages: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        async for message in messages:
            yield message.upper()

    async def fail(self, message: bytes, context: Context) -> bytes:
        await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not today: 100 %")
        return b""

    async def wait(self, message: bytes, context: Context) -> bytes:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return b""


@asynccontextmanager
async def grpc_pod(echo: Echo | None = None) -> AsyncIterator[int]:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(((echo or Echo()).handler(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


@asynccontextmanager
async def channel(gateway: GatewayProcess, number: int = 0) -> AsyncIterator[grpc.aio.Channel]:
    # The number keeps channels of equal options from sharing a connection.
    options = [("grpc.default_authority", HOST), ("utsuwa.test.channel", number)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{gateway.port}", options) as made:
        yield made


async def curl(gateway: GatewayProcess, *arguments: str, path: str = "/") -> str:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    process = await asyncio.create_subprocess_exec(
        "curl", "-sS", "--max-time", "10", "-H", f"Host: {HOST}", *arguments,
        f"http://127.0.0.1:{gateway.port}{path}",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    return output.decode()


@pytest.mark.parametrize("how", ["--http2-prior-knowledge", "--http2"])
async def test_curl_speaks_http2_to_a_pod_that_does_not(gateway: GatewayProcess, how: str) -> None:
    """With the preface, and by `Upgrade: h2c`."""
    async with http1_pod() as port:
        await gateway.serve(gateway.endpoint(port))
        answer = await curl(gateway, how, "-w", " %{http_version} %{http_code}", path="/a?b=c")
        assert answer == "0 GET /a?b=c HTTP/1.1 2 200"


async def test_curl_uploads_over_http2(gateway: GatewayProcess, tmp_path: Path) -> None:
    """More than any window holds, with a declared length and without one."""
    size = 3_000_000
    (tmp_path / "body").write_bytes(b"x" * size)
    async with http1_pod() as port:
        await gateway.serve(gateway.endpoint(port))
        for extra in ([], ["-H", "Transfer-Encoding: chunked"]):
            answer = await curl(
                gateway, "--http2-prior-knowledge", *extra, "--data-binary",
                f"@{tmp_path / 'body'}",
            )  # fmt: skip
            assert answer == f"{size} POST / HTTP/1.1"


async def test_trailers_of_an_http1_pod_reach_an_http2_client(gateway: GatewayProcess) -> None:
    async with http1_pod() as port:
        await gateway.serve(gateway.endpoint(port))
        answer = await curl(gateway, "--http2-prior-knowledge", "-i", path="/trailers")
        assert answer.startswith("HTTP/2 200")
        assert "x-sum: 42" in answer


async def test_an_http1_client_gets_an_answer_from_a_grpc_pod(gateway: GatewayProcess) -> None:
    """gRPC's own refusal, as HTTP/1.1 has it."""
    async with grpc_pod() as port:
        await gateway.serve(gateway.endpoint(port), protocol="h2c")
        answer = await curl(gateway, "--http1.1", "-i", "-H", "TE: trailers", path="/echo/Unary")
        assert answer.startswith("HTTP/1.1 ")


async def test_all_four_kinds_of_grpc(gateway: GatewayProcess) -> None:
    async with grpc_pod() as port:
        await gateway.serve(gateway.endpoint(port), protocol="h2c")
        async with channel(gateway) as made:
            call = made.unary_unary("/echo/Unary")(b"hello")
            assert await call == b"hello"
            assert dict(await call.trailing_metadata()) == {"x-size": "5"}

            down = [part async for part in made.unary_stream("/echo/Down")(b"100")]
            assert down == [b"%d" % number * 1000 for number in range(100)]

            async def parts() -> AsyncIterator[bytes]:
                for _ in range(100):
                    yield b"x" * 10_000

            assert await made.stream_unary("/echo/Up")(parts()) == b"1000000"

            both = made.stream_stream("/echo/Both")()
            for word in (b"one", b"two"):
                await both.write(word)
                assert await both.read() == word.upper()
            await both.done_writing()
            assert await both.read() is grpc.aio.EOF


async def test_large_messages_pass_every_window(gateway: GatewayProcess) -> None:
    async with grpc_pod() as port:
        await gateway.serve(gateway.endpoint(port), protocol="h2c")
        async with channel(gateway) as made:
            message = bytes(range(256)) * 12_000
            assert await made.unary_unary("/echo/Unary")(message) == message


async def test_a_grpc_status_passes_through(gateway: GatewayProcess) -> None:
    async with grpc_pod() as port:
        await gateway.serve(gateway.endpoint(port), protocol="h2c")
        async with channel(gateway) as made:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await made.unary_unary("/echo/Fail")(b"")
            assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
            assert caught.value.details() == "not today: 100 %"


async def test_what_the_gateway_refuses_is_a_grpc_status(gateway: GatewayProcess) -> None:
    """No pod can start: UNAVAILABLE; too slow: DEADLINE_EXCEEDED; no such host: UNIMPLEMENTED."""
    async with grpc_pod() as port:
        await gateway.serve(gateway.endpoint(port), protocol="h2c", timeout=0.5)
        async with channel(gateway) as made:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await made.unary_unary("/echo/Wait")(b"")
            assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            assert caught.value.details() == "request timeout"
            gone = RevisionTable(name=REVISION, protocol="h2c", unavailable="image is missing")
            gateway.control.send(Delta(version=2, revisions=(gone,)))
            await asyncio.sleep(0.2)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await made.unary_unary("/echo/Unary")(b"")
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            assert "image is missing" in str(caught.value.details())
            gateway.control.send(Delta(version=3, removed_hosts=(HOST,)))
            await asyncio.sleep(0.2)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await made.unary_unary("/echo/Unary")(b"")
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_client_that_cancels_is_seen_by_the_pod(gateway: GatewayProcess) -> None:
    echo = Echo()
    async with grpc_pod(echo) as port:
        await gateway.serve(gateway.endpoint(port), protocol="h2c")
        async with channel(gateway) as made:
            call = made.unary_unary("/echo/Wait")(b"")
            await asyncio.sleep(0.3)
            call.cancel()
            await asyncio.wait_for(echo.cancelled.wait(), 5)


async def test_requests_without_a_pod_are_held_and_wake_it(gateway: GatewayProcess) -> None:
    """A cold start over gRPC: the call waits, the pod comes, the call succeeds."""
    await gateway.serve(protocol="h2c")
    async with channel(gateway) as made, grpc_pod() as port:
        calls = [made.unary_unary("/echo/Unary")(b"%d" % number) for number in range(20)]
        waiting = asyncio.ensure_future(asyncio.gather(*calls))
        await gateway.control.wait_for(Wake)
        assert not waiting.done()
        table = RevisionTable(
            name=REVISION, protocol="h2c", endpoints=(gateway.endpoint(port, ready=False),)
        )
        gateway.control.send(Delta(version=2, revisions=(table,)))
        assert await waiting == [b"%d" % number for number in range(20)]


async def test_a_thousand_calls_over_four_connections_without_an_error(
    gateway: GatewayProcess,
) -> None:
    async with grpc_pod() as port:
        await gateway.serve(gateway.endpoint(port), protocol="h2c", concurrency=50)

        async def connection(number: int) -> int:
            async with channel(gateway, number) as made:
                call = made.unary_unary("/echo/Unary")

                async def caller() -> int:
                    return sum([await call(b"x" * 100) == b"x" * 100 for _ in range(10)])

                return sum(await asyncio.gather(*(caller() for _ in range(25))))

        assert sum(await asyncio.gather(*(connection(n) for n in range(4)))) == 1000


async def test_h2load_finds_no_error(gateway: GatewayProcess) -> None:
    if shutil.which("h2load") is None:
        pytest.skip("h2load is not installed (Debian: nghttp2-client)")
    async with http1_pod() as port:
        await gateway.serve(gateway.endpoint(port))
        process = await asyncio.create_subprocess_exec(
            "h2load", "-n", "2000", "-c", "4", "-m", "25", f"--header=:authority: {HOST}",
            f"http://127.0.0.1:{gateway.port}/", stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        output, _ = await process.communicate()
        assert b"2000 succeeded, 0 failed, 0 errored" in output


async def test_calls_under_way_survive_the_end_of_the_gateway(gateway: GatewayProcess) -> None:
    """GOAWAY on drain: what runs is finished, the client is told to go elsewhere."""
    async with grpc_pod() as port:
        await gateway.serve(gateway.endpoint(port), protocol="h2c")
        async with channel(gateway) as made:
            both = made.stream_stream("/echo/Both")()
            await both.write(b"one")
            assert await both.read() == b"ONE"
            assert gateway.process is not None
            gateway.process.terminate()
            await asyncio.sleep(0.5)
            await both.write(b"two")
            assert await both.read() == b"TWO"
            await both.done_writing()
            assert await both.read() is grpc.aio.EOF
            assert await asyncio.wait_for(gateway.process.wait(), 5) == 0
