"""Whatever order writers run in, optimistic concurrency loses no update and grants no stale one."""

import asyncio
import random
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from utsuwa.cluster.embedded import Embedded
from utsuwa.cluster.errors import ConflictError, NotFoundError
from utsuwa.cluster.port import EventType, Key
from utsuwa.kit.clock import SystemClock
from utsuwa.kit.documents import Document, copy
from utsuwa.kit.ids import Ids
from utsuwa.model.kinds import NAMESPACE, SERVICE
from utsuwa.store import Store

KEY = Key("default", "counter")
steps = st.lists(st.sampled_from(["update", "status", "merge", "transform", "yield"]), max_size=8)


class Counts:
    """What the writers were told."""

    def __init__(self) -> None:
        self.spec = 0
        self.status = 0


async def writer(cluster: Embedded, plan: list[str], counts: Counts) -> None:
    """Adds one to the spec or the status in each step, from what it read a moment ago."""
    for step in plan:
        document = copy(await cluster.get(SERVICE, KEY))
        await asyncio.sleep(0)
        try:
            if step == "update":
                document["spec"]["n"] += 1
                await cluster.update(document)
                counts.spec += 1
            elif step == "status":
                status = document.setdefault("status", {"n": 0})
                status["n"] += 1
                await cluster.update_status(document)
                counts.status += 1
            elif step == "merge":
                version = document["metadata"]["resourceVersion"]
                patch = {
                    "metadata": {"resourceVersion": version},
                    "spec": {"n": document["spec"]["n"] + 1},
                }
                await cluster.merge(SERVICE, KEY, patch)
                counts.spec += 1
            elif step == "transform":
                await cluster.transform(SERVICE, KEY, one_more)
                counts.spec += 1
        except ConflictError:
            continue


def one_more(document: Document) -> Document:
    document["spec"]["n"] += 1
    return document


async def race(path: Path | None, plans: list[list[str]]) -> None:
    store = Store(path)
    await store.open()
    cluster = Embedded(store, clock=SystemClock(), ids=Ids(random.Random(1)))
    await cluster.create(NAMESPACE.document("", "default"))
    made = await cluster.create(SERVICE.document("default", "counter", spec={"n": 0}))
    events = cluster.watch(SERVICE, since=int(made["metadata"]["resourceVersion"]))
    counts = Counts()
    await asyncio.gather(*(writer(cluster, plan, counts) for plan in plans))
    final = await cluster.get(SERVICE, KEY)
    assert final["spec"]["n"] == counts.spec
    assert final.get("status", {"n": 0})["n"] == counts.status
    assert final["metadata"]["generation"] == 1 + counts.spec
    seen = [await anext(events) for _ in range(counts.spec + counts.status)]
    assert all(event.type is EventType.MODIFIED for event in seen)
    assert [event.resource_version for event in seen] == sorted(
        {event.resource_version for event in seen}
    )
    await store.close()


@given(st.lists(steps, min_size=2, max_size=5))
@settings(max_examples=60, deadline=None)
def test_every_granted_write_counts_and_no_other(plans: list[list[str]]) -> None:
    asyncio.run(race(None, plans))


@given(st.lists(steps, min_size=2, max_size=5))
@settings(max_examples=15, deadline=None)
def test_the_same_holds_on_disk(plans: list[list[str]]) -> None:
    with TemporaryDirectory(prefix="utsuwa-race-") as directory:
        asyncio.run(race(Path(directory) / "state.db", plans))


@given(st.permutations(["create", "delete", "create", "delete", "create"]))
@settings(max_examples=30, deadline=None)
def test_creations_and_deletions_that_race_leave_what_the_events_say(plan: list[str]) -> None:
    asyncio.run(lives(plan))


async def lives(plan: list[str]) -> None:
    store = Store(None)
    await store.open()
    cluster = Embedded(store, clock=SystemClock(), ids=Ids(random.Random(1)))
    await cluster.create(NAMESPACE.document("", "default"))
    since = cluster.resource_version
    tasks = [
        cluster.create(SERVICE.document("default", "counter", spec={"n": index}))
        if step == "create"
        else cluster.delete(SERVICE, KEY)
        for index, step in enumerate(plan)
    ]
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    granted = sum(not isinstance(answer, BaseException) for answer in answers)
    events = cluster.watch(SERVICE, since=since)
    seen = [(await anext(events)).type for _ in range(granted)]
    alternating = [EventType.ADDED, EventType.DELETED] * len(plan)
    assert seen == alternating[:granted]
    try:
        await cluster.get(SERVICE, KEY)
        there = True
    except NotFoundError:
        there = False
    assert there == (granted % 2 == 1)
    await store.close()
