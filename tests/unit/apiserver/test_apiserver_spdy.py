"""SPDY frames and channels: what clients send, and what is none of it."""

import struct
import zlib

import pytest

from utsuwa.apiserver.streams import channels
from utsuwa.apiserver.streams.spdy import (
    DICTIONARY,
    MAX_CONTROL,
    MAX_DATA,
    Answer,
    Data,
    GoneAway,
    Opened,
    Reset,
    Spdy,
    SpdyError,
)
from utsuwa.testing.spdy import SpdyClient


def test_the_dictionary_is_the_one_of_the_protocol() -> None:
    """Its checksum stands at the beginning of every header block."""
    assert len(DICTIONARY) == 1423
    assert zlib.adler32(DICTIONARY) == 0xE3C6A7C2


def test_a_stream_is_opened_with_its_headers() -> None:
    """Names come in lower case; later streams share the compression of the first."""
    client, server = SpdyClient(), Spdy()
    first = client.open(1, {"streamType": "error", "port": "80"})
    second = client.open(3, {"streamType": "data"}, fin=True)
    assert server.feed(first + second) == [
        Opened(1, {"streamtype": "error", "port": "80"}, False),
        Opened(3, {"streamtype": "data"}, True),
    ]


def test_bytes_may_come_one_by_one() -> None:
    """Borders of what is read mean nothing."""
    client, server = SpdyClient(), Spdy()
    sent = client.open(1, {"a": "b"}) + client.data(1, b"hello") + client.data(1, b"", fin=True)
    events = [event for i in range(len(sent)) for event in server.feed(sent[i : i + 1])]
    assert events == [Opened(1, {"a": "b"}, False), Data(1, b"hello", False), Data(1, b"", True)]


def test_an_accepted_stream_is_told_so_without_headers() -> None:
    """SYN_REPLY, whose block is compressed with the dictionary."""
    server, unpack = Spdy(), zlib.decompressobj(zdict=DICTIONARY)
    for number in (1, 3):
        frame = server.reply(number)
        assert struct.unpack_from(">HHII", frame) == (0x8003, 2, len(frame) - 8, number)
        assert unpack.decompress(frame[12:]) == b"\0\0\0\0"


def test_large_data_goes_in_several_frames() -> None:
    """And the last of them ends the stream."""
    sent = Spdy().data(5, b"x" * (MAX_DATA + 1), fin=True)
    assert struct.unpack_from(">II", sent) == (5, MAX_DATA)
    assert struct.unpack_from(">II", sent, 8 + MAX_DATA) == (5, 1 << 24 | 1)
    assert Spdy().data(5, b"") == struct.pack(">II", 5, 0)


def test_a_ping_is_answered_and_an_answer_is_not() -> None:
    """Numbers of the client are odd."""
    ping = struct.pack(">HHII", 0x8003, 6, 4, 7)
    assert Spdy().feed(ping) == [Answer(ping)]
    assert Spdy().feed(struct.pack(">HHII", 0x8003, 6, 4, 8)) == []


def test_streams_are_given_up_and_clients_go_away() -> None:
    """RST_STREAM and GOAWAY; SETTINGS and WINDOW_UPDATE mean nothing to us."""
    reset = struct.pack(">HHIII", 0x8003, 3, 8, 1, 5)
    away = struct.pack(">HHIII", 0x8003, 7, 8, 1, 0)
    settings = struct.pack(">HHII", 0x8003, 4, 4, 0)
    window = struct.pack(">HHIII", 0x8003, 9, 8, 1, 100)
    assert Spdy().feed(reset + settings + window + away) == [Reset(1), GoneAway()]
    assert Spdy().reset(1) == reset


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"GET / HTTP/1.1\r\n", ""),
        (struct.pack(">HHI", 0x8002, 1, 0), "version 3, not 2"),
        (struct.pack(">HHI", 0x8003, 1, 0), "ends too early"),
        (struct.pack(">HHI", 0x8003, 1, MAX_CONTROL + 1), "at most 65536 bytes"),
        (struct.pack(">HHIIIH", 0x8003, 1, 10, 2, 0, 0), "an odd stream above 0, not 2"),
        (struct.pack(">HHIIIH", 0x8003, 1, 13, 1, 0, 0) + b"abc", "headers: "),
    ],
)
def test_what_is_no_spdy_is_refused(sent: bytes, why: str) -> None:
    """With what was expected; a text that looks like data waits for more."""
    if not why:
        assert Spdy().feed(sent) == []
        return
    with pytest.raises(SpdyError, match=why):
        Spdy().feed(sent)


def test_headers_that_unpack_to_too_much_are_refused() -> None:
    """A few bytes may stand for megabytes."""
    pack = zlib.compressobj(zdict=DICTIONARY)
    block = pack.compress(b"\0" * (MAX_CONTROL * 4)) + pack.flush(zlib.Z_SYNC_FLUSH)
    frame = struct.pack(">HHIIIH", 0x8003, 1, 10 + len(block), 1, 0, 0) + block
    with pytest.raises(SpdyError, match="headers of at most"):
        Spdy().feed(frame)


def test_it_tells_its_state() -> None:
    """For whoever debugs it."""
    server = Spdy()
    server.feed(SpdyClient().open(1, {"a": "b"}) + b"123")
    assert repr(server) == "<Spdy: 1 is the last stream, 3 bytes wait>"


def test_a_message_has_its_channel_first() -> None:
    """An empty one is nothing typed."""
    assert channels.message(channels.STDERR, b"oh") == b"\x02oh"
    assert channels.split(b"\x04{}") == (channels.RESIZE, b"{}")
    assert channels.split(b"") == (channels.STDIN, b"")


@pytest.mark.parametrize(
    "told", [b"", b"80x24", b"[80,24]", b'{"Width":80}', b'{"Width":-1,"Height":2}', b"\xff"]
)
def test_what_is_no_size_is_none(told: bytes) -> None:
    """A window keeps its size then."""
    assert channels.window(told) is None
    assert channels.window(b'{"Width":100,"Height":30}') == (100, 30)


def test_the_end_of_a_command_is_a_status() -> None:
    """In the words by which kubectl finds the exit code."""
    assert channels.exit_status(0) == {"metadata": {}, "status": "Success"}
    failed = channels.exit_status(7)
    assert failed["reason"] == "NonZeroExitCode"
    assert failed["details"] == {"causes": [{"reason": "ExitCode", "message": "7"}]}
    assert channels.broken_status("gone")["reason"] == "InternalError"
