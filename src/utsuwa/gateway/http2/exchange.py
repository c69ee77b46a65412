"""What the two halves of a hop say to each other about one request, whatever either speaks."""

from typing import Protocol

from utsuwa.gateway.http2.translate import Fields


class Consumer(Protocol):
    """The client's half."""

    def uploaded(self, size: int) -> None:
        """The pod has taken `size` bytes of the request's content."""
        ...

    def inform(self, status: int, fields: Fields) -> None:
        """An interim answer (1xx) passes by."""
        ...

    def respond(self, status: int, fields: Fields, *, end: bool) -> None:
        """The answer begins (its fields without `:status`); `end`: and has no content."""
        ...

    def content(self, data: bytes, *, end: bool) -> None:
        """More of it; `end`: the last."""
        ...

    def complete(self, trailers: Fields | None) -> None:
        """It is complete, and the pod rid of the request."""
        ...

    def upstream_lost(self, reason: str, *, begun: bool, stale: bool) -> None:
        """The connection broke before the answer was complete.

        `stale`: it had carried other requests before and this one may not have been read.
        """
        ...

    def upstream_reset(self, code: int, *, begun: bool) -> None:
        """The pod has broken this request off with an error code of RFC 9113 §7."""
        ...

    def unprocessed(self) -> None:
        """The pod promises that it has not looked at the request (RFC 9113 §8.7)."""
        ...


class Opener(Protocol):
    """A connection to a pod that carries many requests."""

    def open(self, consumer: Consumer, fields: Fields, *, end: bool) -> "Carrier":
        """Begin a request; `end`: its header block is all of it."""
        ...


class Carrier(Protocol):
    """The pod's half, once the request has begun."""

    def send(self, data: bytes, *, end: bool) -> None:
        """More of the request's content; `end`: the last."""
        ...

    def finish(self, trailers: Fields) -> None:
        """The request is complete, after what was sent, with `trailers`."""
        ...

    def took(self, size: int) -> None:
        """The client has taken `size` bytes of the answer's content."""
        ...

    def cancel(self) -> None:
        """The request is given up."""
        ...
