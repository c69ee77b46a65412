"""Request heads: checked, read as far as a hop must, and edited for the pod.

Syntax is checked by llhttp (through httptools); routing, framing and forwarding need a dozen
fields, which one search finds. Everything else reaches the pod as the client wrote it.
Rules: RFC 9112 §3 and §6, `spec/dataplane.md` §2.
"""

import asyncio
import re
from functools import lru_cache

import httptools

from utsuwa.gateway.http1.errors import BadMessageError, UpgradeOffer
from utsuwa.gateway.http1.fields import (
    CHUNKED,
    Found,
    find,
    finder,
    length_of,
    named_by_connection,
    without,
)
from utsuwa.gateway.http1.probes import Reply, reply_to

MAX_LINE = 8 * 1024
MAX_HEAD = 64 * 1024
MAX_FIELDS = 100

_CUT = frozenset({
    b"connection", b"keep-alive", b"proxy-connection", b"proxy-authorization",
    b"proxy-authenticate", b"te", b"upgrade", b"x-forwarded-for", b"knative-serving-revision",
    b"knative-serving-namespace", b"k-original-host", b"http2-settings", b"k-network-hash",
})  # fmt: skip
_PROXY_FIELDS = frozenset(
    {b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"forwarded", b"te"}
)
_KNOWN_OPTIONS = _CUT | {b"close"}
_SPECIAL = frozenset({
    b"k-network-probe", b"k-kubelet-probe", b"knative-serving-tag", b"user-agent",
})  # fmt: skip
"""What sets a request apart from its like: it is for the platform, or goes another way."""
_FIELDS = finder((
    "host", "connection", "content-length", "transfer-encoding", "expect", "upgrade",
    "keep-alive", "te", "proxy-connection", "proxy-authorization", "proxy-authenticate",
    "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded",
    "knative-serving-revision", "knative-serving-namespace", "k-original-host", "http2-settings",
    "k-network-hash", "k-network-probe", "k-kubelet-probe", "knative-serving-tag",
), r"user-agent(?=:[ \t]*kube-probe/)")  # fmt: skip
_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}) ([^ \x00-\x1f\x7f]+) HTTP/([0-9]\.[0-9])")
_LINE_START = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}( |$)")
_HOST = re.compile(rb"(\[[0-9a-f:.]+\]|[^\x00-\x20\"#%/:<>?@\[\\\]^`{|}\x7f-\xff]+)(?::[0-9]*)?")
_SETTINGS = re.compile(rb"[A-Za-z0-9_-]*={0,2}")
_REPEATABLE = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"})
_NEW_LINES = (
    b"\r\nX-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\nX-Forwarded-Host: %b"
    b"\r\nForwarded: for=%b;host=%b;proto=%b"
)
"""What a request without a proxy's fields gets."""


_SECURE = re.compile(rb"\r\nx-forwarded-proto:[ \t]*https[ \t]*[,\r]", re.IGNORECASE)


def is_secure(peer: "Peer", out: bytes) -> bool:
    """Whether the request whose edited head is `out` came over TLS: to us, or to a proxy before
    us that says so."""
    return peer.scheme == b"https" or _SECURE.search(out) is not None


class Peer:
    """A client's address in the forms that heads need; made once per connection."""

    __slots__ = ("address", "lines", "scheme")

    def __init__(self, address: str, scheme: str = "http") -> None:
        self.address = address.encode()
        self.scheme = scheme.encode()
        shown = self.address.replace(b"%", b"%%")  # an IPv6 zone
        node = forwarded_node(shown)
        self.lines = _NEW_LINES % (shown, self.scheme, b"%b", node, b"%b", self.scheme)


@lru_cache(4096)
def peer_of(address: str, scheme: str = "http") -> Peer:
    """The peer at `address`; clients that come back share one."""
    return Peer(address, scheme)


def peer_behind(transport: asyncio.BaseTransport) -> Peer:
    """The peer that `transport` leads to."""
    address = transport.get_extra_info("peername")
    secure = transport.get_extra_info("ssl_object") is not None
    return peer_of(str(address[0]) if address else "unknown", "https" if secure else "http")


class RequestHead:
    """What a hop knows of a request. Not changed once made, so a repeated head can be reused."""

    __slots__ = (
        "expect", "head_only", "host", "http11", "keep_alive", "length", "method", "out", "plain",
        "probe", "repeatable", "special", "tag", "target", "trace", "upgrade",
    )  # fmt: skip

    def __init__(self) -> None:
        self.special = False
        self.probe: Reply | None = None
        self.tag = b""
        self.trace: bytes | None = None
        """`traceparent`, once somebody has looked for it."""

    method: bytes
    target: bytes
    host: bytes
    """Lower case, without port and trailing dot."""
    length: int
    """Of the body in bytes, or CHUNKED."""
    http11: bool
    keep_alive: bool
    expect: bool
    upgrade: bool
    head_only: bool
    repeatable: bool
    """The method is idempotent: it may be sent again when no answer came (RFC 9110 §9.2.2)."""
    out: bytes
    """The head as the pod gets it."""
    plain: bool
    """Its answer can be passed on as it is: HTTP/1.1, keep-alive, not HEAD, nothing special."""
    special: bool
    """`probe` or `tag` says something."""
    probe: "Reply | None"
    """What the platform answers, because it is asked (`spec/dataplane.md` §7.1)."""
    tag: bytes
    """Of Knative-Serving-Tag: the part of the host's Route that is meant, where that is on."""


class _Nothing:
    """A protocol without callbacks: llhttp only checks."""


_NOTHING = _Nothing()


def _check(raw: bytes) -> None:
    # A parser for each head costs 0.3 us; one for all would remember lengths and closings.
    try:
        httptools.HttpRequestParser(_NOTHING).feed_data(raw)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserInvalidMethodError as error:
        method, _, rest = raw.partition(b" ")
        if method == b"GET":
            raise BadMessageError(400, f"not HTTP/1.1: {_lower_first(error)}") from error
        _check(b"GET " + rest)  # a method of its own is the application's business
    except httptools.HttpParserError as error:
        raise BadMessageError(400, f"not HTTP/1.1: {_lower_first(error)}") from error


def _lower_first(error: Exception) -> str:
    text = str(error)
    return text[:1].lower() + text[1:]


def parse(raw: bytes, peer: Peer) -> RequestHead:
    """The request whose complete head (with its empty line) is `raw`.

    Raises:
        BadMessageError: it must be refused, with the status to say so.
    """
    head = RequestHead()
    line_end = raw.find(b"\r\n")
    version, target = _request_line(raw, line_end, head)
    if raw.count(b"\r\n") > MAX_FIELDS + 2:
        raise BadMessageError(431, f"more than {MAX_FIELDS} header fields")
    _check(raw)
    lower = raw.lower()
    found, cuts = find(_FIELDS, raw, lower, _CUT)
    head.http11 = version != b"1.0"
    if len(found) == 1 and b"host" in found and head.http11 and target.startswith(b"/"):
        _simple(head, found[b"host"], target)
        head.out = raw[:line_end] + peer.lines % (found[b"host"], found[b"host"]) + raw[line_end:]
        return head
    if not _SPECIAL.isdisjoint(found):
        head.probe = reply_to(found)
        head.tag = found.get(b"knative-serving-tag", b"")
        head.special = head.probe is not None or head.tag != b""
    length = length_of(found)
    if length == CHUNKED and not head.http11:
        raise BadMessageError(400, "Transfer-Encoding in an HTTP/1.0 request")
    head.length = length or 0
    options = found.get(b"connection", b"").lower()
    _semantics(head, found, options)
    head.target, host_line = _host(head, found, target)
    if b"," in options or (options and options not in _KNOWN_OPTIONS):
        cuts += named_by_connection(options, lower, _KNOWN_OPTIONS)
    if host_line:
        cuts += [match.span() for match in re.finditer(rb"\r\nhost:[^\r]*", lower)]
    first = b"%b %b HTTP/1.1%b" % (head.method, head.target, host_line)
    head.out = b"".join([first, *_additions(head, found, peer), *without(raw, cuts, line_end)])
    head.plain = (
        head.http11 and head.keep_alive and not (head.head_only or head.upgrade or head.expect)
    )
    if b"http2-settings" in options and found.get(b"upgrade", b"").lower() == b"h2c":
        _offer(head, found)
    return head


def _offer(head: RequestHead, found: Found) -> None:
    # A body would have to come whole before the switch: then we stay with HTTP/1.1, as we may.
    settings = found.get(b"http2-settings", b"")
    if head.http11 and head.length == 0 and _SETTINGS.fullmatch(settings):
        raise UpgradeOffer(settings)


def _simple(head: RequestHead, host: bytes, target: bytes) -> None:
    """A request that says nothing to a hop but its host."""
    head.host = normal_host(host)
    head.target = target
    head.length = 0
    head.keep_alive = True
    head.upgrade = head.expect = False
    head.plain = not head.head_only


def _request_line(raw: bytes, line_end: int, head: RequestHead) -> tuple[bytes, bytes]:
    if line_end > MAX_LINE:
        raise BadMessageError(414, f"the request line is longer than {MAX_LINE} bytes")
    line = _LINE.fullmatch(raw, 0, line_end)
    if line is None:
        raise BadMessageError(400, "not HTTP/1.1: the request line is not `METHOD target HTTP/1.1`")
    method, target, version = line.groups()
    if version not in {b"1.1", b"1.0"}:
        raise BadMessageError(505, f"HTTP/{version.decode()} is not spoken here: use HTTP/1.1")
    if method == b"CONNECT":
        raise BadMessageError(501, "CONNECT is not for here: this is no forward proxy")
    head.method = method
    head.head_only = method == b"HEAD"
    head.repeatable = method in _REPEATABLE
    return version, target


def _semantics(head: RequestHead, found: Found, options: bytes) -> None:
    if not options:
        head.keep_alive = head.http11
        head.upgrade = False
    else:
        tokens = {token.strip() for token in options.split(b",")}
        head.keep_alive = b"close" not in tokens and (head.http11 or b"keep-alive" in tokens)
        protocol = found.get(b"upgrade", b"").lower()
        # to h2c we switch ourselves, or not at all (RFC 9110 §7.8): no pod is asked to
        head.upgrade = head.http11 and b"upgrade" in tokens and protocol not in {b"", b"h2c"}
    expect = found.get(b"expect")
    head.expect = expect is not None and head.http11
    if expect is not None and expect.lower() != b"100-continue":
        raise BadMessageError(417, "the only expectation known here is 100-continue")


def _host(head: RequestHead, found: Found, target: bytes) -> tuple[bytes, bytes]:
    """The target in origin form, and a new Host line where the target names the host itself."""
    given = found.get(b"host")
    if given is None and head.http11:
        raise BadMessageError(400, "the Host field is missing")
    if target.startswith(b"/") or (target == b"*" and head.method == b"OPTIONS"):
        head.host = normal_host(given or b"")
        return target, b""
    scheme, separator, rest = target.partition(b"://")
    if not separator or scheme.lower() not in {b"http", b"https"}:
        raise BadMessageError(400, "the request target is neither a path nor an http URL")
    match = re.match(rb"[^/?#]*", rest)
    authority = match[0] if match is not None else b""
    path = rest[len(authority) :].partition(b"#")[0]
    head.host = normal_host(authority)
    if not head.host:
        raise BadMessageError(400, "the request target names no host")
    found[b"host"] = authority
    origin = path if path.startswith(b"/") else b"/" + path
    return origin, b"\r\nHost: " + authority


@lru_cache(4096)
def normal_host(value: bytes) -> bytes:
    """`value` of a Host field as tables key it: lower case, no port, no trailing dot.

    >>> normal_host(b"Hello.Default.Example.Com.:8080")
    b'hello.default.example.com'

    Raises:
        BadMessageError: it is not a host.
    """
    if not value:
        return b""
    match = _HOST.fullmatch(value.lower())
    if match is None or len(value) > 261:
        raise BadMessageError(400, "the Host field is not a host name")
    host = match[1]
    return host[:-1] if host.endswith(b".") else host


def _additions(head: RequestHead, found: Found, peer: Peer) -> list[bytes]:
    if head.http11 and not _PROXY_FIELDS & found.keys() and not head.upgrade:
        return [peer.lines % (found[b"host"], found[b"host"])]
    earlier = found.get(b"x-forwarded-for")
    chain = earlier + b", " + peer.address if earlier else peer.address
    lines = [b"\r\nX-Forwarded-For: ", chain]
    proto = found.get(b"x-forwarded-proto")
    if proto is None:
        proto = peer.scheme
        lines += (b"\r\nX-Forwarded-Proto: ", proto)
    host = found.get(b"x-forwarded-host")
    if host is None:
        host = found.get(b"host", b"")
        if host:
            lines += (b"\r\nX-Forwarded-Host: ", host)
    if b"forwarded" not in found:
        lines += (b"\r\nForwarded: ", forwarded(chain, proto, host))
    if head.upgrade:
        lines += (b"\r\nConnection: Upgrade\r\nUpgrade: ", found[b"upgrade"])
    if b"trailers" in found.get(b"te", b"").lower():
        lines.append(b"\r\nTE: trailers\r\nConnection: TE")
    return lines


def forwarded(addresses: bytes, proto: bytes, host: bytes) -> bytes:
    """The Forwarded field that says what the X-Forwarded ones say (`spec/dataplane.md` §2).

    >>> forwarded(b"10.0.0.1, 2001:db8::1", b"https", b"foo.example.com")
    b'for=10.0.0.1;host=foo.example.com;proto=https, for="[2001:db8::1]"'
    """
    nodes = [forwarded_node(part.strip()) for part in addresses.split(b",")] if addresses else []
    pairs = []
    if nodes:
        pairs.append(b"for=" + nodes[0])
    if host:
        pairs.append(b"host=" + host)
    if proto:
        pairs.append(b"proto=" + proto)
    return b", for=".join([b";".join(pairs), *nodes[1:]])


def forwarded_node(address: bytes) -> bytes:
    """`address` as a node of Forwarded: IPv6 in brackets and quotes."""
    return b'"[%b]"' % address if b":" in address else address


def check_start(data: bytes) -> None:
    """Refuse what can no longer become a head, without waiting for its end.

    Raises:
        BadMessageError: garbage, or more than the limits allow.
    """
    line_end = data.find(b"\r\n")
    if line_end < 0:
        if len(data) > MAX_LINE:
            raise BadMessageError(414, f"the request line is longer than {MAX_LINE} bytes")
        if not _LINE_START.match(data) or b"\n" in data:
            raise BadMessageError(400, "this is not HTTP/1.1; if it is TLS, use the https port")
    else:
        _request_line(data, line_end, RequestHead())
        if len(data) > MAX_HEAD:
            raise BadMessageError(431, f"the head is longer than {MAX_HEAD} bytes")
        if data.count(b"\n") != data.count(b"\r\n"):
            raise BadMessageError(400, "not HTTP/1.1: a line ends in LF without CR")


def with_fields(head: bytes, fields: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """An edited `head` with `fields` set in place of what the client sent under their names."""
    lower = head.lower()
    cuts = [
        match.span()
        for name, _ in fields
        for match in re.finditer(rb"\r\n" + re.escape(name.lower()) + rb":[^\r]*", lower)
    ]
    line_end = head.find(b"\r\n")
    lines = [b"\r\n%b: %b" % field for field in fields]
    return b"".join([head[:line_end], *lines, *without(head, cuts, line_end)])
