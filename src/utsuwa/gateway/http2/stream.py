"""A request on a client's stream: from its header block to the end of its answer.

Like a :class:`ClientConnection` it waits in its revision's line, holds a slot, is in the books and
has its limits of time; unlike one it does not know what its pod speaks: that is its carrier's.
"""

from math import inf
from typing import TYPE_CHECKING

from utsuwa.gateway.accounting import CLIENT_LEFT
from utsuwa.gateway.answers import https_url, unknown_host
from utsuwa.gateway.births import ASKED_NAME
from utsuwa.gateway.entrance import Entrant
from utsuwa.gateway.http1.errors import BadMessageError, late_body
from utsuwa.gateway.http2 import translate
from utsuwa.gateway.http2.answers import give_answer, give_reply, grpc_trailers, redirect
from utsuwa.gateway.http2.bridges import ToHttp1
from utsuwa.gateway.http2.framing import INTERNAL_ERROR, PROTOCOL_ERROR
from utsuwa.gateway.http2.session import Stream
from utsuwa.gateway.http2.translate import Field, Fields, StreamHead
from utsuwa.gateway.sessions import in_cookie
from utsuwa.gateway.tracing import PARENT

if TYPE_CHECKING:
    from utsuwa.gateway.host import Host
    from utsuwa.gateway.http1.request import Peer
    from utsuwa.gateway.http2.connection import ClientSession
    from utsuwa.gateway.http2.exchange import Carrier
    from utsuwa.gateway.http2.upstream import PodSession
    from utsuwa.gateway.upstream import PodConnection

_NEW, _WAITING, _ACTIVE, _DONE = range(4)
_STATES = ("new", "waiting", "active", "done")
_EVENTS = (b"content-type", b"text/event-stream")
_TRIES = 3
"""How often a request goes out that pods say they have not looked at."""


class ClientStream(Entrant, Stream):
    """One request over HTTP/2, and the answer that passes to it.

    Mutable state, next to that of :class:`Stream`:

    * `_state`: new (no request yet), waiting (for a slot or a connection), active (on a pod),
      done (out of the books; its last bytes may still be on their way out);
    * `_last_read`, when more of the request's content came, or since when it may, and `_untaken`,
      bytes of it that wait for the pod;
    * `_content`: what of the request's body has come, as long as it can be sent (again), and
      `_request_trailers`;
    * `_bare`: the header block was all of the request;
    * `_status` of the answer that has begun, else 0.
    """

    __slots__ = (
        "_arrival", "_bare", "_cold", "_content", "_content_size", "_events", "_extra", "_last_read", "_last_write",
        "_received",
        "_replayable", "_request_trailers", "_revision", "_size", "_state", "_status", "_trace", "_tries", "_untaken",
        "_usage",
        "backend", "carrier", "core", "deadline", "head", "peer",
    )  # fmt: skip

    head: StreamHead
    session: "ClientSession"
    wants_upgrade = False
    """No protocol is switched on a stream."""

    def __init__(self, session: "ClientSession", stream_id: int, peer: "Peer") -> None:
        super().__init__(session, stream_id)
        self.core = session.core
        self.peer = peer
        self.deadline = inf
        self.backend = None
        self.carrier: Carrier | None = None
        self._state = _NEW
        self._arrival = self._last_write = 0.0
        self._cold = -1.0
        self._last_read = inf
        self._untaken = 0
        self._content: list[bytes] = []
        self._content_size = self._received = 0
        self._replayable = True
        self._bare = False
        self._request_trailers: Fields | None = None
        self._extra: tuple[Field, ...] = ()
        self._trace = None
        self._status = self._size = 0
        self._events = False
        self._tries = 0

    def __repr__(self) -> str:
        return f"<ClientStream {self.id} {_STATES[self._state]} backend={self.backend}>"

    # --- from the client ------------------------------------------------------------------------

    def begin(self, head: StreamHead) -> None:
        """A request has come; `got_end` says whether all of it."""
        self.head = head
        self._bare = self.got_end
        if self.got_end and head.length:
            self.refuse(BadMessageError(400, "the body is shorter than content-length says"))
            return
        host = self.core.hosts.get(head.host)
        if host is None:
            host = self._elsewhere(head)
            if host is None:
                return
        if head.probe is not None:
            self._state = (
                _DONE  # answered for the platform: it is no application's, and in no books
            )
            give_reply(self, head.probe, head_only=head.head_only)
            log = self.core.request_log
            if log is not None and log.probes:
                log.probe(host, head, self.peer, head.probe[0])
            return
        if host.routes_by_tag:
            host = host.tagged(dict(head.fields).get(b"knative-serving-tag", b""))
        self._state = _WAITING
        self.enter(host, head.target)
        if not (self.got_end or head.grpc or head.expect):
            self._watch_body()

    def bound_to(self) -> str:
        """The pod that the client's cookies name, or ""."""
        found = (in_cookie(value) for name, value in self.head.fields if name == b"cookie")
        return next((uid for uid in found if uid), "")

    def _elsewhere(self, head: StreamHead) -> "Host | None":
        """Where a request goes whose host is not served to everyone; None: it is answered here."""
        host = self.core.within(head.host, self.session.transport)
        if host is not None:
            return host
        host = self.core.redirected.get(head.host)
        if host is None:
            self.reply(404, unknown_host(head.host))
        elif self.peer.scheme == b"https" or (b"x-forwarded-proto", b"https") in head.fields:
            return host
        else:
            self._state = _DONE
            redirect(self, https_url(head.host, self.core.https_port, head.target))
        return None

    def trace_context(self) -> bytes:
        """What the client says its request is part of: `traceparent`, or b""; two are none."""
        found = [value for name, value in self.head.fields if name == PARENT]
        return found[0] if len(found) == 1 else b""

    def asks_for_receipt(self) -> bool:
        """The client wants to know what a cold start cost."""
        return any(name == ASKED_NAME for name, _ in self.head.fields)

    def look_at_answer(self) -> None:
        """Each answer is looked at."""

    def set_fields(self, fields: tuple[Field, ...]) -> None:
        """What the split, and the trace, set on the request."""
        self._extra = fields

    def refuse(self, error: BadMessageError) -> None:
        """What came is no request."""
        if self._state in {_WAITING, _ACTIVE}:
            self._end(error.status)
            if error.status != 408:
                self.reset(PROTOCOL_ERROR)
                return
        self._state = _DONE
        give_answer(self, error.status, error.text, grpc=False, head_only=False)

    def upload(self, data: bytes, *, end: bool) -> None:
        """More of the request's content: on to the pod, or kept until there is one."""
        if self._state not in {_WAITING, _ACTIVE}:
            return
        self._received += len(data)
        self._untaken += len(data)
        if not (end or self.head.grpc):
            self._watch_body()
        if not self._fits(end=end):
            self.refuse(BadMessageError(400, "the body is not as long as content-length says"))
            return
        if self._replayable and data:
            self._content.append(data)
            self._content_size += len(data)
        if self.carrier is not None:
            if self._content_size > self.core.limits.replay:
                self._forget_content()
            self.carrier.send(data, end=end)

    def upload_trailers(self, trailers: Fields) -> None:
        """The request is complete, with trailers."""
        if self._state not in {_WAITING, _ACTIVE}:
            return
        if not self._fits(end=True):
            self.refuse(BadMessageError(400, "the body is not as long as content-length says"))
            return
        self._request_trailers = trailers
        if self.carrier is not None:
            self.carrier.finish(trailers)

    def _fits(self, *, end: bool) -> bool:
        length = self.head.length
        return length is None or (self._received == length if end else self._received <= length)

    def _forget_content(self) -> None:
        self._replayable = False
        self._content.clear()
        self._content_size = 0

    def left(self) -> None:
        """The client has reset the stream."""
        if self._state in {_WAITING, _ACTIVE}:
            self._end(CLIENT_LEFT)

    def lost(self, reason: str) -> None:
        """The client is gone."""
        self.left()

    # --- from admission -------------------------------------------------------------------------

    def connected(self, upstream: "PodConnection") -> None:
        """Send the request over HTTP/1.1."""
        chunked = self.head.length is None and not self._bare
        try:
            head = translate.to_http1(self.head, self.peer, self._extra, chunked=chunked)
        except BadMessageError as error:
            upstream.close()
            self.reply(error.status, error.text)
            return
        self._state = _ACTIVE
        carrier = self.carrier = ToHttp1(self, upstream, head)
        carrier.begin(b"".join(self._content), end=self.got_end, trailers=self._request_trailers)
        self._sent_what_came()

    def joined(self, session: "PodSession") -> None:
        """Send the request over HTTP/2."""
        self._state = _ACTIVE
        fields = translate.to_pod(self.head, self.peer, self._extra)
        ended = self.got_end and not self._content_size and not self._request_trailers
        carrier = self.carrier = session.open(self, fields, end=ended)
        if ended:
            return
        content = self._content.copy()
        self._sent_what_came()
        if content:
            carrier.send(b"".join(content), end=self.got_end and not self._request_trailers)
        if self._request_trailers:
            carrier.finish(self._request_trailers)

    def _sent_what_came(self) -> None:
        if self._content_size > self.core.limits.replay:
            self._forget_content()

    # --- from the pod ---------------------------------------------------------------------------

    def uploaded(self, size: int) -> None:
        """The pod has taken content: the client may send more."""
        self._untaken -= size
        if not (self.got_end or self.head.grpc):
            self._watch_body()
        self.take(size)

    def inform(self, status: int, fields: Fields) -> None:
        """1xx."""
        if status == 100 and not self.got_end:
            self._watch_body()
        self.write_head([(b":status", b"%d" % status), *fields], end=False)

    def respond(self, status: int, fields: Fields, *, end: bool) -> None:
        """The answer begins."""
        self._status = status
        self._events = _EVENTS in fields
        self._wrote()
        if self._trace is not None:
            self._trace.begun = self.core.monotonic()
        cookie = self.new_session() if self._revision.sticky else b""
        if cookie:
            fields = [*fields, (b"set-cookie", cookie)]
        if self._cold == self._arrival and (timing := self.receipt(status)):
            fields = [*fields, (b"server-timing", timing)]
        self.write_head([(b":status", b"%d" % status), *fields], end=end)

    def content(self, data: bytes, *, end: bool) -> None:
        """More of it."""
        if self.core.request_log is not None:
            self._size += len(data)
        self._wrote()
        self.write(data, end=end)

    def complete(self, trailers: Fields | None) -> None:
        """All of it."""
        self.carrier = None
        self._end(self._status)
        self.write_end(trailers)

    def sent(self, size: int) -> None:
        """The client takes what the pod sends."""
        if self.carrier is not None:
            self.carrier.took(size)

    def _wrote(self) -> None:
        if self._revision.idle_timeout:
            self._last_write = self.core.monotonic()

    def upstream_lost(self, reason: str, *, begun: bool, stale: bool) -> None:
        """The pod's connection broke: send the request again where that is safe, else say so."""
        self.carrier = None
        backend = self.backend
        safe = self.head.repeatable or not self.got_end
        if not begun and backend is not None and stale and safe and self._may_try_again(1):
            backend.dial(self)
            return
        self._fail(502, f"{reason} (revision {self._revision.name}); see `utsuwa logs`")

    def unprocessed(self) -> None:
        """The pod has not looked at the request: that is always safe to send again."""
        self.carrier = None
        if self.backend is not None and self._may_try_again(_TRIES):
            self.backend.dial(self)
        else:
            self._fail(503, f"the pods of revision {self._revision.name} refuse requests")

    def _may_try_again(self, limit: int) -> bool:
        self._tries += 1
        if self._tries > limit or not self._replayable:
            return False
        self._state = _WAITING
        return True

    def upstream_reset(self, code: int, *, begun: bool) -> None:
        """The pod has broken the request off: so do we."""
        self.carrier = None
        if begun or self.head.grpc:  # a gRPC client knows what each code means
            self._end(self._status or 502)
            self.reset(code)
        else:
            self._fail(502, f"the pod reset the stream with code {code}; see `utsuwa logs`")

    # --- the ends -------------------------------------------------------------------------------

    def expired(self, now: float) -> None:
        """`deadline` has passed."""
        if self._state == _DONE:
            self.reset(INTERNAL_ERROR)  # the client does not take the last bytes of its answer
            return
        if now < self.rearm():
            return
        if self._body_due() <= now:
            self.refuse(late_body(self.core.limits.body_timeout))
        else:
            self._fail(504, "request timeout")

    def rearm(self) -> float:
        """Set `deadline` anew, now that more may have come or been written; answers it."""
        due = self.deadline = min(super().rearm(), self._body_due())
        return due

    def _body_due(self) -> float:
        """When the client is late with its body; never while it is not its turn to send.

        A stream of gRPC may be silent for as long as it likes.
        """
        limit = self.core.limits.body_timeout
        if self.got_end or self._status or self._untaken > 0 or not limit:
            return inf
        return self._last_read + limit

    def _watch_body(self) -> None:
        """From now on it is the client's turn to send more of its body."""
        self._last_read = self.core.monotonic()
        self.deadline = min(self.deadline, self._body_due())
        self.session.deadline = min(self.session.deadline, self.deadline)

    def part(self) -> None:
        """The gateway ends before the request does."""
        if self._state in {_WAITING, _ACTIVE}:
            self._fail(503, "the gateway was stopped")

    def _fail(self, status: int, text: str) -> None:
        """No answer will come from the pod, or no more of it."""
        if not self._status:
            self.reply(status, text)
            return
        self._end(status, ours=True)
        if self.head.grpc:
            self.write_end(grpc_trailers(status, text))
        elif self._events:
            self.write_end(None)  # whoever listens to events comes again
        else:
            self.reset(INTERNAL_ERROR)  # a truncated answer must look truncated

    def reply(self, status: int, text: str) -> None:
        """Answer in the pod's stead."""
        if self._state in {_WAITING, _ACTIVE}:
            self._size = len(text)
            self._end(status, ours=True)
        self._state = _DONE
        give_answer(self, status, text, grpc=self.head.grpc, head_only=self.head.head_only)

    def _end(self, status: int, *, ours: bool = False) -> None:
        """The request is over: books, slot, carrier; `ours`: we have answered it."""
        core = self.core
        now = core.now()
        self._usage.platform_errors += ours
        self.deadline = now + core.limits.header_timeout
        self._state = _DONE
        self._content.clear()
        carrier, self.carrier = self.carrier, None
        if carrier is not None:
            carrier.cancel()
        self.settle(now, status, carrier is not None)
