"""Answers that the gateway makes itself, for clients over HTTP/2.

A client of gRPC reads the status in its own fields, sent as the only block of the answer
(gRPC over HTTP/2, "Trailers-Only").
"""

from typing import TYPE_CHECKING
from urllib.parse import quote

from utsuwa.gateway.http1.probes import Reply
from utsuwa.gateway.http2.translate import Fields

if TYPE_CHECKING:
    from utsuwa.gateway.http2.session import Stream

_UNKNOWN = b"2"
_GRPC_STATUS = {
    400: b"13", 401: b"16", 403: b"7", 404: b"12", 413: b"8", 431: b"8", 501: b"12",
    502: b"14", 503: b"14", 504: b"4",
}  # fmt: skip
_PRINTABLE = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")


def grpc_trailers(status: int, text: str) -> Fields:
    """The fields that end a gRPC answer: 14 UNAVAILABLE for 502 and 503, 4 DEADLINE_EXCEEDED for
    504, 12 UNIMPLEMENTED for 404.

    >>> grpc_trailers(504, "request timeout")
    [(b'grpc-status', b'4'), (b'grpc-message', b'request timeout')]
    """
    message = quote(text, safe=_PRINTABLE).encode()
    return [(b"grpc-status", _GRPC_STATUS.get(status, _UNKNOWN)), (b"grpc-message", message)]


def answer(status: int, text: str, *, grpc: bool) -> tuple[Fields, bytes]:
    """Head and body of a complete answer; without a body the head is all of it."""
    if grpc:
        head = [(b":status", b"200"), (b"content-type", b"application/grpc")]
        return head + grpc_trailers(status, text), b""
    timeout = status == 504  # as in HTTP/1.1: neither line feed nor nosniff
    body = text.encode() if timeout else text.encode() + b"\n"
    fields = [
        (b":status", b"%d" % status),
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
    ]
    if not timeout:
        fields.append((b"x-content-type-options", b"nosniff"))
    return fields, body


def give_answer(stream: "Stream", status: int, text: str, *, grpc: bool, head_only: bool) -> None:
    """Answer on `stream` in the pod's stead."""
    fields, body = answer(status, text, grpc=grpc)
    _send(stream, fields, b"" if head_only else body)


def give_reply(stream: "Stream", reply: Reply, *, head_only: bool) -> None:
    """Answer a probe of the platform."""
    status, body, name = reply
    if status != 200:
        give_answer(stream, status, body.decode("latin-1"), grpc=False, head_only=head_only)
        return
    fields = [(b":status", b"200"), (b"content-length", b"%d" % len(body))]
    if name:
        fields.append((b"k-network-hash", name))
    if body:
        fields.append((b"content-type", b"text/plain; charset=utf-8"))
    _send(stream, fields, b"" if head_only else body)


def redirect(stream: "Stream", location: bytes) -> None:
    """Send the client elsewhere, for good."""
    fields = [(b":status", b"301"), (b"location", location), (b"content-length", b"0")]
    _send(stream, fields, b"")


def _send(stream: "Stream", fields: Fields, body: bytes) -> None:
    stream.write_head(fields, end=not body)
    if body:
        stream.write(body, end=True)
