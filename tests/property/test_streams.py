"""Whatever a client sends, SPDY and channels either understand it or say that they do not."""

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from utsuwa.apiserver.streams import channels
from utsuwa.apiserver.streams.spdy import Data, Opened, Spdy, SpdyError
from utsuwa.testing.spdy import SpdyClient

names = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=8)
headers = st.dictionaries(names.map(str.lower), st.text(st.characters(codec="ascii")), max_size=4)


@given(st.lists(st.binary(max_size=64), max_size=20))
def test_garbage_is_refused_or_waits(pieces: list[bytes]) -> None:
    """Nothing but SpdyError leaves the parser."""
    server = Spdy()
    with suppress(SpdyError):
        for piece in pieces:
            server.feed(piece)


@given(st.integers(0, 12), st.integers(0, 255), st.binary(max_size=64))
def test_garbage_in_a_control_frame_is_refused_or_passed_over(
    kind: int, flags: int, body: bytes
) -> None:
    """A well-formed head does not make a frame."""
    head = (0x80030000 | kind).to_bytes(4, "big") + (flags << 24 | len(body)).to_bytes(4, "big")
    with suppress(SpdyError):
        Spdy().feed(head + body)


@given(st.binary(max_size=40), st.integers(0, 30), st.integers(0, 255))
def test_a_flipped_byte_is_refused_or_changes_something(
    data: bytes, place: int, value: int
) -> None:
    """Real frames with one wrong byte."""
    sent = bytearray(SpdyClient().open(1, {"streamtype": "data", "port": "80"}))
    sent[place % len(sent)] = value
    with suppress(SpdyError):
        Spdy().feed(bytes(sent) + data)


@given(
    st.lists(st.tuples(headers, st.binary(max_size=200), st.booleans()), max_size=6),
    st.integers(1, 50),
)
def test_what_a_client_sends_arrives_however_it_is_cut(
    streams: list[tuple[dict[str, str], bytes, bool]], size: int
) -> None:
    """Opened streams and their data, in order."""
    client, server, sent, expected = SpdyClient(), Spdy(), b"", []
    for index, (given_headers, data, fin) in enumerate(streams):
        number = 2 * index + 1
        sent += client.open(number, given_headers) + client.data(number, data, fin=fin)
        expected += [Opened(number, given_headers, False), Data(number, data, fin)]
    cut = [sent[i : i + size] for i in range(0, len(sent), size)]
    assert [event for piece in cut for event in server.feed(piece)] == expected


@given(st.binary(max_size=200))
def test_no_message_of_a_window_breaks_us(data: bytes) -> None:
    """A size or nothing."""
    channel, rest = channels.split(data)
    assert 0 <= channel <= 255
    assert channels.window(rest) is None or rest.strip().startswith(b"{")
