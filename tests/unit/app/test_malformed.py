"""Bytes that are no HTTP: an answer, and one line in the log."""

import asyncio
import logging
from collections.abc import Iterator

import pytest
from aiohttp import web

from utsuwa.app.malformed import Malformed


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    logger = logging.getLogger("aiohttp.server")
    malformed = Malformed()
    logger.addFilter(malformed)
    with caplog.at_level(logging.INFO):
        yield caplog
    logger.removeFilter(malformed)


async def answer(request: bytes) -> bytes:
    """Of a server whose only page fails."""

    async def fail(_: web.BaseRequest) -> web.StreamResponse:
        raise RuntimeError("ours")

    runner = web.ServerRunner(web.Server(fail, access_log=None))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        reader, writer = await asyncio.open_connection(*runner.addresses[0][:2])
        writer.write(request)
        found = await reader.read()
        writer.close()
        await writer.wait_closed()
        return found
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    "request_",
    [b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"GET / HTTP/1.1\r\nno field\r\n\r\n"],
)
async def test_what_is_no_http_is_a_line(told: pytest.LogCaptureFixture, request_: bytes) -> None:
    assert (await answer(request_)).startswith(b"HTTP/1.0 400")
    (record,) = told.records
    assert record.levelname == "INFO"
    assert record.exc_info is None
    assert "127.0.0.1: not HTTP: " in record.getMessage()
    assert "\n" not in record.getMessage()


async def test_a_fault_of_ours_keeps_its_traceback(told: pytest.LogCaptureFixture) -> None:
    assert (await answer(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).startswith(
        b"HTTP/1.1 500"
    )
    (record,) = told.records
    assert record.levelname == "ERROR"
    assert record.exc_info
