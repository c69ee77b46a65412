"""Deployments and ReplicaSets on a cluster in memory; a stand-in marks Pods ready."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from utsuwa.cluster.embedded import Embedded
from utsuwa.cluster.errors import ForbiddenError
from utsuwa.cluster.informer import Informers, key_of
from utsuwa.cluster.port import Key
from utsuwa.controllers.events import EventRecorder
from utsuwa.controllers.framework import Context
from utsuwa.controllers.live_settings import LiveSettings
from utsuwa.controllers.workloads import build_deployment, build_replicaset
from utsuwa.controllers.workloads.replicas import template_hash
from utsuwa.kit.clock import LoopClock, rfc3339
from utsuwa.kit.documents import Document, copy, dig
from utsuwa.kit.ids import Ids
from utsuwa.kit.tasks import TaskSet
from utsuwa.model.kinds import DEPLOYMENT, EVENT, POD, REPLICA_SET
from utsuwa.testing.cluster import FailingCluster, memory_cluster

pytestmark = pytest.mark.looptime

KEY = Key("default", "web")
LeaveZero = Callable[[Key, int], Awaitable[bool]]


def a_deployment(replicas: int = 1, image: str = "app:1", **spec: Any) -> Document:
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": image}]},
    }
    whole = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, **spec}
    return DEPLOYMENT.document("default", "web", spec={**whole, "template": template})


@dataclass
class World:
    """A cluster on which the two controllers run."""

    cluster: Embedded
    clock: LoopClock
    leave_zero: LeaveZero

    async def settle(self, seconds: float = 0.5) -> None:
        await self.clock.sleep(seconds)

    async def pods(self) -> list[Document]:
        return (await self.cluster.list(POD, "default")).items

    async def replica_sets(self) -> list[Document]:
        return (await self.cluster.list(REPLICA_SET, "default")).items

    async def deployment(self) -> Document:
        return await self.cluster.get(DEPLOYMENT, KEY)

    async def condition(self, type_: str) -> Document:
        conditions = dig(await self.deployment(), "status", "conditions", default=())
        return next((c for c in conditions if c["type"] == type_), {})

    async def scale(self, replicas: int) -> None:
        patch = {"spec": {"replicas": replicas}}
        await self.cluster.merge(DEPLOYMENT, KEY, patch, subresource="scale")

    async def set_ready(self, pod: Document, value: str = "True", message: str = "") -> None:
        condition = {
            "type": "Ready",
            "status": value,
            "message": message,
            "lastTransitionTime": rfc3339(self.clock.now()),
        }
        patch = {"status": {"phase": "Running", "conditions": [condition]}}
        await self.cluster.merge(POD, key_of(pod), patch, subresource="status")

    async def all_ready(self) -> None:
        for pod in await self.pods():
            await self.set_ready(pod)
        await self.settle()

    async def change_image(self, image: str) -> None:
        changed = copy(await self.deployment())
        changed["spec"]["template"]["spec"]["containers"][0]["image"] = image
        await self.cluster.update(changed)
        await self.settle()


@asynccontextmanager
async def a_world(refusals: int = 0) -> AsyncIterator[World]:
    """`refusals`: how many Pods may not be created at first."""
    clock = LoopClock()
    async with memory_cluster(clock) as embedded:
        cluster = FailingCluster(embedded)
        error = ForbiddenError("exceeded quota: pods")
        cluster.fail("create", POD, error, times=refusals)
        informers, tasks = Informers(cluster), TaskSet()
        events = EventRecorder(cluster, clock)
        ids = Ids(random.Random(2))
        context = Context(cluster, informers, clock, ids, LiveSettings(), events)
        leaving: list[LeaveZero] = []
        controllers = [build_deployment(context, None, leaving.append), build_replicaset(context)]
        informers.start(tasks)
        await informers.synced()
        for controller in controllers:
            controller.start(tasks)
        try:
            yield World(embedded, clock, leaving[0])
        finally:
            await tasks.close()


def test_equal_templates_have_equal_hashes_whatever_the_order_of_their_members() -> None:
    """The ReplicaSet of a template is found again by the hash in its name."""
    one = template_hash({"a": 1, "b": {"c": 2, "d": 3}})
    assert one == template_hash({"b": {"d": 3, "c": 2}, "a": 1})
    assert one != template_hash({"a": 1, "b": {"c": 2, "d": 4}})


async def test_a_deployment_makes_one_replica_set_and_its_pods() -> None:
    """Names: `<deployment>-<hash>` and `<replicaset>-<5 random>`; no node yet."""
    async with a_world() as world:
        await world.cluster.create(a_deployment(replicas=3))
        await world.settle()
        (replica_set,) = await world.replica_sets()
        pods = await world.pods()
        assert len(pods) == 3
        name = replica_set["metadata"]["name"]
        assert name.startswith("web-")
        for pod in pods:
            assert pod["metadata"]["name"].startswith(f"{name}-")
            assert len(pod["metadata"]["name"]) == len(name) + 6
            assert pod["metadata"]["ownerReferences"][0]["uid"] == replica_set["metadata"]["uid"]
            assert pod["metadata"]["labels"]["app"] == "web"
            assert "nodeName" not in pod["spec"]


async def test_one_pass_leads_from_a_new_scale_to_the_pod() -> None:
    """From zero to one without a turn through another controller."""
    async with a_world() as world:
        await world.cluster.create(a_deployment(replicas=0))
        await world.settle()
        assert await world.pods() == []
        await world.scale(1)
        await world.settle()
        assert len(await world.pods()) == 1
        (replica_set,) = await world.replica_sets()
        assert replica_set["spec"]["replicas"] == 1
        assert replica_set["status"]["replicas"] == 1


async def test_zero_is_left_in_one_commit() -> None:
    """The Pods wait for no write before theirs, and the pass that follows makes no more."""
    async with a_world() as world:
        await world.cluster.create(a_deployment(replicas=0))
        await world.settle()
        before = world.cluster.resource_version
        assert await world.leave_zero(KEY, 2)
        versions = [int(pod["metadata"]["resourceVersion"]) for pod in await world.pods()]
        assert sorted(versions) == [before + 1, before + 2]
        assert (await world.deployment())["spec"]["replicas"] == 2
        await world.settle()
        assert len(await world.pods()) == 2
        assert (await world.replica_sets())[0]["spec"]["replicas"] == 2


async def test_zero_is_left_by_a_pass_where_there_is_more_to_it() -> None:
    """No Deployment, Pods already, or a pass under way: nothing is done twice."""
    async with a_world() as world:
        assert not await world.leave_zero(KEY, 1)
        await world.cluster.create(a_deployment(replicas=0))
        await world.settle()
        answers = await asyncio.gather(world.leave_zero(KEY, 1), world.leave_zero(KEY, 1))
        assert list(answers) == [True, False]
        await world.settle()
        assert not await world.leave_zero(KEY, 1)
        assert len(await world.pods()) == 1


async def test_status_counts_follow_the_pods() -> None:
    """What kubectl's columns and `rollout status` read; zeros are left out."""
    async with a_world() as world:
        await world.cluster.create(a_deployment(replicas=2))
        await world.settle()
        status = (await world.deployment())["status"]
        assert (status["replicas"], status["updatedReplicas"]) == (2, 2)
        assert status["unavailableReplicas"] == 2
        assert "readyReplicas" not in status
        assert (await world.condition("Available"))["status"] == "False"
        await world.all_ready()
        status = (await world.deployment())["status"]
        assert (status["readyReplicas"], status["availableReplicas"]) == (2, 2)
        assert "unavailableReplicas" not in status
        assert status["observedGeneration"] == 1
        assert (await world.condition("Available"))["status"] == "True"
        assert (await world.condition("Progressing"))["reason"] == "NewReplicaSetAvailable"


async def test_a_pod_that_is_deleted_is_replaced() -> None:
    """The number of replicas is exact."""
    async with a_world() as world:
        await world.cluster.create(a_deployment(replicas=2))
        await world.settle()
        gone = (await world.pods())[0]
        await world.cluster.delete(POD, key_of(gone))
        await world.settle()
        names = {pod["metadata"]["name"] for pod in await world.pods() if not _ending(pod)}
        assert len(names) == 2
        assert gone["metadata"]["name"] not in names


async def test_scaling_down_removes_pods_that_are_not_ready_first() -> None:
    """A pod that serves is worth more than one that does not."""
    async with a_world() as world:
        await world.cluster.create(a_deployment(replicas=3))
        await world.settle()
        survivor = (await world.pods())[1]
        for pod in await world.pods():
            await world.cluster.merge(POD, key_of(pod), {"spec": {"nodeName": "n"}})
        await world.set_ready(survivor)
        await world.scale(1)
        await world.settle()
        left = [pod for pod in await world.pods() if not _ending(pod)]
        assert [pod["metadata"]["name"] for pod in left] == [survivor["metadata"]["name"]]


async def test_the_old_pods_stay_until_the_new_ones_are_available() -> None:
    """RollingUpdate with maxUnavailable 0, and no history kept."""
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    async with a_world() as world:
        await world.cluster.create(a_deployment(1, strategy=rolling, revisionHistoryLimit=0))
        await world.settle()
        await world.all_ready()
        await world.change_image("app:2")
        images = sorted(_image(pod) for pod in await world.pods() if not _ending(pod))
        assert images == ["app:1", "app:2"]
        await world.all_ready()
        assert [_image(pod) for pod in await world.pods() if not _ending(pod)] == ["app:2"]
        assert len(await world.replica_sets()) == 1


async def test_recreate_waits_until_the_old_pods_are_gone() -> None:
    """Two versions never run side by side."""
    async with a_world() as world:
        await world.cluster.create(a_deployment(1, strategy={"type": "Recreate"}))
        await world.settle()
        await world.all_ready()
        await world.change_image("app:2")
        assert [_image(pod) for pod in await world.pods() if not _ending(pod)] == ["app:2"]


async def test_a_deployment_that_never_gets_ready_says_what_its_pod_says() -> None:
    """ProgressDeadlineExceeded after the deadline, with the last result of the probe."""
    async with a_world() as world:
        await world.cluster.create(a_deployment(1, progressDeadlineSeconds=30))
        await world.settle()
        (pod,) = await world.pods()
        await world.set_ready(pod, "False", "readiness probe: tcp connect: connection refused")
        await world.settle(20)
        assert (await world.condition("Progressing"))["status"] == "True"
        await world.settle(15)
        progressing = await world.condition("Progressing")
        assert progressing["status"] == "False"
        assert progressing["reason"] == "ProgressDeadlineExceeded"
        assert "connection refused" in progressing["message"]


async def test_a_finished_rollout_has_no_deadline_when_it_is_scaled() -> None:
    """Scaling from zero may take as long as it takes: the rollout itself was done."""
    async with a_world() as world:
        await world.cluster.create(a_deployment(0, progressDeadlineSeconds=30))
        await world.settle()
        await world.scale(1)
        await world.settle(60)
        assert (await world.condition("Progressing"))["reason"] == "NewReplicaSetAvailable"


async def test_pods_that_may_not_be_created_show_as_replica_failure() -> None:
    """The refusal's own words, as a condition and as an event; tried again later."""
    async with a_world(refusals=8) as world:
        await world.cluster.create(a_deployment(1))
        await world.settle(0.3)
        condition = await world.condition("ReplicaFailure")
        assert condition["reason"] == "FailedCreate"
        assert "exceeded quota" in condition["message"]
        events = (await world.cluster.list(EVENT, "default")).items
        assert [event["reason"] for event in events] == ["FailedCreate"]
        await world.settle(20)
        assert len(await world.pods()) == 1
        assert await world.condition("ReplicaFailure") == {}


async def test_min_ready_seconds_delay_availability() -> None:
    """Ready counts at once, available only after the pod has been ready for so long."""
    async with a_world() as world:
        await world.cluster.create(a_deployment(1, minReadySeconds=10))
        await world.settle()
        await world.all_ready()
        status = (await world.deployment())["status"]
        assert status["readyReplicas"] == 1
        assert "availableReplicas" not in status
        await world.settle(11)
        assert (await world.deployment())["status"]["availableReplicas"] == 1


async def test_a_replica_set_that_stands_alone_keeps_its_pods() -> None:
    """Without a Deployment the ReplicaSet's own controller makes the Pods."""
    spec = a_deployment(2)["spec"]
    async with a_world() as world:
        await world.cluster.create(REPLICA_SET.document("default", "alone", spec=spec))
        await world.settle()
        assert len(await world.pods()) == 2
        await world.all_ready()
        (replica_set,) = await world.replica_sets()
        assert replica_set["status"]["readyReplicas"] == 2


async def test_nothing_is_written_when_nothing_changed() -> None:
    """A pass over a settled object makes no write: watches stay quiet."""
    async with a_world() as world:
        await world.cluster.create(a_deployment(1))
        await world.settle()
        await world.all_ready()
        before = (await world.cluster.list(POD)).resource_version
        await world.settle(120)
        assert (await world.cluster.list(POD)).resource_version == before


def _ending(pod: Document) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def _image(pod: Document) -> str:
    image: str = pod["spec"]["containers"][0]["image"]
    return image
