"""A work queue of keys, as reconcilers need it.

A key that is added while it waits is worked once; one that is added while it is being worked is
worked again afterwards, never by two workers at a time. So a reconciler may assume that it alone
touches its object, and that the last change before it looks is the one it sees.
"""

import asyncio
from collections import deque
from typing import Generic, TypeVar

from utsuwa.kit.backoff import Backoff

K = TypeVar("K")


class WorkQueue(Generic[K]):
    """Keys to work on, each at most once at a time, with delays and back-off.

    Mutable state: `_ready` and `_queued` (the same keys), `_working`, `_again`, `_timers`,
    `_failures`; all changed synchronously, on the loop.
    """

    def __init__(self, backoff: Backoff | None = None) -> None:
        self._backoff = backoff or Backoff()
        self._ready: deque[K] = deque()
        self._queued: set[K] = set()
        self._working: set[K] = set()
        self._again: set[K] = set()
        self._timers: dict[K, tuple[float, asyncio.Handle]] = {}
        self._failures: dict[K, int] = {}
        self._wakeup: asyncio.Event = asyncio.Event()

    def __repr__(self) -> str:
        return (
            f"<WorkQueue {len(self._ready)} ready, {len(self._working)} in work, "
            f"{len(self._timers)} delayed>"
        )

    @property
    def idle(self) -> bool:
        """Whether nothing is ready or in work (delayed keys do not count)."""
        return not self._ready and not self._working

    @property
    def depth(self) -> int:
        """Keys that are ready to be worked on."""
        return len(self._ready)

    @property
    def failing(self) -> int:
        """Keys whose last pass failed."""
        return len(self._failures)

    def add(self, key: K) -> None:
        """Work on `key` as soon as a worker is free."""
        if key in self._working:
            self._again.add(key)
        elif key not in self._queued:
            self._queued.add(key)
            self._ready.append(key)
            self._wakeup.set()

    def add_after(self, key: K, seconds: float) -> None:
        """Work on `key` in `seconds`; an earlier appointment for the same key stands."""
        if seconds <= 0:
            self.add(key)
            return
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        known = self._timers.get(key)
        if known is not None:
            appointed, timer = known
            if appointed <= due:
                return
            timer.cancel()
        # When it is due we note ourselves: what uvloop returns for less than half a millisecond
        # is no TimerHandle and has no `when`.
        self._timers[key] = due, loop.call_at(due, self._due, key)

    def add_failed(self, key: K) -> float:
        """Work on `key` again after its back-off; answers the delay in seconds."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        delay = self._backoff.delay(failures)
        self.add_after(key, delay)
        return delay

    def forget(self, key: K) -> None:
        """`key` went well: its next failure starts the back-off anew."""
        self._failures.pop(key, None)

    async def get(self) -> K:
        """The next key; the caller must end with :meth:`done`."""
        while not self._ready:
            self._wakeup.clear()
            await self._wakeup.wait()
        key = self._ready.popleft()
        self._queued.discard(key)
        self._working.add(key)
        return key

    def done(self, key: K) -> None:
        """The work on `key` is over; if it was added meanwhile, it is ready again."""
        self._working.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def close(self) -> None:
        """Drop every delayed key."""
        for _, timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _due(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key)
