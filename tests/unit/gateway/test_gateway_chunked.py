"""The end of a chunked body, however it arrives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utsuwa.gateway.http1.chunked import ChunkedBody
from utsuwa.gateway.http1.errors import BadMessageError


@pytest.mark.parametrize(
    "body",
    [
        b"0\r\n\r\n",
        b"5\r\nhello\r\n0\r\n\r\n",
        b"5;name=value\r\nhello\r\n00\r\n\r\n",
        b"1\r\n\n\r\n2\r\n\r\n\r\n0\r\n\r\n",
        b"A\r\n0123456789\r\n0\r\nChecksum: abc\r\nOther: d\r\n\r\n",
    ],
)
def test_the_end_is_found_even_byte_by_byte(body: bytes) -> None:
    assert ChunkedBody().feed(body + b"GET / HTTP/1.1") == len(body)
    slow = ChunkedBody()
    for position in range(len(body) - 1):
        assert slow.feed(body[position : position + 1]) == -1
    assert slow.feed(body[-1:]) == 1


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6), st.data())
def test_the_content_is_what_was_put_in(chunks: list[bytes], data: st.DataObject) -> None:
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    reader, content, position, end = ChunkedBody(), list[bytes](), 0, -1
    while position < len(body):
        step = data.draw(st.integers(1, len(body) - position))
        end = reader.feed(body[position : position + step], 0, content)
        position += step
        assert (end >= 0) == (position == len(body))
    assert b"".join(content) == b"".join(chunks)


@pytest.mark.parametrize(
    "body",
    [
        b"x\r\n",
        b"\r\n",
        b"-1\r\n",
        b"+5\r\nhello\r\n",
        b"0x5\r\nhello\r\n",
        b" 5\r\nhello\r\n",
        b"5\nhello\r\n",
        b"5\r\nhelloX\r\n",
        b"5\r\nhello\n",
        b"5\r\nhello!0\r\n\r\n",
        b"fffffffffffffffff\r\n",
        b"5;a\rb\r\nhello\r\n",
        b"0\r\nno field\r\n\r\n",
        b"0\r\nX : y\r\n\r\n",
        b"0\r\nX: y\n\r\n",
        b"5;" + b"e" * 5000,
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(body: bytes) -> None:
    with pytest.raises(BadMessageError):
        ChunkedBody().feed(body)
