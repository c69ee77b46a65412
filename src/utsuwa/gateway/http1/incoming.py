"""What a client sends over HTTP/1.1: heads, and the bodies that follow them.

Requests are taken one after another; what came ahead of its turn (pipelining) is held. A body
goes on to the pod as it comes, or is kept until there is one.
"""

from math import inf
from typing import TYPE_CHECKING

from utsuwa.gateway import tracing
from utsuwa.gateway.answers import https_url, unknown_host
from utsuwa.gateway.births import ASKED
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
)
from utsuwa.gateway.http1.errors import BadMessageError, UpgradeOffer
from utsuwa.gateway.http1.fields import CHUNKED
from utsuwa.gateway.http1.request import MAX_HEAD, is_secure
from utsuwa.gateway.http1.tunnel import Tunnel
from utsuwa.gateway.http2.connection import take_over
from utsuwa.gateway.http2.framing import PREFACE
from utsuwa.gateway.sessions import in_head

if TYPE_CHECKING:
    from utsuwa.gateway.host import Host

_REMEMBER = 2048
"""Longest head in bytes that is kept to be recognised when it comes again."""


class Incoming(Tunnel):
    """The half of a client's connection that reads. For the state, see :class:`Connection`."""

    __slots__ = ()

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        if self._state == IDLE:
            if self._buffer:
                data = self._buffer + data
                self._buffer = b""
            self._read_heads(data)
        elif self._state == TUNNEL:
            self._to_pod(data)
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
        self._state = WAITING
        self.enter(host, head.target)
        if self._body_left:
            self._last_read = inf  # who expects 100-continue sends nothing before
            if not head.expect:
                self._watch_body()

    def _elsewhere(self, host: "Host | None") -> "Host | None":
        """Where a special request for `host` goes; None when it is answered here."""
        head = self.head
        if host is None:
            host = self.core.within(head.host, self.transport)
        if host is None:
            host = self.core.redirected.get(head.host)
            if host is None:
                self.reply(404, unknown_host(head.host))
                return None
            if not is_secure(self.peer, head.out):
                self._redirect(https_url(head.host, self.core.https_port, head.target))
                return None
        if head.probe is None:
            return host.tagged(head.tag) if head.tag else host
        self._reply_probe(head.probe)
        log = self.core.request_log
        if log is not None and log.probes:
            log.probe(host, head, self.peer, head.probe[0])
        return None

    def set_fields(self, fields: tuple[tuple[bytes, bytes], ...]) -> None:
        """What the split, and the trace, set on the request."""
        if self._replay is not None:
            body = self._replay[len(self.head.out) :]
            self._replay = request.with_fields(self.head.out, fields) + body

    def trace_context(self) -> bytes:
        """What the client says its request is part of: `traceparent`, or b""."""
        head = self.head
        if head.trace is None:
            head.trace = tracing.in_head(head.out)
        return head.trace

    def bound_to(self) -> str:
        """The pod that the client's cookie names, or ""."""
        return in_head(self.head.out)

    def look_at_answer(self) -> None:
        """The answer must not pass unseen: we may have a field to add."""
        self.plain = False

    def asks_for_receipt(self) -> bool:
        """The client wants to know what a cold start cost."""
        return ASKED in self.head.out.lower()

    def _may_pass_unseen(self) -> bool:
        under_way = self._state in {WAITING, ACTIVE}
        seen = under_way and (
            self._revision.sticky or self._cold == self._arrival or self._trace is not None
        )
        return self.head.plain and self._keep and self._status == 0 and not seen

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
            self.plain = self._may_pass_unseen()
        if self._state == DISCARD:
            if end >= 0:
                self.deadline = inf
                self._next()
            return
        if end < 0 and self._state != IDLE:
            self._watch_body()
        self._pass_on(data)

    def _pass_on(self, data: bytes) -> None:
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
        if self._state == TUNNEL:
            return self._tunnel_eof_of_client()
        under_way = self._state in {WAITING, ACTIVE}
        return under_way and not self._body_left and not (self.head.keep_alive and self._keep)
