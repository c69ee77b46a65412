"""Response heads: framing, and what the client gets."""

import pytest

from utsuwa.gateway.http1.errors import BadMessageError
from utsuwa.gateway.http1.fields import CHUNKED, UNTIL_CLOSE
from utsuwa.gateway.http1.response import parse, with_field, without_chunks


def head(*fields: str, line: str = "HTTP/1.1 200 OK") -> bytes:
    return "\r\n".join([line, *fields, "", ""]).encode("latin-1")


@pytest.mark.parametrize(
    ("raw", "length"),
    [
        (head("Content-Length: 5"), 5),
        (head("Content-Length: 0"), 0),
        (head("Transfer-Encoding: chunked"), CHUNKED),
        (head(), UNTIL_CLOSE),
        (head("Content-Length: 5", line="HTTP/1.1 304 Not Modified"), 0),
        (head(line="HTTP/1.1 204 No Content"), 0),
        (head(line="HTTP/1.1 100 Continue"), 0),
    ],
)
def test_the_body_is_framed_as_the_rules_say(raw: bytes, length: int) -> None:
    """RFC 9112 §6.3."""
    assert parse(raw).length == length


def test_an_ordinary_head_is_not_touched() -> None:
    raw = head("Content-Type: text/plain", "Content-Length: 5", "X-A: b")
    response = parse(raw)
    assert response.untouched
    assert response.out is raw


def test_what_is_between_the_pod_and_us_stays_there() -> None:
    response = parse(
        head(
            "Connection: keep-alive, X-Hop",
            "X-Hop: 1",
            "Keep-Alive: timeout=5",
            "Content-Length: 5",
        )
    )
    assert response.keep_alive
    assert not response.untouched
    assert response.out == head("Content-Length: 5")


def test_an_old_pod_is_spoken_for_in_http_1_1() -> None:
    response = parse(head("Content-Length: 5", line="HTTP/1.0 200 OK"))
    assert response.out == head("Content-Length: 5")
    assert not response.keep_alive


def test_close_is_between_the_pod_and_us() -> None:
    response = parse(head("Connection: close", "Content-Length: 5"))
    assert not response.keep_alive
    assert response.out == head("Content-Length: 5")


def test_a_switch_keeps_its_upgrade() -> None:
    response = parse(
        head("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: x",
             line="HTTP/1.1 101 Switching Protocols")
    )  # fmt: skip
    assert response.out == head(
        "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Accept: x",
        line="HTTP/1.1 101 Switching Protocols",
    )  # fmt: skip


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense\r\n\r\n",
        head("Content-Length: 5", "Transfer-Encoding: chunked"),
        head("Content-Length: 5", "Content-Length: 6"),
        head("Content-Length: five"),
        head("X: a\nY: b"),
        head("X : a"),
        head(line="HTTP/2.0 200 OK"),
    ],
)
def test_what_could_be_read_in_two_ways_is_not_passed_on(raw: bytes) -> None:
    with pytest.raises(BadMessageError) as caught:
        parse(raw)
    assert caught.value.status == 502


def test_our_own_connection_field_is_added_last() -> None:
    assert with_field(head("X: y"), b"Connection", b"close") == head("X: y", "Connection: close")


def test_chunks_are_hidden_from_those_who_do_not_know_them() -> None:
    raw = head("Transfer-Encoding: chunked", "X: y", "Trailer: Z")
    assert without_chunks(raw) == head("X: y")
