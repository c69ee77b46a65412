"""Traces: the context that requests carry (W3C Trace Context), and the spans of one request. Pure.

The gateway notes moments; what spans they are is decided here, for whoever exports them.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from utsuwa.routing.messages import ColdStart, Traced
from utsuwa.routing.receipts import milliseconds, phases

_PARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED = 1
SERVER, INTERNAL, CLIENT = "server", "internal", "client"
"""Kinds of spans: of the whole request; within it; of what the pod was asked."""

Value = str | int | float


class TraceContext(NamedTuple):
    """What a request says it is part of."""

    trace: bytes
    """16 bytes."""
    parent: bytes
    """8 bytes: the caller's span."""
    sampled: bool


def context_of(value: bytes) -> TraceContext | None:
    """The context in a `traceparent` field; None where it is malformed, and a new trace begins.

    >>> context_of(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").sampled
    True
    """
    match = _PARENT.fullmatch(value.strip())
    if match is None:
        return None
    version, trace, parent, flags, rest = match.groups()
    if version == b"ff" or (version == b"00" and rest):
        return None
    if not trace.strip(b"0") or not parent.strip(b"0"):
        return None
    sampled = bool(int(flags, 16) & _SAMPLED)
    return TraceContext(bytes.fromhex(trace.decode()), bytes.fromhex(parent.decode()), sampled)


def traceparent(trace: bytes, span: bytes) -> bytes:
    """The field that names `span` as the parent of what follows; it is sampled."""
    return b"00-%b-%b-01" % (trace.hex().encode(), span.hex().encode())


class Span(NamedTuple):
    """One span. Times in Unix seconds."""

    name: str
    kind: str
    trace: bytes
    id: bytes
    parent: bytes
    """Empty: it has none."""
    start: float
    end: float
    attributes: dict[str, Value]
    failure: str = ""
    """What went wrong, if anything did."""
    first_byte: float = 0.0
    """When the answer began; 0: it did not."""


def spans_of(traced: Traced, new_id: Callable[[], bytes]) -> list[Span]:
    """The spans of a request: itself, its wait, the cold start that it waited for, and what its pod
    was asked. `new_id` makes those ids that nobody was told."""
    server = Span(
        traced.method, SERVER, traced.trace, traced.span, traced.parent,
        traced.arrived, traced.ended, _attributes(traced), _failure(traced.status),
    )  # fmt: skip
    spans = [server]
    granted = traced.granted or traced.ended
    if traced.waited:
        queue = Span(
            "queue", INTERNAL, traced.trace, new_id(), traced.span, traced.arrived, granted, {}
        )
        spans.append(queue)
        if traced.ready:
            spans.append(_cold_start(traced, new_id(), queue.id))
    if traced.granted:
        told: dict[str, Value] = {
            "k8s.pod.uid": traced.uid,
            "http.request.method": traced.method,
            "http.response.status_code": traced.status,
        }
        spans.append(Span(
            "upstream", CLIENT, traced.trace, traced.upstream, traced.span,
            granted, traced.ended, told, _failure(traced.status), traced.first_byte,
        ))  # fmt: skip
    return spans


def _cold_start(traced: Traced, own: bytes, parent: bytes) -> Span:
    end = min(max(traced.ready, traced.arrived), traced.granted or traced.ended)
    start = ColdStart(
        traced.revision, traced.uid, traced.arrived, traced.decided, traced.started,
        traced.listening, traced.ready, end,
    )  # fmt: skip
    told: dict[str, Value] = {
        f"utsuwa.cold_start.{name}_ms": milliseconds(seconds)
        for name, seconds in phases(start).items()
        if name != "first-byte"  # that is the upstream's
    }
    return Span("cold start", INTERNAL, traced.trace, own, parent, traced.arrived, end, told)


def _attributes(traced: Traced) -> dict[str, Value]:
    """In the words of OpenTelemetry. A query may hold what is nobody's business: it is left out."""
    namespace, _, revision = traced.revision.partition("/")
    return {
        "http.request.method": traced.method,
        "http.response.status_code": traced.status,
        "url.scheme": traced.scheme,
        "url.path": traced.path.partition("?")[0],
        "server.address": traced.host,
        "client.address": traced.client,
        "k8s.namespace.name": namespace,
        "kn.revision.name": revision,
    }


def _failure(status: int) -> str:
    if status == 499:
        return "the client left"
    return f"status {status}" if status >= 500 else ""
