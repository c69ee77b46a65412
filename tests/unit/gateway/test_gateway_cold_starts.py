"""Receipts of cold starts: who gets one, what it says, and that nobody else pays for it."""

import asyncio
from typing import Any

import pytest

from utsuwa.routing.messages import Endpoint
from utsuwa.routing.receipts import phases, total
from utsuwa.testing.gateway import FakeTransport, Hop, one_service, settle

pytestmark = pytest.mark.looptime

HOST = b"Host: hello.default.example.com\r\n"
GET = b"GET /cart HTTP/1.1\r\n" + HOST + b"\r\n"
ASKING = b"GET /cart HTTP/1.1\r\n" + HOST + b"Utsuwa-Cold-Start-Receipt: 1\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
EPOCH = 1_700_000_000.0


def pod(**fields: Any) -> Endpoint:
    return Endpoint("pod-1", "127.0.0.1", 9001, **fields)


async def cold(hop: Hop, request: bytes, **fields: Any) -> FakeTransport:
    """`request` comes at 0.0; a pod decided at 0.001 and started at 0.004 answers from 0.1 on,
    and its application takes 0.02 s."""
    hop.table.apply(one_service(**fields))
    client = hop.client()
    client.feed(request)
    await settle()
    begun = hop.core.clock.now()
    hop.network.refusing = {9001}
    told = pod(decided=begun + 0.001, started=begun + 0.004)
    hop.table.apply(one_service(told, version=2, **fields))
    await asyncio.sleep(0.1)
    hop.network.refusing.clear()
    await asyncio.sleep(0.01)
    await asyncio.sleep(0.02)
    hop.pods[0].feed(OK)
    await settle()
    return client


async def test_who_asks_is_told_what_the_start_cost() -> None:
    hop = Hop()
    client = await cold(hop, ASKING)
    answer = client.take()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert body == b"ok"
    timing = next(line for line in head.split(b"\r\n") if line.startswith(b"Server-Timing: "))
    assert timing.startswith(b"Server-Timing: cold-start;dur=1")
    for phase in (b"decide", b"start", b"listen", b"ready", b"first-byte"):
        assert b", " + phase + b";dur=" in timing
    (start,) = hop.core.cold_starts
    assert (start.method, start.path, start.status, start.uid) == ("GET", "/cart", 200, "pod-1")
    told = phases(start)
    assert told["decide"] == pytest.approx(0.001, abs=1e-4)
    assert told["start"] == pytest.approx(0.003, abs=1e-4)
    assert told["listen"] == pytest.approx(0.098, abs=5e-3)
    assert told["first-byte"] == pytest.approx(0.028, abs=5e-3)
    assert total(start) == pytest.approx(0.13, abs=1e-3)


async def test_who_does_not_ask_gets_the_answer_as_it_is_and_the_start_is_noted() -> None:
    hop = Hop()
    client = await cold(hop, GET)
    assert client.take() == OK
    assert len(hop.core.cold_starts) == 1


async def test_a_revision_may_tell_everyone() -> None:
    """The annotation of its template."""
    hop = Hop()
    client = await cold(hop, GET, receipts=True)
    assert b"\r\nServer-Timing: cold-start;dur=" in client.take()


async def test_a_request_that_finds_a_pod_has_no_receipt() -> None:
    """Not even on the connection of one that had, nor one that waits because all are busy."""
    hop = Hop()
    client = await cold(hop, ASKING, concurrency=1)
    client.take()
    client.feed(ASKING)
    await settle()
    waits = hop.client()
    waits.feed(ASKING)
    await settle()
    for expected in (client, waits):
        hop.pods[0].feed(OK)
        await settle()
        assert expected.take() == OK
    assert len(hop.core.cold_starts) == 1


async def test_a_cold_request_with_a_body_is_told_too() -> None:
    """Its answer must not pass unseen when the end of the body comes."""
    hop = Hop()
    post = (
        b"POST / HTTP/1.1\r\n" + HOST + b"Utsuwa-Cold-Start-Receipt: 1\r\nContent-Length: 3\r\n\r\n"
    )
    client = await cold(hop, post + b"abc")
    assert b"\r\nServer-Timing: " in client.take()


async def test_a_client_that_leaves_has_no_receipt() -> None:
    hop = Hop()
    hop.table.apply(one_service())
    client = hop.client()
    client.feed(ASKING)
    await settle()
    client.lose()
    hop.table.apply(one_service(pod(ready=True), version=2))
    await settle()
    assert hop.core.cold_starts == []
