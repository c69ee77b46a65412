import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utsuwa.kit.framing import FrameDecoder, FrameError, encode_frame


def test_a_frame_is_four_bytes_of_length_and_the_body() -> None:
    assert encode_frame({"v": 1}) == bytes.fromhex("0000000481a17601")


@given(st.lists(st.binary(max_size=40), max_size=8), st.integers(1, 7))
def test_frames_come_out_whole_however_the_bytes_arrive(bodies: list[bytes], step: int) -> None:
    stream = b"".join(encode_frame(body) for body in bodies)
    decoder = FrameDecoder()
    out: list[bytes] = []
    for start in range(0, len(stream), step):
        out += decoder.feed(stream[start : start + step])
    assert [msgspec.msgpack.decode(body) for body in out] == bodies


def test_a_frame_that_announces_too_much_is_refused_before_it_arrives() -> None:
    with pytest.raises(FrameError, match="at most 10"):
        FrameDecoder(limit=10).feed(b"\x00\x00\x00\x0b")
