"""A log whose commits happen, or fail, when the test says so."""

from collections.abc import Sequence

from utsuwa.store.log import OnDone
from utsuwa.store.records import Loaded, Write


class HandLog:
    """Give it to a Store as its `log`. Mutable state: `queue`, the writes not yet finished."""

    def __init__(self) -> None:
        self.queue: list[Write] = []
        self._on_done: OnDone | None = None

    def __repr__(self) -> str:
        return f"<HandLog {len(self.queue)} queued>"

    async def open(self, on_done: OnDone) -> Loaded:
        """Begin empty."""
        self._on_done = on_done
        return Loaded(0, [])

    def submit(self, write: Write) -> None:
        """Keep `write` until it is taken."""
        self.queue.append(write)

    async def close(self) -> None:
        """Commit what is queued."""
        self.finish(self.take())

    def take(self) -> list[Write]:
        """The queued writes, which then wait for :meth:`finish`."""
        taken, self.queue = self.queue, []
        return taken

    def finish(self, writes: Sequence[Write], error: Exception | None = None) -> None:
        """Commit `writes`, or fail them with `error`."""
        if self._on_done is None:
            raise RuntimeError("HandLog: expected to be opened by a Store first, it was not")
        self._on_done(writes, error)
