"""What a client's connection is between, and how what it does comes to an end.

The other parts: requests coming in are :mod:`incoming`, answers going out :mod:`client`,
and what follows a switch of protocols :mod:`tunnel`.
"""

import asyncio
from abc import abstractmethod
from math import inf
from typing import TYPE_CHECKING, cast

from utsuwa.gateway.answers import answer, moved
from utsuwa.gateway.core import Core
from utsuwa.gateway.entrance import Entrant
from utsuwa.gateway.flow import pause, resume
from utsuwa.gateway.http1.errors import BadMessageError, late_body
from utsuwa.gateway.http1.fields import CHUNKED, UNTIL_CLOSE
from utsuwa.gateway.http1.probes import Reply, encode
from utsuwa.gateway.http1.request import RequestHead, peer_behind
from utsuwa.gateway.http1.response import with_field

if TYPE_CHECKING:
    from utsuwa.gateway.exchange import Upstream
    from utsuwa.gateway.http1.chunked import ChunkedBody
    from utsuwa.gateway.http1.websocket import Way

IDLE, WAITING, ACTIVE, TUNNEL, DISCARD, LINGER, CLOSED = range(7)
_TOO_LATE = b"request timeout"
_STATES = ("idle", "waiting", "active", "tunnel", "discard", "linger", "closed")


class Connection(Entrant, asyncio.Protocol):
    """The state of a client's connection, and the ends of its requests.

    Mutable state, all changed on the loop:

    * `_state`: idle (between requests, `_buffer` holds the beginning of a head), waiting (for a
      slot or a connection), active (on a pod), tunnel (after 101), discard (the rest of a body
      whose answer is out), linger (we have said our last word), closed;
    * `_body_left` / `_body_chunks`: what of the request's body is still to come, and `_last_read`,
      when more of it came, or since when it may;
    * `_answer_length`, `_answer_chunks`: how an answer that has begun is framed for the client;
    * `_replay`: what the pod was or will be sent, as long as it can be sent again;
    * `_buffer`: bytes of later requests while one is under way;
    * `_events`: the answer is a stream of events;
    * `_ways` of a WebSocket, and `_parting`: it is being told to end.
    """

    __slots__ = (
        "_answer_chunks", "_answer_length", "_arrival", "_body_chunks", "_body_left", "_buffer", "_cold", "_decode", "_eof", "_events", "_keep",
        "_last_read", "_last_write", "_parting", "_pod_eof", "_raw", "_read_paused", "_reading", "_replay", "_retried", "_revision", "_size", "_state",
        "_status", "_trace", "_usage", "_ways", "_write_paused", "backend", "core", "deadline", "head", "peer",
        "plain", "transport", "upstream",
    )  # fmt: skip

    transport: asyncio.Transport
    head: RequestHead

    def __init__(self, core: Core) -> None:
        self.core = core
        self.deadline = inf
        self.plain = False
        self.upstream: Upstream | None = None
        self.backend = None
        self._state = IDLE
        self._buffer = b""
        self._raw = b""
        self._body_left = 0
        self._body_chunks: ChunkedBody | None = None
        self._replay: bytes | None = None
        self._arrival = 0.0
        self._cold = -1.0
        self._last_read = inf
        self._last_write = 0.0
        self._trace = None
        self._status = 0
        self._size = 0
        self._retried = False
        self._keep = not core.draining
        self._eof = False
        self._pod_eof = False
        self._parting = False
        self._ways: tuple[Way, Way] | None = None
        self._events = False
        self._decode = False
        self._answer_length = 0
        self._answer_chunks: ChunkedBody | None = None
        self._reading = False
        self._read_paused = False
        self._write_paused = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {_STATES[self._state]} backend={self.backend}>"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are none by class
        self.peer = peer_behind(transport)
        self.core.connections.add(self)
        self.deadline = self.core.monotonic() + self.core.limits.header_timeout

    def pause_writing(self) -> None:
        """The client reads too slowly."""
        self._write_paused = True
        if self.upstream is not None:
            pause(self.upstream.transport)

    def resume_writing(self) -> None:
        """The client reads again."""
        self._write_paused = False
        if self.upstream is not None:
            resume(self.upstream.transport)

    @abstractmethod
    def _end(self, status: int) -> None:
        """The request is over: books, slot, connection."""

    @abstractmethod
    def _read_heads(self, data: bytes) -> None:
        """Take the first request of `data`."""

    # --- from the clock and the server ----------------------------------------------------------

    def expired(self, now: float) -> None:
        """A limit of time has passed: which one depends on what we are doing."""
        if self._state in {WAITING, ACTIVE}:
            if now < self.rearm():
                return
            if self._body_due() <= now:
                self._break_off(late_body(self.core.limits.body_timeout))
                return
            if self._status:
                self._cut_short(504, _TOO_LATE)
            else:
                self.reply(504, _TOO_LATE.decode())
        elif self._state == TUNNEL:
            self._end_tunnel()
        elif self._state == IDLE and self._buffer:
            self._refuse(BadMessageError(408, "the request's head took too long"))
        else:
            self.transport.abort()

    def _cut_short(self, status: int, words: bytes) -> None:
        """End an answer that has begun with `words`, where its framing leaves room for them (as the
        original does with those of a 504); where it does not, it ends with the connection.
        """
        last = self._last(words)
        self._end(status)
        if last is None:
            self._state = CLOSED
            self.transport.abort()
            return
        self.transport.write(last)
        self._keep = False
        self._next()

    def _last(self, words: bytes) -> bytes | None:
        if self._answer_length == UNTIL_CLOSE:
            return words
        chunks = self._answer_chunks
        if self._answer_length == CHUNKED and (chunks is None or chunks.between):
            chunk = b"%x\r\n%b\r\n" % (len(words), words) if words else b""
            return chunk + b"0\r\n\r\n"
        return None

    def rearm(self) -> float:
        """Set `deadline` anew, now that more may have come or been written; answers it."""
        due = self.deadline = min(super().rearm(), self._body_due())
        return due

    def _body_due(self) -> float:
        """When the client is late with its body; never while it is not its turn to send."""
        limit = self.core.limits.body_timeout
        if not self._body_left or self._status or self._read_paused or not limit:
            return inf
        return self._last_read + limit

    def _watch_body(self) -> None:
        """From now on it is the client's turn to send more of its body."""
        self._last_read = self.core.monotonic()
        self.deadline = min(self.deadline, self._body_due())

    def retire(self) -> None:
        """Close with the next answer; between two requests at once, or with some patience.

        A client whose next request is on its way when we close sees a connection that breaks. So,
        where another gateway has taken over, we wait for that request and close with its answer;
        likewise where an answer has begun that promised to keep the connection.
        """
        self.plain = False
        promised = self._state == DISCARD or (self._state == ACTIVE and self._status != 0)
        if self.core.idle_patience and promised:
            return  # `_next` calls us again
        self._keep = False
        if self._state == IDLE:
            if self.core.idle_patience:
                self.deadline = min(self.deadline, self.core.monotonic() + self.core.idle_patience)
            else:
                self.transport.close()

    def part(self) -> None:
        """End what is under way now, as cleanly as can be, and close."""
        self._keep = False
        if self._state == TUNNEL:
            self._end_tunnel()
        elif self._state in {WAITING, ACTIVE} and not self._status:
            self.reply(503, "the gateway was stopped")
        elif self._state == ACTIVE and self._events:
            self._cut_short(self._status, b"")  # whoever listens to events comes again
        else:
            self.transport.abort()  # a truncated answer must look truncated

    @abstractmethod
    def _end_tunnel(self) -> None:
        """An upgraded connection must end."""

    def abort(self) -> None:
        """Close at once."""
        self.transport.abort()

    def _with_own_fields(self, out: bytes, status: int) -> bytes:
        if self._trace is not None:
            self._trace.begun = self.core.monotonic()
        cookie = self.new_session() if self._revision.sticky else b""
        out = with_field(out, b"Set-Cookie", cookie) if cookie else out
        if self._cold == self._arrival:
            timing = self.receipt(status)
            out = with_field(out, b"Server-Timing", timing) if timing else out
        return out

    # --- the ends of a request ------------------------------------------------------------------

    def _detach_upstream(self) -> None:
        if self._write_paused and self.upstream is not None:
            resume(self.upstream.transport)
        self.upstream = None

    def _next(self) -> None:
        """After an answer: the next request, or what is left to do before we close."""
        if self._body_left:
            if self._keep and self._skippable():
                self._state = DISCARD
                self.deadline = self.core.monotonic() + self.core.limits.header_timeout
                self._resume_reading()
            else:
                self._linger()
        elif not self._keep or not self.head.keep_alive:
            if self._buffer:
                self._linger()
            else:
                self._state = CLOSED
                self.transport.close()
        else:
            self._state = IDLE
            if self.core.draining:
                self.retire()
            self._resume_reading()
            if self._buffer and not self._reading:
                data, self._buffer = self._buffer, b""
                self._read_heads(data)

    def _skippable(self) -> bool:
        """Whether what is still to come of the request's body can be read and dropped."""
        return 0 <= self._body_left <= self.core.limits.discard and not (
            self._body_left and self.head.expect
        )

    def reply(self, status: int, text: str) -> None:
        """Answer in the pod's stead."""
        if self._state in {WAITING, ACTIVE}:
            self.core.now()  # closes the second that has ended: this belongs to the running one
            self._usage.platform_errors += 1
            self._size = len(text)
            self._end(status)
        head = self.head
        self._keep = self._keep and head.keep_alive and self._skippable()
        self._write_reply(answer(status, text, close=not self._keep, head_only=head.head_only))

    def _reply_probe(self, reply: Reply) -> None:
        """Answer for the platform: the request is no application's, and in no books."""
        head = self.head
        self._keep = self._keep and head.keep_alive and self._skippable()
        self._write_reply(encode(reply, close=not self._keep, head_only=head.head_only))

    def _redirect(self, location: bytes) -> None:
        """Send the client elsewhere: the request is no application's, and in no books."""
        self._keep = self._keep and self.head.keep_alive and self._skippable()
        self._write_reply(moved(location, close=not self._keep))

    def _write_reply(self, data: bytes) -> None:
        self.deadline = inf
        self.transport.write(data)
        if not self._keep or self._buffer or self._body_left or self._read_paused:
            self._next()

    def _refuse(self, error: BadMessageError) -> None:
        """What came is no request: say so and close."""
        self._buffer = b""
        self._keep = False
        self.transport.write(answer(error.status, error.text, close=True))
        self._linger()

    def _break_off(self, error: BadMessageError) -> None:
        """The request's body is malformed or late: its pod must not take what came for the whole."""
        if self._state in {WAITING, ACTIVE}:
            self._end(error.status)
        if self._status:
            self._state = CLOSED
            self.transport.abort()
        else:
            self._refuse(error)

    def _linger(self) -> None:
        self._state = LINGER
        self._buffer = b""
        self.deadline = self.core.monotonic() + self.core.limits.linger
        self._resume_reading()
        if self._eof or not self.transport.can_write_eof():
            self.transport.close()
        else:
            self.transport.write_eof()

    def _pause_reading(self) -> None:
        if not self._read_paused:
            self._read_paused = True
            pause(self.transport)

    def _resume_reading(self) -> None:
        if self._read_paused:
            self._read_paused = False
            resume(self.transport)
            if self._body_left:
                self._watch_body()
