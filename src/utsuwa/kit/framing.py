"""Length-prefixed msgpack messages over a stream: four bytes of length, big-endian, then the body.

Worked example: the message `{"v": 1}` travels as `00 00 00 04 81 a1 76 01`.
"""

from typing import Any

import msgspec

MAX_FRAME = 64 * 1024 * 1024
"""Largest body in bytes. A full routing table of 5,000 revisions is about 2 MiB."""


class FrameError(Exception):
    """The peer sent something that is not a frame; the connection is beyond repair."""


def encode_frame(message: Any) -> bytes:
    """`message` (msgpack-able, msgspec structs included) as one frame."""
    body = msgspec.msgpack.encode(message)
    return len(body).to_bytes(4, "big") + body


class FrameDecoder:
    """Cuts a byte stream into frame bodies, however the bytes arrive."""

    def __init__(self, limit: int = MAX_FRAME) -> None:
        self._buffer = bytearray()
        self._limit = limit

    def feed(self, data: bytes) -> list[bytes]:
        """The bodies completed by `data`, in order.

        Raises:
            FrameError: a frame announces more than the limit.
        """
        self._buffer += data
        bodies: list[bytes] = []
        while len(self._buffer) >= 4:
            length = int.from_bytes(self._buffer[:4], "big")
            if length > self._limit:
                raise FrameError(f"frame of {length} bytes: at most {self._limit} are accepted")
            if len(self._buffer) < 4 + length:
                break
            bodies.append(bytes(self._buffer[4 : 4 + length]))
            del self._buffer[: 4 + length]
        return bodies
