"""A client's connection: one request after another, each from its head to the end of its answer.

The connection itself is the request that waits in its revision's line and the exchange that a
:class:`PodConnection` carries: nothing is made anew for a request. What the client sends is read
by :class:`Incoming`; here is what admission and pods say to it.
"""

from math import inf

from utsuwa.gateway.accounting import CLIENT_LEFT
from utsuwa.gateway.exchange import Upstream
from utsuwa.gateway.flow import pause
from utsuwa.gateway.http1.chunked import ChunkedBody
from utsuwa.gateway.http1.connection import ACTIVE, CLOSED, IDLE, TUNNEL, WAITING
from utsuwa.gateway.http1.fields import CHUNKED, UNTIL_CLOSE
from utsuwa.gateway.http1.incoming import Incoming
from utsuwa.gateway.http1.response import ResponseHead, with_field, without_chunks
from utsuwa.gateway.http2.bridges import FromHttp1
from utsuwa.gateway.http2.upstream import PodSession


class ClientConnection(Incoming):
    """One client over HTTP/1.1 or 1.0: its requests, and the answers that pass to it.

    For the state, see :class:`Connection`.
    """

    __slots__ = ()

    # --- from admission -------------------------------------------------------------------------

    @property
    def wants_upgrade(self) -> bool:
        """The client asks for another protocol."""
        return self.head.upgrade

    def joined(self, session: PodSession) -> None:
        """Send the request, on a stream of its own."""
        self.connected(FromHttp1(session))

    def connected(self, upstream: Upstream) -> None:
        """Send the request."""
        self.upstream = upstream
        self._state = ACTIVE
        data = self._replay
        assert data is not None
        if len(data) > self.core.limits.replay:
            self._replay = None
        upstream.begin(self, data)
        if self._write_paused:
            pause(upstream.transport)
        if self._read_paused and not upstream.write_paused and not self._buffer:
            self._resume_reading()

    # --- from the pod ---------------------------------------------------------------------------

    def answered(self, data: bytes, status: int) -> None:
        """The whole response, as it is."""
        self.upstream = None  # before the write, which may ask it to pause
        self.transport.write(data)
        if self.core.request_log is not None:
            self._size = len(data) - data.find(b"\r\n\r\n") - 4
        self._end(status)
        if self._buffer or not self._keep or self._read_paused:
            self._next()

    def response_head(self, head: ResponseHead) -> None:
        """A head that needs a look: what stands in Connection is between us and the client."""
        mine = self.head
        if head.status < 200:
            if mine.http11:
                self._write(head.out)
            if head.status == 100:
                self._watch_body()
            return
        self._status = head.status
        out = head.out
        keep = self._keep and mine.keep_alive and self._skippable()
        length = 0 if mine.head_only else head.length
        if not mine.http11:
            out = out.replace(b"HTTP/1.1", b"HTTP/1.0", 1)
            if length == CHUNKED:
                self._decode = True
                out, length = without_chunks(out), UNTIL_CLOSE
        self._keep = keep = keep and length != UNTIL_CLOSE
        self._answer_length, self._answer_chunks = length, None
        if not keep:
            out = with_field(out, b"Connection", b"close")
        elif not mine.http11:
            out = with_field(out, b"Connection", b"keep-alive")
        self._events = b"text/event-stream" in out
        self._write(self._with_own_fields(out, head.status))

    def response_body(self, data: bytes, chunks: ChunkedBody | None) -> bool:
        """More of the body."""
        logged = self.core.request_log is not None
        if chunks is None:
            self._size += len(data) if logged else 0
            self._write(data)
            return False
        self._answer_chunks = chunks
        content: list[bytes] | None = [] if self._decode or logged else None
        end = chunks.feed(data, 0, content)
        if content is not None and logged:
            self._size += sum(map(len, content))
        if content is not None and self._decode:
            data = b"".join(content)
        elif 0 <= end < len(data):
            data = data[:end]
        if data:
            self._write(data)
        return end >= 0

    def response_end(self) -> None:
        """The response is complete."""
        self._detach_upstream()
        self._end(self._status)
        self._next()

    def upstream_lost(self, reason: str, *, begun: bool, stale: bool) -> None:
        """The pod's connection broke: send the request again where that is safe, else say so."""
        backend = self.backend
        self.upstream = None
        if self._state == TUNNEL:
            self.transport.close()
            return
        if begun or backend is None:
            self._status = self._status or 502
            self._end(502)
            self._state = CLOSED
            self.transport.abort()  # a truncated answer must look truncated
            return
        safe = self.head.repeatable or self._body_left != 0
        if stale and safe and self._replay is not None and not self._retried:
            # On a fresh connection: the other warm ones may be as dead as this one was.
            self._retried = True
            self._state = WAITING
            backend.dial(self)
            return
        self.reply(502, f"{reason} (revision {self._revision.name}); see `utsuwa logs`")

    def sent_whole(self) -> bool:
        """Whether the client has sent all of its request."""
        return not self._body_left

    def pause_upload(self) -> None:
        """The pod reads too slowly."""
        self._pause_reading()

    def resume_upload(self) -> None:
        """The pod reads again."""
        self._resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self.core.connections.discard(self)
        self.deadline = inf
        state, self._state = self._state, CLOSED
        if state == TUNNEL:
            if self.upstream is not None:
                self.upstream.finish()
                self.upstream = None
            self._end(101)
        elif state in {WAITING, ACTIVE}:
            self._end(CLIENT_LEFT)

    def _write(self, data: bytes) -> None:
        self.transport.write(data)
        if self._revision.idle_timeout:
            self._last_write = self.core.monotonic()

    def _end(self, status: int) -> None:
        """The request is over: books, slot, connection."""
        if self._status == 101:
            self._usage.tunnels -= 1
        self.deadline = inf
        self._replay = None
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            upstream.detach()
        if self._state != CLOSED:
            self._state = IDLE
        self.settle(self.core.now(), status, upstream is not None)
