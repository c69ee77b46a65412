"""Where writes go before anybody sees them: the durable log of the store."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from utsuwa.store.records import Loaded, Write

OnDone = Callable[[Sequence[Write], Exception | None], None]
"""Called on the loop, in order: these writes are committed, or failed for that reason."""


class Log(Protocol):
    """Commits writes in the order in which they were submitted."""

    async def open(self, on_done: OnDone) -> Loaded:
        """Begin; answers what was stored before. Raises StoreError."""
        ...

    def submit(self, write: Write) -> None:
        """Queue `write`. Writes queued while a commit runs go into the next one."""
        ...

    async def close(self) -> None:
        """Commit what is queued, then end."""
        ...


class MemoryLog:
    """Keeps nothing: for tests and simulations. A write is done in the loop's next round."""

    def __init__(self) -> None:
        self._queue: list[Write] = []
        self._on_done: OnDone | None = None

    async def open(self, on_done: OnDone) -> Loaded:
        """Begin empty."""
        self._on_done = on_done
        return Loaded(0, [])

    def submit(self, write: Write) -> None:
        """Queue `write` for the next round of the loop."""
        if not self._queue:
            asyncio.get_running_loop().call_soon(self._commit)
        self._queue.append(write)

    async def close(self) -> None:
        """Finish what is queued."""
        self._commit()

    def _commit(self) -> None:
        batch, self._queue = self._queue, []
        if batch and self._on_done is not None:
            self._on_done(batch, None)
