"""The frames of a WebSocket (RFC 6455 §5.2), as far as one must know them to say goodbye in between.

Bytes pass through as they came. A Close of our own may stand only where a frame of the other side
has ended, so each direction is followed from frame to frame.
"""

from collections.abc import Callable

GOING_AWAY = 1001
_CLOSE = 8


def goodbye(code: int, reason: bytes, mask: bytes = b"") -> bytes:
    """A Close frame; towards a server it needs a `mask` of four random bytes.

    >>> goodbye(1001, b"bye").hex(" ")
    '88 05 03 e9 62 79 65'
    """
    payload = code.to_bytes(2) + reason
    if mask:
        payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
    return bytes((0x80 | _CLOSE, (0x80 if mask else 0) | len(payload))) + mask + payload


class Frames:
    """Follows one direction, in any pieces.

    Mutable state: `_left`, bytes of the frame's payload still to come; `_head`, the beginning of a
    head that has not come whole; `closed`, a Close has passed.
    """

    __slots__ = ("_head", "_left", "closed")

    def __init__(self) -> None:
        self._head = b""
        self._left = 0
        self.closed = False

    def __repr__(self) -> str:
        return f"<Frames left={self._left} closed={self.closed}>"

    @property
    def between(self) -> bool:
        """Whether a frame has ended and none has begun."""
        return not (self._left or self._head)

    def feed(self, data: bytes, *, one: bool = False) -> int:
        """Read `data`, or with `one` only to the end of a frame; answers where reading stopped."""
        position, size = 0, len(data)
        while position < size:
            if self._left:
                step = min(self._left, size - position)
                self._left -= step
                position += step
            else:
                head = self._head + data[position : position + 14]
                length = _head_length(head)
                if len(head) < length:
                    self._head = head
                    return size
                position += length - len(self._head)
                self._head = b""
                self._left = _payload_length(head)
                self.closed = self.closed or head[0] & 0x0F == _CLOSE
            if one and not self._left:
                break
        return position


def _head_length(head: bytes) -> int:
    if len(head) < 2:
        return 2
    short = head[1] & 0x7F
    extended = 2 if short == 126 else 8 if short == 127 else 0
    return 2 + extended + (4 if head[1] & 0x80 else 0)


def _payload_length(head: bytes) -> int:
    short = head[1] & 0x7F
    if short < 126:
        return short
    return int.from_bytes(head[2:4] if short == 126 else head[2:10])


class Way:
    """One direction of a WebSocket that passes through, until we end it.

    Mutable state: `_goodbye`, what we say last, once we are to; `over`: nothing more is passed on.
    """

    __slots__ = ("_frames", "_goodbye", "_write", "over")

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._frames = Frames()
        self._goodbye = b""
        self.over = False

    def __repr__(self) -> str:
        return f"<Way {self._frames!r} over={self.over}>"

    def pass_on(self, data: bytes) -> None:
        """Bytes from the other side."""
        if not self._goodbye:
            self._frames.feed(data)
            self._write(data)
        elif not self.over:
            self._write(data[: self._frames.feed(data, one=True)])
            self._say_it()

    def end(self, goodbye: bytes) -> None:
        """Say `goodbye` as soon as a frame has ended, and nothing after it."""
        self._goodbye = goodbye
        self._say_it()

    def _say_it(self) -> None:
        if self._frames.between and not self.over:
            self.over = True
            if not self._frames.closed:  # who has said goodbye says it once
                self._write(self._goodbye)
