import asyncio
from collections.abc import AsyncIterator

import pytest

from utsuwa.cluster.embedded import Embedded
from utsuwa.cluster.informer import Informer, Informers
from utsuwa.cluster.port import Key
from utsuwa.kit.documents import Document, dig
from utsuwa.kit.tasks import TaskSet
from utsuwa.model.kinds import CONFIG_MAP
from utsuwa.testing.cluster import memory_cluster


@pytest.fixture
async def cluster() -> AsyncIterator[Embedded]:
    async with memory_cluster() as cluster:
        yield cluster


@pytest.fixture
async def tasks() -> AsyncIterator[TaskSet]:
    tasks = TaskSet()
    yield tasks
    await tasks.close()


async def following(cluster: Embedded, tasks: TaskSet) -> Informer:
    informers = Informers(cluster)
    informer = informers.of(CONFIG_MAP)
    informers.start(tasks)
    await informers.synced()
    return informer


async def settle() -> None:
    for _ in range(30):
        await asyncio.sleep(0)


def config(name: str, owner: str = "", **data: str) -> Document:
    document = CONFIG_MAP.document("default", name, data=data)
    if owner:
        reference = {"apiVersion": "v1", "kind": "X", "name": "x", "uid": owner, "controller": True}
        document["metadata"]["ownerReferences"] = [reference]
    return document


async def test_a_view_holds_what_was_there_and_what_came_after(
    cluster: Embedded, tasks: TaskSet
) -> None:
    await cluster.create(config("before"))
    informer = await following(cluster, tasks)
    await cluster.create(config("after"))
    await settle()
    names = sorted(document["metadata"]["name"] for document in informer.list("default"))
    assert names == ["after", "before"]
    assert repr(informer) == "<Informer ConfigMap: 2 objects, synced>"


async def test_a_handler_is_told_of_what_is_known_and_of_each_change(
    cluster: Embedded, tasks: TaskSet
) -> None:
    """Old and new: None for what was not, and for what is no more."""
    await cluster.create(config("a", v="1"))
    informer = await following(cluster, tasks)
    told: list[tuple[str | None, str | None]] = []
    informer.on_change(lambda old, new: told.append((dig(old, "data", "v"), dig(new, "data", "v"))))
    await cluster.merge(CONFIG_MAP, Key("default", "a"), {"data": {"v": "2"}})
    await cluster.delete(CONFIG_MAP, Key("default", "a"))
    await settle()
    assert told == [(None, "1"), ("1", "2"), ("2", None)]


async def test_children_are_found_by_the_uid_of_their_controller(
    cluster: Embedded, tasks: TaskSet
) -> None:
    informer = await following(cluster, tasks)
    await cluster.create(config("child", owner="u1"))
    await settle()
    assert [child["metadata"]["name"] for child in informer.owned_by("u1")] == ["child"]
    await cluster.delete(CONFIG_MAP, Key("default", "child"))
    await settle()
    assert informer.owned_by("u1") == []


async def test_one_kind_has_one_informer_however_often_it_is_asked_for(
    cluster: Embedded, tasks: TaskSet
) -> None:
    informers = Informers(cluster)
    informers.start(tasks)
    late = informers.of(CONFIG_MAP)
    assert informers.of(CONFIG_MAP) is late
    await late.synced()
