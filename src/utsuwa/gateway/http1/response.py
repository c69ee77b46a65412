"""Response heads: checked, framed (RFC 9112 §6.3) and rid of what was meant for our hop only."""

import httptools

from utsuwa.gateway.http1.errors import BadMessageError
from utsuwa.gateway.http1.fields import (
    UNTIL_CLOSE,
    find,
    finder,
    length_of,
    named_by_connection,
    without,
)

_CUT = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"upgrade"})
_KNOWN_OPTIONS = _CUT | {b"close"}
_FIELDS = finder((
    "connection", "content-length", "transfer-encoding", "keep-alive", "proxy-connection", "upgrade",
))  # fmt: skip


class ResponseHead:
    """What a hop knows of a response. Not changed once made."""

    __slots__ = ("keep_alive", "length", "out", "status", "untouched")

    status: int
    length: int
    """Of the body in bytes (as if the request was not HEAD), or CHUNKED or UNTIL_CLOSE."""
    keep_alive: bool
    """The pod keeps the connection open."""
    out: bytes
    """The head as the client gets it, still without a Connection field of our own."""
    untouched: bool
    """`out` is what the pod wrote."""


class _Nothing:
    """A protocol without callbacks: llhttp only checks."""


_NOTHING = _Nothing()


def parse(raw: bytes) -> ResponseHead:
    """The response whose complete head (with its empty line) is `raw`.

    Raises:
        BadMessageError: it must not be passed on (status 502).
    """
    try:
        httptools.HttpResponseParser(_NOTHING).feed_data(raw)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserError as error:
        if not (raw[9:12] == b"101" and str(error).startswith("Pause")):  # 101 without Connection
            raise BadMessageError(502, f"the pod's answer is not HTTP/1.1: {error}") from error
    if not raw.startswith((b"HTTP/1.1 ", b"HTTP/1.0 ")):
        raise BadMessageError(502, "the pod's answer is not HTTP/1.1")
    head = ResponseHead()
    head.status = int(raw[9:12])
    lower = raw.lower()
    try:
        found, cuts = find(_FIELDS, raw, lower, _CUT)
        length = length_of(found)
    except BadMessageError as error:
        raise BadMessageError(502, f"the pod's answer is not HTTP/1.1: {error.text}") from error
    http11 = raw[7] == ord("1")
    options = found.get(b"connection", b"").lower()
    if b"," in options or (options and options not in _KNOWN_OPTIONS):
        cuts += named_by_connection(options, lower, _KNOWN_OPTIONS)
    head.keep_alive = b"close" not in options and (http11 or b"keep-alive" in options)
    _frame(head, length)
    head.untouched = http11 and not cuts
    if head.untouched:
        head.out = raw
    else:
        line_end = raw.find(b"\r\n")
        lines = [b"HTTP/1.1", raw[8:line_end]]
        if head.status == 101:
            lines.append(b"\r\nConnection: Upgrade\r\nUpgrade: " + found.get(b"upgrade", b""))
        head.out = b"".join([*lines, *without(raw, cuts, line_end)])
    return head


def _frame(head: ResponseHead, length: int | None) -> None:
    if head.status < 200 or head.status in {204, 304}:
        head.length = 0
    elif length is None:
        head.length = UNTIL_CLOSE
        head.keep_alive = False
    else:
        head.length = length


def with_field(out: bytes, name: bytes, value: bytes) -> bytes:
    """`out` with a field of our own."""
    return b"%b%b: %b\r\n\r\n" % (out[:-2], name, value)


def without_chunks(out: bytes) -> bytes:
    """`out` for an HTTP/1.0 client, which knows no chunks: its body ends with the connection."""
    found, cuts = find(
        _CHUNK_FIELDS, out, out.lower(), frozenset({b"transfer-encoding", b"trailer"})
    )
    return b"".join(without(out, cuts, 0)) if found else out


_CHUNK_FIELDS = finder(("transfer-encoding", "trailer"))
