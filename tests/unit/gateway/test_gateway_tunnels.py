"""WebSockets and streams of events that must end: both sides hear so, in between two frames."""

import asyncio
from typing import Any

import pytest

from utsuwa.gateway.core import Limits
from utsuwa.gateway.http1.websocket import Frames, goodbye
from utsuwa.routing.messages import Delta, Drained, Draining, Endpoint, RevisionTable
from utsuwa.testing.gateway import FakeTransport, Hop, one_service, settle
from utsuwa.testing.http2 import http2_client

HOST = "hello.default.example.com"
REVISION = "default/hello-00001"
POD = Endpoint("pod-1", "127.0.0.1", 9001, ready=True)
GOING = Endpoint("pod-1", "127.0.0.1", 9001, ready=True, draining=True)
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
GOODBYE = goodbye(1001, b"the server goes away")
TEXT = b"\x81\x05hello"

pytestmark = pytest.mark.looptime


def hop_to_pod(**fields: Any) -> Hop:
    hop = Hop(limits=Limits(tunnel_drain=60.0))
    hop.table.apply(one_service(POD, timeout=600.0, **fields))
    return hop


async def asked(hop: Hop, *fields: str) -> tuple[FakeTransport, FakeTransport]:
    client = hop.client()
    client.feed("\r\n".join(["GET / HTTP/1.1", f"Host: {HOST}", *fields, "", ""]).encode())
    await settle()
    hop.pods[-1].take()
    return client, hop.pods[-1]


async def websocket(hop: Hop) -> tuple[FakeTransport, FakeTransport]:
    client, pod = await asked(hop, "Connection: Upgrade", "Upgrade: websocket")
    pod.feed(SWITCH)
    client.take()
    return client, pod


def drain_pod(hop: Hop) -> None:
    table = RevisionTable(name=REVISION, endpoints=(GOING,), timeout=600.0)
    hop.table.apply(Delta(version=2, revisions=(table,)))


async def pass_time(hop: Hop, seconds: float) -> None:
    await asyncio.sleep(seconds)
    hop.sweep()
    await settle()


def unmasked(frame: bytes) -> bytes:
    """A client's frame as its server reads it."""
    mask, payload = frame[2:6], frame[6:]
    assert frame[1] & 0x80
    return (
        frame[:1]
        + bytes((frame[1] & 0x7F,))
        + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
    )


async def test_a_websocket_on_a_pod_that_goes_has_a_minute_and_then_both_hear_1001() -> None:
    hop = hop_to_pod()
    client, pod = await websocket(hop)
    drain_pod(hop)
    await pass_time(hop, 59)
    pod.feed(TEXT)
    assert client.take() == TEXT
    assert hop.of(Drained) == []
    await pass_time(hop, 1.2)
    assert client.take() == GOODBYE
    assert unmasked(pod.take()) == GOODBYE
    assert client.eof
    assert pod.closed
    assert [one.uid for one in hop.of(Drained)] == ["pod-1"]
    (figures,) = hop.close_second()
    assert (figures.in_flight, figures.status[0], figures.platform_errors) == (0, 1, 0)


async def test_open_tunnels_are_told_among_those_in_flight() -> None:
    hop = hop_to_pod()
    client, _ = await websocket(hop)
    await asked(hop)
    (figures,) = hop.close_second()
    assert (figures.in_flight, figures.tunnels) == (2, 1)
    client.lose()
    await settle()
    (figures,) = hop.close_second()
    assert (figures.in_flight, figures.tunnels) == (1, 0)


async def test_control_is_told_what_a_pod_that_goes_waits_for() -> None:
    """Not within the first second, which is enough for most; then whenever it has changed."""
    hop = hop_to_pod()
    await websocket(hop)
    await asked(hop)
    drain_pod(hop)
    (pod,) = hop.core.drains
    pod.revision.tell_left(pod)
    assert hop.of(Draining) == []
    for _ in range(2):
        pod.revision.tell_left(pod)
    assert hop.of(Draining) == [Draining(REVISION, "pod-1", 1, 1, 60.0)]
    hop.pods[-1].feed(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    await settle()
    pod.revision.tell_left(pod)
    assert hop.of(Draining)[1:] == [Draining(REVISION, "pod-1", 0, 1, 60.0)]
    await pass_time(hop, 61)
    assert [one.uid for one in hop.of(Drained)] == ["pod-1"]
    assert not hop.core.drains


async def test_a_control_that_comes_back_is_told_again() -> None:
    hop = hop_to_pod()
    await websocket(hop)
    drain_pod(hop)
    (pod,) = hop.core.drains
    for _ in range(2):
        pod.revision.tell_left(pod)
    pod.revision.resend()
    for _ in range(2):
        pod.revision.tell_left(pod)
    assert len(hop.of(Draining)) == 2


async def test_one_that_opens_while_its_pod_goes_has_no_longer() -> None:
    hop = hop_to_pod()
    client, pod = await asked(hop, "Connection: Upgrade", "Upgrade: websocket")
    drain_pod(hop)
    pod.feed(SWITCH)
    client.take()
    await pass_time(hop, 60.2)
    assert client.take() == GOODBYE


async def test_goodbye_waits_for_the_end_of_a_frame_and_nothing_follows_it() -> None:
    hop = hop_to_pod()
    client, pod = await websocket(hop)
    pod.feed(TEXT[:4])
    drain_pod(hop)
    await pass_time(hop, 60.2)
    assert unmasked(pod.take()) == GOODBYE
    assert client.take() == TEXT[:4]
    pod.feed(TEXT[4:] + TEXT)
    assert client.take() == TEXT[4:] + GOODBYE
    await settle()
    assert pod.closed


async def test_a_frame_that_never_ends_is_not_waited_for() -> None:
    hop = hop_to_pod()
    client, pod = await websocket(hop)
    pod.feed(TEXT[:4])
    drain_pod(hop)
    await pass_time(hop, 60.2)
    client.take()
    await pass_time(hop, 2.1)
    assert client.take() == b""
    assert client.eof
    assert pod.closed


async def test_who_has_said_goodbye_says_it_once() -> None:
    hop = hop_to_pod()
    client, pod = await websocket(hop)
    pod.feed(goodbye(1000, b""))
    assert client.take() == goodbye(1000, b"")
    drain_pod(hop)
    await pass_time(hop, 60.2)
    assert client.take() == b""
    assert unmasked(pod.take()) == GOODBYE


async def test_another_protocol_is_closed_without_words() -> None:
    hop = hop_to_pod()
    client, pod = await asked(hop, "Connection: Upgrade", "Upgrade: other")
    pod.feed(SWITCH.replace(b"websocket", b"other"))
    client.take()
    drain_pod(hop)
    await pass_time(hop, 60.2)
    assert (client.take(), client.eof, pod.closed) == (b"", True, True)


async def test_a_gateway_that_ends_says_goodbye_to_websockets() -> None:
    hop = hop_to_pod()
    client, pod = await websocket(hop)
    hop.core.draining = True
    for connection in list(hop.core.connections):
        connection.part()
    assert client.take() == GOODBYE
    assert unmasked(pod.take()) == GOODBYE


async def test_a_stream_of_events_ends_as_if_it_were_over_when_the_gateway_ends() -> None:
    """The listener comes again, and finds the next gateway."""
    hop = hop_to_pod()
    client, pod = await asked(hop)
    pod.feed(EVENTS + b"8\r\ndata: a\n\r\n")
    for connection in list(hop.core.connections):
        connection.part()
    assert client.take().endswith(b"8\r\ndata: a\n\r\n0\r\n\r\n")
    assert client.closed
    assert not client.aborted


async def test_a_stream_of_events_ends_cleanly_when_its_time_is_over() -> None:
    hop = hop_to_pod()
    client, pod = await asked(hop)
    pod.feed(EVENTS)
    await pass_time(hop, 600.2)
    assert client.take().endswith(b"\r\n\r\nf\r\nrequest timeout\r\n0\r\n\r\n")


@pytest.mark.parametrize("answer", [EVENTS + b"8\r\nda", EVENTS.replace(b"event-stream", b"plain")])
async def test_what_is_cut_in_the_middle_looks_cut(answer: bytes) -> None:
    hop = hop_to_pod()
    client, pod = await asked(hop)
    pod.feed(answer)
    for connection in list(hop.core.connections):
        connection.part()
    assert not client.take().endswith(b"0\r\n\r\n")
    assert client.aborted


async def test_who_has_no_answer_yet_gets_one_when_the_gateway_ends() -> None:
    hop = hop_to_pod()
    client, _ = await asked(hop)
    for connection in list(hop.core.connections):
        connection.part()
    assert client.take().startswith(b"HTTP/1.1 503 ")
    assert client.closed


async def test_streams_end_likewise() -> None:
    """Events end cleanly, gRPC by its status, what has no answer gets 503; GOAWAY comes with it."""
    hop = hop_to_pod()
    client = http2_client(hop.client())
    events, other, waiting = client.request(), client.request(), client.request()
    await settle()
    hop.pods[0].feed(EVENTS + b"8\r\ndata: a\n\r\n")
    hop.pods[1].feed(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
    await settle()
    client.read()
    for connection in list(hop.core.connections):
        connection.part()
    await settle()
    client.read()
    assert (client.messages[events].body, client.messages[events].ended) == (b"data: a\n", True)
    assert client.messages[other].reset is not None
    assert client.messages[waiting].status == 503
    assert client.goaways
    await settle()
    assert client.transport.closed


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536])
@pytest.mark.parametrize("mask", [b"", b"abcd"])
@pytest.mark.parametrize("step", [1, 3, 100_000])
def test_frames_are_followed_in_any_pieces(size: int, mask: bytes, step: int) -> None:
    if size > 1000 and step < 100:
        step *= 1000
    short = size if size < 126 else 126 if size < 65536 else 127
    extended = b"" if short < 126 else size.to_bytes(2 if short == 126 else 8)
    frame = bytes((0x82, short | (0x80 if mask else 0))) + extended + mask + bytes(size)
    frames = Frames()
    for start in range(0, len(frame), step):
        assert frames.between == (start == 0)
        frames.feed(frame[start : start + step])
    assert frames.between
    assert not frames.closed
    assert frames.feed(frame + frame, one=True) == len(frame)
    frames.feed(frame)
    frames.feed(goodbye(1000, b"", mask))
    assert frames.closed
