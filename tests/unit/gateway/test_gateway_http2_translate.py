"""Heads and trailers between HTTP/2 and HTTP/1.1; what one connection may cost."""

import pytest

from utsuwa.gateway.http1.errors import BadMessageError
from utsuwa.gateway.http1.fields import CHUNKED
from utsuwa.gateway.http1.request import Peer
from utsuwa.gateway.http2 import translate
from utsuwa.gateway.http2.answers import answer, grpc_trailers
from utsuwa.gateway.http2.budget import Budget
from utsuwa.gateway.http2.translate import Fields, StreamHead

HOST = b"Hello.Example.com:8080"
PEER = Peer("10.0.0.9")


def head(*fields: tuple[bytes, bytes], method: bytes = b"GET") -> StreamHead:
    return translate.read_request([
        (b":method", method), (b":scheme", b"http"), (b":path", b"/x"), (b":authority", HOST),
        *fields,
    ])  # fmt: skip


def test_a_head_is_read_as_far_as_a_hop_must() -> None:
    read = head((b"content-type", b"application/grpc+proto"), (b"content-length", b"5"))
    assert (read.host, read.authority, read.target) == (b"hello.example.com", HOST, b"/x")
    assert (read.grpc, read.length, read.head_only, read.repeatable) == (True, 5, False, True)


def test_host_stands_in_for_authority() -> None:
    """RFC 9113 §8.3.1."""
    read = translate.read_request(
        [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b"host", b"a.example.com")]
    )
    assert read.authority == b"a.example.com"
    assert read.fields == []


def test_headers_that_only_tell_a_hop_do_not_reach_the_pod() -> None:
    """`spec/dataplane.md` §2."""
    read = head((b"knative-serving-revision", b"a"), (b"k-original-host", b"b"), (b"x-one", b"1"))
    assert read.fields == [(b"x-one", b"1")]


def test_forwarding_fields_of_earlier_proxies_are_kept_and_the_address_appended() -> None:
    read = head((b"x-forwarded-for", b"1.1.1.1"), (b"x-forwarded-proto", b"https"))
    fields = dict(translate.to_pod(read, PEER, ()))
    assert fields[b"x-forwarded-for"] == b"1.1.1.1, 10.0.0.9"
    assert fields[b"x-forwarded-proto"] == b"https"
    assert fields[b"forwarded"] == b"for=1.1.1.1;host=" + HOST + b";proto=https, for=10.0.0.9"


def test_both_kinds_of_pods_get_the_same_forwarding_fields() -> None:
    read = head((b"x-forwarded-for", b"1.1.1.1"), (b"x-one", b"1"))
    over_http2 = dict(translate.to_pod(read, PEER, ((b"X-Set", b"s"),)))
    made = translate.to_http1(read, PEER, ((b"X-Set", b"s"),), chunked=False)
    over_http1 = dict(translate.from_http1(made.out))
    assert over_http2 == over_http1


def test_http1_is_chunked_where_no_length_is_declared() -> None:
    made = translate.to_http1(head(method=b"POST"), PEER, (), chunked=True)
    assert made.length == CHUNKED
    assert b"\r\ntransfer-encoding: chunked\r\n" in made.out


@pytest.mark.parametrize(
    ("status", "fields", "ended", "length", "last"),
    [
        (200, [(b"content-length", b"5")], False, 5, b"content-length: 5"),
        (200, [], False, CHUNKED, b"transfer-encoding: chunked"),
        (200, [], True, 0, b"content-length: 0"),
        (204, [], True, 0, b"HTTP/1.1 204 No Content"),
        (304, [(b"content-length", b"5")], True, 0, b"content-length: 5"),
        (599, [], True, 0, b"content-length: 0"),
    ],
)
def test_the_framing_of_an_answer_for_http1(
    status: int, fields: Fields, ended: bool, length: int, last: bytes
) -> None:
    made = translate.answer_to_http1(status, fields, head_only=False, ended=ended)
    assert made.length == length
    assert made.out.endswith(last + b"\r\n\r\n")


def test_an_answer_with_two_lengths_is_refused() -> None:
    fields = [(b"content-length", b"5"), (b"content-length", b"6")]
    with pytest.raises(BadMessageError) as caught:
        translate.answer_to_http1(200, fields, head_only=False, ended=False)
    assert caught.value.status == 502


@pytest.mark.parametrize(
    "block",
    [
        [],
        [(b"x-one", b"1"), (b":status", b"200")],
        [(b":status", b"20")],
        [(b":status", b"101")],
        [(b":status", b"200"), (b":status", b"200")],
        [(b":status", b"200"), (b"x-one", b"a\r\nb: c")],
        [(b":status", b"200"), (b"X-One", b"1")],
    ],
)
def test_a_malformed_answer_of_a_pod_is_a_502(block: Fields) -> None:
    with pytest.raises(BadMessageError) as caught:
        translate.read_response(block)
    assert caught.value.status == 502


def test_trailers_that_frame_or_route_are_dropped() -> None:
    lines = [b"X-Sum: 1", b"Content-Length: 5", b"Host: a", b"Transfer-Encoding: chunked"]
    assert translate.trailers_from_http1(lines) == [(b"x-sum", b"1")]


def test_pseudo_header_fields_are_no_trailers() -> None:
    with pytest.raises(BadMessageError):
        translate.read_trailers([(b":path", b"/")])


def test_a_grpc_message_is_percent_encoded() -> None:
    assert grpc_trailers(503, "für 100 %\n") == [
        (b"grpc-status", b"14"),
        (b"grpc-message", b"f%C3%BCr 100 %25%0A"),
    ]


def test_an_answer_of_ours_is_that_of_http1() -> None:
    """Text, a line feed and nosniff; the 504 has neither of the latter."""
    fields, body = answer(503, "no", grpc=False)
    assert (dict(fields)[b"x-content-type-options"], body) == (b"nosniff", b"no\n")
    fields, body = answer(504, "request timeout", grpc=False)
    assert (b"x-content-type-options" in dict(fields), body) == (False, b"request timeout")


def test_a_budget_fills_again_with_time() -> None:
    budget = Budget(2.0, 1.0, 0.0)
    assert [budget.spend(0.0) for _ in range(3)] == [True, True, False]
    assert not budget.spend(1.0)
    assert budget.spend(3.0)
    assert [budget.spend(100.0) for _ in range(3)] == [True, True, False]
