"""Finds the end of a chunked body (RFC 9112 §7.1) without touching its bytes."""

import re

from utsuwa.gateway.http1.errors import BadMessageError

_MAX_LINE = 4096
_MAX_TRAILERS = 16 * 1024
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n\x00]*)?")
_TRAILER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n\x00]*")

_SIZE_LINE, _DATA, _DATA_END, _TRAILERS = range(4)


class ChunkedBody:
    """Reads a chunked body as it arrives, in any pieces.

    Mutable state: `_state`, `_left` (bytes of the chunk still to come, with its CRLF counted
    apart), `_line` (the beginning of a line that has not ended) and `trailers`, the lines after the
    last chunk, where they are to be kept.
    """

    __slots__ = ("_left", "_line", "_state", "_trailers", "trailers")

    def __init__(self, *, keep_trailers: bool = False) -> None:
        self.trailers: list[bytes] | None = [] if keep_trailers else None
        self._state = _SIZE_LINE
        self._left = 0
        self._line = b""
        self._trailers = 0

    @property
    def between(self) -> bool:
        """Whether a chunk may begin here."""
        return self._state == _SIZE_LINE and not self._line

    def feed(self, data: bytes, start: int = 0, into: list[bytes] | None = None) -> int:
        """Read `data` from `start` on.

        Answers the index after the body's last byte, or -1 when it goes on beyond `data`. With
        `into`, the content (without the framing) is appended to it.

        Raises:
            BadMessageError: it is not a chunked body.
        """
        position, size = start, len(data)
        while position < size:
            if self._state == _DATA:
                step = min(self._left, size - position)
                if into is not None:
                    into.append(data[position : position + step])
                position += step
                self._left -= step
                if not self._left:
                    self._state = _DATA_END
                continue
            end = data.find(b"\n", position)
            if end < 0:
                self._keep(data[position:])
                return -1
            line = self._line + data[position : end + 1] if self._line else data[position : end + 1]
            self._line = b""
            position = end + 1
            if self._ends(line):
                return position
        return -1

    def _keep(self, piece: bytes) -> None:
        self._line += piece
        if len(self._line) > _MAX_LINE:
            raise BadMessageError(400, "a line of the chunked body is too long")
        if self._state == _DATA_END and not b"\r\n".startswith(self._line):
            raise BadMessageError(400, "a chunk is longer than its size says")

    def _ends(self, line: bytes) -> bool:
        if not line.endswith(b"\r\n"):
            raise BadMessageError(400, "a line of the chunked body ends in LF without CR")
        line = line[:-2]
        if self._state == _SIZE_LINE:
            match = _SIZE.fullmatch(line)
            if match is None or len(line) > _MAX_LINE:
                raise BadMessageError(400, "a chunk does not begin with its size")
            self._left = int(match[1], 16)
            self._state = _DATA if self._left else _TRAILERS
        elif self._state == _DATA_END:
            if line:
                raise BadMessageError(400, "a chunk is longer than its size says")
            self._state = _SIZE_LINE
        elif not line:
            return True
        else:
            self._trailers += len(line)
            if not _TRAILER.fullmatch(line) or self._trailers > _MAX_TRAILERS:
                raise BadMessageError(400, "the chunked body does not end in valid trailers")
            if self.trailers is not None:
                self.trailers.append(line)
        return False
