"""The store on disk: what is there after it was closed, who may open it, who shares a commit."""

import asyncio
import os
import resource
import sqlite3
import stat
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

import pytest

from utsuwa.kit.documents import Document
from utsuwa.store import (
    HistoryGoneError,
    ObjectKey,
    Store,
    StoreError,
    StoreLockedError,
    WriteFailedError,
)
from utsuwa.store.log import OnDone
from utsuwa.store.records import Loaded, Write
from utsuwa.store.sqlite_log import SqliteLog


def key(name: str) -> ObjectKey:
    return ObjectKey("things", "default", name)


def thing(name: str, **spec: object) -> Document:
    return {"metadata": {"name": name, "namespace": "default"}, "spec": spec}


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Store]:
    store = Store(path)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


class CountingLog:
    """Counts the commits of a real log."""

    def __init__(self, path: Path) -> None:
        self._log = SqliteLog(path)
        self.commits = 0

    async def open(self, on_done: OnDone) -> Loaded:
        def counted(writes: Sequence[Write], error: Exception | None) -> None:
            self.commits += 1
            on_done(writes, error)

        return await self._log.open(counted)

    def submit(self, write: Write) -> None:
        self._log.submit(write)

    async def close(self) -> None:
        await self._log.close()


async def test_what_was_written_is_there_again(path: Path) -> None:
    async with opened(path) as store:
        await store.put(key("a"), thing("a", n=1))
        await store.put(key("b"), thing("b"))
        await store.put(key("a"), thing("a", n=2))
        await store.remove(key("b"))
        before = store.list("things")
    async with opened(path) as store:
        assert store.list("things") == before
        assert store.version == 4


async def test_a_version_is_never_given_twice_though_its_object_is_gone(path: Path) -> None:
    """The newest version belongs to a removal: no object carries it any more."""
    async with opened(path) as store:
        await store.put(key("a"), thing("a"))
        await store.remove(key("a"))
    async with opened(path) as store:
        document = thing("a")
        await store.put(key("a"), document)
        assert document["metadata"]["resourceVersion"] == "3"


async def test_after_a_restart_history_begins_anew(path: Path) -> None:
    async with opened(path) as store:
        await store.put(key("a"), thing("a"))
        await store.put(key("a"), thing("a", n=2))
    async with opened(path) as store:
        with pytest.raises(HistoryGoneError):
            store.watch("things", since=1)
        store.watch("things", since=2)


async def test_closing_commits_what_is_queued(path: Path) -> None:
    async with opened(path) as store:
        future = store.put(key("a"), thing("a"))
    await future
    async with opened(path) as store:
        assert store.get(key("a")) is not None


async def test_an_object_made_and_removed_in_one_commit_leaves_nothing(path: Path) -> None:
    async with opened(path) as store:
        await asyncio.gather(store.put(key("a"), thing("a")), store.remove(key("a")))
    async with opened(path) as store:
        assert store.list("things") == []


async def test_more_writes_than_a_statement_takes_are_all_written(path: Path) -> None:
    async with opened(path) as store:
        await asyncio.gather(*(store.put(key(f"t{n}"), thing(f"t{n}")) for n in range(450)))
        await asyncio.gather(*(store.remove(key(f"t{n}")) for n in range(0, 450, 2)))
    async with opened(path) as store:
        assert len(store.list("things")) == 225


async def test_many_writers_share_a_commit(path: Path) -> None:
    """What queues up while a commit runs goes into the next one: 200 writes, few commits."""
    log = CountingLog(path)
    store = Store(path, log=log)
    await store.open()
    await asyncio.gather(*(store.put(key(f"t{n}"), thing(f"t{n}")) for n in range(200)))
    await store.close()
    assert log.commits < 40


async def test_files_are_for_their_owner_alone(path: Path) -> None:
    """Secrets are in there."""
    async with opened(path) as store:
        await store.put(key("a"), thing("a"))
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert set(modes.values()) == {0o600}
    assert {"state.db", "state.db-wal", "state.db.lock"} <= set(modes)


async def test_a_second_opener_is_told_who_has_it(path: Path) -> None:
    async with opened(path):
        with pytest.raises(StoreLockedError, match=f"process {os.getpid()} uses this data"):
            await Store(path).open()


async def test_a_refused_opener_does_not_take_the_lock_away(path: Path) -> None:
    async with opened(path):
        for _ in range(2):
            with pytest.raises(StoreLockedError):
                await Store(path).open()


async def test_a_newer_schema_is_refused(path: Path) -> None:
    async with opened(path):
        pass
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE meta SET value = 99 WHERE name = 'schema'")
    with pytest.raises(StoreError, match="expected schema 1, found 99"):
        await Store(path).open()


async def test_a_file_that_is_no_store_is_refused(path: Path) -> None:
    path.write_text("not a database, " * 100)
    with pytest.raises(StoreError, match=r"state\.db: file is not a database"):
        await Store(path).open()
    assert path.read_text().startswith("not a database")


async def test_a_directory_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No such file or directory"):
        await Store(tmp_path / "missing" / "state.db").open()


async def test_a_closed_store_can_be_opened_by_another(path: Path) -> None:
    store = Store(path)
    await store.open()
    await store.close()
    await store.close()
    async with opened(path) as other:
        assert other.version == 0


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """As good as a full disk: writes beyond `size` bytes fail."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_fails_the_write_and_nothing_else(path: Path) -> None:
    """The writer is told, readers keep the last state, and when there is room again, it goes on."""
    async with opened(path) as store:
        await store.put(key("a"), thing("a", n=1))
        with files_of_at_most(200_000), pytest.raises(WriteFailedError, match=r"state\.db"):
            await store.put(key("a"), thing("a", text="x" * 1_000_000))
        kept = store.pending(key("a"))
        assert kept is not None
        assert kept["spec"] == {"n": 1}
        await store.put(key("b"), thing("b"))
    async with opened(path) as store:
        kept = store.get(key("a"))
        assert kept is not None
        assert kept["spec"] == {"n": 1}
        assert store.get(key("b")) is not None
        assert store.version == 3
