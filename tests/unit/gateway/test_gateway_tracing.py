"""Traces: what pods are told, what control is told, and that nobody else pays for it."""

import random

import pytest
from tests.unit.gateway.test_gateway_cold_starts import GET, HOST, OK, cold, pod

from utsuwa.gateway.http1.request import peer_of
from utsuwa.gateway.tracing import MOST_A_SECOND, Ended, Tracer, in_head
from utsuwa.routing.messages import Traced, Traces
from utsuwa.routing.tracing import context_of
from utsuwa.testing.gateway import FakeTransport, Hop, one_service, settle
from utsuwa.testing.http2 import http2_client

pytestmark = pytest.mark.looptime

TRACE, CALLER = b"0af7651916cd43dd8448eb211c80319c", b"b7ad6b7169203331"


def asking(flags: bytes) -> bytes:
    field = b"traceparent: 00-%b-%b-%b\r\ntracestate: a=b\r\n" % (TRACE, CALLER, flags)
    return b"GET /cart?card=1 HTTP/1.1\r\n" + HOST + field + b"\r\n"


async def warm(rate: float | None, request: bytes = GET) -> tuple[Hop, FakeTransport, bytes]:
    """A pod that is ready; `request` comes and is answered. What the pod was sent."""
    hop = Hop()
    if rate is not None:
        hop.core.trace(rate)
    hop.table.apply(one_service(pod(ready=True)))
    client = hop.client()
    client.feed(request)
    await settle()
    sent = hop.pods[0].take()
    hop.pods[0].feed(OK)
    await settle()
    return hop, client, sent


def told(hop: Hop) -> list[Traced]:
    tracer = hop.core.tracer
    assert tracer is not None
    return list((tracer.take() or Traces((), 0)).requests)


@pytest.mark.parametrize("rate", [None, -1.0])
async def test_while_tracing_is_off_everything_passes_as_it_came(rate: float | None) -> None:
    """Byte for byte: the context is between client and pod."""
    hop, client, sent = await warm(rate, asking(b"01"))
    assert b"traceparent: 00-%b-%b-01\r\ntracestate: a=b\r\n" % (TRACE, CALLER) in sent
    assert client.take() == OK
    assert hop.core.tracer is None


async def test_a_request_of_a_sampled_trace_goes_on_with_our_span_as_parent() -> None:
    """Once, whatever the rate; its state as it came."""
    hop, client, sent = await warm(0.0, asking(b"01"))
    assert client.take() == OK
    assert sent.lower().count(b"traceparent:") == 1
    assert b"tracestate: a=b\r\n" in sent
    context = context_of(in_head(sent))
    assert context is not None
    (one,) = told(hop)
    assert (context.trace, context.parent, context.sampled) == (one.trace, one.upstream, True)
    assert (one.trace.hex().encode(), one.parent.hex().encode()) == (TRACE, CALLER)
    assert one.span not in {one.upstream, one.parent}
    assert (one.method, one.path, one.status, one.uid) == ("GET", "/cart?card=1", 200, "pod-1")
    assert one.arrived <= one.granted <= one.first_byte <= one.ended
    assert not one.waited
    assert one.revision == "default/hello-00001"
    assert one.host == "hello.default.example.com"


async def test_one_whose_trace_is_not_sampled_goes_on_as_it_came() -> None:
    hop, _, sent = await warm(1.0, asking(b"00"))
    assert b"traceparent: 00-%b-%b-00\r\n" % (TRACE, CALLER) in sent
    assert told(hop) == []


@pytest.mark.parametrize(("rate", "traced"), [(0.0, 0), (1.0, 1)])
async def test_one_without_a_trace_is_sampled_by_the_rate(rate: float, traced: int) -> None:
    hop, _, sent = await warm(rate)
    assert sent.count(b"traceparent:") == traced
    found = told(hop)
    assert len(found) == traced
    assert all(one.parent == b"" for one in found)


@pytest.mark.parametrize(
    "given",
    [
        b"nonsense",
        b"00-" + b"0" * 32 + b"-" + CALLER + b"-01",
        b"ff-" + TRACE + b"-" + CALLER + b"-01",
    ],
)
async def test_a_context_that_is_none_begins_a_new_trace(given: bytes) -> None:
    request = b"GET / HTTP/1.1\r\n" + HOST + b"Traceparent: " + given + b"\r\n\r\n"
    hop, _, sent = await warm(1.0, request)
    assert given not in sent
    assert context_of(in_head(sent)) is not None
    assert told(hop)[0].parent == b""


async def test_the_next_request_of_the_connection_is_another_one() -> None:
    """And may pass unseen again when it is not sampled."""
    hop, client, _ = await warm(0.0, asking(b"01"))
    client.feed(GET)
    await settle()
    assert b"traceparent" not in hop.pods[0].take()
    hop.pods[0].feed(OK)
    await settle()
    assert client.take() == OK + OK
    assert len(told(hop)) == 1


async def test_a_cold_start_is_told_with_the_moments_of_its_pod() -> None:
    hop = Hop()
    hop.core.trace(1.0)
    client = await cold(hop, GET)
    assert client.take() == OK
    (one,) = told(hop)
    assert one.waited
    assert 0 < one.arrived < one.decided < one.started < one.listening <= one.ready <= one.granted
    assert one.granted < one.first_byte


async def test_a_request_with_a_body_is_told_too() -> None:
    """Its answer must not pass unseen when the end of the body comes."""
    hop = Hop()
    hop.core.trace(1.0)
    hop.table.apply(one_service(pod(ready=True)))
    client = hop.client()
    client.feed(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\n")
    await settle()
    client.feed(b"abc")
    await settle()
    hop.pods[0].feed(OK)
    await settle()
    assert told(hop)[0].first_byte > 0


async def test_a_client_that_leaves_is_told_as_such() -> None:
    hop = Hop()
    hop.core.trace(1.0)
    hop.table.apply(one_service())
    client = hop.client()
    client.feed(GET)
    await settle()
    client.lose()
    await settle()
    (one,) = told(hop)
    assert (one.status, one.uid, one.granted, one.waited) == (499, "", 0.0, True)


async def test_a_stream_of_http_2_is_traced_likewise() -> None:
    hop = Hop()
    hop.core.trace(0.0)
    hop.table.apply(one_service(pod(ready=True)))
    await settle()
    client = http2_client(hop.client())
    client.request(("traceparent", f"00-{TRACE.decode()}-{CALLER.decode()}-01"), path="/cart")
    await settle()
    sent = hop.pods[0].take()
    assert sent.count(b"traceparent:") == 1
    hop.pods[0].feed(OK)
    await settle()
    (one,) = told(hop)
    assert one.trace.hex().encode() == TRACE
    assert f"-{one.upstream.hex()}-01".encode() in sent
    assert one.status == 200
    assert one.first_byte > 0


async def test_tracing_that_is_turned_off_while_a_request_is_under_way() -> None:
    hop = Hop()
    hop.core.trace(1.0)
    hop.table.apply(one_service(pod(ready=True)))
    client = hop.client()
    client.feed(GET)
    await settle()
    hop.core.trace(-1.0)
    hop.pods[0].feed(OK)
    await settle()
    assert client.take() == OK


def test_of_too_many_in_a_second_only_the_number_is_told() -> None:
    tracer = Tracer(1.0, random.Random(1))
    ended = Ended("default/web", "p", (b"GET", b"/", b"web"), peer_of("127.0.0.1"), 200)
    for _ in range(MOST_A_SECOND + 7):
        tracer.skip -= 1
        trace = tracer.begin(b"", 1.0, 100.0)
        assert trace is not None
        tracer.end(trace, 2.0, ended)
    message = tracer.take()
    assert message is not None
    assert (len(message.requests), message.dropped) == (MOST_A_SECOND, 7)
    assert tracer.take() is None


@pytest.mark.parametrize("rate", [0.01, 0.3])
def test_requests_are_picked_as_often_as_the_rate_says(rate: float) -> None:
    """To within what chance allows."""
    tracer, picked, asked = Tracer(rate, random.Random(3)), 0, 100_000
    for _ in range(asked):
        tracer.skip -= 1
        if tracer.skip < 0:
            picked += tracer.begin(b"", 1.0, 2.0) is not None
    assert picked / asked == pytest.approx(rate, rel=0.1)
