"""The watch over a cluster in memory, on virtual time: from objects to alerts, events and answers."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from utsuwa.app.alerts import Machine, Signs, Watch
from utsuwa.app.metrics import Traffic
from utsuwa.app.options import Layout
from utsuwa.autoscale.parameters import Parameters
from utsuwa.cluster.embedded import Embedded
from utsuwa.cluster.informer import Informers
from utsuwa.cluster.port import Key
from utsuwa.controllers.events import EventRecorder
from utsuwa.controllers.framework import Context
from utsuwa.controllers.live_settings import LiveSettings
from utsuwa.controllers.podautoscaler import Scaler
from utsuwa.controllers.podautoscaler.scaler import Target
from utsuwa.kit.clock import LoopClock, SystemClock
from utsuwa.kit.documents import Document
from utsuwa.kit.ids import Ids
from utsuwa.kit.tasks import TaskSet
from utsuwa.model.kinds import DEPLOYMENT, EVENT, INGRESS, NODE, POD, REVISION, SERVICE
from utsuwa.routing.messages import RevisionStats, Stats
from utsuwa.testing.certificates import TestAuthority
from utsuwa.testing.cluster import memory_cluster

pytestmark = pytest.mark.looptime

WEB = Key("default", "web")
REV = Key("default", "web-00001")
LABELS = {"serving.knative.dev/service": "web", "serving.knative.dev/revision": REV.name}
NODE_NAME = "here"


@dataclass
class World:
    cluster: Embedded
    clock: LoopClock
    traffic: Traffic
    scaler: Scaler
    watch: Watch
    layout: Layout

    async def codes(self, kind: str = "Service") -> list[str]:
        """What stands now."""
        await self.clock.sleep(0.01)  # informers hear of what was written
        await self.watch.look()
        found = self.watch.standing()
        return [one.alert.code for one in found if one.alert.subject.kind == kind]

    async def fail(self, made: Document) -> None:
        """A pod comes, and gets this status."""
        stored = await self.cluster.create(made)
        await self.cluster.update_status({**stored, "status": made["status"]})

    async def events(self) -> list[tuple[str, str, int]]:
        found = (await self.cluster.list(EVENT, "default")).items
        return sorted((one["type"], one["reason"], one["count"]) for one in found)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    clock = LoopClock(SystemClock().now())  # certificates live on real time
    tasks = TaskSet()
    layout = Layout(tmp_path)
    layout.run.mkdir(parents=True)
    async with memory_cluster(clock=clock) as cluster:
        informers = Informers(cluster)
        context = Context(
            cluster=cluster, informers=informers, clock=clock, ids=Ids(),
            settings=LiveSettings(), events=EventRecorder(cluster, clock),
        )  # fmt: skip
        scaler, traffic = Scaler(context), Traffic(clock)
        informers.of(NODE)
        signs = Signs(informers, traffic, scaler, clock)
        machine = Machine(layout, clock, node_name=NODE_NAME)
        watch = Watch(signs, machine, informers, context.events, clock)
        informers.start(tasks)
        await informers.synced()
        await cluster.create(NODE.document("", NODE_NAME))
        await cluster.create(SERVICE.document(*WEB, spec={}))
        revision = REVISION.document(*REV, spec={})
        revision["metadata"]["labels"] = dict(LABELS)
        await cluster.create(revision)
        yield World(cluster, clock, traffic, scaler, watch, layout)
        await tasks.close()


def pod(reason: str, restarts: int = 0) -> Document:
    made = POD.document("default", "web-1-abc", spec={})
    made["metadata"]["labels"] = dict(LABELS)
    waiting = {"reason": reason, "message": "words"}
    status: Document = {"name": "user-container", "state": {"waiting": waiting}}
    status |= {"restartCount": restarts, "lastState": {"terminated": {"exitCode": 1}}}
    made["status"] = {"phase": "Pending", "containerStatuses": [status]}
    return made


async def test_a_crash_loop_is_told_until_it_is_over(world: World) -> None:
    """As an event, again after five minutes, and once more when it is over; not in between."""
    await world.fail(pod("CrashLoopBackOff", 3))
    assert await world.codes() == ["CrashLoop"]
    assert await world.events() == [("Warning", "CrashLoop", 1)]
    for _ in range(61):
        await world.clock.sleep(5)
        await world.watch.look()
    assert await world.events() == [("Warning", "CrashLoop", 2)]
    await world.cluster.delete(POD, Key("default", "web-1-abc"))
    assert await world.codes() == ["CrashLoop"]
    await world.clock.sleep(61)
    assert await world.codes() == []
    assert await world.events() == [("Normal", "AlertOver", 1), ("Warning", "CrashLoop", 2)]


async def test_it_is_told_on_service_and_revision(world: World) -> None:
    await world.fail(pod("CrashLoopBackOff", 3))
    await world.codes()
    (told,) = world.watch.alerts(SERVICE, WEB)
    assert list(world.watch.alerts(REVISION, REV)) == [told]
    assert world.watch.alerts(SERVICE, Key("default", "other")) == []
    assert world.watch.alerts(REVISION, Key("other", REV.name)) == []
    assert told["subject"] == {"kind": "Service", "namespace": "default", "name": "web"}
    assert (told["code"], told["severity"]) == ("CrashLoop", "critical")
    assert told["since"].endswith("Z")
    assert told["action"]


async def test_an_image_that_is_not_there(world: World) -> None:
    """Told of the newest revision alone: another one mends it, whatever becomes of the first."""
    stored = await world.cluster.get(REVISION, REV)
    health = {"type": "ContainerHealthy", "status": "False", "reason": "ContainerMissing"}
    stored = {**stored, "status": {"conditions": [{**health, "message": "no such image"}]}}
    await world.cluster.update_status(stored)
    service = await world.cluster.get(SERVICE, WEB)
    newest = {"latestCreatedRevisionName": REV.name}
    service = await world.cluster.update_status({**service, "status": newest})
    assert await world.codes() == ["ImagePullFailing"]
    assert world.watch.standing()[0].alert.detail == "no such image"
    newest = {"latestCreatedRevisionName": "web-00002"}
    await world.cluster.update_status({**service, "status": newest})
    await world.clock.sleep(61)
    assert await world.codes() == []


async def test_a_queue_at_max_scale(world: World) -> None:
    """After thirty seconds of it, not before."""
    deployment = DEPLOYMENT.document("default", "web-00001-deployment", spec={"replicas": 2})
    await world.cluster.create(deployment)
    target = Target(Key("default", "web-00001-deployment"), Parameters(max_scale=2), True)
    world.scaler.track(REV, target)
    codes = []
    for _ in range(7):
        second = int(world.clock.now())
        figures = RevisionStats(str(REV), 8.0, 3.0, in_flight=4, waiting=4)
        world.traffic.stats("g0", Stats(second, (figures,)))
        codes.append(await world.codes())
        await world.clock.sleep(5)
    assert codes[4] == []
    assert codes[6] == ["QueueGrowing"]


@pytest.mark.parametrize("days", [5, 30])
async def test_a_certificate_that_is_about_to_expire(world: World, days: int) -> None:
    """Of a host that leads to the service: on the service, with how to replace it."""
    await world.cluster.create(TestAuthority().issue("web.test", days=days).secret("web-tls"))
    ingress = INGRESS.document("default", "web", spec={
        "tls": [{"hosts": ["web.test"], "secretName": "web-tls", "secretNamespace": "default"}],
    })  # fmt: skip
    await world.cluster.create(ingress)
    assert await world.codes() == ["CertificateExpiring"] * (days < 14)
    for one in world.watch.standing():
        if one.alert.about == "web.test":
            assert "kubectl create secret tls web-tls -n default" in one.alert.action


def write_processes(layout: Layout, *ends: float) -> None:
    record = {
        "name": "gateway", "pid": 1, "start": 1, "child": "1-1", "restarts": len(ends),
        "life": None, "ends": list(ends),
    }  # fmt: skip
    (layout.run / "processes.json").write_text(json.dumps([record]))


async def test_a_gateway_that_ends_again_and_again_is_told_on_the_node(world: World) -> None:
    now = world.clock.now()
    write_processes(world.layout, now - 20, now - 10)
    assert "RestartedOften" not in await world.codes("Node")
    write_processes(world.layout, now - 20, now - 10, now - 1)
    assert "RestartedOften" in await world.codes("Node")
    told = world.watch.alerts(NODE, Key("", NODE_NAME))
    assert "gateway" in [one["about"] for one in told]


async def test_where_nothing_is_wrong_nothing_is_said(world: World) -> None:
    assert await world.codes() == []
    assert await world.events() == []
    assert world.watch.alerts(SERVICE, WEB) == []
