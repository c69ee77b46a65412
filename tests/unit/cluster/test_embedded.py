"""The embedded cluster beyond its contract: what a failing disk does to it."""

import asyncio
import random

import pytest

from utsuwa.cluster.embedded import Embedded
from utsuwa.cluster.errors import AlreadyExistsError, ApiError, InvalidError
from utsuwa.cluster.port import Key
from utsuwa.kit.clock import SystemClock
from utsuwa.kit.documents import Document
from utsuwa.kit.ids import Ids
from utsuwa.model.kinds import CONFIG_MAP, NAMESPACE
from utsuwa.store import Store
from utsuwa.testing.cluster import memory_cluster
from utsuwa.testing.store import HandLog


async def opened() -> tuple[Embedded, HandLog]:
    log = HandLog()
    store = Store(None, log=log)
    await store.open()
    cluster = Embedded(store, clock=SystemClock(), ids=Ids(random.Random(1)))
    making = asyncio.ensure_future(cluster.create(NAMESPACE.document("", "default")))
    await asyncio.sleep(0)
    log.finish(log.take())
    await making
    return cluster, log


def config(**data: str) -> Document:
    return CONFIG_MAP.document("default", "x", data=data)


async def test_a_full_disk_is_an_internal_error() -> None:
    """Not the user's fault: 500, with the reason."""
    cluster, log = await opened()
    writing = asyncio.ensure_future(cluster.create(config()))
    await asyncio.sleep(0)
    log.finish(log.take(), OSError("No space left on device"))
    with pytest.raises(ApiError, match="not written: No space left on device") as caught:
        await writing
    assert caught.value.code == 500


async def test_a_write_after_the_end_is_an_internal_error() -> None:
    async with memory_cluster() as cluster:
        pass
    with pytest.raises(ApiError, match="not open, nothing written"):
        await cluster.create(config())


async def test_a_refusal_waits_for_the_write_that_it_rests_on() -> None:
    """Else a client could hear "already exists" of what the next moment is not there."""
    cluster, log = await opened()
    first = asyncio.ensure_future(cluster.create(config()))
    second = asyncio.ensure_future(cluster.create(config()))
    await asyncio.sleep(0)
    assert not second.done()
    log.finish(log.take())
    await first
    with pytest.raises(AlreadyExistsError):
        await second


async def test_a_refusal_falls_with_the_write_that_it_rests_on() -> None:
    cluster, log = await opened()
    first = asyncio.ensure_future(cluster.create(config()))
    second = asyncio.ensure_future(cluster.create(config()))
    await asyncio.sleep(0)
    log.finish(log.take(), OSError("disk is full"))
    for write in (first, second):
        with pytest.raises(ApiError, match="disk is full"):
            await write


async def test_a_write_without_effect_waits_for_the_state_that_it_answers() -> None:
    cluster, log = await opened()
    first = asyncio.ensure_future(cluster.create(config(a="1")))
    again = asyncio.ensure_future(
        cluster.merge(CONFIG_MAP, Key("default", "x"), {"data": {"a": "1"}})
    )
    await asyncio.sleep(0)
    assert not again.done()
    log.finish(log.take())
    assert await again == await first


async def test_metadata_of_no_form_at_all_is_refused() -> None:
    cluster, _ = await opened()
    with pytest.raises(InvalidError):
        await cluster.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": "x"})
    with pytest.raises(InvalidError):
        await cluster.update({"apiVersion": "v1", "kind": "ConfigMap", "metadata": "x"})


async def test_the_cluster_tells_its_version() -> None:
    cluster, _ = await opened()
    assert cluster.resource_version == 1
    assert "version 1" in repr(cluster)
