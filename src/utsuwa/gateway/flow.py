"""Back-pressure: stop and go on reading, whatever state the connection is in."""

from typing import Protocol


class Readable(Protocol):
    """What can stop and go on reading: a transport, or what stands for one."""

    def is_closing(self) -> bool:
        """Whether it is of no more use."""
        ...

    def pause_reading(self) -> None:
        """Stop."""
        ...

    def resume_reading(self) -> None:
        """Go on."""
        ...


class Pipe(Readable, Protocol):
    """What can also be written to."""

    def write(self, data: bytes) -> None:
        """Send."""
        ...

    def can_write_eof(self) -> bool:
        """Whether half of it can be closed."""
        ...

    def write_eof(self) -> None:
        """Send no more."""
        ...


def pause(transport: Readable) -> None:
    """Read no more from `transport` for now."""
    if not transport.is_closing():
        transport.pause_reading()


def resume(transport: Readable) -> None:
    """Read again from `transport`."""
    if not transport.is_closing():
        transport.resume_reading()
