"""Requests through the gateway, on fake transports and virtual time."""

import asyncio
from typing import Any

import pytest

from utsuwa.gateway.core import Limits
from utsuwa.routing.messages import (
    Drained,
    Endpoint,
    HostTable,
    RevisionTable,
    Snapshot,
    Split,
    Wake,
)
from utsuwa.testing.gateway import FakeTransport, Hop, one_service, settle

HOST = "hello.default.example.com"
GET = b"GET / HTTP/1.1\r\nHost: hello.default.example.com\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
POD = Endpoint("pod-1", "127.0.0.1", 9001, ready=True)

pytestmark = pytest.mark.looptime


def request(*fields: str, line: str = "GET / HTTP/1.1", body: bytes = b"") -> bytes:
    return "\r\n".join([line, f"Host: {HOST}", *fields, "", ""]).encode() + body


async def hop_to(*endpoints: Endpoint, limits: Limits | None = None, **fields: Any) -> Hop:
    hop = Hop(limits=limits)
    hop.table.apply(one_service(*endpoints, **fields))
    return hop


async def sent(hop: Hop, data: bytes = GET) -> FakeTransport:
    client = hop.client()
    client.feed(data)
    await settle()
    return client


async def test_a_request_reaches_the_pod_and_its_answer_the_client() -> None:
    hop = await hop_to(POD)
    client = await sent(hop)
    (pod,) = hop.pods
    assert pod.take().startswith(b"GET / HTTP/1.1\r\nX-Forwarded-For: 10.0.0.9\r\n")
    pod.feed(OK)
    assert client.take() == OK


async def test_each_side_keeps_its_connection() -> None:
    hop = await hop_to(POD)
    client = await sent(hop)
    for _ in range(3):
        hop.pods[0].feed(OK)
        client.feed(GET)
        await settle()
    assert len(hop.pods) == 1
    assert not client.closed


async def test_one_read_and_one_write_per_side() -> None:
    """An ordinary exchange costs each connection a single write."""
    hop = await hop_to(POD)
    client = await sent(hop)
    hop.pods[0].feed(OK)
    assert (client.writes, hop.pods[0].writes) == (1, 1)


async def test_the_newest_warm_connection_is_used_first() -> None:
    hop = await hop_to(POD)
    first, second = await sent(hop), await sent(hop)
    old, new = hop.pods
    old.feed(OK)
    new.feed(OK)
    old.take(), new.take()
    first.feed(GET)
    assert (bool(old.take()), bool(new.take())) == (False, True)
    second.feed(GET)
    assert old.take()
    assert len(hop.pods) == 2


async def test_of_many_that_wait_most_are_served_by_connections_that_come_free() -> None:
    """Opening a connection costs ten times what a request does: 32 are opened at a time."""
    hop = await hop_to()
    clients = [await sent(hop) for _ in range(100)]
    hop.table.apply(one_service(POD, version=2))
    await asyncio.sleep(0)
    for _ in range(100):
        for pod in hop.pods:
            if pod.take():
                pod.feed(OK)
        await asyncio.sleep(0)
    assert [client.take() for client in clients] == [OK] * 100
    assert len(hop.pods) < 70


async def test_those_that_wait_for_a_slow_pod_all_get_connections() -> None:
    hop = await hop_to()
    clients = [await sent(hop) for _ in range(100)]
    hop.table.apply(one_service(POD, version=2))
    await settle(20)
    assert len(hop.pods) == 100
    for pod in hop.pods:
        pod.feed(OK)
    assert [client.take() for client in clients] == [OK] * 100


async def test_an_unknown_host_is_named() -> None:
    hop = await hop_to(POD)
    client = await sent(hop, GET.replace(b"hello.", b"hullo."))
    answer = client.take()
    assert answer.startswith(
        b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\n"
    )
    assert b"hullo.default.example.com" in answer
    assert answer.count(b"\n", answer.index(b"\r\n\r\n") + 4) == 1
    client.feed(GET)
    await settle()
    hop.pods[0].feed(OK)
    assert client.take() == OK


async def test_pipelined_requests_are_answered_in_order() -> None:
    hop = await hop_to(POD)
    client = await sent(hop, request(line="GET /1 HTTP/1.1") + request(line="GET /2 HTTP/1.1"))
    (pod,) = hop.pods
    assert b"GET /2" not in pod.take()
    pod.feed(OK)
    assert pod.take().startswith(b"GET /2 ")
    pod.feed(OK.replace(b"hello", b"world"))
    assert client.take() == OK + OK.replace(b"hello", b"world")


async def test_a_thousand_pipelined_refusals_do_not_recurse() -> None:
    hop = await hop_to(POD)
    client = await sent(hop, GET.replace(b"hello.", b"hullo.") * 2000)
    assert client.take().count(b"HTTP/1.1 404") == 2000


async def test_a_head_may_arrive_in_pieces_on_both_sides() -> None:
    hop = await hop_to(POD)
    client = hop.client()
    for position in range(len(GET)):
        client.feed(GET[position : position + 1])
    await settle()
    (pod,) = hop.pods
    for position in range(len(OK)):
        pod.feed(OK[position : position + 1])
    assert client.take() == OK


async def test_head_has_no_body() -> None:
    hop = await hop_to(POD)
    client = await sent(hop, request(line="HEAD / HTTP/1.1"))
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"
    hop.pods[0].feed(head)
    assert client.take() == head
    client.feed(GET)
    hop.pods[0].feed(OK)
    assert client.take() == OK
    assert len(hop.pods) == 1


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
async def test_statuses_without_body_end_with_their_head(status: str) -> None:
    hop = await hop_to(POD)
    client = await sent(hop)
    hop.pods[0].feed(f"HTTP/1.1 {status}\r\n\r\n".encode())
    client.feed(GET)
    hop.pods[0].feed(OK)
    assert client.take().endswith(OK)


async def test_a_chunked_answer_passes_with_its_trailers() -> None:
    hop = await hop_to(POD)
    client = await sent(hop)
    answer = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
        b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"
    )
    for position in range(0, len(answer), 7):
        hop.pods[0].feed(answer[position : position + 7])
    assert client.take() == answer
    client.feed(GET)
    assert len(hop.pods) == 1
    hop.pods[0].feed(OK)
    assert client.take() == OK


async def test_bytes_after_an_answer_reach_nobody() -> None:
    """A pod cannot smuggle a second answer to the client."""
    hop = await hop_to(POD)
    client = await sent(hop)
    hop.pods[0].feed(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
    assert client.take() == OK
    assert hop.pods[0].closed


async def test_bytes_nobody_asked_for_end_the_connection() -> None:
    hop = await hop_to(POD)
    await sent(hop)
    hop.pods[0].feed(OK)
    hop.pods[0].feed(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
    assert hop.pods[0].closed


async def test_an_answer_that_ends_with_its_connection_ends_the_clients() -> None:
    hop = await hop_to(POD)
    client = await sent(hop)
    hop.pods[0].feed(b"HTTP/1.0 200 OK\r\n\r\nhel")
    hop.pods[0].feed(b"lo")
    assert not client.closed
    hop.pods[0].feed_eof()
    assert client.take() == b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello"
    assert client.closed


async def test_a_truncated_answer_looks_truncated() -> None:
    hop = await hop_to(POD)
    client = await sent(hop)
    hop.pods[0].feed(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
    hop.pods[0].lose()
    assert client.aborted


async def test_an_old_client_gets_no_chunks() -> None:
    hop = await hop_to(POD)
    client = await sent(hop, request(line="GET / HTTP/1.0"))
    hop.pods[0].feed(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n2\r\n!!\r\n0\r\n\r\n"
    )
    assert client.take() == b"HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nhello!!"
    assert client.closed


async def test_an_old_client_may_keep_its_connection() -> None:
    hop = await hop_to(POD)
    client = await sent(hop, request("Connection: keep-alive", line="GET / HTTP/1.0"))
    hop.pods[0].feed(OK)
    assert client.take() == (
        b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello"
    )
    assert not client.closed


async def test_a_client_that_asks_for_close_gets_it() -> None:
    hop = await hop_to(POD)
    client = await sent(hop, request("Connection: close"))
    hop.pods[0].feed(OK)
    assert b"Connection: close\r\n" in client.take()
    assert client.closed
    assert not hop.pods[0].closed


async def test_continue_passes_and_then_the_body() -> None:
    hop = await hop_to(POD)
    client = await sent(
        hop, request("Content-Length: 4", "Expect: 100-continue", line="POST / HTTP/1.1")
    )
    (pod,) = hop.pods
    assert b"Expect: 100-continue" in pod.take()
    pod.feed(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert client.take() == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.feed(b"data")
    assert pod.take() == b"data"
    pod.feed(OK)
    assert client.take() == OK
    assert not client.closed


async def test_a_refusal_instead_of_continue_closes_the_connection() -> None:
    """The client may or may not send the body now: nobody could tell it from a request."""
    hop = await hop_to(POD)
    client = await sent(
        hop, request("Content-Length: 4", "Expect: 100-continue", line="POST / HTTP/1.1")
    )
    hop.pods[0].feed(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
    assert b"Connection: close" in client.take()
    assert client.eof


async def test_early_hints_pass_before_the_answer() -> None:
    hop = await hop_to(POD)
    client = await sent(hop)
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
    hop.pods[0].feed(hints + OK)
    assert client.take() == hints + OK


async def test_an_upload_passes_as_it_comes() -> None:
    hop = await hop_to(POD)
    client = await sent(hop, request("Content-Length: 10", line="POST / HTTP/1.1", body=b"01234"))
    (pod,) = hop.pods
    assert pod.take().endswith(b"\r\n\r\n01234")
    client.feed(b"56789")
    assert pod.take() == b"56789"
    pod.feed(OK)
    assert client.take() == OK


async def test_a_chunked_upload_passes_as_it_comes_and_the_next_request_after_it() -> None:
    hop = await hop_to(POD)
    body = b"3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n"
    client = await sent(
        hop, request("Transfer-Encoding: chunked", line="POST / HTTP/1.1", body=body + GET)
    )
    (pod,) = hop.pods
    assert pod.take().endswith(b"\r\n\r\n" + body)
    pod.feed(OK)
    assert pod.take().startswith(b"GET / ")
    pod.feed(OK)
    assert client.take() == OK + OK


async def test_a_bad_chunk_reaches_no_pod_as_a_whole_request() -> None:
    hop = await hop_to(POD)
    client = await sent(
        hop, request("Transfer-Encoding: chunked", line="POST / HTTP/1.1", body=b"3\r\nabc\r\n")
    )
    (pod,) = hop.pods
    client.feed(b"zz\r\n")
    assert pod.aborted
    assert client.take().startswith(b"HTTP/1.1 400 ")
    assert client.eof
    (figures,) = hop.close_second()
    assert figures.in_flight == 0


async def test_an_answer_before_the_end_of_the_body_lets_the_rest_be_dropped() -> None:
    hop = await hop_to(POD)
    client = await sent(hop, request("Content-Length: 10", line="POST / HTTP/1.1", body=b"01234"))
    hop.pods[0].feed(OK)
    assert client.take() == OK
    client.feed(b"56789" + GET)
    await settle()
    hop.pods[-1].feed(OK)
    assert client.take() == OK


async def test_a_client_too_slow_to_read_stops_the_pod() -> None:
    hop = await hop_to(POD)
    client = await sent(hop)
    (pod,) = hop.pods
    pod.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
    client.protocol.pause_writing()
    assert not pod.reading
    client.protocol.resume_writing()
    assert pod.reading


async def test_a_pod_too_slow_to_read_stops_the_client() -> None:
    hop = await hop_to(POD)
    client = await sent(hop, request("Content-Length: 100", line="POST / HTTP/1.1"))
    (pod,) = hop.pods
    pod.protocol.pause_writing()
    assert not client.reading
    pod.protocol.resume_writing()
    assert client.reading


async def test_an_answer_to_an_upload_that_was_stopped_lets_the_client_go_on() -> None:
    """The pod answers without reading on: the client must not stay stopped."""
    hop = await hop_to(POD)
    client = await sent(hop, request("Content-Length: 4", line="POST / HTTP/1.1"))
    (pod,) = hop.pods
    client.feed(b"data")
    pod.protocol.pause_writing()
    assert not client.reading
    pod.feed(OK)
    assert client.reading
    client.feed(GET)
    await settle()
    hop.pods[-1].feed(OK)
    assert client.take() == OK + OK


async def test_a_slow_clients_answer_leaves_the_pods_connection_readable() -> None:
    """The connection goes back to the pool: it must not stay stopped for the next client."""
    hop = await hop_to(POD)
    client = await sent(hop)
    (pod,) = hop.pods
    pod.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234")
    client.protocol.pause_writing()
    pod.reading = True  # what was already on its way
    pod.feed(b"56789")
    assert pod.reading
    other = await sent(hop)
    pod.feed(OK)
    assert other.take() == OK


async def test_what_a_client_sends_ahead_is_bounded() -> None:
    hop = await hop_to(POD, limits=Limits(hold=100))
    client = await sent(hop)
    client.feed(GET * 3)
    assert not client.reading
    for _ in range(4):
        hop.pods[0].feed(OK)
    assert client.reading
    assert client.take() == OK * 4


async def test_a_waiting_upload_is_bounded() -> None:
    hop = await hop_to(limits=Limits(replay=1000))
    client = await sent(hop, request("Content-Length: 5000", line="PUT / HTTP/1.1"))
    client.feed(b"x" * 2000)
    assert not client.reading
    hop.table.apply(one_service(POD, version=2))
    await settle()
    assert client.reading
    assert hop.pods[0].take().endswith(b"\r\n\r\n" + b"x" * 2000)


async def test_an_upgrade_passes_bytes_both_ways() -> None:
    hop = await hop_to(POD)
    client = await sent(hop, request("Connection: Upgrade", "Upgrade: websocket"))
    (pod,) = hop.pods
    assert b"Connection: Upgrade\r\nUpgrade: websocket\r\n" in pod.take()
    client.feed(b"early")
    pod.feed(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhi"
    )
    assert client.take().endswith(b"\r\n\r\nhi")
    assert pod.take() == b"early"
    client.feed(b"\x81\x00")
    pod.feed(b"\x82\x00")
    assert (pod.take(), client.take()) == (b"\x81\x00", b"\x82\x00")
    (figures,) = hop.close_second()
    assert figures.in_flight == 1
    client.lose()
    await settle()
    assert pod.closed
    (figures,) = hop.close_second()
    assert (figures.in_flight, figures.status[0]) == (0, 1)


async def test_each_side_of_an_upgraded_connection_may_end_alone() -> None:
    hop = await hop_to(POD)
    client = await sent(hop, request("Connection: Upgrade", "Upgrade: websocket"))
    (pod,) = hop.pods
    pod.feed(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")
    client.feed_eof()
    assert pod.eof
    assert not client.closed
    pod.feed(b"bye")
    assert client.take().endswith(b"bye")
    pod.feed_eof()
    assert client.closed


async def test_a_refused_upgrade_is_an_ordinary_answer() -> None:
    hop = await hop_to(POD)
    client = await sent(hop, request("Connection: Upgrade", "Upgrade: websocket"))
    hop.pods[0].feed(OK)
    assert client.take() == OK
    client.feed(GET)
    hop.pods[0].feed(OK)
    assert client.take() == OK


async def test_a_switch_nobody_asked_for_is_no_answer() -> None:
    hop = await hop_to(POD)
    client = await sent(hop)
    hop.pods[0].feed(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n")
    assert client.take().startswith(b"HTTP/1.1 502 ")


# --- holding and waking -----------------------------------------------------------------------


async def test_a_request_for_a_revision_at_zero_wakes_it_and_waits() -> None:
    hop = await hop_to()
    client = await sent(hop, request(line="GET /path?x=1 HTTP/1.1"))
    (wake,) = hop.of(Wake)
    assert (wake.revision, wake.path, wake.client) == (
        "default/hello-00001",
        "/path?x=1",
        "10.0.0.9",
    )
    await sent(hop)
    assert len(hop.of(Wake)) == 1
    hop.table.apply(one_service(POD, version=2))
    await settle()
    hop.pods[0].feed(OK)
    assert client.take() == OK


async def test_a_busy_revision_is_not_woken_again_until_it_was_idle_for_a_second() -> None:
    hop = await hop_to(POD)
    client = await sent(hop)
    await asyncio.sleep(0.5)
    hop.pods[0].feed(OK)
    hop.close_second()
    client.feed(GET)
    assert len(hop.of(Wake)) == 1
    hop.pods[0].feed(OK)
    await asyncio.sleep(1)
    hop.close_second()
    await asyncio.sleep(1)
    hop.close_second()
    client.feed(GET)
    assert len(hop.of(Wake)) == 2


async def test_requests_beyond_the_limit_wait_in_order() -> None:
    hop = await hop_to(POD, concurrency=1)
    clients = [await sent(hop, request(line=f"GET /{n} HTTP/1.1")) for n in range(3)]
    (pod,) = hop.pods
    for n, client in enumerate(clients):
        assert pod.take().startswith(f"GET /{n} ".encode())
        pod.feed(OK)
        assert client.take() == OK


async def test_requests_that_wait_move_to_pods_that_appear() -> None:
    hop = await hop_to(POD, concurrency=1)
    clients = [await sent(hop) for _ in range(3)]
    more = [Endpoint(f"pod-{n}", "127.0.0.1", 9000 + n, ready=True) for n in (2, 3)]
    hop.table.apply(one_service(POD, *more, version=2, concurrency=1))
    await settle()
    assert len(hop.pods) == 3
    for pod in hop.pods:
        pod.feed(OK)
    assert all(client.take() == OK for client in clients)


async def test_a_client_that_leaves_the_line_is_counted_apart_and_frees_its_place() -> None:
    hop = await hop_to(POD, concurrency=1)
    first, leaver, last = await sent(hop), await sent(hop), await sent(hop)
    leaver.feed_eof()
    await settle()
    assert leaver.closed
    hop.pods[0].feed(OK)
    hop.pods[0].feed(OK)
    assert (first.take(), last.take()) == (OK, OK)
    (figures,) = hop.close_second()
    assert figures.status == (0, 2, 0, 0, 0, 1)


async def test_a_client_that_leaves_its_pod_frees_the_slot_at_once() -> None:
    hop = await hop_to(POD, concurrency=1)
    leaver, waiter = await sent(hop), await sent(hop)
    leaver.lose(ConnectionResetError())
    await settle()
    assert hop.pods[0].aborted
    hop.pods[1].feed(OK)
    assert waiter.take() == OK


async def test_a_client_that_announced_its_last_request_may_half_close() -> None:
    hop = await hop_to(POD)
    client = await sent(hop, request("Connection: close"))
    client.feed_eof()
    assert not client.closed
    hop.pods[0].feed(OK)
    assert client.take().endswith(b"hello")
    assert client.closed


async def test_a_revision_that_cannot_start_says_why() -> None:
    hop = await hop_to()
    client = await sent(hop)
    hop.table.apply(one_service(version=2, unavailable="image not found"))
    assert client.take().startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    late = await sent(hop)
    assert b"image not found" in late.take()
    (figures,) = hop.close_second()
    assert (figures.platform_errors, figures.status[4]) == (2, 2)


async def test_an_error_of_ours_belongs_to_the_second_in_which_it_is_answered() -> None:
    hop = await hop_to()
    await sent(hop)
    hop.core.accounts.boundary = hop.core.monotonic()  # the second has just ended
    hop.table.apply(one_service(version=2, unavailable="image not found"))
    ((_, (ended,)),) = hop.core.accounts.take_closed()
    (running,) = hop.close_second()
    assert (ended.platform_errors, ended.completed) == (0, 0)
    assert (running.platform_errors, running.completed) == (1, 1)


async def test_an_unavailable_revision_with_a_pod_still_serves() -> None:
    hop = await hop_to(POD, unavailable="the next pod cannot start")
    client = await sent(hop)
    hop.pods[0].feed(OK)
    assert client.take() == OK


async def test_a_full_queue_says_so() -> None:
    hop = await hop_to(limits=Limits(queue=1))
    await sent(hop)
    second = await sent(hop)
    assert second.take().endswith(b"\r\n\r\npending request queue full\n")


async def test_shares_of_a_split_are_kept() -> None:
    hop = Hop(seed=3)
    splits = (Split("default/a", 80), Split("default/b", 20), Split("default/c", 0))
    revisions = tuple(
        RevisionTable(name=name, endpoints=(Endpoint(name, "127.0.0.1", 9001, ready=True),))
        for name in ("default/a", "default/b", "default/c")
    )
    hop.table.apply(Snapshot("e", 1, (HostTable(HOST, splits),), revisions))
    client = hop.client()
    for _ in range(1000):
        client.feed(GET)
        await settle(3)
        next(pod for pod in hop.pods if pod.take()).feed(OK)
    counts = {one.revision: one.requests for one in hop.close_second()}
    assert counts.keys() == {"default/a", "default/b"}
    assert counts["default/b"] == pytest.approx(200, abs=40)


async def test_headers_of_a_split_reach_the_pod_but_not_those_for_an_activator() -> None:
    hop = Hop()
    headers = (
        ("Knative-Serving-Tag", "blue"), ("Knative-Serving-Revision", "a"),
        ("Knative-Serving-Namespace", "default"),
    )  # fmt: skip
    revision = RevisionTable(name="default/a", endpoints=(POD,))
    host = HostTable(HOST, (Split("default/a", 100, headers),))
    hop.table.apply(Snapshot("e", 1, (host,), (revision,)))
    await sent(hop, request("Knative-Serving-Tag: forged", "Content-Length: 2", body=b"ab"))
    data = hop.pods[0].take()
    assert b"\r\nKnative-Serving-Tag: blue\r\n" in data
    assert b"forged" not in data
    assert b"Knative-Serving-Revision" not in data
    assert data.endswith(b"\r\n\r\nab")


# --- pods that fail ---------------------------------------------------------------------------


async def test_a_stale_connection_never_surfaces() -> None:
    hop = await hop_to(POD)
    client = await sent(hop)
    hop.pods[0].feed(OK)
    client.take()
    client.feed(GET)
    hop.pods[0].lose()
    await settle()
    hop.pods[1].feed(OK)
    assert client.take() == OK


async def test_a_request_that_is_not_idempotent_is_not_sent_twice() -> None:
    hop = await hop_to(POD)
    client = await sent(hop)
    hop.pods[0].feed(OK)
    client.take()
    client.feed(request("Content-Length: 2", line="POST / HTTP/1.1", body=b"ab"))
    hop.pods[0].lose(ConnectionResetError("reset"))
    await settle()
    assert len(hop.pods) == 1
    assert client.take().startswith(b"HTTP/1.1 502 Bad Gateway\r\n")


async def test_a_request_not_sent_in_full_may_be_sent_again_whatever_it_is() -> None:
    hop = await hop_to(POD)
    client = await sent(hop)
    hop.pods[0].feed(OK)
    client.take()
    client.feed(request("Content-Length: 4", line="POST / HTTP/1.1", body=b"ab"))
    hop.pods[0].lose()
    await settle()
    client.feed(b"cd")
    assert hop.pods[1].take().endswith(b"\r\n\r\nabcd")
    hop.pods[1].feed(OK)
    assert client.take() == OK


async def test_a_request_is_sent_again_once_only() -> None:
    """One that kills its pod must not kill them all."""
    hop = await hop_to(POD)
    client = await sent(hop)
    hop.pods[0].feed(OK)
    client.take()
    client.feed(GET)
    hop.pods[0].lose()
    await settle()
    hop.pods[1].lose()
    await settle()
    assert client.take().startswith(b"HTTP/1.1 502 ")


async def test_a_fresh_connection_that_breaks_is_the_pods_failure() -> None:
    hop = await hop_to(POD)
    client = await sent(hop)
    hop.pods[0].lose(ConnectionResetError("connection reset"))
    assert client.take().startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    (figures,) = hop.close_second()
    assert figures.status[4] == 1


async def test_an_answer_that_is_no_http_is_a_502() -> None:
    hop = await hop_to(POD)
    client = await sent(hop)
    hop.pods[0].feed(b"nonsense\r\n\r\n")
    assert client.take().startswith(b"HTTP/1.1 502 ")
    assert hop.pods[0].aborted


async def test_a_pod_that_refuses_is_probed_again_and_its_requests_go_elsewhere() -> None:
    second = Endpoint("pod-2", "127.0.0.1", 9002, ready=True)
    hop = await hop_to(POD, second)
    hop.network.refusing = {9001}
    client = await sent(hop)
    hop.pods[0].feed(OK)
    assert client.take() == OK
    hop.network.refusing.clear()
    await asyncio.sleep(0.1)
    pod = hop.core.revisions["default/hello-00001"].pods["pod-1"]
    assert pod.usable
    await hop.tasks.close()


async def test_requests_of_a_pod_that_refuses_go_back_in_their_order() -> None:
    hop = await hop_to(POD)
    hop.network.refusing = {9001}
    for n in range(5):
        hop.client().feed(request(line=f"GET /{n} HTTP/1.1"))
    await settle()
    hop.client().feed(request(line="GET /5 HTTP/1.1"))
    hop.network.refusing.clear()
    await asyncio.sleep(0.1)
    lines = [pod.take()[:7] for pod in hop.pods if pod.written]
    assert lines == [f"GET /{n} ".encode() for n in range(6)]
    await hop.tasks.close()


# --- time -------------------------------------------------------------------------------------


async def test_waiting_counts_towards_the_timeout() -> None:
    """`spec/dataplane.md` §5: 504 with this very body."""
    hop = await hop_to(timeout=3.0)
    client = await sent(hop)
    await asyncio.sleep(2.9)
    hop.sweep()
    assert client.take() == b""
    await asyncio.sleep(0.2)
    hop.sweep()
    answer = client.take()
    assert answer.startswith(b"HTTP/1.1 504 Gateway Timeout\r\n")
    assert answer.endswith(b"\r\n\r\nrequest timeout")
    assert not client.closed


async def test_a_request_that_timed_out_frees_its_slot() -> None:
    hop = await hop_to(POD, timeout=3.0, concurrency=1)
    await sent(hop)
    await asyncio.sleep(2)
    waiter = await sent(hop)
    await asyncio.sleep(1.1)
    hop.sweep()
    await settle()
    assert hop.pods[0].aborted
    hop.pods[1].feed(OK)
    assert waiter.take() == OK


CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("before", [b"", b"3\r\nabc\r\n"])
async def test_a_chunked_answer_that_takes_too_long_ends_with_the_words_of_a_504(
    before: bytes,
) -> None:
    """As the original's does; its suite demands that the client reads it to the end. The
    connections are not used again."""
    hop = await hop_to(POD, timeout=3.0)
    client = await sent(hop)
    hop.pods[0].feed(CHUNKED_HEAD + before)
    await asyncio.sleep(3.1)
    hop.sweep()
    assert client.take() == CHUNKED_HEAD + before + b"f\r\nrequest timeout\r\n0\r\n\r\n"
    assert (client.closed, client.aborted, hop.pods[0].aborted) == (True, False, True)


async def test_an_answer_until_close_that_takes_too_long_ends_with_them_too() -> None:
    hop = await hop_to(POD, timeout=3.0)
    client = await sent(hop)
    hop.pods[0].feed(b"HTTP/1.1 200 OK\r\n\r\nabc")
    await asyncio.sleep(3.1)
    hop.sweep()
    assert client.take().endswith(b"\r\n\r\nabcrequest timeout")
    assert client.closed


@pytest.mark.parametrize("head", [CHUNKED_HEAD + b"5\r\nab", OK[:-1]])
async def test_an_answer_that_leaves_no_room_is_cut_visibly(head: bytes) -> None:
    """In the middle of a chunk, or of a body of known length."""
    hop = await hop_to(POD, timeout=3.0)
    client = await sent(hop)
    hop.pods[0].feed(head)
    await asyncio.sleep(3.1)
    hop.sweep()
    assert client.take() == head
    assert client.aborted


async def test_the_start_of_the_answer_has_its_own_limit() -> None:
    hop = await hop_to(POD, timeout=10.0, response_start_timeout=2.0)
    slow, quick = await sent(hop), await sent(hop)
    hop.pods[1].feed(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
    await asyncio.sleep(2.1)
    hop.sweep()
    assert slow.take().startswith(b"HTTP/1.1 504 ")
    hop.pods[1].feed(b"hello")
    assert quick.take() == OK


async def test_silence_has_its_own_limit() -> None:
    hop = await hop_to(POD, timeout=10.0, idle_timeout=1.0)
    client = await sent(hop)
    hop.pods[0].feed(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n")
    for _ in range(4):
        await asyncio.sleep(0.6)
        hop.pods[0].feed(b".")
        hop.sweep()
    assert not client.aborted
    await asyncio.sleep(1.1)
    hop.sweep()
    assert client.aborted


async def test_an_upgraded_connection_ends_with_the_smallest_limit() -> None:
    """`spec/dataplane.md` §5; both sides are told, traffic or not."""
    hop = await hop_to(POD, timeout=3.0, response_start_timeout=2.0)
    client = await sent(hop, request("Connection: Upgrade", "Upgrade: websocket"))
    hop.pods[0].feed(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")
    await asyncio.sleep(2.1)
    hop.sweep()
    assert client.take().endswith(b"\x88\x11\x03\xe9request timeout")
    assert client.eof
    assert hop.pods[0].closed


async def test_a_head_that_never_ends_is_cut() -> None:
    hop = await hop_to(POD)
    client = hop.client()
    client.feed(b"GET / HTTP/1.1\r\n")
    await asyncio.sleep(60.1)
    hop.sweep()
    assert client.take().startswith(b"HTTP/1.1 408 ")


async def test_an_idle_connection_between_requests_may_stay() -> None:
    hop = await hop_to(POD)
    client = await sent(hop)
    hop.pods[0].feed(OK)
    await asyncio.sleep(3600)
    hop.sweep()
    assert not client.closed


async def test_a_connection_that_says_nothing_is_closed() -> None:
    hop = await hop_to(POD)
    client = hop.client()
    await asyncio.sleep(60.1)
    hop.sweep()
    assert client.aborted
    assert client.take() == b""


# --- pods that go -----------------------------------------------------------------------------


async def test_a_draining_pod_ends_what_it_has_and_gets_nothing_new() -> None:
    hop = await hop_to(POD)
    client = await sent(hop)
    draining = Endpoint("pod-1", "127.0.0.1", 9001, ready=True, draining=True)
    hop.table.apply(one_service(draining, version=2))
    late = await sent(hop)
    assert hop.of(Drained) == []
    hop.pods[0].feed(OK)
    await settle()
    assert client.take() == OK
    assert hop.of(Drained) == [Drained("default/hello-00001", "pod-1")]
    assert hop.pods[0].closed
    assert late.take() == b""


async def test_an_idle_pod_is_drained_at_once() -> None:
    hop = await hop_to(POD)
    hop.table.apply(one_service(Endpoint("pod-1", "127.0.0.1", 9001, draining=True), version=2))
    assert len(hop.of(Drained)) == 1


async def test_a_pod_that_comes_draining_is_drained() -> None:
    hop = await hop_to(Endpoint("pod-9", "127.0.0.1", 9009, draining=True))
    assert hop.of(Drained) == [Drained("default/hello-00001", "pod-9")]


async def test_a_pod_that_is_gone_from_the_table_ends_what_it_has() -> None:
    hop = await hop_to(POD)
    client = await sent(hop)
    hop.table.apply(one_service(version=2))
    assert hop.of(Drained) == []
    hop.pods[0].feed(OK)
    assert client.take() == OK
    assert len(hop.of(Drained)) == 1


async def test_refused_input_is_answered_and_closed_without_a_reset() -> None:
    hop = await hop_to(POD)
    client = await sent(hop, b"\x16\x03\x01\x02\x00\x01\x00")
    assert client.take().startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert client.eof
    assert not client.closed
    await asyncio.sleep(2.1)
    hop.sweep()
    assert client.aborted


async def test_a_pod_that_answers_before_it_has_the_whole_body_is_not_used_again() -> None:
    """It would take the next request for the rest of this one's body."""
    hop = await hop_to(POD)
    client = await sent(hop, request("Content-Length: 10", line="POST / HTTP/1.1", body=b"01234"))
    hop.pods[0].feed(OK)
    assert client.take() == OK
    client.feed(b"56789" + GET)
    await settle()
    assert hop.pods[0].closed
    assert hop.pods[1].take().startswith(b"GET / HTTP/1.1\r\n")


async def test_an_upgraded_connection_that_both_sides_have_ended_is_over() -> None:
    """Whoever is first: a WebSocket's server closes first when the client said goodbye."""
    hop = await hop_to(POD)
    client = await sent(hop, request("Connection: Upgrade", "Upgrade: websocket"))
    (pod,) = hop.pods
    pod.feed(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")
    pod.feed_eof()
    assert client.eof
    client.feed_eof()
    await settle()
    assert (client.closed, pod.closed) == (True, True)
    (figures,) = hop.close_second()
    assert figures.in_flight == 0


def retire_all(hop: Hop, *, patience: float) -> None:
    """As the server does when it drains."""
    hop.core.draining = True
    hop.core.idle_patience = patience
    for connection in list(hop.core.connections):
        connection.retire()


async def test_a_replaced_gateway_waits_for_the_next_request_and_says_close() -> None:
    hop = await hop_to(POD)
    client = await sent(hop)
    hop.pods[0].feed(OK)
    retire_all(hop, patience=30.0)
    client.take()
    assert not client.closed
    client.feed(GET)
    hop.pods[0].feed(OK)
    assert b"\r\nConnection: close\r\n" in client.take()
    assert client.closed


async def test_a_replaced_gateway_closes_who_is_silent_after_its_patience() -> None:
    hop = await hop_to(POD)
    client = await sent(hop)
    hop.pods[0].feed(OK)
    retire_all(hop, patience=30.0)
    await asyncio.sleep(29)
    hop.sweep()
    assert not client.closed
    await asyncio.sleep(1.1)
    hop.sweep()
    assert client.closed


async def test_an_answer_that_promised_to_keep_the_connection_is_kept_at_its_word() -> None:
    """Its head was out when the gateway was replaced: the client may send another request."""
    hop = await hop_to(POD)
    client = await sent(hop)
    hop.pods[0].feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    retire_all(hop, patience=30.0)
    hop.pods[0].feed(b"0\r\n\r\n")
    assert b"Connection: close" not in client.take()
    assert not client.closed
    client.feed(GET)
    hop.pods[0].feed(OK)
    assert b"Connection: close" in client.take()
    assert client.closed


async def test_a_gateway_that_ends_closes_connections_between_requests_at_once() -> None:
    hop = await hop_to(POD)
    client = await sent(hop)
    hop.pods[0].feed(OK)
    retire_all(hop, patience=0.0)
    assert client.closed
