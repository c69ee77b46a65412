"""Requests over HTTP/2 through the gateway, on fake transports and virtual time."""

import asyncio
from typing import Any

import pytest

from utsuwa.gateway.core import Limits
from utsuwa.routing.messages import Drained, Endpoint, HostTable, RevisionTable, Snapshot, Split
from utsuwa.testing.gateway import FakeTransport, Hop, one_service, settle
from utsuwa.testing.http2 import Http2Peer, http2_client, http2_pod

HOST = "hello.default.example.com"
POD = Endpoint("pod-1", "127.0.0.1", 9001, ready=True)
OTHER = Endpoint("pod-2", "127.0.0.1", 9002, ready=True)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
GRPC = ("content-type", "application/grpc")
WINDOW = 128 * 1024
MEBIBYTE = 2**20

pytestmark = pytest.mark.looptime


async def hop_to(*endpoints: Endpoint, limits: Limits | None = None, **fields: Any) -> Hop:
    hop = Hop(limits=limits)
    hop.table.apply(one_service(*endpoints, **fields))
    return hop


def client_of(hop: Hop, *, take: bool = True) -> Http2Peer:
    return http2_client(hop.client(), take=take)


async def both(**fields: Any) -> tuple[Hop, Http2Peer, Http2Peer]:
    """A client and a pod that speak HTTP/2, and a first request between them (stream 1)."""
    hop = await hop_to(POD, protocol="h2c", **fields)
    client = client_of(hop)
    client.request()
    await settle()
    return hop, client, http2_pod(hop.pods[0])


async def exchange(*peers: Http2Peer, rounds: int = 6) -> None:
    """Let everybody read all there is."""
    for _ in range(rounds):
        for peer in peers:
            if not peer.transport.closed:
                peer.read()
        await settle(4)


# --- to pods that speak HTTP/1.1 ----------------------------------------------------------------


async def test_a_stream_is_a_request_of_http_1_to_a_pod_that_speaks_that() -> None:
    hop = await hop_to(POD)
    client = client_of(hop)
    stream = client.request(("x-one", "1"), ("cookie", "a=1"), ("cookie", "b=2"), path="/a?b=c")
    await settle()
    (pod,) = hop.pods
    assert pod.take() == (
        b"GET /a?b=c HTTP/1.1\r\nX-Forwarded-For: 10.0.0.9\r\nX-Forwarded-Proto: http"
        b"\r\nX-Forwarded-Host: hello.default.example.com"
        b"\r\nForwarded: for=10.0.0.9;host=hello.default.example.com;proto=http"
        b"\r\nHost: hello.default.example.com\r\nx-one: 1\r\ncookie: a=1; b=2\r\n\r\n"
    )
    pod.feed(b"HTTP/1.1 200 OK\r\nX-Two: 2\r\nConnection: x-three\r\nX-Three: 3\r\n")
    pod.feed(b"Content-Length: 5\r\n\r\nhello")
    await exchange(client)
    message = client.messages[stream]
    assert message.fields == [(b":status", b"200"), (b"x-two", b"2"), (b"content-length", b"5")]
    assert (message.body, message.ended) == (b"hello", True)


async def test_many_streams_use_a_warm_connection_each() -> None:
    hop = await hop_to(POD)
    client = client_of(hop)
    for _ in range(3):
        client.request()
    await settle()
    assert len(hop.pods) == 3
    for pod in hop.pods:
        pod.feed(OK)
    for _ in range(3):
        client.request()
    await settle()
    assert len(hop.pods) == 3


async def test_answers_of_one_round_are_one_write() -> None:
    hop = await hop_to(POD)
    client = client_of(hop)
    for _ in range(5):
        client.request()
    await settle()
    await exchange(client)
    before = client.transport.writes
    for pod in hop.pods:
        pod.feed(OK)
    await settle()
    assert client.transport.writes == before + 1


async def test_content_without_a_length_becomes_chunks_and_trailers_stay_trailers() -> None:
    hop = await hop_to(POD)
    client = client_of(hop)
    stream = client.request(("te", "trailers"), method="POST", end=False)
    await settle()
    (pod,) = hop.pods
    assert b"\r\ntransfer-encoding: chunked\r\n" in pod.take()
    client.send(stream, b"hello")
    assert pod.take() == b"5\r\nhello\r\n"
    client.trailers(stream, ("x-sum", "1"))
    assert pod.take() == b"0\r\nx-sum: 1\r\n\r\n"
    pod.feed(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-End: 2\r\n\r\n"
    )
    await exchange(client)
    message = client.messages[stream]
    assert (message.body, message.trailers) == (b"abc", [(b"x-end", b"2")])
    assert b"transfer-encoding" not in dict(message.fields)


async def test_content_of_a_declared_length_stays_as_it_is() -> None:
    hop = await hop_to(POD)
    client = client_of(hop)
    stream = client.request(("content-length", "10"), method="POST", end=False)
    client.send(stream, b"01234")
    await settle()
    client.send(stream, b"56789", end=True)
    assert hop.pods[0].take().endswith(b"content-length: 10\r\n\r\n0123456789")


@pytest.mark.parametrize("way", ["head", "trailers"])
async def test_content_shorter_than_declared_never_passes_for_whole(way: str) -> None:
    """A pod would take the next request for the rest of this one's body."""
    hop = await hop_to(POD)
    client = client_of(hop)
    stream = client.request(("content-length", "10"), method="POST", end=way == "head")
    await settle()
    if way == "trailers":
        client.send(stream, b"01234")
        client.trailers(stream, ("x-sum", "1"))
    await exchange(client)
    await settle()
    assert client.messages[stream].status == 400 or client.messages[stream].reset == 1
    assert all(pod.closed for pod in hop.pods)


async def test_an_answer_to_head_has_no_content() -> None:
    hop = await hop_to(POD)
    client = client_of(hop)
    stream = client.request(method="HEAD")
    await settle()
    hop.pods[0].feed(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
    await exchange(client)
    assert client.messages[stream].ended
    assert client.messages[stream].get("content-length") == "5"


async def test_interim_answers_pass() -> None:
    hop = await hop_to(POD)
    client = client_of(hop)
    stream = client.request(("expect", "100-continue"), method="POST", end=False)
    await settle()
    hop.pods[0].feed(b"HTTP/1.1 100 Continue\r\n\r\n")
    await exchange(client)
    assert client.messages[stream].interim == [[(b":status", b"100")]]


async def test_a_pod_that_answers_before_it_has_all_is_not_used_again() -> None:
    """What it reads next would be the rest of this request; the client is told to stop."""
    hop = await hop_to(POD)
    client = client_of(hop)
    stream = client.request(method="POST", end=False)
    await settle()
    hop.pods[0].feed(OK)
    await exchange(client)
    message = client.messages[stream]
    assert (message.status, message.body, message.ended) == (200, b"hello", True)
    assert message.reset == 0
    assert hop.pods[0].closed


async def test_a_stale_connection_is_replaced_without_an_error() -> None:
    hop = await hop_to(POD)
    client = client_of(hop)
    client.request()
    await settle()
    hop.pods[0].feed(OK)
    stream = client.request(method="PUT", end=False)
    client.send(stream, b"body", end=True)
    await settle()
    hop.pods[0].lose()
    await settle()
    hop.pods[1].feed(OK)
    assert hop.pods[1].take().endswith(b"4\r\nbody\r\n0\r\n\r\n")
    await exchange(client)
    assert client.messages[stream].status == 200


async def test_an_answer_that_breaks_off_looks_broken() -> None:
    hop = await hop_to(POD)
    client = client_of(hop)
    stream = client.request()
    await settle()
    hop.pods[0].feed(OK[:-2])
    hop.pods[0].lose()
    await exchange(client)
    assert client.messages[stream].reset == 2
    assert not client.messages[stream].ended


# --- the first bytes ----------------------------------------------------------------------------


async def test_upgrade_h2c_goes_on_in_http2() -> None:
    """The request that asked for it is stream 1 (RFC 7540 §3.2)."""
    hop = await hop_to(POD)
    transport = hop.client()
    client = Http2Peer(transport, client=True, upgraded=True)
    transport.feed(
        f"GET /up HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c"
        f"\r\nX-One: 1\r\nHTTP2-Settings: {client.settings.decode().rstrip('=')}\r\n\r\n".encode()
    )
    await settle()
    answer = transport.take()
    switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    assert answer.startswith(switch)
    sent = hop.pods[0].take()
    assert sent.startswith(b"GET /up HTTP/1.1\r\n")
    assert b"pgrade" not in sent
    assert b"x-one: 1" in sent
    client.flush()
    transport.written[:0] = answer[len(switch) :]
    hop.pods[0].feed(OK)
    await exchange(client)
    assert client.messages[1].body == b"hello"


async def test_the_preface_may_come_byte_by_byte() -> None:
    hop = await hop_to(POD)
    transport = hop.client()
    client = Http2Peer(transport, client=True)
    for byte in client.frames.data_to_send():
        transport.feed(bytes([byte]))
    stream = client.request()
    await settle()
    hop.pods[0].feed(OK)
    await exchange(client)
    assert client.messages[stream].status == 200


async def test_the_preface_after_a_request_is_no_preface() -> None:
    hop = await hop_to(POD)
    client = hop.client()
    client.feed(f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
    await settle()
    hop.pods[0].feed(OK)
    client.take()
    client.feed(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert client.take().startswith(b"HTTP/1.1 505")


async def test_a_client_that_says_no_more_than_the_preface_is_cut_off() -> None:
    hop = await hop_to(POD)
    client = hop.client()
    client.feed(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    await asyncio.sleep(61)
    hop.sweep()
    assert client.aborted


# --- line, slots, books, time -------------------------------------------------------------------


async def test_the_limit_counts_streams() -> None:
    """First in, first out, across connections of both kinds."""
    hop = await hop_to(POD, concurrency=2)
    client = client_of(hop)
    for number in range(4):
        client.request(path=f"/{number}")
    await settle()
    assert len(hop.pods) == 2
    for number in (2, 3):
        pod = hop.pods[number - 2]
        pod.take()
        pod.feed(OK)
        await settle()
        assert pod.take().startswith(b"GET /%d " % number)


async def test_a_reset_frees_the_slot_at_once_and_is_499() -> None:
    hop = await hop_to(POD, concurrency=1)
    client = client_of(hop)
    first = client.request(path="/first")
    client.request(path="/second")
    await settle()
    client.reset(first)
    await settle()
    assert hop.pods[0].aborted
    assert hop.pods[1].take().startswith(b"GET /second ")
    (figures,) = hop.close_second()
    assert figures.status == (0, 0, 0, 0, 0, 1)
    assert figures.platform_errors == 0


async def test_a_lost_client_ends_all_its_streams() -> None:
    hop = await hop_to(POD, concurrency=1)
    client = client_of(hop)
    for _ in range(3):
        client.request()
    await settle()
    client.transport.lose()
    await settle()
    (figures,) = hop.close_second()
    assert (figures.in_flight, figures.waiting, figures.status[5]) == (0, 0, 3)


async def test_a_held_request_keeps_its_content_and_no_more_than_a_window() -> None:
    """A cold start: the window opens again only when a pod takes what came."""
    hop = await hop_to()
    client = client_of(hop)
    stream = client.request(method="POST", end=False)
    client.read()
    client.send(stream, b"x" * WINDOW)
    await exchange(client)
    assert client.frames.local_flow_control_window(stream) == 0
    hop.table.apply(one_service(POD, version=2))
    await settle()
    sent = hop.pods[0].take()
    assert sent.count(b"x" * 1000) == WINDOW // 1000
    await exchange(client)
    assert client.frames.local_flow_control_window(stream) == WINDOW


async def test_one_held_request_does_not_stop_the_connection() -> None:
    """Its window is its own; that of the connection is given back at once."""
    hop = Hop()
    hosts = tuple(HostTable(f"{name}.example.com", (Split(name),)) for name in ("cold", "warm"))
    revisions = (RevisionTable("cold"), RevisionTable("warm", endpoints=(POD,)))
    hop.table.apply(Snapshot("e", 1, hosts, revisions))
    client = client_of(hop)
    client.read()
    for _ in range(10):
        held = client.request(method="POST", host="cold.example.com", end=False)
        client.send(held, b"x" * WINDOW)
        await exchange(client, rounds=2)
    stream = client.request(method="POST", host="warm.example.com", end=False)
    client.send(stream, b"y" * 1000, end=True)
    await settle()
    hop.pods[0].feed(OK)
    await exchange(client)
    assert client.messages[stream].status == 200


@pytest.mark.parametrize("grpc", [False, True])
async def test_the_timeout_of_a_request_that_waits(grpc: bool) -> None:
    """504 `request timeout`; to gRPC DEADLINE_EXCEEDED in a block that is the whole answer."""
    hop = await hop_to(timeout=5.0)
    client = client_of(hop)
    stream = client.request(*([GRPC] if grpc else []))
    await asyncio.sleep(5.01)
    hop.sweep()
    await exchange(client)
    message = client.messages[stream]
    assert message.ended
    if grpc:
        assert (message.status, message.get("grpc-status"), message.body) == (200, "4", b"")
        assert message.get("grpc-message") == "request timeout"
    else:
        assert (message.status, message.body) == (504, b"request timeout")
    (figures,) = hop.close_second()
    assert (figures.status[4], figures.platform_errors) == (1, 1)


async def test_each_stream_has_its_own_deadline() -> None:
    hop = await hop_to(timeout=5.0)
    client = client_of(hop)
    first = client.request()
    await asyncio.sleep(3)
    second = client.request()
    await asyncio.sleep(2.5)
    hop.sweep()
    await exchange(client)
    assert [client.messages[one].status for one in (first, second)] == [504, 0]
    await asyncio.sleep(2.6)
    hop.sweep()
    await exchange(client)
    assert client.messages[second].status == 504


async def test_a_timeout_after_the_answer_has_begun_breaks_it_off() -> None:
    hop, client, pod = await both(timeout=5.0)
    pod.respond(1)
    await exchange(client)
    await asyncio.sleep(5.01)
    hop.sweep()
    await exchange(client, pod)
    assert client.messages[1].reset == 2
    assert pod.messages[1].reset == 8


@pytest.mark.parametrize(
    ("status", "grpc_status"), [(404, "12"), (503, "14")], ids=["unknown host", "unavailable"]
)
async def test_what_the_gateway_refuses(status: int, grpc_status: str) -> None:
    hop = await hop_to(unavailable="the image is missing: 100 %")
    client = client_of(hop)
    host = HOST if status == 503 else "nobody.example.com"
    plain = client.request(host=host)
    grpc = client.request(GRPC, host=host)
    await exchange(client)
    assert client.messages[plain].status == status
    assert client.messages[plain].body.endswith(b"\n")
    assert client.messages[grpc].get("grpc-status") == grpc_status
    assert client.messages[grpc].ended
    if status == 503:
        assert client.messages[grpc].get("grpc-message").endswith("missing: 100 %25")


# --- to pods that speak HTTP/2 ------------------------------------------------------------------


async def test_requests_to_an_h2c_pod_share_a_connection() -> None:
    hop, client, pod = await both()
    for _ in range(20):
        client.request(("x-one", "1"), ("x-forwarded-for", "1.2.3.4"))
    await settle()
    await exchange(client, pod)
    assert len(hop.pods) == 1
    assert len([one for one in pod.messages.values() if one.ended]) == 21
    message = pod.messages[3]
    assert message.fields[:4] == [
        (b":method", b"GET"), (b":scheme", b"http"), (b":authority", HOST.encode()),
        (b":path", b"/"),
    ]  # fmt: skip
    assert message.get("x-forwarded-for") == "1.2.3.4, 10.0.0.9"
    assert message.get("x-forwarded-host") == HOST
    assert message.get("forwarded").startswith("for=1.2.3.4;host=")
    assert message.get("x-one") == "1"


async def test_a_split_sets_its_headers() -> None:
    hop = Hop()
    split = Split("default/r", headers=(("X-Set", "ours"),))
    table = RevisionTable("default/r", endpoints=(POD,), protocol="h2c")
    hop.table.apply(Snapshot("e", 1, (HostTable(HOST, (split,)),), (table,)))
    client = client_of(hop)
    client.request(("x-set", "theirs"))
    await settle()
    pod = http2_pod(hop.pods[0])
    assert [value for name, value in pod.messages[1].fields if name == b"x-set"] == [b"ours"]


async def test_grpc_passes_both_ways_with_its_trailers() -> None:
    hop, client, pod = await both()
    stream = client.request(GRPC, ("te", "trailers"), ("grpc-timeout", "5S"), end=False)
    client.send(stream, b"question", end=True)
    await settle()
    await exchange(client, pod)
    message = pod.messages[stream]
    assert (message.body, message.ended) == (b"question", True)
    assert (message.get("te"), message.get("grpc-timeout")) == ("trailers", "5S")
    pod.respond(stream, GRPC)
    pod.send(stream, b"answer")
    pod.trailers(stream, ("grpc-status", "0"))
    await exchange(client)
    got = client.messages[stream]
    assert (got.status, got.body, got.ended) == (200, b"answer", True)
    assert got.trailers == [(b"grpc-status", b"0")]
    (figures,) = hop.close_second()
    assert figures.completed == 1


async def test_a_stream_flows_both_ways_at_once() -> None:
    _, client, pod = await both()
    stream = client.request(method="POST", end=False)
    await settle()
    await exchange(client, pod)
    pod.respond(stream)
    for word in (b"one", b"two"):
        client.send(stream, word)
        await exchange(client, pod)
        assert pod.messages[stream].body.endswith(word)
        pod.send(stream, word.upper())
        await exchange(client, pod)
        assert client.messages[stream].body.endswith(word.upper())
    client.send(stream, b"", end=True)
    await exchange(client, pod)
    assert pod.messages[stream].ended
    pod.send(stream, b"", end=True)
    await exchange(client, pod)
    assert client.messages[stream].ended


async def test_what_the_client_does_not_take_the_pod_may_not_send() -> None:
    """Flow control from end to end: never more than a window on its way, however slow."""
    hop = await hop_to(POD, protocol="h2c")
    client = client_of(hop, take=False)
    stream = client.request()
    await settle()
    pod = http2_pod(hop.pods[0])
    pod.respond(stream)
    sent = 0
    for _ in range(50):
        room = min(pod.frames.local_flow_control_window(stream), 16384)
        if not room:
            break
        pod.send(stream, b"x" * room)
        sent += room
        await exchange(client, pod, rounds=1)
    assert len(client.messages[stream].body) == 65_535
    assert sent <= 65_535 + WINDOW
    client.frames.increment_flow_control_window(MEBIBYTE)
    client.frames.increment_flow_control_window(MEBIBYTE, stream)
    client.flush()
    await exchange(client, pod)
    assert len(client.messages[stream].body) == sent


async def test_what_the_pod_does_not_take_the_client_may_not_send() -> None:
    hop = await hop_to(POD, protocol="h2c")
    client = client_of(hop)
    stream = client.request(method="POST", end=False)
    await settle()
    pod = http2_pod(hop.pods[0], take=False)
    client.read()
    sent = 0
    for _ in range(50):
        room = min(client.frames.local_flow_control_window(stream), 16384)
        if not room:
            break
        client.send(stream, b"x" * room)
        sent += room
        await settle(4)
        await exchange(client, pod, rounds=1)
    assert len(pod.messages[stream].body) == 65_535
    assert sent <= 65_535 + WINDOW


async def test_a_slow_client_stops_a_pod_of_http_1() -> None:
    hop = await hop_to(POD)
    client = client_of(hop, take=False)
    client.request()
    await settle()
    (pod,) = hop.pods
    pod.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 65_536)
    await exchange(client)
    assert not pod.reading
    client.frames.increment_flow_control_window(MEBIBYTE)
    client.frames.increment_flow_control_window(MEBIBYTE, 1)
    client.flush()
    assert pod.reading
    pod.feed(b"x" * (100_000 - 65_536))
    await exchange(client)
    assert client.messages[1].ended
    assert len(client.messages[1].body) == 100_000


async def test_a_transport_that_is_full_stops_streams_too() -> None:
    hop, client, pod = await both()
    pod.respond(1)
    await exchange(client, pod)
    client.transport.protocol.pause_writing()
    pod.send(1, b"x" * 1000)
    await settle()
    assert client.transport.take() == b""
    client.transport.protocol.resume_writing()
    await exchange(client, pod)
    assert client.messages[1].body == b"x" * 1000
    assert hop.core.connections


async def test_a_reset_of_the_client_reaches_the_pod() -> None:
    _, client, pod = await both()
    client.reset(1)
    await settle()
    await exchange(client, pod)
    assert pod.messages[1].reset == 8
    assert not pod.transport.closed


@pytest.mark.parametrize("begun", [True, False])
async def test_a_reset_of_the_pod_reaches_a_grpc_client(begun: bool) -> None:
    """With the same code, from which the client makes a status."""
    _, client, pod = await both()
    stream = client.request(GRPC)
    await settle()
    await exchange(client, pod)
    if begun:
        pod.respond(stream, GRPC)
    pod.reset(stream, 11)
    await exchange(client)
    assert client.messages[stream].reset == 11


async def test_a_reset_of_the_pod_before_its_answer_is_a_502() -> None:
    _, client, pod = await both()
    pod.reset(1, 2)
    await exchange(client)
    assert client.messages[1].status == 502


async def test_a_refused_stream_is_sent_again() -> None:
    """REFUSED_STREAM: the pod has not looked at it (RFC 9113 §8.7), so even a POST is safe."""
    _, client, pod = await both()
    stream = client.request(method="POST", end=False)
    client.send(stream, b"body", end=True)
    await settle()
    await exchange(client, pod)
    pod.reset(stream, 7)
    await exchange(client, pod)
    again = pod.messages[stream + 2]
    assert (again.get(":method"), again.body, again.ended) == ("POST", b"body", True)


async def test_a_pod_that_goes_away_finishes_what_it_has_seen() -> None:
    """The rest goes out again on a new connection."""
    hop, client, pod = await both()
    client.request(method="POST")
    await settle()
    await exchange(client, pod)
    frames = pod.frames
    frames.close_connection(last_stream_id=1)
    pod.flush()
    await settle()
    second = http2_pod(hop.pods[1])
    assert second.messages[1].get(":method") == "POST"
    assert not hop.pods[0].closed
    second.respond(1, end=True)
    await exchange(client, second)
    assert client.messages[3].status == 200
    assert client.messages[1].status == 0


async def test_a_pod_that_is_lost_before_it_answers_is_a_502_or_unavailable() -> None:
    _, client, pod = await both()
    plain = client.request(method="POST")
    grpc = client.request(GRPC, method="POST")
    await settle()
    await exchange(client, pod)
    pod.transport.lose()
    await exchange(client)
    assert client.messages[plain].status == 502
    assert client.messages[grpc].get("grpc-status") == "14"


async def test_a_grpc_answer_that_breaks_off_ends_with_a_status() -> None:
    _, client, pod = await both()
    stream = client.request(GRPC)
    await settle()
    await exchange(client, pod)
    pod.respond(stream, GRPC)
    await exchange(client)
    pod.transport.lose()
    await exchange(client)
    assert dict(client.messages[stream].trailers or [])[b"grpc-status"] == b"14"


async def test_a_pod_that_does_not_speak_http2_is_named() -> None:
    hop = await hop_to(POD, protocol="h2c")
    client = client_of(hop)
    client.request()
    await settle()
    hop.pods[0].take()
    hop.pods[0].feed(b"HTTP/1.1 400 Bad Request\r\n\r\n" + b"x" * 100)
    await exchange(client)
    assert client.messages[1].status == 502
    assert b"h2c" in client.messages[1].body


async def test_a_pods_limit_of_streams_is_kept() -> None:
    """Two streams a connection: the third request gets a connection of its own."""
    hop = await hop_to(POD, protocol="h2c")
    client = client_of(hop)
    client.request()
    await settle()
    pod = Http2Peer(hop.pods[0], client=False)
    pod.frames.update_settings({3: 2})
    pod.read()
    for _ in range(2):
        client.request()
    await settle()
    assert len(hop.pods) == 2
    pod.respond(1, end=True)
    await exchange(client, pod)
    client.request()
    await settle()
    assert len(hop.pods) == 2


async def test_requests_in_line_get_streams_in_turn() -> None:
    hop, client, pod = await both(concurrency=1)
    for number in range(3):
        client.request(path=f"/{number}")
    await settle()
    for number in range(3):
        await exchange(client, pod)
        pod.respond(1 + 2 * number, end=True)
        await exchange(client, pod)
        assert pod.messages[3 + 2 * number].get(":path") == f"/{number}"
    assert len(hop.pods) == 1


async def test_a_drained_pod_is_closed_and_told() -> None:
    hop, client, pod = await both()
    hop.table.apply(one_service(version=2, protocol="h2c"))
    assert hop.of(Drained) == []
    pod.respond(1, end=True)
    await exchange(client, pod)
    assert len(hop.of(Drained)) == 1
    assert hop.pods[0].closed


async def test_the_connection_that_proved_a_pod_carries_its_first_request() -> None:
    hop = await hop_to(Endpoint("pod-1", "127.0.0.1", 9001), protocol="h2c")
    client = client_of(hop)
    client.request()
    await settle()
    assert len(hop.pods) == 1
    assert http2_pod(hop.pods[0]).messages[1].ended


# --- HTTP/1.1 clients of pods that speak HTTP/2 --------------------------------------------------


async def http1(hop: Hop, *lines: str, body: bytes = b"") -> FakeTransport:
    client = hop.client()
    first, *fields = lines
    client.feed("\r\n".join([first, f"Host: {HOST}", *fields, "", ""]).encode() + body)
    await settle()
    return client


async def test_an_http1_client_is_served_by_an_h2c_pod() -> None:
    hop = await hop_to(POD, protocol="h2c")
    client = await http1(hop, "GET /a HTTP/1.1", "X-One: 1", "Connection: x-two", "X-Two: 2")
    pod = http2_pod(hop.pods[0])
    message = pod.messages[1]
    assert (message.get(":path"), message.get(":authority"), message.ended) == ("/a", HOST, True)
    assert (message.get("x-one"), message.get("x-two")) == ("1", "")
    assert message.get("x-forwarded-for") == "10.0.0.9"
    pod.respond(1, ("content-length", "5"))
    pod.send(1, b"hello", end=True)
    assert client.take() == b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
    client.feed(f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
    await settle()
    pod.read()
    assert pod.messages[3].ended


async def test_an_answer_without_a_length_becomes_chunks_for_http1() -> None:
    hop = await hop_to(POD, protocol="h2c")
    client = await http1(hop, "GET / HTTP/1.1")
    pod = http2_pod(hop.pods[0])
    pod.respond(1)
    pod.send(1, b"hello")
    assert client.take().endswith(b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")
    pod.trailers(1, ("x-sum", "1"))
    assert client.take() == b"0\r\nx-sum: 1\r\n\r\n"


async def test_an_answer_without_content_says_so_to_http1() -> None:
    hop = await hop_to(POD, protocol="h2c")
    client = await http1(hop, "GET / HTTP/1.1")
    pod = http2_pod(hop.pods[0])
    pod.respond(1, end=True)
    assert client.take() == b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


async def test_an_upload_of_chunks_loses_its_chunks() -> None:
    hop = await hop_to(POD, protocol="h2c")
    client = await http1(
        hop, "POST / HTTP/1.1", "Transfer-Encoding: chunked", body=b"5\r\nhello\r\n"
    )
    pod = http2_pod(hop.pods[0])
    assert pod.messages[1].body == b"hello"
    client.feed(b"6\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n")
    await settle()
    pod.read()
    assert (pod.messages[1].body, pod.messages[1].trailers) == (b"hello world", [(b"x-sum", b"1")])


async def test_an_upload_of_http1_stops_when_the_pod_takes_no_more() -> None:
    hop = await hop_to(POD, protocol="h2c")
    client = await http1(hop, "POST / HTTP/1.1", "Content-Length: 200000", body=b"x" * 60_000)
    pod = http2_pod(hop.pods[0], take=False)
    client.feed(b"x" * 60_000)
    assert not client.reading
    pod.frames.increment_flow_control_window(MEBIBYTE)
    pod.frames.increment_flow_control_window(MEBIBYTE, 1)
    pod.flush()
    assert client.reading
    client.feed(b"x" * 80_000)
    await settle()
    pod.read()
    assert pod.messages[1].ended
    assert len(pod.messages[1].body) == 200_000


async def test_a_download_to_http1_stops_when_the_client_takes_no_more() -> None:
    hop = await hop_to(POD, protocol="h2c")
    client = await http1(hop, "GET / HTTP/1.1")
    pod = http2_pod(hop.pods[0])
    pod.respond(1)
    client.protocol.pause_writing()
    pod.send(1, b"x" * 100_000)
    await settle()
    pod.read()
    assert pod.frames.local_flow_control_window(1) == WINDOW - 100_000
    client.protocol.resume_writing()
    await settle()
    pod.read()
    assert pod.frames.local_flow_control_window(1) == WINDOW


async def test_an_http1_client_that_leaves_resets_its_stream() -> None:
    hop = await hop_to(POD, protocol="h2c")
    client = await http1(hop, "GET / HTTP/1.1")
    pod = http2_pod(hop.pods[0])
    client.lose()
    await settle()
    pod.read()
    assert pod.messages[1].reset == 8


async def test_an_answer_shorter_than_declared_is_cut_for_http1() -> None:
    """On a kept connection the client would take the next answer for the rest."""
    hop = await hop_to(POD, protocol="h2c")
    client = await http1(hop, "GET / HTTP/1.1")
    pod = http2_pod(hop.pods[0])
    pod.respond(1, ("content-length", "10"))
    pod.send(1, b"hello")
    pod.trailers(1, ("x-sum", "1"))
    assert client.aborted


async def test_a_websocket_to_an_h2c_pod_goes_over_http1() -> None:
    """No protocol is switched on a stream; servers of h2c mostly speak HTTP/1.1 as well."""
    hop = await hop_to(POD, protocol="h2c")
    client = await http1(hop, "GET / HTTP/1.1", "Connection: Upgrade", "Upgrade: websocket")
    (pod,) = hop.pods
    assert b"\r\nUpgrade: websocket\r\n" in pod.take()
    pod.feed(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    )
    pod.feed(b"bytes")
    assert client.take().endswith(b"\r\n\r\nbytes")


# --- what a client may not do -------------------------------------------------------------------


async def test_too_many_streams_at_once_are_refused_one_by_one() -> None:
    hop = await hop_to()
    client = client_of(hop)
    streams = [client.request() for _ in range(252)]
    await exchange(client)
    resets = [one for one in streams if client.messages[one].reset == 7]
    assert resets == streams[250:]
    assert not client.transport.closed


async def test_rapid_resets_end_the_connection() -> None:
    """CVE-2023-44487: requests that are given up at once cost the client nothing."""
    hop = await hop_to(POD)
    client = client_of(hop)
    for _ in range(600):
        client.reset(client.request())
        if client.transport.eof:
            break
    client.read()
    assert client.goaways
    assert client.transport.eof
    await asyncio.sleep(2.1)
    hop.sweep()
    assert client.transport.closed
    (figures,) = hop.close_second()
    assert (figures.in_flight, figures.waiting) == (0, 0)


async def test_resets_at_a_human_rate_are_fine() -> None:
    hop = await hop_to(POD)
    client = client_of(hop)
    for _ in range(700):
        client.reset(client.request())
        await asyncio.sleep(0.02)
    assert not client.transport.closed
    assert not client.transport.eof


async def test_a_flood_of_pings_ends_the_connection() -> None:
    hop = await hop_to(POD)
    client = client_of(hop)
    for _ in range(110):
        for _ in range(100):
            client.frames.ping(b"12345678")
        client.flush()
    client.read()
    assert client.transport.eof
    assert client.goaways


async def test_pings_of_a_client_that_reads_no_answer_are_cut_short() -> None:
    hop = await hop_to(POD)
    client = client_of(hop)
    client.transport.protocol.pause_writing()
    for _ in range(1100):
        client.frames.ping(b"12345678")
    client.flush()
    assert client.transport.aborted


@pytest.mark.parametrize(
    "fields",
    [
        [("connection", "close")],
        [("transfer-encoding", "chunked")],
        [("x-one", "a\r\nx-two: b")],
        [("x-one", "a\nb")],
        [("x-one", "a\x00b")],
        [("x one", "a")],
        [("X-One", "a")],
        [("x-one\r\nx-two", "a")],
        [("content-length", "5"), ("content-length", "6")],
        [("content-length", "+5")],
        [("host", "other.example.com")],
        [("te", "gzip")],
        [(":path", "/again")],
        [(":unknown", "1")],
    ],
)
async def test_a_malformed_request_is_refused_alone(fields: list[tuple[str, str]]) -> None:
    """And never reaches a pod (RFC 9113 §8.1.1, §8.2, §8.3)."""
    hop = await hop_to(POD)
    client = client_of(hop)
    stream_id = client.frames.get_next_available_stream_id()
    head = [(":method", "GET"), (":scheme", "http"), (":authority", HOST), (":path", "/"), *fields]
    block = [(name.encode(), value.encode()) for name, value in head]
    client.frames.config.normalize_outbound_headers = False
    client.frames.send_headers(stream_id, block, end_stream=True)
    client.flush()
    await exchange(client)
    assert hop.pods == []
    if not client.transport.eof:  # the library itself ends the connection for a few
        assert client.messages[stream_id].status == 400
        after = client.request()
        await settle()
        hop.pods[0].feed(OK)
        await exchange(client)
        assert client.messages[after].status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "nowhere", 400), ("GET", "/a b", 400), ("GET", "", 400), ("GET", "*", 400),
     ("G T", "/", 400), ("GET", "/" + "a" * 8192, 414), ("CONNECT", "/", 501)],
)  # fmt: skip
async def test_a_request_that_no_pod_should_see(method: str, path: str, status: int) -> None:
    hop = await hop_to(POD)
    client = client_of(hop)
    stream = client.request(method=method, path=path)
    await exchange(client)
    assert client.messages[stream].status == status
    assert hop.pods == []


async def test_too_many_fields_are_431() -> None:
    hop = await hop_to(POD)
    client = client_of(hop)
    stream = client.request(*((f"x-{number}", "1") for number in range(101)))
    await exchange(client)
    assert client.messages[stream].status == 431


async def test_a_head_beyond_all_bounds_ends_the_connection() -> None:
    """Some kilobytes that unpack to megabytes (a table entry named many times)."""
    hop = await hop_to(POD)
    client = client_of(hop)
    client.request(*((f"x-{number % 2}", "a" * 3000) for number in range(40)))
    await settle()
    assert client.transport.eof
    assert hop.pods == []


async def test_no_http2_is_no_crash() -> None:
    hop = await hop_to(POD)
    client = hop.client()
    client.feed(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00" * 100)
    await settle()
    assert client.eof
    client.feed(b"more")
    await asyncio.sleep(2.1)
    hop.sweep()
    assert client.closed


# --- how it ends --------------------------------------------------------------------------------


async def test_a_drain_lets_streams_end_and_refuses_new_ones() -> None:
    """GOAWAY twice: first that we go, then, when the client has heard it, which stream was last."""
    hop = await hop_to(POD)
    client = client_of(hop)
    first = client.request()
    await settle()
    client.read()
    (connection,) = hop.core.connections
    connection.retire()
    late = client.request()  # it was on its way when we said so
    await settle()
    client.read()
    assert client.goaways == [2**31 - 1]
    client.read()
    assert client.goaways[-1] == late
    for pod in hop.pods:
        pod.feed(OK)
    await settle()
    client.read()
    assert [client.messages[one].status for one in (first, late)] == [200, 200]
    assert client.transport.closed
    assert hop.core.connections == set()


async def test_a_drain_of_a_client_that_does_not_hear_takes_a_second() -> None:
    hop = await hop_to(POD)
    client = client_of(hop)
    (connection,) = hop.core.connections
    connection.retire()
    assert not client.transport.closed
    await asyncio.sleep(1.1)
    hop.sweep()
    assert client.transport.closed


async def test_a_client_that_says_goodbye_gets_its_answers() -> None:
    hop = await hop_to(POD)
    client = client_of(hop)
    stream = client.request()
    await settle()
    client.read()
    client.transport.feed(b"\x00\x00\x08\x07\x00\x00\x00\x00\x00" + bytes(8))  # GOAWAY
    hop.pods[0].feed(OK)
    await settle()
    client.read()
    assert client.messages[stream].status == 200
    assert client.transport.closed


async def test_last_bytes_that_nobody_takes_are_dropped_after_a_while() -> None:
    """The slot is free at once: the pod is done; the memory after a minute."""
    hop = await hop_to(POD, OTHER)
    client = client_of(hop, take=False)
    client.request()
    await settle()
    hop.pods[0].feed(b"HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n" + b"x" * 70_000)
    await exchange(client)
    (figures,) = hop.close_second()
    assert (figures.in_flight, figures.completed) == (0, 1)
    await asyncio.sleep(301)
    hop.sweep()
    await exchange(client)
    assert client.messages[1].reset == 2
