"""From a request's moments to spans, and the context that requests carry."""

import itertools

import pytest

from utsuwa.routing.messages import Traced
from utsuwa.routing.tracing import CLIENT, INTERNAL, SERVER, context_of, spans_of, traceparent

TRACE, SPAN = bytes(range(16)), bytes(range(1, 9))
GOOD = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
WARM = Traced(
    revision="default/web-00001", uid="pod", trace=TRACE, parent=b"", span=SPAN, upstream=b"u" * 8,
    arrived=10.0, ended=11.0, granted=10.001, first_byte=10.9, method="GET", path="/a?secret=1",
    host="web.test", client="127.0.0.1", scheme="http", status=200,
)  # fmt: skip


def ids() -> "itertools.count[int]":
    return itertools.count(1)


def test_what_we_write_we_read() -> None:
    context = context_of(traceparent(TRACE, SPAN))
    assert context == (TRACE, SPAN, True)


@pytest.mark.parametrize(
    ("given", "known"),
    [
        (GOOD, True),
        (b" " + GOOD + b" ", True),
        (GOOD[:-2] + b"00", True),
        (b"01" + GOOD[2:] + b"-more", True),  # of a later version: what we know of it counts
        (GOOD + b"-more", False),
        (GOOD.upper(), False),
        (b"ff" + GOOD[2:], False),
        (GOOD[:-3], False),
        (b"", False),
        (b"00-" + b"0" * 32 + b"-b7ad6b7169203331-01", False),
        (b"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", False),
    ],
)
def test_contexts_as_w3c_wants_them(given: bytes, known: bool) -> None:
    assert (context_of(given) is not None) == known


def test_a_warm_request_is_two_spans() -> None:
    """Its query is nobody's business."""
    server, upstream = spans_of(WARM, lambda: b"x" * 8)
    assert (server.kind, server.id, server.parent, server.name) == (SERVER, SPAN, b"", "GET")
    assert (upstream.kind, upstream.id, upstream.parent) == (CLIENT, b"u" * 8, SPAN)
    assert (upstream.start, upstream.end, upstream.first_byte) == (10.001, 11.0, 10.9)
    assert "secret" not in str(server)
    assert server.attributes["kn.revision.name"] == "web-00001"
    assert server.failure == upstream.failure == ""


def test_a_cold_one_shows_what_it_waited_for() -> None:
    numbers = ids()
    cold = Traced(**{
        **{name: getattr(WARM, name) for name in WARM.__struct_fields__},
        "waited": True, "granted": 10.2, "decided": 10.001, "started": 10.005, "listening": 10.19,
        "ready": 10.2,
    })  # fmt: skip
    spans = {one.name: one for one in spans_of(cold, lambda: bytes([next(numbers)]) * 8)}
    assert list(spans) == ["GET", "queue", "cold start", "upstream"]
    queue, start = spans["queue"], spans["cold start"]
    assert (queue.kind, queue.parent, queue.start, queue.end) == (INTERNAL, SPAN, 10.0, 10.2)
    assert (start.parent, start.start, start.end) == (queue.id, 10.0, 10.2)
    assert start.attributes["utsuwa.cold_start.listen_ms"] == pytest.approx(185)
    assert sum(float(value) for value in start.attributes.values()) == pytest.approx(200)


def test_one_that_never_got_a_pod_has_no_upstream() -> None:
    left = Traced(
        "default/web-00001", "", TRACE, b"", SPAN, b"u" * 8, 10.0, 12.0, waited=True, status=499
    )
    server, queue = spans_of(left, lambda: b"x" * 8)
    assert (queue.start, queue.end) == (10.0, 12.0)
    assert server.failure == "the client left"


def test_a_failure_is_marked() -> None:
    failed = Traced("default/web-00001", "", TRACE, b"", SPAN, b"u" * 8, 10.0, 12.0, status=503)
    assert spans_of(failed, lambda: b"x" * 8)[0].failure == "status 503"
