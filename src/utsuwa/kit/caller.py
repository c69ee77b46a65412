"""Whoever runs a command in a container, as those see him who carry its bytes."""

from typing import Protocol


class Caller(Protocol):
    """Whoever called a command: what he types, and where he wants its output."""

    @property
    def tty(self) -> bool:
        """Whether he wants a terminal."""
        ...

    @property
    def stdin(self) -> bool:
        """Whether he is going to type anything."""
        ...

    async def read(self) -> bytes:
        """What he types next; b"" once he has ended."""
        ...

    async def write(self, data: bytes) -> None:
        """Give him output; waits while he is slow."""
        ...

    async def write_error(self, data: bytes) -> None:
        """Give him what came on standard error."""
        ...

    async def resized(self) -> tuple[int, int]:
        """The next size of his window: columns and rows."""
        ...
