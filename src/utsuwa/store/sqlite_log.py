"""The log in SQLite: one writer thread that owns the connection.

All writes that queue up while a commit runs go into the next transaction, so many writers share
one fsync and a lone one waits for about one. A batch is written with few, many-rowed statements:
each statement gives up the interpreter's lock and must win it back from a busy loop.
"""

import asyncio
import queue
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from utsuwa.kit.documents import decode
from utsuwa.store.errors import StoreError
from utsuwa.store.lockfile import LockFile
from utsuwa.store.log import OnDone
from utsuwa.store.records import Entry, Loaded, ObjectKey, Stored, Write

SCHEMA = 1
SWITCH_INTERVAL = 0.00005
"""Seconds after which the writer thread may demand the interpreter from a busy loop. With Python's
default of 5 ms a loop that polls more often than that never has to give way (each short release
restarts the wait) and starves the writer: measured, 0.5 to 5 s for one write beside a loop at
100 %; with 50 µs, about 15 ms, at no loss of throughput."""
_ROWS = 200
"""Rows a statement; more than that many writes never wait in practice."""

_SETUP = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS objects (
    kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
    version INTEGER NOT NULL, body BLOB NOT NULL,
    UNIQUE (kind, namespace, name)
);
"""


class SqliteLog:
    """Objects in the file `path` (mode 0600), in WAL with synchronous=FULL.

    Mutable state of the loop: none but the queue's end. Of the thread: `_connection`, `_failed`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = LockFile(path.with_name(path.name + ".lock"))
        self._queue: queue.SimpleQueue[Write | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._connection: sqlite3.Connection | None = None
        self._failed = -1

    async def open(self, on_done: OnDone) -> Loaded:
        """Lock and read the file; create it if it is missing.

        Raises:
            StoreLockedError: another process has it open.
            StoreError: it cannot be read or written, or is of a newer schema.
        """
        sys.setswitchinterval(min(sys.getswitchinterval(), SWITCH_INTERVAL))
        loop = asyncio.get_running_loop()
        opened: asyncio.Future[Loaded] = loop.create_future()

        def tell(function: Callable[..., None], *args: Any) -> None:
            loop.call_soon_threadsafe(function, *args)

        self._thread = threading.Thread(
            target=self._run, args=(tell, opened, on_done), name="store writer", daemon=True
        )
        self._thread.start()
        return await opened

    def submit(self, write: Write) -> None:
        """Hand `write` to the thread."""
        self._queue.put(write)

    async def close(self) -> None:
        """Commit what is queued, close and unlock the file. Safe to call twice."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            await asyncio.to_thread(thread.join)

    # --- the writer thread ----------------------------------------------------------------------

    def _run(
        self,
        tell: Callable[..., None],
        opened: "asyncio.Future[Loaded]",
        on_done: OnDone,
    ) -> None:
        try:
            loaded = self._load()
        except (OSError, sqlite3.Error, ValueError, StoreError) as error:
            self._release()
            tell(_fail, opened, self._explain(error))
            return
        tell(_resolve, opened, loaded)
        try:
            self._serve(tell, on_done)
        finally:
            self._release()

    def _serve(self, tell: Callable[..., None], on_done: OnDone) -> None:
        running = True
        while running:
            batch: list[Write] = []
            running = self._take(batch)
            stale = [write for write in batch if write.epoch == self._failed]
            fresh = [write for write in batch if write.epoch != self._failed]
            if stale:
                tell(on_done, stale, StoreError("an earlier write that it builds on failed"))
            if fresh:
                tell(on_done, fresh, self._commit(fresh))

    def _take(self, batch: list[Write]) -> bool:
        """Fill `batch` with all that is queued, at least one; False when it is time to end."""
        item = self._queue.get()
        while item is not None:
            batch.append(item)
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return True
        return False

    def _commit(self, batch: Sequence[Write]) -> Exception | None:
        latest = {write.entry.key: write.entry for write in batch if write.entry is not None}
        if not latest:
            return None
        connection = self._connected()
        try:
            connection.execute("BEGIN IMMEDIATE")
            _write(connection, latest.values())
            connection.execute("COMMIT")
        except Exception as error:
            self._failed = batch[-1].epoch
            if connection.in_transaction:
                with suppress(sqlite3.Error):  # then the next BEGIN fails, and says why
                    connection.execute("ROLLBACK")
            return self._explain(error)
        return None

    def _load(self) -> Loaded:
        self._lock.acquire()
        self._path.touch(mode=0o600)
        self._path.chmod(0o600)
        connection = sqlite3.connect(
            self._path, isolation_level=None, cached_statements=512, timeout=5.0
        )
        self._connection = connection
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA cache_size=-1024")
        connection.executescript(_SETUP)
        meta = dict(connection.execute("SELECT name, value FROM meta"))
        schema = meta.get("schema", SCHEMA)
        if schema != SCHEMA:
            raise StoreError(
                f"{self._path}: expected schema {SCHEMA}, found {schema}; "
                "it was written by another version of Utsuwa, start that one"
            )
        connection.execute("INSERT OR IGNORE INTO meta VALUES ('schema', ?)", (SCHEMA,))
        objects = [
            (ObjectKey(kind, namespace, name), Stored(decode(body), body, version))
            for kind, namespace, name, version, body in connection.execute(
                "SELECT kind, namespace, name, version, body FROM objects"
            )
        ]
        newest = max((stored.version for _, stored in objects), default=0)
        return Loaded(max(newest, meta.get("version", 0)), objects)

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreError(f"{self._path}: not open")
        return self._connection

    def _release(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._lock.release()

    def _explain(self, error: Exception) -> Exception:
        if isinstance(error, StoreError):
            return error
        explained = StoreError(
            f"{self._path}: {error}; check that the disk has room, that the file belongs to you "
            "and that it is a store of Utsuwa"
        )
        explained.__cause__ = error
        return explained


def _write(connection: sqlite3.Connection, entries: Iterable[Entry]) -> None:
    puts: list[Any] = []
    removals: list[Any] = []
    version = 0
    for entry in entries:
        version = max(version, entry.after.version)
        if entry.removed:
            removals += entry.key
        else:
            puts += (*entry.key, entry.after.version, entry.after.body)
    for start in range(0, len(puts), 5 * _ROWS):
        values = puts[start : start + 5 * _ROWS]
        rows = ",".join(["(?,?,?,?,?)"] * (len(values) // 5))
        connection.execute(
            f"INSERT INTO objects (kind, namespace, name, version, body) VALUES {rows} "
            "ON CONFLICT (kind, namespace, name) "
            "DO UPDATE SET version = excluded.version, body = excluded.body",
            values,
        )
    for start in range(0, len(removals), 3 * _ROWS):
        values = removals[start : start + 3 * _ROWS]
        rows = ",".join(["(?,?,?)"] * (len(values) // 3))
        connection.execute(
            f"DELETE FROM objects WHERE (kind, namespace, name) IN (VALUES {rows})",
            values,
        )
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('version', ?)", (version,))


def _resolve(future: "asyncio.Future[Loaded]", loaded: Loaded) -> None:
    if not future.done():
        future.set_result(loaded)


def _fail(future: "asyncio.Future[Loaded]", error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
