"""The store in memory: versions, visibility, lists, watches, failed commits."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from utsuwa.kit.documents import Document
from utsuwa.store import HistoryGoneError, ObjectKey, Store, StoreClosedError, WriteFailedError
from utsuwa.testing.store import HandLog

KIND = "things"


def key(name: str, namespace: str = "default", kind: str = KIND) -> ObjectKey:
    return ObjectKey(kind, namespace, name)


def thing(name: str, namespace: str = "default", **spec: object) -> Document:
    return {"metadata": {"name": name, "namespace": namespace}, "spec": spec}


async def put(store: Store, name: str, namespace: str = "default", **spec: object) -> Document:
    document = thing(name, namespace, **spec)
    await store.put(key(name, namespace), document)
    return document


@pytest_asyncio.fixture
async def store() -> AsyncIterator[Store]:
    store = Store(None, history=5, watch_buffer=3)
    await store.open()
    yield store
    await store.close()


@pytest_asyncio.fixture
async def log() -> HandLog:
    return HandLog()


@pytest_asyncio.fixture
async def held(log: HandLog) -> AsyncIterator[Store]:
    store = Store(None, log=log)
    await store.open()
    yield store
    await store.close()


async def test_each_write_gets_the_next_version(store: Store) -> None:
    """One growing number for the whole store, as a string in each document."""
    first, second = await put(store, "a"), await put(store, "b")
    assert first["metadata"]["resourceVersion"] == "1"
    assert second["metadata"]["resourceVersion"] == "2"
    assert store.version == 2


async def test_a_removal_has_a_version_of_its_own(store: Store) -> None:
    await put(store, "a")
    await store.remove(key("a"))
    assert store.get(key("a")) is None
    assert store.version == 2


async def test_lists_are_sorted_by_namespace_and_name(store: Store) -> None:
    for namespace, name in (("b", "x"), ("a", "z"), ("a", "y")):
        await put(store, name, namespace)
    names = [(item["metadata"]["namespace"], item["metadata"]["name"]) for item in store.list(KIND)]
    assert names == [("a", "y"), ("a", "z"), ("b", "x")]
    assert [item["metadata"]["name"] for item in store.list(KIND, "b")] == ["x"]
    assert store.list("other") == []


async def test_a_write_is_seen_only_after_its_commit(held: Store, log: HandLog) -> None:
    """Readers never see what a crash could take back; the next writer does see it."""
    watcher = held.watch(KIND, since=0)
    future = held.put(key("a"), thing("a"))
    assert held.get(key("a")) is None
    assert held.pending(key("a")) is not None
    assert held.version == 0
    assert "0 waiting" in repr(watcher)
    log.finish(log.take())
    await future
    assert held.get(key("a")) is not None
    assert held.version == 1
    assert (await anext(watcher)).version == 1


async def test_an_object_removed_and_made_anew_while_queued_ends_as_the_last_write(
    held: Store, log: HandLog
) -> None:
    """Commits of parts of the queue never bring an older pending state back."""
    writes = [held.put(key("a"), thing("a")), held.remove(key("a"))]
    writes.append(held.put(key("a"), thing("a", again=True)))
    writes.append(held.remove(key("a")))
    queued = log.take()
    log.finish(queued[:2])
    assert held.pending(key("a")) is None
    log.finish(queued[2:3])
    assert held.pending(key("a")) is None
    assert held.get(key("a")) is not None
    log.finish(queued[3:])
    await asyncio.gather(*writes)
    assert held.get(key("a")) is None


async def test_removing_what_is_not_there_is_an_error(store: Store) -> None:
    with pytest.raises(KeyError):
        store.remove(key("a"))


async def test_a_failed_commit_takes_back_all_that_was_built_on_it(
    held: Store, log: HandLog
) -> None:
    """The pending state is the committed one again, and every waiter hears why."""
    future = held.put(key("a"), thing("a", n=1))
    log.finish(log.take())
    await future
    doomed = [held.put(key("a"), thing("a", n=2)), held.put(key("b"), thing("b"))]
    log.finish(log.take(), OSError("disk is full"))
    for write in doomed:
        with pytest.raises(WriteFailedError, match="disk is full"):
            await write
    pending = held.pending(key("a"))
    assert pending is not None
    assert pending["spec"] == {"n": 1}
    assert held.pending(key("b")) is None
    assert held.list(KIND) == [pending]


async def test_the_version_of_a_failed_write_is_not_given_again(held: Store, log: HandLog) -> None:
    doomed = held.put(key("a"), thing("a"))
    log.finish(log.take(), OSError("disk is full"))
    with pytest.raises(WriteFailedError):
        await doomed
    document = thing("a")
    future = held.put(key("a"), document)
    log.finish(log.take())
    await future
    assert document["metadata"]["resourceVersion"] == "2"


async def test_a_late_failure_does_not_take_back_newer_writes(held: Store, log: HandLog) -> None:
    """Writes decided after a failure was known stand on the committed state, and stay."""
    doomed = [held.put(key("a"), thing("a")), held.put(key("b"), thing("b"))]
    first, second = log.take()
    log.finish([first], OSError("disk is full"))
    fresh = held.put(key("c"), thing("c"))
    log.finish([second], OSError("disk is full"))
    for write in doomed:
        with pytest.raises(WriteFailedError):
            await write
    assert held.pending(key("c")) is not None
    log.finish(log.take())
    await fresh
    assert held.get(key("c")) is not None


async def test_settled_waits_for_what_is_queued(held: Store, log: HandLog) -> None:
    write = held.put(key("a"), thing("a"))
    waiting = asyncio.ensure_future(held.settled())
    await asyncio.sleep(0)
    assert not waiting.done()
    log.finish(log.take())
    await waiting
    await write


async def test_a_cancelled_writer_does_not_stop_the_others(held: Store, log: HandLog) -> None:
    abandoned = held.put(key("a"), thing("a"))
    other = held.put(key("b"), thing("b"))
    abandoned.cancel()
    log.finish(log.take())
    await other
    assert len(held.list(KIND)) == 2


async def test_a_closed_store_takes_no_writes() -> None:
    store = Store(None)
    with pytest.raises(StoreClosedError, match="not open"):
        store.put(key("a"), thing("a"))


async def test_a_watch_replays_history_then_follows(store: Store) -> None:
    await put(store, "a")
    watcher = store.watch(KIND, since=0)
    await put(store, "a", n=2)
    await store.remove(key("a"))
    changes = [await anext(watcher) for _ in range(3)]
    assert [change.version for change in changes] == [1, 2, 3]
    assert [change.removed for change in changes] == [False, False, True]
    assert changes[0].previous is None
    assert changes[1].previous == changes[0].document
    assert changes[2].document["metadata"]["resourceVersion"] == "3"
    assert changes[2].document["spec"] == {"n": 2}


async def test_a_watch_from_now_shares_the_stored_documents(store: Store) -> None:
    """Documents are held once, whoever watches them."""
    watcher = store.watch(KIND, since=store.version)
    document = await put(store, "a")
    change = await anext(watcher)
    assert change.document is document
    assert store.get(key("a")) is document


async def test_a_watch_sees_only_its_kind_and_namespace(store: Store) -> None:
    watcher = store.watch(KIND, "mine", since=0)
    await put(store, "a", "other")
    await store.put(key("a", "mine", kind="others"), thing("a", "mine"))
    await put(store, "a", "mine")
    assert (await anext(watcher)).key == key("a", "mine")
    replay = store.watch(KIND, "mine", since=0)
    assert (await anext(replay)).key == key("a", "mine")


async def test_a_waiting_watcher_is_woken(store: Store) -> None:
    watcher = store.watch(KIND, since=0)
    waiting = asyncio.ensure_future(watcher.__anext__())
    await asyncio.sleep(0)
    await put(store, "a")
    assert (await waiting).version == 1


async def test_history_that_is_gone_is_refused(store: Store) -> None:
    """With room for 5 changes, a watch from before the 5 last ones must list anew."""
    for number in range(7):
        await put(store, "a", n=number)
    with pytest.raises(HistoryGoneError, match=r"too old resource version: 1 \(2\)"):
        store.watch(KIND, since=1)
    watcher = store.watch(KIND, since=2)
    assert (await anext(watcher)).version == 3


async def test_a_version_that_was_never_given_out_is_refused(store: Store) -> None:
    with pytest.raises(HistoryGoneError, match="too large resource version: 1, current: 0"):
        store.watch(KIND, since=1)


async def test_history_is_bounded_in_bytes() -> None:
    store = Store(None, history_bytes=3000)
    await store.open()
    for number in range(10):
        await put(store, "a", text="x" * 1000, n=number)
    with pytest.raises(HistoryGoneError):
        store.watch(KIND, since=7)
    assert (await anext(store.watch(KIND, since=8))).version == 9
    await store.close()


async def test_a_reader_that_falls_too_far_behind_must_list_anew(store: Store) -> None:
    """With a buffer of 3, the fourth unread change loses the reader, and only that one."""
    slow, quick = store.watch(KIND, since=0), store.watch(KIND, since=0)
    for number in range(4):
        await put(store, "a", n=number)
        assert (await anext(quick)).version == number + 1
    assert "lost" in repr(slow)
    with pytest.raises(HistoryGoneError):
        await anext(slow)


async def test_a_dropped_watcher_is_forgotten(store: Store) -> None:
    watcher = store.watch(KIND, since=0)
    assert "1 watchers" in repr(store)
    del watcher
    assert "0 watchers" in repr(store)


async def test_a_watcher_that_does_not_read_is_dropped_by_bytes_too() -> None:
    """What waits for it is bounded in bytes; then it holds nothing, and is told to list anew."""
    store = Store(None, watch_bytes=2_000)
    await store.open()
    watcher = store.watch(KIND, since=0)
    for number in range(50):
        await put(store, f"t{number}", padding="x" * 400)
    assert repr(watcher) == "<Watcher all namespaces: 0 waiting, lost>"
    with pytest.raises(HistoryGoneError, match="too old resource version"):
        await anext(watcher)
    await store.close()


async def test_one_large_change_alone_still_arrives() -> None:
    """The bound is on what piles up, not on the size of an object."""
    store = Store(None, watch_bytes=100)
    await store.open()
    watcher = store.watch(KIND, since=0)
    await put(store, "large", padding="x" * 4_000)
    assert (await anext(watcher)).key.name == "large"
    await store.close()
