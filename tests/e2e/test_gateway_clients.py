"""Unmodified clients through the real gateway process. HTTP/2 has a file of its own."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import grpc.aio
import pytest
import websockets
from tests.e2e.conftest import need

from utsuwa.routing.messages import Delta, Drained, RevisionTable
from utsuwa.testing.gateway_process import HOST, REVISION, GatewayProcess
from utsuwa.testing.servers import listening

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[GatewayProcess]:
    gateway = GatewayProcess(tmp_path)
    yield gateway
    await gateway.stop()


@asynccontextmanager
async def pod(name: str = "pod") -> AsyncIterator[int]:
    """Answers with its name and the size of what came; `/events` is a stream that does not end."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            match = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            if b"100-continue" in head:
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            size = len(await reader.readexactly(int(match[1]))) if match else 0
            if head.startswith(b"GET /events"):
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                    b"Transfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n"
                )
                await reader.read()
                return
            body = f"{name} {size}".encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
            await writer.drain()

    async with listening(serve) as port:
        yield port


async def output(tool: str, *arguments: str) -> str:
    """What a client prints."""
    process = await asyncio.create_subprocess_exec(
        need(tool), *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(30):
        text, _ = await process.communicate()
    return text.decode()


def url(gateway: GatewayProcess, path: str = "/") -> str:
    return f"http://127.0.0.1:{gateway.port}{path}"


async def test_curl_speaks_http_1_1(gateway: GatewayProcess, tmp_path: Path) -> None:
    """Two requests on one connection, an upload that asks first, a head alone."""
    (tmp_path / "body").write_bytes(b"x" * 3_000_000)
    host = ("-H", f"Host: {HOST}", "-sS", "--http1.1")
    async with pod() as port:
        await gateway.serve(gateway.endpoint(port))
        twice = await output("curl", *host, "-w", " %{num_connects},", *[url(gateway)] * 2)
        assert twice == "pod 0 1,pod 0 0,"
        upload = ("-H", "Expect: 100-continue", "--data-binary", f"@{tmp_path / 'body'}")
        assert await output("curl", *host, *upload, url(gateway)) == "pod 3000000"
        head = await output("curl", *host, "-I", url(gateway))
        assert head.startswith("HTTP/1.1 200 OK\r\n")


async def test_curl_keeps_its_session_in_a_cookie_jar(
    gateway: GatewayProcess, tmp_path: Path
) -> None:
    jar = str(tmp_path / "jar")
    arguments = ("-sS", "--resolve", f"{HOST}:{gateway.port}:127.0.0.1", "-b", jar, "-c", jar)
    async with pod("one") as one, pod("two") as two:
        endpoints = gateway.endpoint(one, "uid-1"), gateway.endpoint(two, "uid-2")
        await gateway.serve(*endpoints, session_affinity=True)
        address = f"http://{HOST}:{gateway.port}/"
        answers = {await output("curl", *arguments, address) for _ in range(6)}
        assert len(answers) == 1
        assert "utsuwa-session" in Path(jar).read_text()


async def test_hey_finds_no_error(gateway: GatewayProcess) -> None:
    async with pod() as port:
        await gateway.serve(gateway.endpoint(port), concurrency=10)
        report = await output("hey", "-n", "2000", "-c", "50", "-host", HOST, url(gateway))
        assert re.search(r"\[200\]\s+2000 responses", report), report
        assert "Error distribution" not in report


async def test_wrk_finds_no_error(gateway: GatewayProcess) -> None:
    async with pod() as port:
        await gateway.serve(gateway.endpoint(port))
        report = await output(
            "wrk", "-t", "1", "-c", "20", "-d", "1s", "-H", f"Host: {HOST}", url(gateway)
        )
        assert re.search(r"[1-9]\d* requests in ", report), report
        assert "Socket errors" not in report
        assert "Non-2xx" not in report


@asynccontextmanager
async def websocket_pod(codes: list[int | None]) -> AsyncIterator[int]:
    """An echo that keeps the codes with which its clients have gone."""

    async def echo(connection: websockets.ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)
        codes.append(connection.close_code)

    async with websockets.serve(echo, "127.0.0.1", 0) as server:
        yield next(iter(server.sockets)).getsockname()[1]


async def test_a_websocket_hears_1001_before_its_pod_ends(
    gateway: GatewayProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new revision is out: the old pod is free (and gets SIGTERM) once the limit has passed."""
    monkeypatch.setenv("UTSUWA_TUNNEL_DRAIN_SECONDS", "0.5")
    codes: list[int | None] = []
    async with websocket_pod(codes) as port:
        await gateway.serve(gateway.endpoint(port))
        async with websockets.connect(
            f"ws://{HOST}/", host="127.0.0.1", port=gateway.port, proxy=None
        ) as client:
            await client.send("hello")
            assert await client.recv() == "hello"
            gateway.control.send(Delta(version=2, revisions=(RevisionTable(name=REVISION),)))
            with pytest.raises(websockets.ConnectionClosed):
                await asyncio.wait_for(client.recv(), 10)
            assert (client.close_code, client.close_reason) == (1001, "the server goes away")
            await gateway.control.wait_for(Drained)
        async with asyncio.timeout(5):
            while not codes:
                await asyncio.sleep(0.01)
    assert codes == [1001]


async def test_sigterm_ends_websockets_and_events_in_words(gateway: GatewayProcess) -> None:
    """After the drain limit: 1001 for the one, the last chunk for the other."""
    codes: list[int | None] = []
    async with websocket_pod(codes) as port, pod() as events:
        await gateway.serve(gateway.endpoint(port))
        async with websockets.connect(
            f"ws://{HOST}/", host="127.0.0.1", port=gateway.port, proxy=None
        ) as client:
            await client.send("hello")
            assert await client.recv() == "hello"
            table = RevisionTable(name=REVISION, endpoints=(gateway.endpoint(events, "pod-2"),))
            gateway.control.send(Delta(version=2, revisions=(table,)))
            await asyncio.sleep(0.3)
            curl = asyncio.ensure_future(
                output(
                    "curl",
                    "-sSN",
                    "-H",
                    f"Host: {HOST}",
                    "-w",
                    "%{errormsg}",
                    url(gateway, "/events"),
                )
            )
            await asyncio.sleep(0.5)
            assert gateway.process is not None
            gateway.process.terminate()
            with pytest.raises(websockets.ConnectionClosed):
                await asyncio.wait_for(client.recv(), 15)
            assert client.close_code == 1001
            assert await curl == "data: 1\n\n"
            assert await asyncio.wait_for(gateway.process.wait(), 5) == 0


class Patient(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpcio has no types
    """`/echo/Meta` answers with metadata; `/echo/Wait` waits for its deadline, which it has seen."""

    def __init__(self) -> None:
        self.remaining: list[float] = []

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        act = self.meta if details.method.endswith("Meta") else self.wait
        return grpc.unary_unary_rpc_method_handler(act)

    async def meta(self, message: bytes, context: grpc.aio.ServicerContext) -> bytes:
        sent = dict(context.invocation_metadata())
        await context.send_initial_metadata((("x-initial", sent["x-asked"]),))
        context.set_trailing_metadata((("x-blob-bin", b"\x00\xff"),))
        return message

    async def wait(self, message: bytes, context: grpc.aio.ServicerContext) -> bytes:
        self.remaining.append(context.time_remaining())
        await asyncio.sleep(30)
        return message


async def test_grpcio_passes_metadata_and_deadlines(gateway: GatewayProcess) -> None:
    """In both directions, binary ones too; the pod knows how long its client will wait."""
    patient = Patient()
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((patient,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    await gateway.serve(gateway.endpoint(port), protocol="h2c")
    options = [("grpc.default_authority", HOST)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{gateway.port}", options) as channel:
        call = channel.unary_unary("/echo/Meta")(b"", metadata=(("x-asked", "yes"),))
        assert await call == b""
        assert dict(await call.initial_metadata())["x-initial"] == "yes"
        assert dict(await call.trailing_metadata())["x-blob-bin"] == b"\x00\xff"
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary("/echo/Wait")(b"", timeout=1.0)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert len(patient.remaining) == 1
    assert patient.remaining[0] < 2.0
    await server.stop(None)
