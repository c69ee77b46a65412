"""The fakes: a cluster in memory, and failures on demand."""

import pytest

from utsuwa.cluster.errors import ApiError, ConflictError
from utsuwa.cluster.port import Key
from utsuwa.model.kinds import CONFIG_MAP, NAMESPACE, POD
from utsuwa.testing.cluster import NAMESPACES, FailingCluster, memory_cluster

KEY = Key("default", "x")


async def test_a_memory_cluster_begins_with_its_namespaces() -> None:
    async with memory_cluster() as cluster:
        listed = await cluster.list(NAMESPACE)
    assert [item["metadata"]["name"] for item in listed.items] == list(NAMESPACES)


async def test_two_memory_clusters_draw_the_same_uids() -> None:
    uids = []
    for _ in range(2):
        async with memory_cluster() as cluster:
            made = await cluster.create(CONFIG_MAP.document("default", "x"))
            uids.append(made["metadata"]["uid"])
    assert uids[0] == uids[1]


async def test_induced_failures_come_as_often_as_told_then_stop() -> None:
    async with memory_cluster() as cluster:
        failing = FailingCluster(cluster)
        failing.fail("create", CONFIG_MAP, ConflictError("no"), times=2)
        for _ in range(2):
            with pytest.raises(ConflictError):
                await failing.create(CONFIG_MAP.document("default", "x"))
        assert failing.outstanding == 0
        await failing.create(CONFIG_MAP.document("default", "x"))
        assert (await failing.get(CONFIG_MAP, KEY))["metadata"]["name"] == "x"


async def test_induced_failures_meet_their_verb_and_kind_alone() -> None:
    async with memory_cluster() as cluster:
        failing = FailingCluster(cluster)
        failing.fail("create", POD)
        await failing.create(CONFIG_MAP.document("default", "x"))
        await failing.merge(CONFIG_MAP, KEY, {"data": {"a": "b"}})
        assert failing.outstanding == 1
        with pytest.raises(ApiError, match="inducing failure for create pods"):
            await failing.create(POD.document("default", "p"))
