"""What admission, pods and their connections ask of a request, and it of them.

A client over HTTP/1.1 is all of it in one object, its connection; a client over HTTP/2 is a stream
that waits in line and, where its pod speaks HTTP/1.1, a bridge that is the exchange.
"""

from typing import TYPE_CHECKING, Protocol

from utsuwa.gateway.admission import Requester
from utsuwa.gateway.flow import Pipe
from utsuwa.gateway.http1.chunked import ChunkedBody
from utsuwa.gateway.http1.request import RequestHead
from utsuwa.gateway.http1.response import ResponseHead

if TYPE_CHECKING:
    from utsuwa.gateway.http2.upstream import PodSession
    from utsuwa.gateway.pod import Pod  # noqa: F401  (a base class names Pod)
    from utsuwa.gateway.upstream import PodConnection


class Caller(Requester["Pod"], Protocol):
    """A request that has a slot on a pod and wants to be carried there."""

    @property
    def wants_upgrade(self) -> bool:
        """It asks the pod to switch protocols, for which it needs HTTP/1.1."""
        ...

    def connected(self, upstream: "PodConnection") -> None:
        """`upstream` is this request's."""
        ...

    def joined(self, session: "PodSession") -> None:
        """`session` has room for a stream of this request."""
        ...

    def disconnected(self) -> None:
        """There is no connection to be had on the pod: the request is back in line."""
        ...

    def upstream_lost(self, reason: str, *, begun: bool, stale: bool) -> None:
        """The connection broke before the response was complete."""
        ...


class Exchange(Protocol):
    """The client's side of a request under way on a connection of HTTP/1.1."""

    head: RequestHead

    @property
    def plain(self) -> bool:
        """The answer may be handed on as it is (:attr:`RequestHead.plain`), body sent and all."""
        ...

    def sent_whole(self) -> bool:
        """Whether nothing of the request is still to be sent."""
        ...

    def answered(self, data: bytes, status: int) -> None:
        """`data` is the whole response."""
        ...

    def response_head(self, head: ResponseHead) -> None:
        """A response begins (or an interim one passes by, 1xx)."""
        ...

    def response_body(self, data: bytes, chunks: ChunkedBody | None) -> bool:
        """More of the body, framing included; answers whether a chunked one has ended."""
        ...

    def response_end(self) -> None:
        """The response is complete."""
        ...

    def switched(self, head: ResponseHead, rest: bytes) -> None:
        """The pod switched protocols: bytes pass both ways from now on."""
        ...

    def tunnel_data(self, data: bytes) -> None:
        """Bytes from the pod after the switch."""
        ...

    def tunnel_eof(self) -> None:
        """The pod sends no more after the switch."""
        ...

    @property
    def is_tunnel(self) -> bool:
        """Whether the pod has switched protocols."""
        ...

    def pod_leaves(self) -> None:
        """The pod gets no new request, and ends when those that it has are over."""
        ...

    def upstream_lost(self, reason: str, *, begun: bool, stale: bool) -> None:
        """The connection broke before the response was complete."""
        ...

    def pause_upload(self) -> None:
        """The pod reads too slowly."""
        ...

    def resume_upload(self) -> None:
        """The pod reads again."""
        ...


class Upstream(Protocol):
    """What a client's connection asks of that to a pod."""

    write_paused: bool

    @property
    def transport(self) -> Pipe:
        """Takes the rest of the request's body."""
        ...

    def begin(self, exchange: Exchange, data: bytes) -> None:
        """Carry `exchange`, whose head and first body bytes are `data`."""
        ...

    def detach(self) -> None:
        """The exchange is given up."""
        ...

    def finish(self) -> None:
        """The exchange is over on the client's side: send what is written, then close."""
        ...
