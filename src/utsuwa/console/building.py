"""What builds say while they run: lines, from the form that started one to the page that waits."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager

MOST = 100
"""Builds that are known at once: a page that asks for one that never begins must cost nothing."""
LONGEST = 900.0

_Lines = asyncio.Queue[str | None]


class Building:
    """Mutable state: `_lines` by the name of a build, which its form made up."""

    def __init__(self) -> None:
        self._lines: dict[str, _Lines] = {}

    def __repr__(self) -> str:
        return f"<Building {len(self._lines)}>"

    @contextmanager
    def run(self, name: str) -> Iterator[Callable[[str], None]]:
        """While a build runs: what tells its lines, from any thread."""
        lines, loop = self._of(name), asyncio.get_running_loop()

        def tell(line: str) -> None:
            loop.call_soon_threadsafe(lines.put_nowait, line)

        try:
            yield tell
        finally:
            lines.put_nowait(None)
            self._lines.pop(name, None)

    async def follow(self, name: str) -> AsyncGenerator[bytes, None]:
        """The lines of a build that runs, or is about to."""
        lines = self._of(name)
        try:
            async with asyncio.timeout(LONGEST):
                while (line := await lines.get()) is not None:
                    yield f"{line}\n".encode()
        except TimeoutError:
            yield b"Nothing was heard of it for a long time.\n"
        finally:
            if self._lines.get(name) is lines and lines.empty():
                del self._lines[name]

    def _of(self, name: str) -> _Lines:
        while len(self._lines) >= MOST and name not in self._lines:
            del self._lines[next(iter(self._lines))]
        return self._lines.setdefault(name, asyncio.Queue())
