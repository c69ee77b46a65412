"""An event loop whose time is virtual: where nothing is left to do now, it is later at once.

For tests that make their own loops, such as properties, which run one a history. Nothing may
wait for another thread or process: while it does, time would run away.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class NothingLeftError(Exception):
    """Everybody waits, and for no time: this would have hung for ever."""


class _Selector(selectors.SelectSelector):
    """Never waits: it passes the time that it was to wait to :attr:`passed`."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        if not found:
            if timeout is None:
                raise NothingLeftError("expected a timer or something to do, found neither")
            self.passed += max(0.0, timeout)
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop that begins at 0."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        """Virtual seconds since its start."""
        return self._virtual.passed


def run_virtually(main: Coroutine[Any, Any, T]) -> T:
    """As `asyncio.run`, on a loop of its own whose time is virtual."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
