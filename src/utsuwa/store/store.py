"""The store: documents in memory, each write durable before anybody sees it.

A write is decided synchronously against the *pending* state (what is committed plus what is
queued), so two writers can never both win; it becomes visible to reads and watchers only after its
commit, in the order of versions. When a commit fails, every write that built upon it fails as
well and the pending state is the committed one again.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from utsuwa.kit.documents import Document, encode
from utsuwa.store.errors import HistoryGoneError, StoreClosedError, WriteFailedError
from utsuwa.store.history import History
from utsuwa.store.log import Log, MemoryLog
from utsuwa.store.objects import Objects
from utsuwa.store.records import Entry, ObjectKey, Stored, Write
from utsuwa.store.sqlite_log import SqliteLog
from utsuwa.store.watchers import Watcher, Watchers

HISTORY = 20_000
HISTORY_BYTES = 4 * 1024 * 1024
WATCH_BUFFER = 10_000
WATCH_BUFFER_BYTES = 8 * 1024 * 1024


class Store:
    """Objects by kind, namespace and name, with one growing version for all.

    Mutable state, changed on the loop only: `_objects` (committed), `_queued` (the newest queued
    change of each object that has one), `_assigned` (the newest version given to
    a write), `_version` (the newest committed), `_epoch` (grows when a commit fails).
    """

    def __init__(
        self,
        path: Path | None,
        *,
        history: int = HISTORY,
        history_bytes: int = HISTORY_BYTES,
        watch_buffer: int = WATCH_BUFFER,
        watch_bytes: int = WATCH_BUFFER_BYTES,
        log: Log | None = None,
    ) -> None:
        """`path` None keeps everything in memory. `history` changes, and `history_bytes` of JSON,
        are kept for watches that begin in the past; a watcher may lag by `watch_buffer`
        changes, or `watch_bytes` of JSON; then it is told to list anew, and costs nothing."""
        self._path = path
        self._log: Log = log or (MemoryLog() if path is None else SqliteLog(path))
        self._limits = (history, history_bytes)
        self._watch_limits = (watch_buffer, watch_bytes)
        self._objects = Objects()
        self._queued: dict[ObjectKey, Entry] = {}
        self._history = History(0, limit=history, limit_bytes=history_bytes)
        self._watchers = Watchers()
        self._version = 0
        self._assigned = 0
        self._epoch = 0
        self._open = False
        self.commits = 0
        """Batches of writes that were committed since we were opened."""

    def __repr__(self) -> str:
        state = "open" if self._open else "closed"
        return (
            f"<Store {self._path or 'in memory'}: {state}, version {self._version}, "
            f"{len(self._objects)} objects, {len(self._queued)} queued, "
            f"{len(self._watchers)} watchers>"
        )

    async def open(self) -> None:
        """Load everything. History begins at the version found.

        Raises:
            StoreLockedError: another process has the file open.
            StoreError: the file cannot be used.
        """
        loaded = await self._log.open(self._done)
        for key, stored in loaded.objects:
            self._objects.set(key, stored)
        self._version = self._assigned = loaded.version
        history, history_bytes = self._limits
        self._history = History(loaded.version, limit=history, limit_bytes=history_bytes)
        self._open = True

    async def close(self) -> None:
        """Commit what is queued and let go of the file. Reads keep working; watches stay silent."""
        self._open = False
        await self._log.close()

    @property
    def version(self) -> int:
        """The newest committed version."""
        return self._version

    @property
    def size(self) -> int:
        """Committed objects."""
        return len(self._objects)

    def get(self, key: ObjectKey) -> Document | None:
        """The committed object at `key`, shared: do not change it."""
        stored = self._objects.get(key)
        return stored.document if stored is not None else None

    def list(self, kind: str, namespace: str = "") -> list[Document]:
        """The committed objects of `kind`, sorted by namespace and name, shared."""
        return [stored.document for stored in self._objects.of(kind, namespace)]

    def pending(self, key: ObjectKey) -> Document | None:
        """The object at `key` as it will be when all queued writes are done."""
        stored = self._pending(key)
        return stored.document if stored is not None else None

    def put(self, key: ObjectKey, document: Document) -> "asyncio.Future[None]":
        """Queue `document` as the new state of `key`; await the answer for its commit.

        The store sets `metadata.resourceVersion` in it and keeps it: it must not be changed
        afterwards, and its `metadata` must be its own.

        Raises:
            StoreClosedError: at once.
            WriteFailedError: from the future; nothing of the write is kept.
        """
        return self._queue(key, document, removed=False)

    def remove(self, key: ObjectKey, last: Document | None = None) -> "asyncio.Future[None]":
        """Queue the removal of the (pending) object at `key`; `last` is the state that watchers
        are told of, if it is not the present one.

        Raises:
            KeyError: there is none. Else as :meth:`put`.
        """
        current = self._pending(key)
        if current is None:
            raise KeyError(key)
        last = last if last is not None else current.document
        document = {**last, "metadata": dict(last["metadata"])}
        return self._queue(key, document, removed=True)

    async def settled(self) -> None:
        """Wait until every write queued so far is committed.

        Whoever answers from the pending state must wait for it first: it is not durable yet.

        Raises:
            WriteFailedError: one of them failed.
        """
        if self._queued:
            await self._submit(None)

    def watch(self, kind: str, namespace: str = "", *, since: int) -> Watcher:
        """The changes of `kind` after version `since`: first from history, then as they come.

        Raises:
            HistoryGoneError: `since` is before the history kept, or was never given out.
        """
        if not self._history.oldest <= since <= self._version:
            raise HistoryGoneError(since, self._history.oldest, self._version)
        past = self._history.after(since, kind, namespace)
        watcher = Watcher(namespace, since, past, *self._watch_limits)
        self._watchers.add(kind, watcher)
        return watcher

    def _pending(self, key: ObjectKey) -> Stored | None:
        entry = self._queued.get(key)
        if entry is None:
            return self._objects.get(key)
        return None if entry.removed else entry.after

    def _queue(
        self, key: ObjectKey, document: Document, *, removed: bool
    ) -> "asyncio.Future[None]":
        before = self._pending(key)
        version = self._assigned + 1
        document["metadata"]["resourceVersion"] = str(version)
        after = Stored(document, encode(document), version)
        entry = Entry(key, after, before, removed)
        future = self._submit(entry)
        self._assigned = version
        self._queued[key] = entry
        return future

    def _submit(self, entry: Entry | None) -> "asyncio.Future[None]":
        if not self._open:
            raise StoreClosedError(f"store {self._path or 'in memory'}: not open, nothing written")
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._log.submit(Write(entry, self._epoch, future))
        return future

    def _done(self, writes: Sequence[Write], error: Exception | None) -> None:
        if error is not None:
            self._failed(writes, error)
            return
        self.commits += 1
        for write in writes:
            if write.entry is not None:
                self._apply(write.entry)
        for write in writes:
            if not write.future.done():
                write.future.set_result(None)

    def _apply(self, entry: Entry) -> None:
        after = entry.after
        self._version = after.version
        if entry.removed:
            self._objects.remove(entry.key)
        else:
            self._objects.set(entry.key, after)
        if self._queued.get(entry.key) is entry:
            del self._queued[entry.key]
        self._history.add(entry)
        self._watchers.offer(entry.change)

    def _failed(self, writes: Sequence[Write], error: Exception) -> None:
        if any(write.epoch == self._epoch for write in writes):
            self._epoch += 1
            self._queued.clear()
        for write in writes:
            if not write.future.done():
                failure = WriteFailedError(f"not written: {error}")
                failure.__cause__ = error
                write.future.set_exception(failure)
