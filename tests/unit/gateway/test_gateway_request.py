"""Request heads: what is refused, what is read, what the pod gets."""

from contextlib import suppress

import pytest

from utsuwa.gateway.http1.errors import BadMessageError, UpgradeOffer
from utsuwa.gateway.http1.fields import CHUNKED
from utsuwa.gateway.http1.request import (
    Peer,
    RequestHead,
    check_start,
    forwarded,
    normal_host,
    parse,
    with_fields,
)

PEER = Peer("10.0.0.9")


def head(*fields: str, line: str = "GET / HTTP/1.1", host: str | None = "a.example.com") -> bytes:
    lines = [line, *([f"Host: {host}"] if host is not None else []), *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def read(
    *fields: str, line: str = "GET / HTTP/1.1", host: str | None = "a.example.com"
) -> RequestHead:
    return parse(head(*fields, line=line, host=host), PEER)


def status_of(raw: bytes) -> int:
    with pytest.raises(BadMessageError) as caught:
        parse(raw, PEER)
    assert "\n" not in caught.value.text
    return caught.value.status


SMUGGLING = {
    "both lengths": head("Content-Length: 5", "Transfer-Encoding: chunked"),
    "two lengths that differ": head("Content-Length: 5", "Content-Length: 6"),
    "two lengths in one": head("Content-Length: 5, 6"),
    "a signed length": head("Content-Length: +5"),
    "a negative length": head("Content-Length: -5"),
    "a hexadecimal length": head("Content-Length: 0x5"),
    "an empty length": head("Content-Length:"),
    "a length beyond counting": head("Content-Length: 99999999999999999999"),
    "an unfolded line": head("X: a\r\n b"),
    "a field that begins with white space": head(" Content-Length: 5"),
    "white space before the colon": head("Content-Length : 5"),
    "a field without a name": head(": 5"),
    "a line that is no field": head("nonsense"),
    "a coding that does not end in chunked": head("Transfer-Encoding: gzip"),
    "chunked, but not last": head("Transfer-Encoding: chunked, gzip"),
    "chunked twice": head("Transfer-Encoding: chunked, chunked"),
    "chunked twice in two fields": head("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
    "identity after chunked": head("Transfer-Encoding: chunked", "Transfer-Encoding: identity"),
    "an unknown coding": head("Transfer-Encoding: xchunked"),
    "a vertical tab before chunked": head("Transfer-Encoding: \x0bchunked"),
    "chunked in HTTP/1.0": head("Transfer-Encoding: chunked", line="POST / HTTP/1.0"),
    "a bare CR in a value": head("X: a\rContent-Length: 5"),
    "a bare LF in a value": head("X: a\nContent-Length: 5"),
    "a NUL in a value": head("X: a\0b"),
    "no Host": head(host=None),
    "two Hosts": head("Host: b.example.com"),
    "a Host with a path": head(host="a.example.com/b"),
    "a Host with white space": head(host="a b"),
    "a Host with a user": head(host="a@b"),
    "two spaces in the request line": head(line="GET  / HTTP/1.1"),
    "a space in the target": head(line="GET /a b HTTP/1.1"),
    "a tab in the request line": head(line="GET\t/ HTTP/1.1"),
    "a target that is neither path nor URL": head(line="GET foo HTTP/1.1"),
    "a foreign scheme": head(line="GET ftp://a/ HTTP/1.1"),
    "a version that does not exist": head(line="GET / HTTP/1.10"),
    "another protocol": head(line="GET / RTSP/1.0"),
}


@pytest.mark.parametrize("raw", SMUGGLING.values(), ids=SMUGGLING.keys())
def test_what_could_be_read_in_two_ways_is_refused(raw: bytes) -> None:
    """RFC 9112 §3, §5, §6: the pod must never see a request where we saw none."""
    assert status_of(raw) == 400


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (head(line="GET /" + "a" * 8192 + " HTTP/1.1"), 414),
        (head(*[f"X-{n}: 1" for n in range(100)]), 431),
        (head("Expect: a miracle"), 417),
        (head(line="GET / HTTP/2.0"), 505),
        (head(line="CONNECT a.example.com:80 HTTP/1.1"), 501),
    ],
    ids=["long line", "many fields", "unknown expectation", "other version", "CONNECT"],
)
def test_what_is_too_much_or_not_for_us_says_so(raw: bytes, status: int) -> None:
    assert status_of(raw) == status


def test_a_hundred_fields_are_not_too_many() -> None:
    assert read(*[f"X-{n}: 1" for n in range(99)]).host == b"a.example.com"


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        (b"Hello.Default.Example.COM", b"hello.default.example.com"),
        (b"a.example.com:8080", b"a.example.com"),
        (b"a.example.com.", b"a.example.com"),
        (b"a.example.com.:80", b"a.example.com"),
        (b"[::1]:8080", b"[::1]"),
        (b"127.0.0.1", b"127.0.0.1"),
    ],
)
def test_hosts_are_compared_without_case_port_and_trailing_dot(given: bytes, normal: bytes) -> None:
    assert normal_host(given) == normal


def test_the_pod_gets_what_the_client_wrote_and_who_it_is() -> None:
    """`spec/dataplane.md` §2: Host unchanged, X-Forwarded-* and Forwarded where absent."""
    assert read("Accept: */*", "x-cAsE: KePt", host="A.Example.com:80").out == (
        b"GET / HTTP/1.1\r\n"
        b"X-Forwarded-For: 10.0.0.9\r\n"
        b"X-Forwarded-Proto: http\r\n"
        b"X-Forwarded-Host: A.Example.com:80\r\n"
        b"Forwarded: for=10.0.0.9;host=A.Example.com:80;proto=http\r\n"
        b"Host: A.Example.com:80\r\nAccept: */*\r\nx-cAsE: KePt\r\n\r\n"
    )


def test_the_address_is_appended_to_those_before() -> None:
    out = read("X-Forwarded-For: 1.1.1.1", "X-Forwarded-For: 2.2.2.2").out
    assert b"X-Forwarded-For: 1.1.1.1, 2.2.2.2, 10.0.0.9\r\n" in out
    assert out.count(b"orwarded-For") == 1


def test_what_an_earlier_proxy_said_stands() -> None:
    out = read(
        "X-Forwarded-Proto: https", "X-Forwarded-Host: outer.example.com", "Forwarded: for=secret"
    ).out
    assert out.count(b"X-Forwarded-Proto") == out.count(b"X-Forwarded-Host") == 1
    assert out.count(b"\r\nForwarded:") == 1
    assert b"Forwarded: for=secret" in out


@pytest.mark.parametrize(
    ("addresses", "proto", "host", "wanted"),
    [
        (b"10.0.0.1", b"", b"", b"for=10.0.0.1"),
        (b"10.0.0.1", b"https", b"foo.example.com", b"for=10.0.0.1;host=foo.example.com;proto=https"),
        (
            b"10.0.0.1, 10.0.0.2,2001:db8::1", b"https", b"foo.example.com",
            b'for=10.0.0.1;host=foo.example.com;proto=https, for=10.0.0.2, for="[2001:db8::1]"',
        ),
    ],
)  # fmt: skip
def test_forwarded_says_what_the_older_fields_say(
    addresses: bytes, proto: bytes, host: bytes, wanted: bytes
) -> None:
    assert forwarded(addresses, proto, host) == wanted


def test_what_is_between_the_client_and_us_stays_there() -> None:
    """RFC 9110 §7.6.1, and the headers that only tell an activator where to go."""
    out = read(
        "Connection: keep-alive, X-Private", "Keep-Alive: timeout=5", "X-Private: 1",
        "Proxy-Connection: keep-alive", "Proxy-Authorization: Basic eA==", "TE: gzip",
        "Knative-Serving-Revision: x", "Knative-Serving-Namespace: y", "K-Original-Host: z",
        "X-Kept: 1",
    ).out  # fmt: skip
    names = {line.partition(b":")[0].lower() for line in out.split(b"\r\n")[1:-2]}
    assert names == {
        b"host", b"x-kept", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host",
        b"forwarded",
    }  # fmt: skip


def test_connection_cannot_take_away_what_routes_or_frames() -> None:
    request = read("Connection: host, content-length, x-forwarded-for", "Content-Length: 3")
    assert request.length == 3
    assert b"\r\nHost: a.example.com\r\n" in request.out
    assert b"\r\nContent-Length: 3\r\n" in request.out
    assert b"X-Forwarded-For: 10.0.0.9" in request.out


def test_trailers_may_be_asked_for() -> None:
    out = read("TE: trailers", "Connection: TE").out
    assert b"\r\nTE: trailers\r\nConnection: TE\r\n" in out


def test_an_upgrade_reaches_the_pod() -> None:
    request = read("Connection: keep-alive, Upgrade", "Upgrade: WebSocket")
    assert request.upgrade
    assert b"\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n" in request.out


OFFER = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk")


def test_an_upgrade_to_h2c_is_an_offer() -> None:
    """Ours to take: no pod hears of it (RFC 7540 §3.2)."""
    with pytest.raises(UpgradeOffer) as caught:
        read(*OFFER)
    assert caught.value.settings == b"AAMAAABk"


@pytest.mark.parametrize(
    "fields",
    [
        (*OFFER, "Content-Length: 5"),
        (*OFFER, "Transfer-Encoding: chunked"),
        (*OFFER[:2], "HTTP2-Settings: a b"),
        ("Connection: Upgrade", *OFFER[1:]),
        (*OFFER, OFFER[2]),
    ],
)
def test_an_offer_of_h2c_that_cannot_be_taken_is_answered_in_http_1(
    fields: tuple[str, ...],
) -> None:
    """A body would have to come whole first; the settings must be one field of this hop."""
    request = read(*fields)
    assert not request.upgrade
    assert b"pgrade" not in request.out
    assert b"HTTP2-Settings" not in request.out


@pytest.mark.parametrize(
    ("target", "origin", "host"),
    [
        ("http://b.example.com/x?y=1", b"/x?y=1", b"b.example.com"),
        ("http://b.example.com", b"/", b"b.example.com"),
        ("HTTP://B.example.com:81?q", b"/?q", b"b.example.com"),
    ],
)
def test_the_host_of_an_absolute_target_wins(target: str, origin: bytes, host: bytes) -> None:
    """RFC 9112 §3.2.2; the pod gets the origin form."""
    request = read(line=f"GET {target} HTTP/1.1")
    assert (request.target, request.host) == (origin, host)
    assert request.out.startswith(b"GET " + origin + b" HTTP/1.1\r\nHost: ")
    assert request.out.lower().count(b"\r\nhost:") == 1
    assert b"a.example.com" not in request.out


def test_the_asterisk_is_for_options() -> None:
    assert read(line="OPTIONS * HTTP/1.1").target == b"*"


def test_a_method_nobody_knows_is_the_applications_business() -> None:
    request = read(line="BREW /pot HTTP/1.1")
    assert request.out.startswith(b"BREW /pot HTTP/1.1\r\n")
    assert not request.repeatable


@pytest.mark.parametrize(
    ("line", "fields", "keep"),
    [
        ("GET / HTTP/1.1", (), True),
        ("GET / HTTP/1.1", ("Connection: close",), False),
        ("GET / HTTP/1.1", ("Connection: Keep-Alive",), True),
        ("GET / HTTP/1.0", (), False),
        ("GET / HTTP/1.0", ("Connection: keep-alive",), True),
    ],
)
def test_persistence_follows_version_and_connection(
    line: str, fields: tuple[str, ...], keep: bool
) -> None:
    assert read(*fields, line=line).keep_alive is keep


def test_an_old_client_is_spoken_for_in_http_1_1() -> None:
    assert read(line="GET / HTTP/1.0").out.startswith(b"GET / HTTP/1.1\r\n")


def test_bodies_are_framed_by_length_or_chunks() -> None:
    assert read("Content-Length: 12", line="POST / HTTP/1.1").length == 12
    assert read("Transfer-Encoding: Chunked", line="POST / HTTP/1.1").length == CHUNKED
    assert read("Transfer-Encoding: gzip, chunked", line="POST / HTTP/1.1").length == CHUNKED
    assert read(line="POST / HTTP/1.1").length == 0


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_what_is_idempotent_may_be_sent_again(method: str) -> None:
    assert read(line=f"{method} / HTTP/1.1").repeatable


def test_headers_of_a_split_replace_the_clients() -> None:
    out = with_fields(read("knative-serving-tag: forged").out, ((b"Knative-Serving-Tag", b"blue"),))
    assert out.startswith(b"GET / HTTP/1.1\r\nKnative-Serving-Tag: blue\r\nX-Forwarded-For")
    assert out.endswith(b"\r\nHost: a.example.com\r\n\r\n")
    assert b"forged" not in out


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00\x00\x00",
        b"nonsense\n",
        b"GET / HTTP/1.1\nHost: a\n\n",
        b"GET / HTTP/1.1\r\nHost: a\nX: b\n",
        b"{\"json\": 1}",
    ],
)  # fmt: skip
def test_garbage_is_refused_before_its_end(data: bytes) -> None:
    with pytest.raises(BadMessageError) as caught:
        check_start(data)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "data", [b"G", b"GET", b"GET /lo", b"GET / HTTP/1.1\r\nHo", b"BREW / HTTP/1.1"]
)
def test_the_beginning_of_a_request_is_waited_for(data: bytes) -> None:
    check_start(data)


def test_an_endless_line_and_an_endless_head_are_refused() -> None:
    with pytest.raises(BadMessageError) as line:
        check_start(b"GET /" + b"a" * 9000)
    with pytest.raises(BadMessageError) as fields:
        check_start(b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 11_000)
    assert (line.value.status, fields.value.status) == (414, 431)


def test_one_bad_head_does_not_spoil_the_next() -> None:
    """One checker serves all connections: it must not remember."""
    for raw in (
        *SMUGGLING.values(),
        head("Content-Length: 10"),
        head("Connection: upgrade", "Upgrade: x"),
    ):
        with suppress(BadMessageError):
            parse(raw, PEER)
        assert read().host == b"a.example.com"
