"""One connection to a pod: one exchange at a time.

It finds the head and the end of each response; the bytes of bodies pass through as they came.
"""

import asyncio
from typing import TYPE_CHECKING, cast

from utsuwa.gateway.exchange import Exchange
from utsuwa.gateway.http1 import response
from utsuwa.gateway.http1.chunked import ChunkedBody
from utsuwa.gateway.http1.errors import BadMessageError
from utsuwa.gateway.http1.fields import CHUNKED, UNTIL_CLOSE
from utsuwa.gateway.http1.response import ResponseHead

if TYPE_CHECKING:
    from utsuwa.gateway.pod import Pod

_MAX_HEAD = 256 * 1024
_NONE, _HEAD, _BODY, _TUNNEL = range(4)


class PodConnection(asyncio.Protocol):
    """One connection to a pod.

    Mutable state: `exchange` (the request it carries, None while it is idle), where in the
    response it is (`_state`, `_left`, `_chunks`, `_buffer`), and the last head, which is not
    parsed again when the next one is the same.
    """

    __slots__ = (
        "_begun", "_buffer", "_chunks", "_head", "_left", "_raw", "_state", "closed", "exchange",
        "pod", "served", "served_before", "transport", "write_paused",
    )  # fmt: skip

    transport: asyncio.Transport

    def __init__(self, pod: "Pod") -> None:
        self.pod = pod
        self.exchange: Exchange | None = None
        self.served = 0
        self.served_before = -1
        self.closed = False
        self.write_paused = False
        self._state = _NONE
        self._begun = False
        self._left = 0
        self._chunks: ChunkedBody | None = None
        self._buffer = b""
        self._raw = b""
        self._head: ResponseHead | None = None

    def __repr__(self) -> str:
        return f"<PodConnection to {self.pod.uid} state={self._state} served={self.served}>"

    # --- the owner's side -----------------------------------------------------------------------

    def begin(self, exchange: Exchange, data: bytes) -> None:
        """Carry `exchange`, whose head and first body bytes are `data`."""
        self.exchange = exchange
        self.served += 1
        self._state = _HEAD
        self._begun = False
        self.transport.write(data)

    def detach(self) -> None:
        """The exchange is given up: whatever is under way, the connection is of no more use."""
        self.exchange = None
        self.close(abort=True)

    def finish(self) -> None:
        """The exchange is over on the client's side: send what is written, then close."""
        self.exchange = None
        self.close()

    def close(self, *, abort: bool = False) -> None:
        """Close; safe to call twice."""
        self.pod.idle.pop(self, None)
        if not self.closed:
            self.closed = True
            if abort:
                self.transport.abort()
            else:
                self.transport.close()

    # --- the loop's side ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are none by class
        self.pod.connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Bytes from the pod."""
        exchange = self.exchange
        if exchange is None:
            self.close(abort=True)  # bytes nobody asked for: whose would they be?
        elif self._state == _HEAD:
            try:
                self._read_head(exchange, data)
            except BadMessageError as error:
                self._fail(error.text)
        elif self._state == _BODY:
            self._read_body(exchange, data)
        else:
            exchange.tunnel_data(data)

    def _read_head(self, exchange: Exchange, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        end = data.find(b"\r\n\r\n") + 4
        if end == 3:
            if len(data) > _MAX_HEAD:
                raise BadMessageError(502, "the head of the pod's answer is too long")
            self._buffer = data
            return
        size = len(data)
        raw = data if end == size else data[:end]
        head = self._head
        if head is None or raw != self._raw:
            head = self._head = response.parse(raw)
            self._raw = raw
        if exchange.plain and head.untouched and head.length == size - end and head.status >= 200:
            self._release(head.keep_alive)
            exchange.answered(data, head.status)
        else:
            self._start(exchange, head, data, end)

    def _start(self, exchange: Exchange, head: ResponseHead, data: bytes, end: int) -> None:
        if head.status == 101:
            if not exchange.head.upgrade:
                raise BadMessageError(502, "the pod switched protocols, which nobody asked for")
            self._begun = True
            self._state = _TUNNEL
            exchange.switched(head, data[end:])
            return
        exchange.response_head(head)
        if head.status < 200:
            if len(data) > end and self.exchange is exchange:
                self._read_head(exchange, data[end:])
            return
        self._begun = True
        length = 0 if exchange.head.head_only else head.length
        self._left = length
        self._chunks = ChunkedBody() if length == CHUNKED else None
        self._state = _BODY
        if length == 0:
            self._finish(exchange, clean=len(data) == end)
        elif len(data) > end:
            self._read_body(exchange, data[end:])

    def _read_body(self, exchange: Exchange, data: bytes) -> None:
        left = self._left
        if left > 0:
            size = len(data)
            if size > left:
                data = data[:left]
            self._left = max(0, left - size)
            exchange.response_body(data, None)
            if size >= left:
                self._finish(exchange, clean=size == left)
        elif left == UNTIL_CLOSE:
            exchange.response_body(data, None)
        else:
            try:
                ended = exchange.response_body(data, self._chunks)
            except BadMessageError as error:
                self._fail(error.text)
                return
            if ended:
                self._finish(exchange, clean=True)

    def _finish(self, exchange: Exchange, *, clean: bool) -> None:
        if self.exchange is exchange:  # a client that left meanwhile has detached itself
            head = self._head
            whole = clean and exchange.sent_whole()
            self._release(whole and head is not None and head.keep_alive)
            exchange.response_end()

    def _release(self, reusable: bool) -> None:
        self.exchange = None
        self._state = _NONE
        self._chunks = None
        pod = self.pod
        if reusable and not self.closed and not pod.draining and not self.write_paused:
            pod.idle[self] = None
            if pod.wanting:  # in the loop's next round: this exchange is still to be told
                pod.core.loop.call_soon(pod.offer, self)
        else:
            self.close()

    def _fail(self, reason: str) -> None:
        exchange, self.exchange = self.exchange, None
        self.close(abort=True)
        if exchange is not None:
            exchange.upstream_lost(reason, begun=self._begun, stale=False)

    def eof_received(self) -> bool:
        """The pod sends no more."""
        self.pod.idle.pop(self, None)
        exchange = self.exchange
        if exchange is not None and self._state == _TUNNEL:
            exchange.tunnel_eof()
            return True
        if exchange is not None and self._state == _BODY and self._left == UNTIL_CLOSE:
            self.exchange = None
            self.closed = True
            exchange.response_end()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Closed, by whomever."""
        self.closed = True
        self.pod.idle.pop(self, None)
        self.pod.connections.discard(self)
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            reason = f"the pod closed the connection: {exc or 'end of stream'}"
            stale = self.served > 1 and not self._buffer
            exchange.upstream_lost(reason, begun=self._begun, stale=stale)

    def pause_writing(self) -> None:
        """The pod reads too slowly."""
        self.write_paused = True
        if self.exchange is not None:
            self.exchange.pause_upload()

    def resume_writing(self) -> None:
        """The pod reads again."""
        self.write_paused = False
        if self.exchange is not None:
            self.exchange.resume_upload()
