"""Garbage collection and the end of namespaces, through real informers on virtual time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from utsuwa.cluster.embedded import Embedded
from utsuwa.cluster.errors import ConflictError, NotFoundError
from utsuwa.cluster.informer import Informers
from utsuwa.cluster.port import Cluster, DeleteOptions, Key, Propagation
from utsuwa.controllers import garbage
from utsuwa.controllers.events import EventRecorder
from utsuwa.controllers.framework import Context
from utsuwa.controllers.live_settings import LiveSettings
from utsuwa.kit.clock import LoopClock
from utsuwa.kit.documents import Document
from utsuwa.kit.ids import Ids
from utsuwa.kit.tasks import TaskSet
from utsuwa.model.kinds import (
    CONFIG_MAP,
    CONFIGURATION,
    NAMESPACE,
    POD,
    REVISION,
    SERVICE,
    Kind,
)
from utsuwa.testing.cluster import FailingCluster, memory_cluster

pytestmark = pytest.mark.looptime


@asynccontextmanager
async def collecting(cluster: Cluster) -> AsyncIterator[None]:
    """The collector at work over `cluster`."""
    clock = LoopClock()
    informers = Informers(cluster)
    context = Context(
        cluster=cluster,
        informers=informers,
        clock=clock,
        ids=Ids(),
        settings=LiveSettings(),
        events=EventRecorder(cluster, clock),
    )
    controllers = garbage.build(context)
    tasks = TaskSet()
    informers.start(tasks)
    await informers.synced()
    for controller in controllers:
        controller.start(tasks)
    try:
        yield
    finally:
        await tasks.close()


@pytest_asyncio.fixture
async def cluster() -> AsyncIterator[Embedded]:
    async with memory_cluster() as cluster:
        yield cluster


@pytest_asyncio.fixture
async def collected(cluster: Embedded) -> AsyncIterator[Embedded]:
    async with collecting(cluster):
        yield cluster


async def settle() -> None:
    """Let everything happen that is due within a second."""
    await asyncio.sleep(1)


async def make(
    cluster: Cluster,
    kind: Kind,
    name: str,
    *owners: Document,
    namespace: str = "default",
    finalizers: tuple[str, ...] = (),
) -> Document:
    document = kind.document(namespace, name)
    document["metadata"]["finalizers"] = list(finalizers)
    document["metadata"]["ownerReferences"] = [owner_of(owner) for owner in owners]
    return await cluster.create(document)


def owner_of(owner: Document) -> Document:
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "blockOwnerDeletion": True,
    }


async def exists(cluster: Cluster, kind: Kind, name: str, namespace: str = "default") -> bool:
    try:
        await cluster.get(kind, Key(namespace, name))
    except NotFoundError:
        return False
    return True


def at(name: str) -> Key:
    return Key("default", name)


async def test_a_deleted_owner_takes_its_dependents_along(collected: Embedded) -> None:
    """In the background, down the whole chain."""
    service = await make(collected, SERVICE, "s")
    configuration = await make(collected, CONFIGURATION, "c", service)
    await make(collected, REVISION, "r", configuration)
    await collected.delete(SERVICE, at("s"))
    await settle()
    assert not await exists(collected, CONFIGURATION, "c")
    assert not await exists(collected, REVISION, "r")


async def test_what_has_a_living_owner_stays(collected: Embedded) -> None:
    service = await make(collected, SERVICE, "s")
    await make(collected, CONFIGURATION, "c", service)
    await make(collected, CONFIG_MAP, "unowned")
    await settle()
    assert await exists(collected, CONFIGURATION, "c")
    assert await exists(collected, CONFIG_MAP, "unowned")


async def test_with_one_owner_left_an_object_stays_and_forgets_the_other(
    collected: Embedded,
) -> None:
    first, second = await make(collected, SERVICE, "s1"), await make(collected, SERVICE, "s2")
    await make(collected, CONFIG_MAP, "m", first, second)
    await collected.delete(SERVICE, at("s1"))
    await settle()
    left = await collected.get(CONFIG_MAP, at("m"))
    assert left["metadata"]["ownerReferences"] == [owner_of(second)]
    await collected.delete(SERVICE, at("s2"))
    await settle()
    assert not await exists(collected, CONFIG_MAP, "m")


async def test_an_object_born_of_a_dead_owner_is_collected(collected: Embedded) -> None:
    """The owner went while its controller was making the dependent."""
    service = await make(collected, SERVICE, "s")
    await collected.delete(SERVICE, at("s"))
    await settle()
    await make(collected, CONFIG_MAP, "m", service)
    await settle()
    assert not await exists(collected, CONFIG_MAP, "m")


async def test_a_new_object_of_the_owners_name_is_not_the_owner(collected: Embedded) -> None:
    """The uid decides, not the name."""
    service = await make(collected, SERVICE, "s")
    await make(collected, CONFIG_MAP, "m", service)
    await collected.delete(SERVICE, at("s"))
    await make(collected, SERVICE, "s")
    await settle()
    assert not await exists(collected, CONFIG_MAP, "m")
    assert await exists(collected, SERVICE, "s")


async def test_orphans_left_before_a_restart_are_found(cluster: Embedded) -> None:
    service = await make(cluster, SERVICE, "s")
    await make(cluster, CONFIG_MAP, "m", service)
    await cluster.delete(SERVICE, at("s"))
    async with collecting(cluster):
        await settle()
        assert not await exists(cluster, CONFIG_MAP, "m")


async def test_an_owner_of_an_unknown_kind_is_left_alone(collected: Embedded) -> None:
    """What cannot be judged is not deleted."""
    document = CONFIG_MAP.document("default", "m")
    document["metadata"]["ownerReferences"] = [
        {"apiVersion": "example.com/v1", "kind": "Thing", "name": "x", "uid": "u"}
    ]
    await collected.create(document)
    await settle()
    assert await exists(collected, CONFIG_MAP, "m")


async def test_another_version_of_the_owners_kind_is_the_same_kind(collected: Embedded) -> None:
    service = await make(collected, SERVICE, "s")
    document = CONFIG_MAP.document("default", "m")
    reference = {**owner_of(service), "apiVersion": "serving.knative.dev/v1alpha1"}
    document["metadata"]["ownerReferences"] = [reference]
    await collected.create(document)
    await settle()
    assert await exists(collected, CONFIG_MAP, "m")


async def test_in_the_foreground_the_owner_goes_last(collected: Embedded) -> None:
    """The owner stays, marked, until the dependent that blocks it is gone."""
    service = await make(collected, SERVICE, "s")
    configuration = await make(collected, CONFIGURATION, "c", service)
    await make(collected, REVISION, "r", configuration, finalizers=("example.com/hold",))
    await collected.delete(SERVICE, at("s"), DeleteOptions(Propagation.FOREGROUND))
    await settle()
    assert await exists(collected, SERVICE, "s")
    assert await exists(collected, CONFIGURATION, "c")
    await collected.merge(REVISION, at("r"), {"metadata": {"finalizers": None}})
    await settle()
    assert not await exists(collected, REVISION, "r")
    assert not await exists(collected, CONFIGURATION, "c")
    assert not await exists(collected, SERVICE, "s")


async def test_in_the_foreground_a_dependent_that_does_not_block_is_not_waited_for(
    collected: Embedded,
) -> None:
    service = await make(collected, SERVICE, "s")
    document = CONFIG_MAP.document("default", "m")
    document["metadata"]["finalizers"] = ["example.com/hold"]
    document["metadata"]["ownerReferences"] = [{**owner_of(service), "blockOwnerDeletion": False}]
    await collected.create(document)
    await collected.delete(SERVICE, at("s"), DeleteOptions(Propagation.FOREGROUND))
    await settle()
    assert not await exists(collected, SERVICE, "s")
    left = await collected.get(CONFIG_MAP, at("m"))
    assert "deletionTimestamp" in left["metadata"]


async def test_in_the_foreground_an_owner_without_dependents_goes_at_once(
    collected: Embedded,
) -> None:
    await make(collected, SERVICE, "s")
    await collected.delete(SERVICE, at("s"), DeleteOptions(Propagation.FOREGROUND))
    await settle()
    assert not await exists(collected, SERVICE, "s")


async def test_a_foreground_deletion_begun_before_a_restart_is_ended(cluster: Embedded) -> None:
    service = await make(cluster, SERVICE, "s")
    await make(cluster, CONFIG_MAP, "m", service)
    await cluster.delete(SERVICE, at("s"), DeleteOptions(Propagation.FOREGROUND))
    async with collecting(cluster):
        await settle()
        assert not await exists(cluster, CONFIG_MAP, "m")
        assert not await exists(cluster, SERVICE, "s")


async def test_a_dependent_shared_with_a_living_owner_does_not_block(collected: Embedded) -> None:
    """It only loses its reference to the owner that goes."""
    going, staying = await make(collected, SERVICE, "s1"), await make(collected, SERVICE, "s2")
    await make(collected, CONFIG_MAP, "m", going, staying)
    await collected.delete(SERVICE, at("s1"), DeleteOptions(Propagation.FOREGROUND))
    await settle()
    assert not await exists(collected, SERVICE, "s1")
    left = await collected.get(CONFIG_MAP, at("m"))
    assert left["metadata"]["ownerReferences"] == [owner_of(staying)]


async def test_orphaned_dependents_stay_without_their_owner(collected: Embedded) -> None:
    service = await make(collected, SERVICE, "s")
    await make(collected, CONFIG_MAP, "m", service)
    await collected.delete(SERVICE, at("s"), DeleteOptions(Propagation.ORPHAN))
    await settle()
    assert not await exists(collected, SERVICE, "s")
    left = await collected.get(CONFIG_MAP, at("m"))
    assert "ownerReferences" not in left["metadata"]


async def test_a_collection_that_fails_is_tried_again(cluster: Embedded) -> None:
    failing = FailingCluster(cluster)
    service = await make(cluster, SERVICE, "s")
    await make(cluster, CONFIG_MAP, "m", service)
    failing.fail("delete", CONFIG_MAP, ConflictError("changed"), times=3)
    async with collecting(failing):
        await cluster.delete(SERVICE, at("s"))
        await settle()
        assert failing.outstanding == 0
        assert not await exists(cluster, CONFIG_MAP, "m")


async def test_a_deleted_namespace_takes_its_content_along(collected: Embedded) -> None:
    await collected.create(NAMESPACE.document("", "mine"))
    await make(collected, SERVICE, "s", namespace="mine")
    await make(collected, CONFIG_MAP, "m", namespace="mine")
    await make(collected, CONFIG_MAP, "m", namespace="default")
    await collected.delete(NAMESPACE, Key("", "mine"))
    await settle()
    assert not await exists(collected, NAMESPACE, "mine", "")
    assert not await exists(collected, SERVICE, "s", "mine")
    assert await exists(collected, CONFIG_MAP, "m")


async def test_an_empty_namespace_goes_when_deleted(collected: Embedded) -> None:
    await collected.create(NAMESPACE.document("", "mine"))
    await collected.delete(NAMESPACE, Key("", "mine"))
    await settle()
    assert not await exists(collected, NAMESPACE, "mine", "")


async def test_a_namespace_waits_for_its_pods_to_end(collected: Embedded) -> None:
    await collected.create(NAMESPACE.document("", "mine"))
    key = Key("mine", "p")
    await collected.create(POD.document("mine", "p", spec={"nodeName": "here"}))
    await collected.delete(NAMESPACE, Key("", "mine"))
    await settle()
    namespace = await collected.get(NAMESPACE, Key("", "mine"))
    assert namespace["status"]["phase"] == "Terminating"
    assert "deletionTimestamp" in (await collected.get(POD, key))["metadata"]
    await collected.delete(POD, key, DeleteOptions(grace_seconds=0))
    await settle()
    assert not await exists(collected, NAMESPACE, "mine", "")


async def test_a_namespace_tells_what_it_waits_for(collected: Embedded) -> None:
    """In its conditions, as Kubernetes words them: it hangs, and the user sees why."""
    await collected.create(NAMESPACE.document("", "mine"))
    for name in ("s1", "s2"):
        await make(collected, SERVICE, name, namespace="mine", finalizers=("example.com/hold",))
    await collected.create(POD.document("mine", "p", spec={"nodeName": "here"}))
    await collected.delete(NAMESPACE, Key("", "mine"))
    await settle()
    namespace = await collected.get(NAMESPACE, Key("", "mine"))
    told = {c["type"]: c["message"] for c in namespace["status"]["conditions"]}
    assert told == {
        "NamespaceContentRemaining": "Some resources are remaining: services.serving.knative.dev "
        "has 2 resource instances, pods. has 1 resource instances",
        "NamespaceFinalizersRemaining": "Some content in the namespace has finalizers remaining: "
        "example.com/hold in 2 resource instances",
    }
    before = collected.resource_version
    await settle()
    assert collected.resource_version == before, "it waits without writing"


async def test_a_namespace_deleted_before_a_restart_is_ended(cluster: Embedded) -> None:
    await cluster.create(NAMESPACE.document("", "mine"))
    await make(cluster, CONFIG_MAP, "m", namespace="mine")
    await cluster.delete(NAMESPACE, Key("", "mine"))
    async with collecting(cluster):
        await settle()
        assert not await exists(cluster, NAMESPACE, "mine", "")


async def test_a_quiet_cluster_gives_the_collector_nothing_to_do(cluster: Embedded) -> None:
    """Changes of owned objects with living owners are not even looked at."""
    failing = FailingCluster(cluster)
    service = await make(cluster, SERVICE, "s")
    await make(cluster, CONFIG_MAP, "m", service)
    async with collecting(failing):
        await settle()
        failing.fail("get", CONFIG_MAP)
        failing.fail("get", SERVICE)
        for number in range(3):
            await cluster.merge(CONFIG_MAP, at("m"), {"data": {"n": str(number)}})
            await settle()
        assert failing.outstanding == 2
