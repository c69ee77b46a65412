"""A client's connection: one request after another, each from its head to the end of its answer.

The connection itself is the request that waits in its revision's line and the exchange that a
:class:`PodConnection` carries: nothing is made anew for a request.
"""

from math import inf
from typing import TYPE_CHECKING

from utsuwa.gateway.accounting import CLIENT_LEFT
from utsuwa.gateway.admission import QueueFullError
from utsuwa.gateway.answers import unknown_host
from utsuwa.gateway.exchange import Upstream
from utsuwa.gateway.flow import pause
from utsuwa.gateway.http1 import request
from utsuwa.gateway.http1.chunked import ChunkedBody
from utsuwa.gateway.http1.connection import (
    ACTIVE,
    CLOSED,
    DISCARD,
    IDLE,
    LINGER,
    TUNNEL,
    WAITING,
    Connection,
)
from utsuwa.gateway.http1.errors import BadMessageError, UpgradeOffer
from utsuwa.gateway.http1.fields import CHUNKED, UNTIL_CLOSE
from utsuwa.gateway.http1.request import MAX_HEAD
from utsuwa.gateway.http1.response import ResponseHead, with_connection, without_chunks
from utsuwa.gateway.http2.bridges import FromHttp1
from utsuwa.gateway.http2.connection import take_over
from utsuwa.gateway.http2.framing import PREFACE
from utsuwa.gateway.http2.upstream import PodSession
from utsuwa.gateway.upstream import Pod

if TYPE_CHECKING:
    from utsuwa.gateway.table import Host

_REMEMBER = 2048
"""Longest head in bytes that is kept to be recognised when it comes again."""


class ClientConnection(Connection):
    """One client over HTTP/1.1 or 1.0: its requests, and the answers that pass to it.

    For the state, see :class:`Connection`.
    """

    __slots__ = ()

    # --- from the client ------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        if self._state == IDLE:
            if self._buffer:
                data = self._buffer + data
                self._buffer = b""
            self._read_heads(data)
        elif self._state == TUNNEL:
            if self.upstream is not None:
                self.upstream.transport.write(data)
        elif self._state == LINGER:
            pass
        elif self._body_left:
            self._read_body(data)
        else:
            self._hold(data)

    def _read_heads(self, data: bytes) -> None:
        """Take the first request of `data`; the others (pipelining) follow when it is answered."""
        self._reading = True
        while data and self._state == IDLE:
            end = data.find(b"\r\n\r\n") + 4
            if end == 3 or end > MAX_HEAD:
                self._incomplete(data)
                break
            raw = data if end == len(data) else data[:end]
            if raw != self._raw:
                if raw[0] in b"\r\n":
                    data = data.lstrip(b"\r\n")  # RFC 9112 §2.2: empty lines before a request
                    continue
                try:
                    self.head = request.parse(raw, self.peer)
                except BadMessageError as error:
                    if not self._speaks_http2(data):
                        self._refuse(error)
                    break
                except UpgradeOffer as offer:
                    self._switch(data, offer.settings, end)
                    break
                self._raw = raw if end <= _REMEMBER else b""
            self._begin(data, end)
            data, self._buffer = self._buffer, b""
        else:
            self._buffer = data
        self._reading = False

    def _incomplete(self, data: bytes) -> None:
        data = data.lstrip(b"\r\n") if data[0] in b"\r\n" else data
        try:
            if data:
                request.check_start(data)
        except BadMessageError as error:
            if not self._speaks_http2(data):
                self._refuse(error)
            return
        if not self._buffer and self.deadline == inf:
            self.deadline = self.core.monotonic() + self.core.limits.header_timeout
        self._buffer = data

    def _speaks_http2(self, data: bytes) -> bool:
        """Whether what is no HTTP/1.1 is the beginning of HTTP/2: then it is spoken from now on."""
        if hasattr(self, "head") or not PREFACE.startswith(data[: len(PREFACE)]):
            return False
        if len(data) < len(PREFACE):
            self._buffer = data
        else:
            self._switch(data)
        return True

    def _switch(self, data: bytes, settings: bytes | None = None, end: int = 0) -> None:
        """Go on in HTTP/2; the first `end` bytes of `data` are the request that asked for it."""
        self.core.connections.discard(self)
        self.deadline = inf
        self._state = CLOSED
        self._buffer = b""
        take_over(self.core, self.transport, data, settings=settings, end=end)

    def _begin(self, data: bytes, end: int) -> None:
        head = self.head
        core = self.core
        self.plain = head.plain and self._keep
        self._status = 0
        self._retried = False
        self._decode = False
        self._replay = head.out
        self._body_left = head.length
        if head.length or end != len(data):
            self._first_body(data, end)
            if self._state != IDLE:
                return
        host = core.hosts.get(head.host)
        if host is None or head.special:
            host = self._elsewhere(host)
            if host is None:
                return
        revision = self._revision = host.revision or host.pick(core.random)
        now = self._arrival = core.now()
        usage = revision.usage
        if usage is None:
            usage = revision.first_request(now, head.target, self.peer)
        self._usage = usage
        usage.enter(now)
        self.deadline = now + revision.patience
        if revision.set_fields:
            self._set_fields(host.fields_of(revision))
        self._state = WAITING
        try:
            pod = revision.arrive(self)
        except QueueFullError:
            self.refused("pending request queue full")
            return
        if pod is not None:
            self.granted(pod)
        elif revision.unavailable:
            revision.refuse_if_hopeless()

    def _elsewhere(self, host: "Host | None") -> "Host | None":
        """Where a special request for `host` goes; None when it is answered here."""
        head = self.head
        if host is None:
            self._reply(404, unknown_host(head.host))
        elif head.probe is not None:
            self._reply_probe(head.probe)
        else:
            return host.tagged(head.tag)
        return None

    def _set_fields(self, fields: tuple[tuple[bytes, bytes], ...]) -> None:
        if fields and self._replay is not None:
            body = self._replay[len(self.head.out) :]
            self._replay = request.with_fields(self.head.out, fields) + body

    def _first_body(self, data: bytes, end: int) -> None:
        rest = data[end:] if end < len(data) else b""
        if self.head.length:
            self.plain = False
            self._body_chunks = ChunkedBody() if self.head.length == CHUNKED else None
            if rest:
                self._read_body(rest)
        elif rest:
            self._hold(rest)

    def _read_body(self, data: bytes) -> None:
        """More of the request's body: on to the pod, or kept until there is one."""
        try:
            end = self._body_end(data)
        except BadMessageError as error:
            self._break_off(error)
            return
        if end >= 0:
            self._body_left = 0
            self._body_chunks = None
            if end < len(data):
                self._hold(data[end:])
                data = data[:end]
            self.plain = self.head.plain and self._keep and self._status == 0
        if self._state == DISCARD:
            if end >= 0:
                self.deadline = inf
                self._next()
            return
        limit = self.core.limits.replay
        replay = self._replay
        if self.upstream is not None:
            if replay is not None:
                self._replay = replay + data if len(replay) + len(data) <= limit else None
            self.upstream.transport.write(data)
        elif replay is not None:
            self._replay = replay = replay + data
            if len(replay) > limit:
                self._pause_reading()

    def _body_end(self, data: bytes) -> int:
        if self._body_chunks is not None:
            return self._body_chunks.feed(data)
        left = self._body_left
        if len(data) < left:
            self._body_left = left - len(data)
            return -1
        return left

    def _hold(self, data: bytes) -> None:
        """Bytes of later requests."""
        self._buffer += data
        if len(self._buffer) > self.core.limits.hold:
            self._pause_reading()

    def eof_received(self) -> bool:
        """The client sends no more: it left, unless it had announced its last request."""
        self._eof = True
        if self._state == TUNNEL and self.upstream is not None:
            if self._pod_eof:
                return False  # neither side has more to say
            if self.upstream.transport.can_write_eof():
                self.upstream.transport.write_eof()
            return True
        under_way = self._state in {WAITING, ACTIVE}
        return under_way and not self._body_left and not (self.head.keep_alive and self._keep)

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

    # --- from admission -------------------------------------------------------------------------

    def granted(self, backend: Pod) -> None:
        """A slot on `backend` is ours: use its newest warm connection, or open one."""
        self.backend = backend
        if backend.idle:
            self.connected(backend.idle.popitem()[0])
        else:
            backend.dial(self)

    def refused(self, reason: str) -> None:
        """We wait in vain."""
        self._reply(503, reason)

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

    def disconnected(self) -> None:
        """There was no connection to be had on the pod: we are back in line."""
        self.backend = None

    # --- from the pod ---------------------------------------------------------------------------

    def answered(self, data: bytes, status: int) -> None:
        """The whole response, as it is."""
        self.upstream = None  # before the write, which may ask it to pause
        self.transport.write(data)
        self._end(status)
        if self._buffer or not self._keep or self._read_paused:
            self._next()

    def response_head(self, head: ResponseHead) -> None:
        """A head that needs a look: what stands in Connection is between us and the client."""
        mine = self.head
        if head.status < 200:
            if mine.http11:
                self._write(head.out)
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
        if not keep:
            out = with_connection(out, b"close")
        elif not mine.http11:
            out = with_connection(out, b"keep-alive")
        self._write(out)

    def response_body(self, data: bytes, chunks: ChunkedBody | None) -> bool:
        """More of the body."""
        if chunks is None:
            self._write(data)
            return False
        content: list[bytes] | None = [] if self._decode else None
        end = chunks.feed(data, 0, content)
        if content is not None:
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

    def switched(self, head: ResponseHead, rest: bytes) -> None:
        """101: from now on bytes pass both ways, and what the client sent ahead goes first."""
        self._state = TUNNEL
        self._status = 101
        self._write(head.out + rest)
        ahead, self._buffer = self._buffer, b""
        if ahead and self.upstream is not None:
            self.upstream.transport.write(ahead)
        self._resume_reading()

    def tunnel_data(self, data: bytes) -> None:
        """Bytes from the pod after the switch."""
        self.transport.write(data)

    def tunnel_eof(self) -> None:
        """The pod sends no more."""
        if self._eof:
            self.transport.close()
        else:
            self._pod_eof = True
            self.transport.write_eof()

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
        self._reply(502, f"{reason} (revision {self._revision.name}); see `utsuwa logs`")

    def sent_whole(self) -> bool:
        """Whether the client has sent all of its request."""
        return not self._body_left

    def pause_upload(self) -> None:
        """The pod reads too slowly."""
        self._pause_reading()

    def resume_upload(self) -> None:
        """The pod reads again."""
        self._resume_reading()

    def _write(self, data: bytes) -> None:
        self.transport.write(data)
        if self._revision.idle_timeout:
            self._last_write = self.core.monotonic()

    def _end(self, status: int) -> None:
        """The request is over: books, slot, connection."""
        core = self.core
        now = core.now()
        self._usage.leave(now, status, now - self._arrival)
        self.deadline = inf
        self._replay = None
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            upstream.detach()
        backend, self.backend = self.backend, None
        if self._state != CLOSED:
            self._state = IDLE
        if backend is not None:
            if upstream is None:
                backend.wanting.pop(self, None)
            self._revision.end(backend)
        else:
            self._revision.abandon(self)
