"""Heads and trailers between HTTP/2's fields and HTTP/1.1's text, and what a hop changes in them.

Rules: RFC 9113 §8 (what is malformed, and what HTTP/1.1 has that HTTP/2 has not), RFC 9110 §7.6,
`spec/dataplane.md` §2 and §9.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

from utsuwa.gateway.answers import reason
from utsuwa.gateway.http1 import request
from utsuwa.gateway.http1.errors import BadMessageError
from utsuwa.gateway.http1.fields import CHUNKED
from utsuwa.gateway.http1.probes import Reply, reply_to
from utsuwa.gateway.http1.request import MAX_FIELDS, MAX_LINE, Peer, RequestHead
from utsuwa.gateway.http1.response import ResponseHead

Field = tuple[bytes, bytes]
Fields = list[Field]

_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")
_BAD_VALUE = re.compile(rb"[\x00\r\n]|\A[ \t]|[ \t]\Z")
_METHOD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
_TARGET = re.compile(rb"(?:/[^\x00-\x20\x7f]*|\*)")
_AUTHORITY = re.compile(rb"[^\x00-\x20\x7f-\xff/?#@\\]*")
_PSEUDO = frozenset({b":method", b":scheme", b":path", b":authority"})
_HOP = frozenset({
    b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade",
})  # fmt: skip
_DROPPED = frozenset({
    b"knative-serving-revision", b"knative-serving-namespace", b"k-original-host",
    b"proxy-authorization", b"proxy-authenticate", b"http2-settings", b"host", b"k-network-hash",
})  # fmt: skip
_REPEATABLE = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"})
_NO_CONTENT = frozenset({204, 304})
_CACHED = 2048
"""Longest head in bytes whose translation is remembered."""


class StreamHead:
    """What a hop knows of a request that came as a header block. Not changed once made."""

    __slots__ = (
        "authority", "expect", "fields", "grpc", "head_only", "host", "length", "method", "probe",
        "repeatable", "target",
    )  # fmt: skip

    method: bytes
    target: bytes
    authority: bytes
    host: bytes
    """Lower case, without port and trailing dot."""
    length: int | None
    """Of the body in bytes, where it is declared."""
    expect: bool
    """Its client sends the body once it has got 100."""
    grpc: bool
    head_only: bool
    repeatable: bool
    """The method is idempotent (RFC 9110 §9.2.2)."""
    fields: Fields
    """The regular ones, without those that are not for the pod."""
    probe: "Reply | None"
    """What the platform answers, because it is asked (`spec/dataplane.md` §7.1)."""


@lru_cache(2048)
def _known(name: bytes) -> bool:
    return _NAME.fullmatch(name) is not None


def _checked(name: bytes, value: bytes) -> None:
    if not _known(name):
        raise BadMessageError(400, "a header field's name is not a lower-case token")
    if _BAD_VALUE.search(value):
        raise BadMessageError(400, f"the value of {name.decode()} has bytes no field may have")


def read_request(block: Iterable[Field]) -> StreamHead:
    """The request of a header block.

    Raises:
        BadMessageError: it must be refused, with the status to say so.
    """
    pseudo: dict[bytes, bytes] = {}
    fields: Fields = []
    found: dict[bytes, bytes] = {}
    for field in block:
        name, value = field
        if name[:1] == b":":
            if fields or found or name not in _PSEUDO or name in pseudo:
                raise BadMessageError(400, "a pseudo-header field is unknown, late or repeated")
            pseudo[name] = value
            continue
        _checked(name, value)
        if name in _SPECIAL:
            _special(name, value, found)
        if name not in _DROPPED:
            fields.append(field)
    if len(fields) > MAX_FIELDS:
        raise BadMessageError(431, f"more than {MAX_FIELDS} header fields")
    head = StreamHead()
    head.fields = fields
    _routing(head, pseudo, found)
    length = found.get(b"content-length")
    if length is not None and (not length.isdigit() or len(length) > 18):
        raise BadMessageError(400, "content-length is not a number")
    head.length = None if length is None else int(length)
    head.expect = b"expect" in found
    head.probe = None if _ASKING.isdisjoint(found) else reply_to(found)
    head.grpc = found.get(b"content-type", b"").startswith(b"application/grpc")
    return head


_ASKING = frozenset({b"k-network-probe", b"k-kubelet-probe", b"user-agent"})
_SPECIAL = (
    _HOP
    | _ASKING
    | {b"host", b"content-length", b"te", b"expect", b"content-type", b"k-network-hash"}
)


def _special(name: bytes, value: bytes, found: dict[bytes, bytes]) -> None:
    if name in _HOP or (name == b"te" and value.lower() != b"trailers"):
        raise BadMessageError(400, f"{name.decode()} has no place in HTTP/2")
    if name in found and name in {b"host", b"content-length"}:
        raise BadMessageError(400, f"the head has more than one {name.decode()} field")
    if name == b"expect" and value.lower() != b"100-continue":
        raise BadMessageError(417, "the only expectation known here is 100-continue")
    if name != b"user-agent" or value.startswith(b"kube-probe/"):
        found[name] = value


def _routing(head: StreamHead, pseudo: dict[bytes, bytes], found: dict[bytes, bytes]) -> None:
    method = head.method = pseudo.get(b":method", b"")
    target = head.target = pseudo.get(b":path", b"")
    if method == b"CONNECT":
        raise BadMessageError(501, "CONNECT is not for here: this is no forward proxy")
    if not _METHOD.fullmatch(method) or pseudo.get(b":scheme") not in {b"http", b"https"}:
        raise BadMessageError(400, "the head lacks a valid :method or :scheme")
    if len(target) > MAX_LINE:
        raise BadMessageError(414, f":path is longer than {MAX_LINE} bytes")
    if not _TARGET.fullmatch(target) or (target == b"*" and method != b"OPTIONS"):
        raise BadMessageError(400, ":path is not a path")
    host = found.get(b"host")
    authority = pseudo.get(b":authority", host)
    if authority is None or (host is not None and host.lower() != authority.lower()):
        raise BadMessageError(400, ":authority is missing, or host says another")
    if not _AUTHORITY.fullmatch(authority):
        raise BadMessageError(400, ":authority is not a host name")
    head.authority = authority
    head.host = request.normal_host(authority)
    head.head_only = method == b"HEAD"
    head.repeatable = method in _REPEATABLE


def read_trailers(block: Iterable[Field]) -> Fields:
    """The fields after a body.

    Raises:
        BadMessageError: they are not what may stand there.
    """
    fields = list(block)
    for name, value in fields:
        _checked(name, value)
        if name in _HOP:
            raise BadMessageError(400, f"{name.decode()} has no place in HTTP/2")
    return fields


def read_response(block: Iterable[Field]) -> tuple[int, Fields]:
    """Status and regular fields of a pod's answer.

    Raises:
        BadMessageError: it must not be passed on (status 502).
    """
    status = b""
    fields: Fields = []
    try:
        for field in block:
            name, value = field
            if name == b":status" and not fields and not status:
                status = value
                continue
            _checked(name, value)
            if name not in _HOP:
                fields.append(field)
    except BadMessageError as error:
        raise BadMessageError(502, f"the pod's answer is malformed: {error.text}") from error
    if len(status) != 3 or not status.isdigit() or status < b"100" or status == b"101":
        raise BadMessageError(502, "the pod's answer has no valid :status")
    return int(status), fields


# --- requests for the pod -----------------------------------------------------------------------


def to_pod(head: StreamHead, peer: Peer, extra: tuple[Field, ...]) -> Fields:
    """The request as a pod that speaks HTTP/2 gets it; `extra` replaces fields of those names."""
    fields: Fields = [
        (b":method", head.method),
        (b":scheme", b"http"),
        (b":authority", head.authority),
        (b":path", head.target),
    ]
    replaced = {name.lower() for name, _ in extra}
    chain = proto = host = b""
    has_forwarded = False
    for field in head.fields:
        name = field[0]
        if name == b"x-forwarded-for":
            chain = chain + b", " + field[1] if chain else field[1]
            continue
        if name in replaced:
            continue
        if name == b"x-forwarded-proto":
            proto = field[1]
        elif name == b"x-forwarded-host":
            host = field[1]
        elif name == b"forwarded":
            has_forwarded = True
        fields.append(field)
    chain = chain + b", " + peer.address if chain else peer.address
    fields.append((b"x-forwarded-for", chain))
    if not proto:
        proto = peer.scheme
        fields.append((b"x-forwarded-proto", proto))
    if not host:
        host = head.authority
        fields.append((b"x-forwarded-host", host))
    if not has_forwarded:
        fields.append((b"forwarded", request.forwarded(chain, proto, host)))
    fields += [(name.lower(), value) for name, value in extra]
    return fields


def to_http1(
    head: StreamHead, peer: Peer, extra: tuple[Field, ...], *, chunked: bool
) -> RequestHead:
    """The request as a pod that speaks HTTP/1.1 gets it.

    Raises:
        BadMessageError: HTTP/1.1 has no such request.
    """
    lines = [b"%b %b HTTP/1.1\r\nHost: %b" % (head.method, head.target, head.authority)]
    cookies: list[bytes] = []
    for name, value in head.fields:
        if name == b"cookie":  # they may come in pieces (RFC 9113 §8.2.3)
            cookies.append(value)
        else:
            lines.append(name + b": " + value)
    if cookies:
        lines.append(b"cookie: " + b"; ".join(cookies))
    if chunked:
        lines.append(b"transfer-encoding: chunked")
    lines.append(b"\r\n")
    made = request.parse(b"\r\n".join(lines), peer)
    if extra:
        made.out = request.with_fields(made.out, extra)
    return made


def from_http1(text: bytes) -> Fields:
    """The header block of an HTTP/1.1 request that has been checked, without its hop's fields."""
    first, *lines = text[: text.index(b"\r\n\r\n")].split(b"\r\n")
    method, target, _ = first.split(b" ")
    fields: Fields = []
    authority = options = b""
    for line in lines:
        name, _, value = line.partition(b":")
        name, value = name.lower(), value.strip(b" \t")
        if name == b"host":
            authority = value
        elif name == b"connection":
            options += b"," + value.lower()
        elif name == b"te":
            if b"trailers" in value.lower():
                fields.append((b"te", b"trailers"))
        elif name not in _HOP and name not in _DROPPED:
            fields.append((name, value))
    if options:
        named = {option.strip() for option in options.split(b",")} - {b"te"}
        fields = [field for field in fields if field[0] not in named]
    pseudo = [
        (b":method", method),
        (b":scheme", b"http"),
        (b":authority", authority),
        (b":path", target),
    ]
    return pseudo + fields


# --- answers for the client ---------------------------------------------------------------------


def answer_from_http1(head: ResponseHead) -> Fields:
    """The header block of a pod's HTTP/1.1 answer."""
    text = head.out
    return list(_remembered(text)) if len(text) <= _CACHED else _answer_fields(text)


def _answer_fields(text: bytes) -> Fields:
    first, *lines = text[: text.index(b"\r\n\r\n")].split(b"\r\n")
    fields: Fields = [(b":status", first[9:12])]
    for line in lines:
        name, _, value = line.partition(b":")
        name = name.lower()
        if name not in _HOP:
            fields.append((name, value.strip(b" \t")))
    return fields


@lru_cache(256)
def _remembered(text: bytes) -> tuple[Field, ...]:
    return tuple(_answer_fields(text))


def answer_to_http1(status: int, fields: Fields, *, head_only: bool, ended: bool) -> ResponseHead:
    """A pod's HTTP/2 answer as HTTP/1.1 has it; `ended`: no body will come.

    Raises:
        BadMessageError: its length makes no sense (status 502).
    """
    head = ResponseHead()
    head.status = status
    head.keep_alive = True
    head.untouched = False
    lines = [b"HTTP/1.1 %d %b" % (status, reason(status))]
    length: int | None = None
    for name, value in fields:
        if name == b"content-length":
            if not value.isdigit() or (length is not None and length != int(value)):
                raise BadMessageError(502, "the pod's content-length is not a number")
            length = int(value)
        lines.append(name + b": " + value)
    if status < 200 or status in _NO_CONTENT:
        head.length = 0
    elif length is not None:
        head.length = length
    elif ended:
        head.length = 0
        if not head_only:
            lines.append(b"content-length: 0")
    else:
        head.length = CHUNKED
        lines.append(b"transfer-encoding: chunked")
    lines.append(b"\r\n")
    head.out = b"\r\n".join(lines)
    return head


def trailers_to_http1(trailers: Fields | None) -> bytes:
    """The end of a chunked body.

    >>> trailers_to_http1([(b"grpc-status", b"0")])
    b'0\\r\\ngrpc-status: 0\\r\\n\\r\\n'
    """
    lines = [b"%b: %b\r\n" % field for field in trailers or ()]
    return b"".join([b"0\r\n", *lines, b"\r\n"])


def trailers_from_http1(lines: Iterable[bytes]) -> Fields:
    """The trailers of a chunked body, without those that frame or route a message."""
    fields: Fields = []
    for line in lines:
        name, _, value = line.partition(b":")
        name = name.lower()
        if name not in _HOP and name not in _NEVER_TRAILERS:
            fields.append((name, value.strip(b" \t")))
    return fields


_NEVER_TRAILERS = frozenset({b"content-length", b"host", b"te", b"trailer"})
