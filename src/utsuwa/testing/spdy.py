"""The client's side of SPDY, to talk to a server with."""

import struct
import zlib
from collections.abc import Mapping

from utsuwa.apiserver.streams.spdy import DICTIONARY, FIN


class SpdyClient:
    """Makes the frames of a client. Its headers share one compression, as they must."""

    def __init__(self) -> None:
        self._pack = zlib.compressobj(zdict=DICTIONARY)
        self._unpack = zlib.decompressobj(zdict=DICTIONARY)

    def __repr__(self) -> str:
        return "<SpdyClient>"

    def open(self, stream: int, headers: Mapping[str, str], *, fin: bool = False) -> bytes:
        """SYN_STREAM."""
        block = struct.pack(">I", len(headers))
        for pair in headers.items():
            for word in pair:
                block += struct.pack(">I", len(word)) + word.encode()
        packed = self._pack.compress(block) + self._pack.flush(zlib.Z_SYNC_FLUSH)
        flags = FIN << 24 if fin else 0
        head = struct.pack(">HHI", 0x8003, 1, flags | 10 + len(packed))
        return head + struct.pack(">IIH", stream, 0, 0) + packed

    def data(self, stream: int, data: bytes, *, fin: bool = False) -> bytes:
        """One data frame."""
        return struct.pack(">II", stream, (FIN << 24 if fin else 0) | len(data)) + data

    @staticmethod
    def frames(sent: bytes) -> list[tuple[int, int, bytes]]:
        """What a server sent: first word, flags and body of each frame."""
        found, place = [], 0
        while place + 8 <= len(sent):
            first, second = struct.unpack_from(">II", sent, place)
            end = place + 8 + (second & 0xFFFFFF)
            found.append((first, second >> 24, sent[place + 8 : end]))
            place = end
        return found
