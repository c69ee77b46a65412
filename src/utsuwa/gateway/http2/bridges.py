"""A request that changes its HTTP on the way: from a stream to HTTP/1.1, and the other way."""

from utsuwa.gateway.exchange import Exchange
from utsuwa.gateway.flow import pause, resume
from utsuwa.gateway.http1.chunked import ChunkedBody
from utsuwa.gateway.http1.fields import CHUNKED
from utsuwa.gateway.http1.request import RequestHead
from utsuwa.gateway.http1.response import ResponseHead
from utsuwa.gateway.http2 import translate
from utsuwa.gateway.http2.exchange import Carrier, Consumer, Opener
from utsuwa.gateway.http2.translate import Fields
from utsuwa.gateway.upstream import PodConnection

_END = b"0\r\n\r\n"


class ToHttp1:
    """Carries a stream's request over a connection that speaks HTTP/1.1.

    Mutable state: `_untaken` (bytes of the request that the pod has not taken), `_unsent` (bytes
    of the answer that the client has not), `_left` of an answer of known length, `_trailers` of a
    chunked one, `_ended` (the request is written whole).
    """

    __slots__ = (
        "_body", "_consumer", "_ended", "_left", "_paused", "_unsent", "_untaken", "_upstream",
        "head",
    )  # fmt: skip

    plain = False

    def __init__(self, consumer: Consumer, upstream: PodConnection, head: RequestHead) -> None:
        self._consumer = consumer
        self._upstream = upstream
        self.head = head
        self._untaken = self._unsent = 0
        self._left = -1
        self._body: ChunkedBody | None = None
        self._ended = False
        self._paused = False

    def __repr__(self) -> str:
        return f"<ToHttp1 {self._upstream} untaken={self._untaken} unsent={self._unsent}>"

    def begin(self, content: bytes, *, end: bool, trailers: Fields | None) -> None:
        """Send the request, as far as it has come."""
        data = self.head.out + self._framed(content)
        if end:
            data += self._end_of(trailers)
        self._upstream.begin(self, data)
        self._count(len(content))

    # --- Carrier --------------------------------------------------------------------------------

    def send(self, data: bytes, *, end: bool) -> None:
        """More content."""
        framed = self._framed(data)
        if end:
            framed += self._end_of(None)
        if framed:
            self._upstream.transport.write(framed)
        self._count(len(data))

    def finish(self, trailers: Fields) -> None:
        """Trailers; where a length was declared they have no place, and are dropped."""
        end = self._end_of(trailers)
        if end:
            self._upstream.transport.write(end)

    def took(self, size: int) -> None:
        """Read on when the client has taken all there was."""
        self._unsent -= size
        if self._unsent <= 0 and self._paused:
            self._paused = False
            resume(self._upstream.transport)

    def cancel(self) -> None:
        """HTTP/1.1 knows no other way than to close."""
        self._upstream.detach()

    def _framed(self, data: bytes) -> bytes:
        if data and self.head.length == CHUNKED:
            return b"%x\r\n%b\r\n" % (len(data), data)
        return data

    def _end_of(self, trailers: Fields | None) -> bytes:
        self._ended = True
        if self.head.length != CHUNKED:
            return b""
        return translate.trailers_to_http1(trailers) if trailers else _END

    def _count(self, size: int) -> None:
        if self._upstream.write_paused:
            self._untaken += size
        elif size:
            self._consumer.uploaded(size)

    # --- Exchange -------------------------------------------------------------------------------

    def answered(self, data: bytes, status: int) -> None:
        """Never: nothing is plain here."""
        raise RuntimeError("an answer of a plain exchange came to one that is not")

    def sent_whole(self) -> bool:
        """Whether the request was."""
        return self._ended

    def response_head(self, head: ResponseHead) -> None:
        """A head, or an interim one."""
        fields = translate.answer_from_http1(head)
        if head.status < 200:
            self._consumer.inform(head.status, fields[1:])
            return
        length = 0 if self.head.head_only else head.length
        self._left = length
        if length == CHUNKED:
            self._body = ChunkedBody(keep_trailers=True)
        self._consumer.respond(head.status, fields[1:], end=length == 0)

    def response_body(self, data: bytes, chunks: ChunkedBody | None) -> bool:
        """More of the body, freed of its chunks."""
        if self._body is None:
            self._left -= len(data)
            self._pass_on(data, end=self._left == 0)
            return False
        content: list[bytes] = []
        end = self._body.feed(data, 0, content)
        if content:
            self._pass_on(b"".join(content), end=False)
        return end >= 0

    def _pass_on(self, data: bytes, *, end: bool) -> None:
        self._unsent += len(data)
        self._consumer.content(data, end=end)
        if self._unsent > 0 and not self._paused:
            self._paused = True
            pause(self._upstream.transport)

    def response_end(self) -> None:
        """The answer is complete."""
        if self._paused:
            resume(self._upstream.transport)
        lines = self._body.trailers if self._body is not None else ()
        self._consumer.complete(translate.trailers_from_http1(lines or ()) or None)

    def switched(self, head: ResponseHead, rest: bytes) -> None:
        """Never: no upgrade is asked for."""
        raise _no_tunnel()

    def tunnel_data(self, data: bytes) -> None:
        """Never."""
        raise _no_tunnel()

    def tunnel_eof(self) -> None:
        """Never."""
        raise _no_tunnel()

    @property
    def is_tunnel(self) -> bool:
        """A stream never is."""
        return False

    def pod_leaves(self) -> None:
        """What is under way ends in its own time."""

    def upstream_lost(self, reason: str, *, begun: bool, stale: bool) -> None:
        """The connection broke."""
        self._consumer.upstream_lost(reason, begun=begun, stale=stale)

    def pause_upload(self) -> None:
        """What comes from now on is counted, not given back."""

    def resume_upload(self) -> None:
        """The pod has taken what was counted."""
        untaken, self._untaken = self._untaken, 0
        if untaken:
            self._consumer.uploaded(untaken)


class FromHttp1:
    """Carries an HTTP/1.1 client's request on a stream to its pod.

    To the client's connection it is what a connection to a pod is, its own transport included.

    Mutable state: `_request` (reads the request's chunks), `_left` of a request of known length,
    `_answer` (the answer's framing), `_owed` of an answer of known length, `_unread` (bytes of the answer the client has not taken while
    it reads too slowly), `_untaken` (bytes of the request that the pod has not).
    """

    __slots__ = (
        "_answer", "_carrier", "_chunked", "_client", "_left", "_owed", "_reading", "_request",
        "_session", "_unread", "_untaken", "write_paused",
    )  # fmt: skip

    _client: Exchange
    _carrier: Carrier | None

    def __init__(self, session: Opener) -> None:
        self._session = session
        self._carrier = None
        self.write_paused = False
        self._reading = True
        self._left = self._owed = self._unread = self._untaken = 0
        self._request: ChunkedBody | None = None
        self._answer: ChunkedBody | None = None
        self._chunked = False

    def __repr__(self) -> str:
        return f"<FromHttp1 on {self._session} unread={self._unread} untaken={self._untaken}>"

    # --- what a client's connection asks of a pod's ---------------------------------------------

    @property
    def transport(self) -> "FromHttp1":
        """Where the request's body is written to."""
        return self

    def begin(self, exchange: Exchange, data: bytes) -> None:
        """Carry `exchange`, whose head and first body bytes are `data`."""
        self._client = exchange
        length = exchange.head.length
        self._request = ChunkedBody(keep_trailers=True) if length == CHUNKED else None
        self._left = length
        self._carrier = self._session.open(self, translate.from_http1(data), end=length == 0)
        body = data[data.index(b"\r\n\r\n") + 4 :]
        if body:
            self.write(body)

    def detach(self) -> None:
        """The client has given up."""
        carrier, self._carrier = self._carrier, None
        if carrier is not None:
            carrier.cancel()

    def finish(self) -> None:
        """Only tunnels end like this, and there are none on a stream."""
        self.detach()

    def write(self, data: bytes) -> None:
        """More of the request's body, framing included."""
        carrier = self._carrier
        if carrier is None:
            return
        if self._request is None:
            self._left -= len(data)
            ended, trailers = self._left <= 0, None
        else:
            content: list[bytes] = []
            ended = self._request.feed(data, 0, content) >= 0
            trailers = translate.trailers_from_http1(self._request.trailers or ())
            data = b"".join(content)
        self._untaken += len(data)
        carrier.send(data, end=ended and not trailers)
        if trailers:
            carrier.finish(trailers)
        if self._untaken and not self.write_paused and self._carrier is not None:
            self.write_paused = True
            self._client.pause_upload()

    def pause_reading(self) -> None:
        """The client reads too slowly."""
        self._reading = False

    def resume_reading(self) -> None:
        """The client reads again."""
        self._reading = True
        unread, self._unread = self._unread, 0
        if unread and self._carrier is not None:
            self._carrier.took(unread)

    def is_closing(self) -> bool:
        """Whether the request is over."""
        return self._carrier is None

    def can_write_eof(self) -> bool:
        """A stream has no half of a tunnel."""
        return False

    def write_eof(self) -> None:
        """Never asked for."""

    # --- Consumer -------------------------------------------------------------------------------

    def uploaded(self, size: int) -> None:
        """The pod takes more."""
        self._untaken -= size
        if self._untaken <= 0 and self.write_paused:
            self.write_paused = False
            self._client.resume_upload()

    def inform(self, status: int, fields: Fields) -> None:
        """1xx."""
        self._client.response_head(
            translate.answer_to_http1(status, fields, head_only=True, ended=True)
        )

    def respond(self, status: int, fields: Fields, *, end: bool) -> None:
        """The answer begins."""
        head_only = self._client.head.head_only
        head = translate.answer_to_http1(status, fields, head_only=head_only, ended=end)
        self._owed = 0 if head_only else head.length
        self._chunked = self._owed == CHUNKED
        if self._chunked:
            self._answer = ChunkedBody()
        self._client.response_head(head)

    def content(self, data: bytes, *, end: bool) -> None:
        """More of it."""
        size = len(data)
        if not size:
            return
        if self._chunked:
            data = b"%x\r\n%b\r\n" % (size, data)
        else:
            self._owed -= size
        self._client.response_body(data, self._answer)
        if not self._reading:
            self._unread += size
        elif self._carrier is not None:
            self._carrier.took(size)

    def complete(self, trailers: Fields | None) -> None:
        """All of it, unless its length was declared and this is less."""
        self._carrier = None
        if self._owed > 0:
            self._client.upstream_lost("the pod's answer is too short", begun=True, stale=False)
            return
        if self._chunked:
            self._client.response_body(translate.trailers_to_http1(trailers), self._answer)
        self._client.response_end()

    def upstream_lost(self, reason: str, *, begun: bool, stale: bool) -> None:
        """The connection broke."""
        self._carrier = None
        self._client.upstream_lost(reason, begun=begun, stale=stale)

    def upstream_reset(self, code: int, *, begun: bool) -> None:
        """The pod has broken the request off."""
        self.upstream_lost(f"the pod reset the stream with code {code}", begun=begun, stale=False)

    def unprocessed(self) -> None:
        """The pod has not looked at the request."""
        self.upstream_lost("the pod refuses requests", begun=False, stale=True)


def _no_tunnel() -> RuntimeError:
    return RuntimeError("a request that came over HTTP/2 has no tunnel")
