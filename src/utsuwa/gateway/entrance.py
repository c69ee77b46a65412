"""The way of a request into its revision, whatever the client speaks: pick, books, line, slot."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from utsuwa.gateway.admission import QueueFullError
from utsuwa.gateway.request_log import Answer
from utsuwa.gateway.sessions import set_cookie
from utsuwa.gateway.tracing import Ended
from utsuwa.routing.receipts import server_timing

if TYPE_CHECKING:
    from utsuwa.gateway.accounting import Usage
    from utsuwa.gateway.core import Core
    from utsuwa.gateway.host import Host
    from utsuwa.gateway.http1.request import Peer, RequestHead
    from utsuwa.gateway.http2.translate import StreamHead
    from utsuwa.gateway.http2.upstream import PodSession
    from utsuwa.gateway.pod import Pod
    from utsuwa.gateway.revision import Revision
    from utsuwa.gateway.tracing import Trace
    from utsuwa.gateway.upstream import PodConnection


_NONE: tuple[str, ...] = ()
"""The slots are the heirs': a class cannot have two ancestors that have some."""


class Entrant(ABC):
    """A request that knows its host: a connection of HTTP/1.1, or a stream.

    Mutable state, kept by the heirs: `backend` (the pod on which it has a slot), `deadline`,
    `_revision`, `_usage`, `_arrival`, `_cold`, `_trace` (None: it is not traced); `_status`, `_size` and
    `_last_write` of its answer.
    """

    __slots__ = _NONE

    core: "Core"
    peer: "Peer"
    head: "RequestHead | StreamHead"
    backend: "Pod | None"
    deadline: float
    _revision: "Revision"
    _usage: "Usage"
    _arrival: float
    _last_write: float
    _cold: float
    """Its arrival, if it found no pod, or one that may be frozen; that of an earlier request, or
    less, if it found one."""
    _trace: "Trace | None"
    _status: int
    """Of its answer, 0 before that has begun."""
    _size: int
    """Of its answer's content as far as it has passed; counted while requests are logged."""

    @property
    def revision(self) -> "Revision":
        """The one that was picked."""
        return self._revision

    def enter(self, host: "Host", target: bytes) -> None:
        """Pick a revision of `host`, open the request's books, and take a slot or wait for one."""
        core = self.core
        revision = self._revision = host.revision or self._pick(host)
        now = self._arrival = core.now()
        usage = revision.usage
        if usage is None:
            usage = revision.first_request(now, self.head.method, target, self.peer)
        self._usage = usage
        usage.enter(now)
        self.deadline = now + revision.patience
        if revision.prepares:
            self._prepare(host, revision)
        try:
            pod = self._come_back(revision) if revision.sticky else revision.arrive(self)
        except QueueFullError:
            self.refused("pending request queue full")
            return
        if pod is not None:
            self.granted(pod)
            return
        if self._trace is not None:
            self._trace.waited = True
        if not revision.has_backends:
            self._cold = now
            self.look_at_answer()
        if revision.unavailable:
            revision.refuse_if_hopeless()

    def _prepare(self, host: "Host", revision: "Revision") -> None:
        """What is set on the request: by its split, and by its trace if it has one."""
        fields = host.fields_of(revision) if host.sets_fields else ()
        tracer = self.core.tracer
        if tracer is not None:
            tracer.skip -= 1
            given = self.trace_context()
            if given or tracer.skip < 0:
                trace = tracer.begin(given, self._arrival, self.core.clock.now())
                if trace is not None:
                    self._trace = trace
                    self.look_at_answer()
                    fields = (*fields, trace.field)
        if fields:
            self.set_fields(fields)

    def _pick(self, host: "Host") -> "Revision":
        uid = self.bound_to() if host.sticky else ""
        return (host.revision_with(uid) if uid else None) or host.pick(self.core.random)

    def _come_back(self, revision: "Revision") -> "Pod | None":
        self.look_at_answer()
        uid = self.bound_to()
        pod = revision.pods.get(uid) if uid else None
        return revision.arrive(self) if pod is None else revision.arrive_at(pod, self)

    def new_session(self) -> bytes:
        """The Set-Cookie that brings the client back to the pod that answers; empty: it has it."""
        pod = self.backend
        if pod is None or pod.uid in {"", self.bound_to()}:  # "": our successor, which sets it
            return b""
        return set_cookie(pod.uid, secure=self.peer.scheme == b"https")

    # --- from admission -------------------------------------------------------------------------

    def granted(self, backend: "Pod") -> None:
        """A slot on `backend` is ours: use its newest warm connection, or open one."""
        self.backend = backend
        if self._trace is not None:
            self._trace.granted = self.core.monotonic()
        if backend.idle:
            self.connected(backend.idle.popitem()[0])
        elif backend.rest is not None and not backend.rest.awake:
            self._cold = self._arrival
            self.look_at_answer()
            backend.rest.wake_for(self)
        else:
            backend.dial(self)

    def refused(self, reason: str) -> None:
        """We wait in vain."""
        self.reply(503, reason)

    def disconnected(self) -> None:
        """There was no connection to be had on the pod: we are back in line."""
        self.backend = None

    # --- the ends -------------------------------------------------------------------------------

    def rearm(self) -> float:
        """Set `deadline` anew, now that more may have been written; answers it."""
        started = self._status != 0
        due = self.deadline = self._revision.deadline(
            self._arrival,
            last_write=self._last_write if started else self._arrival,
            started=started,
        )
        return due

    def settle(self, now: float, status: int, carried: bool) -> None:
        """The request is over: close its books, leave the slot or the line.

        `carried`: it had got a connection to its pod.
        """
        self._usage.leave(now, status, now - self._arrival)
        log = self.core.request_log
        if log is not None:
            log.request(self, Answer(status, self._size, now - self._arrival))
            self._size = 0
        backend, self.backend = self.backend, None
        if self._trace is not None:
            self._tell_trace(now, status, backend)
        if backend is None:
            self._revision.abandon(self)
            return
        if not carried:
            backend.wanting.pop(self, None)
        self._revision.end(backend)

    def _tell_trace(self, now: float, status: int, backend: "Pod | None") -> None:
        trace, self._trace = self._trace, None
        tracer, head = self.core.tracer, self.head
        if trace is None or tracer is None:  # tracing was turned off meanwhile
            return
        uid = "" if backend is None else backend.uid
        cold = backend.birth if backend is not None and self._cold == self._arrival else None
        request = (head.method, head.target, head.host)
        ended = Ended(self._revision.name, uid, request, self.peer, status)
        tracer.end(trace, now, ended, cold=cold)

    # --- for the heirs --------------------------------------------------------------------------

    @property
    @abstractmethod
    def wants_upgrade(self) -> bool:
        """The client asks for another protocol."""

    @abstractmethod
    def bound_to(self) -> str:
        """The pod that the client's cookie names, or ""."""

    @abstractmethod
    def trace_context(self) -> bytes:
        """What the client says its request is part of: `traceparent`, or b""."""

    @abstractmethod
    def look_at_answer(self) -> None:
        """The answer must not pass unseen: we may have a field to add."""

    def receipt(self, status: int) -> bytes:
        """The answer to a cold request begins, with `status`: note what it waited for; what its
        client is to be told of that, if anything."""
        core, backend, head = self.core, self.backend, self.head
        if backend is None or not backend.uid:  # our successor writes it
            return b""
        start = backend.birth.receipt(
            self._revision.name,
            backend.uid,
            waited=core.monotonic() - self._arrival,
            now=core.clock.now(),
            request=(head.method, head.target),
            status=status,
        )
        if backend.rest is not None and not start.thawed and start.ready < start.queued:
            return b""  # it might have been frozen, and was not
        core.cold_starts.append(start)
        asked = self._revision.receipts or self.asks_for_receipt()
        return server_timing(start).encode() if asked else b""

    @abstractmethod
    def asks_for_receipt(self) -> bool:
        """The client wants to know what a cold start cost."""

    @abstractmethod
    def set_fields(self, fields: tuple[tuple[bytes, bytes], ...]) -> None:
        """Set these on the request to the pod."""

    @abstractmethod
    def connected(self, upstream: "PodConnection") -> None:
        """Send the request over HTTP/1.1."""

    @abstractmethod
    def joined(self, session: "PodSession") -> None:
        """Send the request over HTTP/2."""

    @abstractmethod
    def upstream_lost(self, reason: str, *, begun: bool, stale: bool) -> None:
        """The pod's connection broke."""

    @abstractmethod
    def reply(self, status: int, text: str) -> None:
        """Answer in the pod's stead."""
