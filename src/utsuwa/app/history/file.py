"""The file of the history: SQLite, one thread, nobody ever waits for it but who reads.

Series in blocks, marks, and notes: what was decided, and what cold starts cost.

Written in batches and never on the loop. What it holds can be lost without harm, so it may: a file
that is damaged is set aside as `history.db.broken`, one that was deleted is made anew, and where
nothing can be written the log says so once and the latest minutes are told from memory.

Bounded: seconds are kept for an hour, minutes for a week, notes for a day and only so many, and of
the whole the oldest goes when the file has come to its limit.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from utsuwa.kit.log import get_logger
from utsuwa.series import MINUTE, SECOND, Block, Life, Mark, pack, unpack

_log = get_logger(__name__)

SCHEMA = 1
KEPT = {SECOND: 3600, MINUTE: 7 * 24 * 3600}
"""Seconds of the past that are kept of each step."""
LIMIT = 48 * 1024 * 1024
"""Bytes of the file, its log of writes not counted, beyond which the oldest goes."""
MOST_NOTES = 20_000
"""Notes of all revisions together, about 0.3 KiB each."""
NOTES_KEPT = 24 * 3600
"""Seconds for which a note is kept, whatever it says."""
_SHARE = 10
"""The part of the oldest blocks, one in so many, that goes then."""

_SETUP = """
CREATE TABLE IF NOT EXISTS series (
    id INTEGER PRIMARY KEY, namespace TEXT NOT NULL, revision TEXT NOT NULL,
    service TEXT NOT NULL, UNIQUE (namespace, revision)
);
CREATE TABLE IF NOT EXISTS blocks (
    series INTEGER NOT NULL, step INTEGER NOT NULL, start INTEGER NOT NULL, life INTEGER NOT NULL,
    until INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (series, step, start, life)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_age ON blocks (step, until);
CREATE TABLE IF NOT EXISTS notes (
    id INTEGER PRIMARY KEY, series INTEGER NOT NULL, kind TEXT NOT NULL, time REAL NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS by_kind ON notes (kind, time);
CREATE TABLE IF NOT EXISTS lives (start INTEGER PRIMARY KEY, until INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS marks (
    series INTEGER NOT NULL, time REAL NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL,
    PRIMARY KEY (series, time, kind)
) WITHOUT ROWID;
"""


class Name(NamedTuple):
    """Whose series it is."""

    namespace: str
    revision: str
    service: str


class Note(NamedTuple):
    """Something that is remembered word for word: a decision, a cold start."""

    kind: str
    time: float
    body: bytes


class Batch(NamedTuple):
    """What is written together, at the time `now`."""

    now: float
    blocks: Sequence[tuple[Name, Block]] = ()
    marks: Sequence[tuple[Name, Mark]] = ()
    notes: Sequence[tuple[Name, Note]] = ()
    life: Life | None = None
    """That of the recorder, as far as it has come."""


class Asked(NamedTuple):
    """What somebody wants to read: of one revision, or of all of a service."""

    namespace: str
    service: str
    revision: str
    step: int
    since: int
    until: int


class Kept(NamedTuple):
    """What the file has of it: blocks by revision, and marks; when there was a recorder."""

    blocks: dict[str, list[Block]]
    marks: list[Mark]
    lives: list[Life] = []  # noqa: RUF012  (nobody changes it)


_Job = Callable[[], None]
R = TypeVar("R")


class HistoryFile:
    """The file `path` and its thread.

    Mutable state of the loop: `_thread`. Of the thread: `_connection`, `_inode` of the file it has
    open, `_ids` of series, `_silenced` (a failure was told already).
    """

    def __init__(self, path: Path, *, limit: int = LIMIT) -> None:
        self._path = path
        self._limit = limit
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._connection: sqlite3.Connection | None = None
        self._inode = 0
        self._ids: dict[Name, int] = {}
        self._silenced = False

    def __repr__(self) -> str:
        return f"<HistoryFile {self._path}{'' if self._thread else ', not open'}>"

    def start(self) -> None:
        """Start the thread; the file is opened with the first thing to do."""
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Write what is queued and close. Safe to call twice."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._jobs.put(None)
            await asyncio.to_thread(thread.join)

    def write(self, batch: Batch) -> None:
        """Hand `batch` to the thread. Returns at once; what goes wrong is in the log."""
        self._jobs.put(lambda: self._guarded(lambda: self._write(batch), None))

    async def read(self, asked: Asked) -> Kept:
        """What the file has, after all that was handed over before. Nothing where it cannot be
        read."""
        return await self._ask(lambda: self._read(asked), Kept({}, []))

    async def notes(self, since: float) -> list[tuple[Name, Note]]:
        """All notes from `since` on, in the order in which they were written."""
        return await self._ask(lambda: self._read_notes(since), [])

    async def _ask(self, work: Callable[[], R], otherwise: R) -> R:
        if self._thread is None:
            return otherwise
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[R] = loop.create_future()

        def job() -> None:
            found = self._guarded(work, otherwise)
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_resolve, answer, found)

        self._jobs.put(job)
        return await answer

    # --- the thread -----------------------------------------------------------------------------

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
        self._close()

    def _guarded(self, work: Callable[[], Any], otherwise: Any) -> Any:
        """Do it; once more with a new file when this one is damaged."""
        for attempt in (1, 2):
            try:
                self._open()
                found = work()
            except sqlite3.OperationalError as error:  # the disk is full, or may not be written
                self._close()
                self._complain(error)
                break
            except (sqlite3.DatabaseError, ValueError) as error:
                self._close()
                if attempt == 2 or not self._set_aside(error):
                    break
            except OSError as error:
                self._close()
                self._complain(error)
                break
            else:
                self._silenced = False
                return found
        return otherwise

    def _open(self) -> None:
        if self._connection is not None:
            with suppress(FileNotFoundError):
                if self._path.stat().st_ino == self._inode:
                    return
            self._close()
        self._path.touch(mode=0o600)
        self._inode = self._path.stat().st_ino
        connection = sqlite3.connect(self._path, isolation_level=None, timeout=5.0)
        self._connection = connection
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA journal_size_limit=1048576")
        connection.execute("PRAGMA cache_size=-1024")
        (schema,) = connection.execute("PRAGMA user_version").fetchone()
        if schema not in {0, SCHEMA}:
            raise ValueError(f"schema {schema}, expected {SCHEMA}")
        connection.executescript(_SETUP)
        connection.execute(f"PRAGMA user_version={SCHEMA}")
        self._ids = {
            Name(*names): number
            for number, *names in connection.execute(
                "SELECT id, namespace, revision, service FROM series"
            )
        }

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        self._ids = {}
        if connection is not None:
            with suppress(sqlite3.Error):  # it is damaged, which was told
                connection.close()

    def _set_aside(self, error: Exception) -> bool:
        broken = self._path.with_name(self._path.name + ".broken")
        try:
            self._path.replace(broken)
            for suffix in ("-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        except OSError as why:
            self._complain(why)
            return False
        _log.warning(
            "the history could not be read and begins anew",
            file=self._path,
            kept_as=broken,
            reason=error,
        )
        return True

    def _complain(self, error: Exception) -> None:
        if not self._silenced:
            _log.warning("the history is not being kept", file=self._path, reason=error)
        self._silenced = True

    def _db(self) -> sqlite3.Connection:
        if self._connection is None:
            raise sqlite3.OperationalError("not open")
        return self._connection

    def _write(self, batch: Batch) -> None:
        connection = self._db()
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.executemany(
                "INSERT OR REPLACE INTO blocks VALUES (?,?,?,?,?,?)",
                [
                    (self._id(name), block.step, block.start, block.life, block.last, pack(block))
                    for name, block in batch.blocks
                ],
            )
            connection.executemany(
                "INSERT OR REPLACE INTO marks VALUES (?,?,?,?)",
                [(self._id(name), mark.time, mark.kind, mark.text) for name, mark in batch.marks],
            )
            connection.executemany(
                "INSERT INTO notes (series, kind, time, body) VALUES (?,?,?,?)",
                [(self._id(name), *note) for name, note in batch.notes],
            )
            if batch.life is not None:
                connection.execute("INSERT OR REPLACE INTO lives VALUES (?,?)", batch.life)
            self._prune(batch.now)
            connection.execute("COMMIT")
        except BaseException:  # whatever it was: half a batch must not stay open
            self._ids = {}
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            self._close()
            raise

    def _id(self, name: Name) -> int:
        known = self._ids.get(name)
        if known is None:
            found = self._db().execute(
                "INSERT INTO series (namespace, revision, service) VALUES (?,?,?) "
                "ON CONFLICT (namespace, revision) DO UPDATE SET service = excluded.service "
                "RETURNING id",
                name,
            )
            (known,) = found.fetchone()
            self._ids[name] = known
        return known

    def _prune(self, now: float) -> None:
        connection = self._db()
        for step, seconds in KEPT.items():
            connection.execute(
                "DELETE FROM blocks WHERE step = ? AND until < ?", (step, int(now) - seconds)
            )
        connection.execute("DELETE FROM lives WHERE until < ?", (int(now) - KEPT[MINUTE],))
        connection.execute("DELETE FROM marks WHERE time < ?", (now - KEPT[MINUTE],))
        connection.execute(
            "DELETE FROM notes WHERE time < ? OR id <= (SELECT max(id) FROM notes) - ?",
            (now - NOTES_KEPT, MOST_NOTES),
        )
        if self._used() > self._limit:
            (count,) = connection.execute("SELECT count(*) FROM blocks").fetchone()
            connection.execute(
                "DELETE FROM blocks WHERE (series, step, start, life) IN (SELECT series, step, "
                "start, life FROM blocks ORDER BY until LIMIT ?)",
                (count // _SHARE + 1,),
            )
            _log.info("the history is full: its oldest part was dropped", file=self._path)

    def _used(self) -> int:
        connection = self._db()
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        (free,) = connection.execute("PRAGMA freelist_count").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        used: int = (pages - free) * size
        return used

    def _read_notes(self, since: float) -> list[tuple[Name, Note]]:
        return [
            (Name(namespace, revision, service), Note(kind, time, body))
            for namespace, revision, service, kind, time, body in self._db().execute(
                "SELECT namespace, revision, service, kind, time, body FROM notes "
                "JOIN series ON series = series.id WHERE time >= ? ORDER BY notes.id",
                (since,),
            )
        ]

    def _read(self, asked: Asked) -> Kept:
        connection = self._db()
        which, value = (
            ("revision", asked.revision) if asked.revision else ("service", asked.service)
        )
        blocks: dict[str, list[Block]] = {}
        for revision, start, life, body in connection.execute(
            "SELECT revision, start, life, body FROM blocks JOIN series ON series = id "
            f"WHERE namespace = ? AND {which} = ? AND step = ? AND until >= ? AND start <= ? "
            "ORDER BY start",
            (asked.namespace, value, asked.step, asked.since, asked.until),
        ):
            blocks.setdefault(revision, []).append(unpack(body, asked.step, start, life))
        marks = [
            Mark(time, kind, revision, text)
            for time, kind, revision, text in connection.execute(
                "SELECT time, kind, revision, text FROM marks JOIN series ON series = id "
                f"WHERE namespace = ? AND {which} = ? AND time >= ? AND time < ? ORDER BY time",
                (asked.namespace, value, asked.since, asked.until + asked.step),
            )
        ]
        lives = [Life(*row) for row in connection.execute("SELECT start, until FROM lives")]
        return Kept(blocks, marks, lives)


def _resolve(answer: "asyncio.Future[R]", found: R) -> None:
    if not answer.done():
        answer.set_result(found)
