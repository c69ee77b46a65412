"""Which requests are traced, and their moments. Nothing of this is in the path while tracing is off.

A request that says it is part of a sampled trace is traced; one that says nothing is with the
probability that control told us; one whose trace is not sampled goes on as it came.
"""

import math
import random
from typing import TYPE_CHECKING

from utsuwa.routing.messages import Traced, Traces
from utsuwa.routing.tracing import context_of, traceparent

if TYPE_CHECKING:
    from utsuwa.gateway.births import Birth
    from utsuwa.gateway.http1.request import Peer

PARENT = b"traceparent"
_IN_HEAD = b"\r\ntraceparent:"
_NEVER = 1 << 62
MOST_A_SECOND = 1_000
"""Requests told of each second; of more, only how many they were."""


class Trace:
    """One traced request. Mutable state: `granted`, `begun` (monotonic, None before), `waited`."""

    __slots__ = (
        "arrived", "begun", "granted", "offset", "parent", "span", "trace", "upstream", "waited",
    )  # fmt: skip

    def __init__(self, trace: bytes, parent: bytes, ids: int, arrived: float, now: float) -> None:
        """`ids`: 128 random bits, for two spans; `arrived` is monotonic, and `now` the Unix time of
        that moment."""
        both = ids.to_bytes(16, "big")
        self.trace = trace
        self.parent = parent
        self.span, self.upstream = both[:8], both[8:]
        self.arrived = arrived
        self.offset = now - arrived
        self.granted: float | None = None
        self.begun: float | None = None
        self.waited = False

    def __repr__(self) -> str:
        return f"<Trace {self.trace.hex()} span {self.span.hex()}>"

    @property
    def field(self) -> tuple[bytes, bytes]:
        """What the pod is told."""
        return (PARENT, traceparent(self.trace, self.upstream))


class Tracer:
    """Decides, and collects what is to be told.

    Mutable state: `skip`, `_waiting`, `_dropped`. No dice are thrown for each request: `skip` is how
    many more requests that say nothing of a trace are let pass; whoever looks at one counts down.
    """

    __slots__ = ("_dropped", "_random", "_waiting", "rate", "skip")

    def __init__(self, rate: float, source: random.Random) -> None:
        self.rate = rate
        self._random = source
        self.skip = self._gap()
        self._waiting: list[Traced] = []
        self._dropped = 0

    def __repr__(self) -> str:
        return f"<Tracer rate={self.rate} waiting={len(self._waiting)}>"

    def _gap(self) -> int:
        """Requests until the next one that is picked: each of them as if dice were thrown.

        Worked example: at a rate of 0.01, 99 on average.
        """
        if self.rate <= 0:
            return _NEVER
        if self.rate >= 1:
            return 0
        return int(math.log(1.0 - self._random.random()) / math.log(1.0 - self.rate))

    def begin(self, given: bytes, arrived: float, now: float) -> Trace | None:
        """A request has come, with `given` in its `traceparent` field, or `skip` is below 0."""
        context = context_of(given) if given else None
        bits = self._random.getrandbits
        if context is not None:
            if not context.sampled:
                return None
            return Trace(context.trace, context.parent, bits(128), arrived, now)
        if self.skip >= 0:
            return None
        self.skip = self._gap()
        return Trace(bits(128).to_bytes(16, "big"), b"", bits(128), arrived, now)

    def end(
        self, trace: Trace, now: float, request: "Ended", *, cold: "Birth | None" = None
    ) -> None:
        """It is over, `now` (monotonic); it waited for the pod whose birth is `cold`."""
        if len(self._waiting) >= MOST_A_SECOND:
            self._dropped += 1
            return
        at = trace.offset
        self._waiting.append(Traced(
            revision=request.revision, uid=request.uid,
            trace=trace.trace, parent=trace.parent, span=trace.span, upstream=trace.upstream,
            arrived=trace.arrived + at, ended=now + at,
            granted=0.0 if trace.granted is None else trace.granted + at,
            first_byte=0.0 if trace.begun is None else trace.begun + at, waited=trace.waited,
            method=request.method.decode("latin-1"), path=request.target[:1024].decode("latin-1"),
            host=request.host.decode("latin-1"), client=request.peer.address.decode("latin-1"),
            scheme=request.peer.scheme.decode(), status=request.status,
            decided=cold.decided if cold else 0.0, started=cold.started if cold else 0.0,
            listening=cold.listening if cold else 0.0, ready=cold.ready if cold else 0.0,
        ))  # fmt: skip

    def take(self) -> Traces | None:
        """What is new since the last call."""
        if not self._waiting and not self._dropped:
            return None
        told = Traces(tuple(self._waiting), self._dropped)
        self._waiting, self._dropped = [], 0
        return told


class Ended:
    """What a traced request was."""

    __slots__ = ("host", "method", "peer", "revision", "status", "target", "uid")

    def __init__(
        self,
        revision: str,
        uid: str,
        request: tuple[bytes, bytes, bytes],
        peer: "Peer",
        status: int,
    ) -> None:
        """`request`: method, target and host."""
        self.revision = revision
        self.uid = uid
        self.method, self.target, self.host = request
        self.peer = peer
        self.status = status


def in_head(out: bytes) -> bytes:
    """The `traceparent` in the head of an HTTP/1.1 request, or b""; two of them are none."""
    lower = out.lower()
    start = lower.find(_IN_HEAD)
    if start < 0 or lower.find(_IN_HEAD, start + 1) >= 0:
        return b""
    start += len(_IN_HEAD)
    return out[start : out.find(b"\r\n", start)].strip()
