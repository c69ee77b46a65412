"""The gRPC probe asks as kubelet does, and tells what was wrong with the answer."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded

from utsuwa.node.checks import NetworkChecks
from utsuwa.node.probes import Probe, parse_probe
from utsuwa.node.runtime import Launch
from utsuwa.testing.node import FakeInstance, FakeRuntime

Field = tuple[str, str]
OK: Sequence[Field] = (("grpc-status", "0"),)
SERVING = b"\x00\x00\x00\x00\x02\x08\x01"
NOT_SERVING = b"\x00\x00\x00\x00\x02\x08\x02"


class Server:
    """Answers every call alike, and remembers what was asked."""

    def __init__(self, body: bytes, trailers: Sequence[Field]) -> None:
        self._body, self._trailers = body, trailers
        self.asked: dict[str, str] = {}
        self.message = b""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        http2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        http2.initiate_connection()
        writer.write(http2.data_to_send())
        while data := await reader.read(4096):
            for event in http2.receive_data(data):
                if isinstance(event, RequestReceived):
                    self.asked = {str(name): str(value) for name, value in event.headers or ()}
                elif isinstance(event, DataReceived):
                    self.message += event.data or b""
                elif isinstance(event, StreamEnded):
                    self._answer(http2)
            writer.write(http2.data_to_send())
        writer.close()

    def _answer(self, http2: H2Connection) -> None:
        http2.send_headers(1, [(":status", "200"), ("content-type", "application/grpc")])
        if self._body:
            http2.send_data(1, self._body)
        http2.send_headers(1, list(self._trailers), end_stream=True)


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(handler: Handler) -> AsyncIterator[int]:
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def an_instance(tmp_path: Path) -> FakeInstance:
    launch = Launch("u", "c", ("app",), {}, tmp_path, tmp_path / "log")
    return FakeInstance(FakeRuntime(), launch, 0)


async def asked(port: int, tmp_path: Path, service: str = "") -> str:
    probe = Probe("grpc", port, service=service, timeout=5.0)
    return await NetworkChecks().check(probe, an_instance(tmp_path))


async def test_a_server_that_serves_is_fine(tmp_path: Path) -> None:
    server = Server(SERVING, OK)
    async with listening(server.serve) as port:
        assert await asked(port, tmp_path) == ""
    assert server.asked[":path"] == "/grpc.health.v1.Health/Check"
    assert server.asked["content-type"] == "application/grpc"
    assert server.message == b"\x00\x00\x00\x00\x00"


async def test_the_service_of_the_probe_is_asked_for(tmp_path: Path) -> None:
    server = Server(SERVING, OK)
    async with listening(server.serve) as port:
        assert await asked(port, tmp_path, service="shop") == ""
    assert server.message == b"\x00\x00\x00\x00\x06\x0a\x04shop"


@pytest.mark.parametrize(
    ("body", "trailers", "verdict"),
    [
        (NOT_SERVING, OK, "it says NOT_SERVING"),
        (b"\x00\x00\x00\x00\x00", OK, "it says UNKNOWN"),
        (b"", [("grpc-status", "12")], "it does not implement /grpc.health.v1.Health/Check"),
        (b"", [("grpc-status", "5"), ("grpc-message", "no%20shop")], "grpc-status 5: no shop"),
        (b"", [("x", "y")], "the answer is not gRPC"),
    ],
)
async def test_any_other_answer_is_told(
    body: bytes, trailers: Sequence[Field], verdict: str, tmp_path: Path
) -> None:
    async with listening(Server(body, trailers).serve) as port:
        assert await asked(port, tmp_path) == verdict


async def test_a_server_of_http_1_is_told(tmp_path: Path) -> None:
    async def old(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with listening(old) as port:
        assert await asked(port, tmp_path) == "the answer is not HTTP/2"


async def test_a_server_that_hangs_up_is_told(tmp_path: Path) -> None:
    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65_536)
        writer.close()

    async with listening(rude) as port:
        assert await asked(port, tmp_path) == "connection closed without an answer"


async def test_nobody_there_is_told(tmp_path: Path) -> None:
    async with listening(Server(b"", OK).serve) as port:
        pass
    assert await asked(port, tmp_path) == "connection refused"


def test_the_service_is_read_from_the_manifest() -> None:
    container = {"readinessProbe": {"grpc": {"port": 0, "service": "shop"}}}
    probe = parse_probe(container, "readinessProbe", 20_001)
    assert probe is not None
    assert (probe.kind, probe.port, probe.service) == ("grpc", 20_001, "shop")
