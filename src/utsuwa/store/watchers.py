"""Watchers: who hears of changes, and what happens to one who does not listen."""

import asyncio
from collections import deque
from collections.abc import Iterable
from weakref import WeakSet

from utsuwa.store.errors import HistoryGoneError
from utsuwa.store.records import Change


class Watcher:
    """An endless iterator of the changes of one kind, for one reader.

    It ends when it is dropped; nobody else keeps it. What waits for its reader is bounded in number
    and in bytes of JSON, beyond what it began with. Mutable state: `_buffer` and its `_bytes`,
    `_lost` (the buffer overflowed) with `_newest` (at which version), `_read` (the last one handed
    out), `_waiter`.
    """

    def __init__(
        self, namespace: str, since: int, past: Iterable[Change], limit: int, limit_bytes: int
    ) -> None:
        self._namespace = namespace
        self._read = since
        self._buffer: deque[Change] = deque(past)
        self._bytes = sum(change.size for change in self._buffer)
        self._limit = max(limit, len(self._buffer))
        self._limit_bytes = max(limit_bytes, self._bytes)
        self._lost = False
        self._newest = since
        self._waiter: asyncio.Future[None] | None = None

    def __repr__(self) -> str:
        where = self._namespace or "all namespaces"
        return f"<Watcher {where}: {len(self._buffer)} waiting{', lost' if self._lost else ''}>"

    def __aiter__(self) -> "Watcher":
        return self

    async def __anext__(self) -> Change:
        """The next change, in order of versions.

        Raises:
            HistoryGoneError: the reader fell behind by more than the buffer.
        """
        while not self._buffer:
            if self._lost:
                raise HistoryGoneError(self._read, self._newest, self._newest)
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        change = self._buffer.popleft()
        self._bytes -= change.size
        self._read = change.version
        return change

    def offer(self, change: Change) -> None:
        """Tell of `change`; called in the order of versions."""
        if self._lost or self._namespace not in ("", change.key.namespace):
            return
        full = len(self._buffer) >= self._limit or self._bytes + change.size > self._limit_bytes
        if full and self._buffer:
            self._lost = True
            self._newest = change.version
            self._buffer.clear()
            self._bytes = 0
        else:
            self._buffer.append(change)
            self._bytes += change.size
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Watchers:
    """The watchers by kind, kept only as long as somebody reads them."""

    def __init__(self) -> None:
        self._kinds: dict[str, WeakSet[Watcher]] = {}

    def __len__(self) -> int:
        return sum(len(watchers) for watchers in self._kinds.values())

    def add(self, kind: str, watcher: Watcher) -> None:
        """Tell `watcher` of every change of `kind` from now on."""
        self._kinds.setdefault(kind, WeakSet()).add(watcher)

    def offer(self, change: Change) -> None:
        """Tell those that watch its kind of `change`."""
        for watcher in self._kinds.get(change.key.kind, ()):
            watcher.offer(change)
