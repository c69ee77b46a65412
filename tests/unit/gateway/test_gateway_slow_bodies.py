"""A client that stops in the middle of its request: 408, and it is nobody else's fault."""

import asyncio
from typing import Any

import pytest

from utsuwa.gateway.core import Limits
from utsuwa.routing.messages import Endpoint
from utsuwa.testing.gateway import FakeTransport, Hop, one_service, settle
from utsuwa.testing.http2 import Http2Peer, http2_client

HOST = "hello.default.example.com"
POD = Endpoint("pod-1", "127.0.0.1", 9001, ready=True)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

pytestmark = pytest.mark.looptime


def hop_to(*endpoints: Endpoint, body_timeout: float = 60.0, **fields: Any) -> Hop:
    hop = Hop(limits=Limits(body_timeout=body_timeout))
    hop.table.apply(one_service(*endpoints, **fields))
    return hop


def post(*fields: str, body: bytes = b"") -> bytes:
    return "\r\n".join(["POST / HTTP/1.1", f"Host: {HOST}", *fields, "", ""]).encode() + body


async def posted(hop: Hop, data: bytes) -> FakeTransport:
    client = hop.client()
    client.feed(data)
    await settle()
    return client


async def pass_time(hop: Hop, seconds: float) -> None:
    await asyncio.sleep(seconds)
    hop.sweep()
    await settle()


@pytest.mark.parametrize(
    "data",
    [
        post("Content-Length: 10"),
        post("Content-Length: 10", body=b"0123"),
        post("Transfer-Encoding: chunked", body=b"4\r\n01"),
    ],
)
async def test_a_body_that_stops_coming_gets_408_and_its_pod_is_let_go(data: bytes) -> None:
    hop = hop_to(POD, concurrency=1)
    client = await posted(hop, data)
    await pass_time(hop, 59)
    assert client.take() == b""
    await pass_time(hop, 1.2)
    answer = client.take()
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert b"\r\nConnection: close\r\n" in answer
    assert answer.endswith(b"no more of the request's body came for 60 s\n")
    assert client.eof
    assert hop.pods[0].aborted
    (figures,) = hop.close_second()
    assert (figures.status, figures.platform_errors, figures.in_flight) == (
        (0, 0, 0, 1, 0, 0),
        0,
        0,
    )


async def test_whoever_waits_for_a_pod_loses_the_place_too() -> None:
    hop = hop_to()
    client = await posted(hop, post("Content-Length: 10"))
    await pass_time(hop, 60.2)
    assert client.take().startswith(b"HTTP/1.1 408 ")
    assert not hop.core.revisions["default/hello-00001"].waiting


async def test_each_byte_begins_the_wait_anew() -> None:
    hop = hop_to(POD)
    client = await posted(hop, post("Content-Length: 4"))
    for byte in (b"a", b"b", b"c"):
        await pass_time(hop, 50)
        client.feed(byte)
    assert client.take() == b""
    client.feed(b"d")
    await pass_time(hop, 100)
    hop.pods[0].feed(OK)
    assert client.take() == OK


async def test_the_request_s_own_limit_still_counts() -> None:
    hop = hop_to(POD, timeout=70.0)
    client = await posted(hop, post("Content-Length: 4"))
    await pass_time(hop, 40)
    client.feed(b"a")
    await pass_time(hop, 31)
    assert client.take().startswith(b"HTTP/1.1 504 ")


async def test_a_client_that_we_do_not_read_from_is_not_late() -> None:
    """The pod reads too slowly: that the client cannot send is not its fault."""
    hop = hop_to(POD)
    client = await posted(hop, post("Content-Length: 10", body=b"01"))
    (pod,) = hop.pods
    pod.protocol.pause_writing()
    assert not client.reading
    await pass_time(hop, 120)
    assert client.take() == b""
    pod.protocol.resume_writing()
    await pass_time(hop, 59)
    assert client.take() == b""
    await pass_time(hop, 1.2)
    assert client.take().startswith(b"HTTP/1.1 408 ")


async def test_who_expects_100_is_late_only_after_it() -> None:
    hop = hop_to(POD)
    client = await posted(hop, post("Content-Length: 10", "Expect: 100-continue"))
    await pass_time(hop, 120)
    assert client.take() == b""
    hop.pods[0].feed(b"HTTP/1.1 100 Continue\r\n\r\n")
    client.take()
    await pass_time(hop, 60.2)
    assert client.take().startswith(b"HTTP/1.1 408 ")


async def test_once_the_answer_has_begun_both_may_take_their_time() -> None:
    """Full duplex: who answers while it reads may be silent with its client."""
    hop = hop_to(POD)
    client = await posted(hop, post("Transfer-Encoding: chunked", body=b"1\r\na\r\n"))
    hop.pods[0].feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    client.take()
    await pass_time(hop, 120)
    assert not client.closed
    assert client.take() == b""


async def test_zero_is_for_ever() -> None:
    hop = hop_to(POD, body_timeout=0.0)
    client = await posted(hop, post("Content-Length: 10"))
    await pass_time(hop, 250)
    assert client.take() == b""


# --- streams ------------------------------------------------------------------------------------


async def uploading(hop: Hop, *fields: tuple[str, str]) -> tuple[Http2Peer, int]:
    client = http2_client(hop.client())
    stream = client.request(*fields, method="POST", end=False)
    await settle()
    client.read()
    return client, stream


async def test_a_stream_that_stops_gets_408_and_the_others_go_on() -> None:
    hop = hop_to(POD)
    client, stream = await uploading(hop)
    client.send(stream, b"abc")
    await settle()
    await pass_time(hop, 59)
    client.read()
    assert client.messages[stream].status == 0
    await pass_time(hop, 1.2)
    client.read()
    assert client.messages[stream].status == 408
    assert client.messages[stream].ended
    assert hop.pods[0].aborted
    (figures,) = hop.close_second()
    assert (figures.status, figures.platform_errors) == ((0, 0, 0, 1, 0, 0), 0)
    other = client.request()
    await settle()
    hop.pods[-1].feed(OK)
    await settle()
    client.read()
    assert client.messages[other].body == b"hello"


async def test_a_stream_whose_bytes_the_pod_has_not_taken_is_not_late() -> None:
    hop = hop_to()
    client, stream = await uploading(hop)
    client.send(stream, b"abc")
    await pass_time(hop, 120)
    client.read()
    assert client.messages[stream].status == 0


async def test_a_stream_of_grpc_may_be_silent() -> None:
    hop = hop_to(POD, protocol="h2c")
    client, stream = await uploading(hop, ("content-type", "application/grpc"))
    await pass_time(hop, 120)
    client.read()
    assert client.messages[stream].status == 0


async def test_a_stream_that_expects_100_is_late_only_after_it() -> None:
    hop = hop_to(POD)
    client, stream = await uploading(hop, ("expect", "100-continue"), ("content-length", "3"))
    await pass_time(hop, 120)
    hop.pods[0].feed(b"HTTP/1.1 100 Continue\r\n\r\n")
    await pass_time(hop, 60.2)
    client.read()
    assert client.messages[stream].status == 408
