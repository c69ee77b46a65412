"""SPDY/3.1, as far as Kubernetes' clients speak it. Pure: bytes in, events out, and back.

kubectl tunnels `port-forward` through it, and older clients everything. Frames are 8 bytes of
head and a body:

    control  1 version(15) type(16) | flags(8) length(24)      data  0 stream(31) | flags length

Headers of a stream are one zlib stream for the whole connection, with a dictionary that the
protocol fixes. Flow control is not used by any of these clients: WINDOW_UPDATE is read and
ignored. PING is answered. Streams are opened by the client alone (odd numbers).
"""

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

FIN = 0x01
MAX_DATA = 64 * 1024
"""Most bytes in a data frame that we send."""
MAX_CONTROL = 64 * 1024
"""Most bytes in a control frame that we read, and in the headers that it unpacks to."""

_VERSION = 3
_SYN_STREAM, _SYN_REPLY, _RST_STREAM, _PING, _GOAWAY = 1, 2, 3, 6, 7
_HEAD = struct.Struct(">II")
_WORD = struct.Struct(">I")

_NAMES = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language "
    "accept-ranges age allow authorization cache-control connection content-base "
    "content-encoding content-language content-length content-location content-md5 "
    "content-range content-type date etag expect expires from host if-match if-modified-since "
    "if-none-match if-range if-unmodified-since last-modified location max-forwards pragma "
    "proxy-authenticate proxy-authorization range referer retry-after server te trailer "
    "transfer-encoding upgrade user-agent vary via warning www-authenticate method get status"
)
_MORE = ("200 OK", "version", "HTTP/1.1", "url", "public", "set-cookie", "keep-alive", "origin")
_REST = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request"
    "401 Unauthorized403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented"
    "503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 "
    "Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,"
    "application/xml,application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age="
    "gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
DICTIONARY = (
    b"".join(_WORD.pack(len(w)) + w.encode() for w in (*_NAMES.split(), *_MORE)) + _REST.encode()
)
"""What both sides' headers are compressed with beforehand (1,423 bytes)."""


class SpdyError(Exception):
    """The other side does not keep to the protocol; the connection is of no use any more."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The client opened a stream. Names of headers are in lower case."""

    stream: int
    headers: Mapping[str, str]
    fin: bool


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes of a stream; `fin`: its last ones."""

    stream: int
    data: bytes
    fin: bool


@dataclass(frozen=True, slots=True)
class Reset:
    """The client gave a stream up."""

    stream: int


@dataclass(frozen=True, slots=True)
class Answer:
    """Bytes to be sent back at once."""

    data: bytes


@dataclass(frozen=True, slots=True)
class GoneAway:
    """The client opens no more streams."""


Event: TypeAlias = Opened | Data | Reset | Answer | GoneAway


class Spdy:
    """The server's side of a connection.

    Mutable state: `_rest`, the beginning of a frame; the two zlib streams; `_last`, the highest
    number of a stream.
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self._unpack = zlib.decompressobj(zdict=DICTIONARY)
        self._pack = zlib.compressobj(zdict=DICTIONARY)
        self._last = 0

    def __repr__(self) -> str:
        return f"<Spdy: {self._last} is the last stream, {len(self._rest)} bytes wait>"

    # --- what comes -------------------------------------------------------------------------------

    def feed(self, data: bytes) -> list[Event]:
        """What these bytes say, with those that came before.

        Raises:
            SpdyError: they are no SPDY.
        """
        self._rest += data
        events: list[Event] = []
        while len(self._rest) >= _HEAD.size:
            first, second = _HEAD.unpack_from(self._rest)
            length = second & 0xFFFFFF
            if first >> 31 and length > MAX_CONTROL:
                raise SpdyError(f"a control frame of at most {MAX_CONTROL} bytes, not {length}")
            end = _HEAD.size + length
            if len(self._rest) < end:
                break
            body = bytes(self._rest[_HEAD.size : end])
            del self._rest[:end]
            if event := self._frame(first, second >> 24, body):
                events.append(event)
        return events

    def _frame(self, first: int, flags: int, body: bytes) -> Event | None:
        if not first >> 31:
            return Data(first, body, bool(flags & FIN))
        version, kind = first >> 16 & 0x7FFF, first & 0xFFFF
        if version != _VERSION:
            raise SpdyError(f"version {_VERSION}, not {version}")
        if kind == _SYN_STREAM:
            return self._opened(flags, body)
        if kind == _RST_STREAM:
            return Reset(_word(body, 0) & 0x7FFFFFFF)
        if kind == _PING:
            return Answer(_control(_PING, 0, body)) if _word(body, 0) & 1 else None
        return GoneAway() if kind == _GOAWAY else None

    def _opened(self, flags: int, body: bytes) -> Opened:
        number = _word(body, 0) & 0x7FFFFFFF
        if number <= self._last or not number & 1:
            raise SpdyError(f"an odd stream above {self._last}, not {number}")
        self._last = number
        return Opened(number, self._headers(body[10:]), bool(flags & FIN))

    def _headers(self, packed: bytes) -> dict[str, str]:
        try:
            block = self._unpack.decompress(packed, MAX_CONTROL)
        except zlib.error as error:
            raise SpdyError(f"headers: {error}") from error
        if self._unpack.unconsumed_tail:
            raise SpdyError(f"headers of at most {MAX_CONTROL} bytes")
        found: dict[str, str] = {}
        place = _WORD.size
        for _ in range(_word(block, 0)):
            name, place = _text(block, place)
            value, place = _text(block, place)
            found[name.lower()] = value
        return found

    # --- what goes --------------------------------------------------------------------------------

    def reply(self, stream: int) -> bytes:
        """SYN_REPLY: the stream is accepted."""
        block = self._pack.compress(_WORD.pack(0)) + self._pack.flush(zlib.Z_SYNC_FLUSH)
        return _control(_SYN_REPLY, 0, _WORD.pack(stream) + block)

    def data(self, stream: int, data: bytes, *, fin: bool = False) -> bytes:
        """Data frames; `fin`: nothing more follows on this stream."""
        parts = [data[i : i + MAX_DATA] for i in range(0, len(data), MAX_DATA)] or [b""]
        flags = [0] * (len(parts) - 1) + [FIN if fin else 0]
        frames = zip(flags, parts, strict=True)
        return b"".join(_HEAD.pack(stream, flag << 24 | len(part)) + part for flag, part in frames)

    def reset(self, stream: int) -> bytes:
        """RST_STREAM with status CANCEL: we give the stream up."""
        return _control(_RST_STREAM, 0, _HEAD.pack(stream, 5))


def _control(kind: int, flags: int, body: bytes) -> bytes:
    return _HEAD.pack(1 << 31 | _VERSION << 16 | kind, flags << 24 | len(body)) + body


def _word(data: bytes, place: int) -> int:
    if len(data) < place + _WORD.size:
        raise SpdyError("a frame ends too early")
    found: int = _WORD.unpack_from(data, place)[0]
    return found


def _text(block: bytes, place: int) -> tuple[str, int]:
    start = place + _WORD.size
    end = start + _word(block, place)
    if end > len(block):
        raise SpdyError("headers end too early")
    return block[start:end].decode("latin-1"), end
