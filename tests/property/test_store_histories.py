"""Any history of writes, watches and restarts, against a plain dict as the model."""

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from utsuwa.kit.documents import Document
from utsuwa.store import HistoryGoneError, ObjectKey, Store
from utsuwa.store.records import Change

T = TypeVar("T")
KIND = "things"

names = st.sampled_from(["a", "b", "c", "d"])
namespaces = st.sampled_from(["one", "two"])
numbers = st.integers(0, 1000)


class StoreHistories(RuleBasedStateMachine):
    """Random writes, alone and in groups, on disk, with restarts in between."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="utsuwa-store-"))
        self.runner = asyncio.Runner()
        self.store = self.opened()
        self.model: dict[ObjectKey, int] = {}
        self.version = 0
        self.lists: list[tuple[int, dict[ObjectKey, int]]] = [(0, {})]

    def opened(self) -> Store:
        store = Store(self.directory / "state.db", history=12)
        self.run(store.open())
        return store

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)

    def teardown(self) -> None:
        self.run(self.store.close())
        self.runner.close()
        shutil.rmtree(self.directory)

    def oldest_watchable(self) -> int:
        """The version from which on history is kept, as the refusal of an older one tells it."""
        try:
            self.store.watch(KIND, since=-1)
        except HistoryGoneError as error:
            return error.oldest
        raise AssertionError("a watch from before the first version began")

    def queue(self, key: ObjectKey, number: int | None) -> "asyncio.Future[None] | None":
        """Put `number`, or remove; None when there is nothing to remove."""
        pending = self.store.pending(key)
        assert (pending is not None) == (key in self.model), "pending state is the model's"
        if number is None and pending is None:
            return None
        if number is None:
            future = self.store.remove(key)
            del self.model[key]
        else:
            metadata = {"name": key.name, "namespace": key.namespace}
            document: Document = {"metadata": metadata, "number": number}
            future = self.store.put(key, document)
            self.model[key] = number
            assert int(document["metadata"]["resourceVersion"]) > self.version
        return future

    @rule(
        writes=st.lists(
            st.tuples(namespaces, names, st.one_of(st.none(), numbers)), min_size=1, max_size=6
        )
    )
    def write_together(self, writes: list[tuple[str, str, int | None]]) -> None:
        async def write() -> None:
            futures = [
                self.queue(ObjectKey(KIND, namespace, name), number)
                for namespace, name, number in writes
            ]
            await asyncio.gather(*(future for future in futures if future is not None))

        self.run(write())

    @rule()
    def remember_a_list(self) -> None:
        self.lists.append((self.store.version, dict(self.model)))

    @rule()
    def restart(self) -> None:
        self.run(self.store.close())
        before = self.store.version
        self.store = self.opened()
        assert self.store.version == before

    @rule(data=st.data())
    def a_watch_from_a_list_leads_to_the_present(self, data: st.DataObject) -> None:
        since, state = data.draw(st.sampled_from(self.lists))
        if since < self.oldest_watchable():
            return
        watcher = self.store.watch(KIND, since=since)
        replayed, version = dict(state), since
        while version < self.store.version:
            change = self.run(_next(watcher))
            assert change.version > version, "versions strictly grow"
            version = change.version
            _apply(replayed, change)
        assert replayed == self.model

    @invariant()
    def what_is_stored_is_what_was_written(self) -> None:
        listed = {_key(document): document["number"] for document in self.store.list(KIND)}
        assert listed == self.model

    @invariant()
    def the_version_never_goes_back(self) -> None:
        assert self.store.version >= self.version
        self.version = self.store.version

    @invariant()
    def no_object_is_newer_than_the_store(self) -> None:
        versions = [int(d["metadata"]["resourceVersion"]) for d in self.store.list(KIND)]
        assert len(set(versions)) == len(versions)
        assert max(versions, default=0) <= self.store.version


async def _next(watcher: Any) -> Change:
    async with asyncio.timeout(1):
        change: Change = await anext(watcher)
        return change


def _key(document: Document) -> ObjectKey:
    metadata = document["metadata"]
    return ObjectKey(KIND, metadata["namespace"], metadata["name"])


def _apply(state: dict[ObjectKey, int], change: Change) -> None:
    known = state.get(change.key)
    previous = change.previous["number"] if change.previous is not None else None
    assert previous == known, "each change says what it replaces"
    if change.removed:
        del state[change.key]
    else:
        state[change.key] = change.document["number"]


TestStoreHistories = StoreHistories.TestCase
TestStoreHistories.settings = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
