import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from utsuwa.cluster.embedded import Embedded
from utsuwa.cluster.informer import Informers
from utsuwa.cluster.port import Key
from utsuwa.controllers.dataplane import DataPlane
from utsuwa.controllers.events import EventRecorder
from utsuwa.controllers.framework import Context
from utsuwa.controllers.live_settings import LiveSettings
from utsuwa.kit.clock import LoopClock
from utsuwa.kit.documents import Document
from utsuwa.kit.ids import Ids
from utsuwa.kit.tasks import TaskSet
from utsuwa.model.conditions import condition, is_ready
from utsuwa.model.draining import Remaining
from utsuwa.model.kinds import INGRESS, POD, REVISION
from utsuwa.routing.messages import Ack, Delta, Drained, Draining, Elsewhere, Snapshot
from utsuwa.testing.cluster import memory_cluster
from utsuwa.testing.link import FakeGateway, Sink

HOST = "hello.default.example.com"


class World:
    """A data plane over a cluster in memory, and one gateway."""

    def __init__(self, cluster: Embedded, plane: DataPlane, socket: Path) -> None:
        self.cluster = cluster
        self.plane = plane
        self.socket = socket
        self.gateways: list[FakeGateway] = []

    async def gateway(self, name: str = "gateway-0") -> tuple[FakeGateway, Snapshot]:
        gateway = await FakeGateway.dial(self.socket, name)
        self.gateways.append(gateway)
        snapshot = await gateway.hear()
        if isinstance(snapshot, Elsewhere):  # there is another one already
            snapshot = await gateway.hear()
        assert isinstance(snapshot, Snapshot)
        return gateway, snapshot

    async def ready(self, name: str = "hello") -> bool:
        return is_ready(await self.cluster.get(INGRESS, Key("default", name)))

    async def until_ready(self) -> None:
        while not await self.ready():
            await asyncio.sleep(0)


async def settle() -> None:
    for _ in range(60):
        await asyncio.sleep(0)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    clock, ids, tasks = LoopClock(), Ids(), TaskSet()
    async with memory_cluster(clock, ids) as cluster:
        informers = Informers(cluster)
        context = Context(
            cluster, informers, clock, ids, LiveSettings(), EventRecorder(cluster, clock)
        )
        socket = tmp_path / "link.sock"
        plane = DataPlane(context, socket=socket, sink=Sink(), address="127.0.0.2")
        informers.start(tasks)
        await informers.synced()
        await plane.start(tasks)
        world = World(cluster, plane, socket)
        yield world
        for gateway in world.gateways:
            await gateway.hang_up()
        await plane.link.close()
        await tasks.close()


def ingress(name: str = "hello", host: str = HOST) -> Document:
    split = {"serviceName": "hello-00001", "serviceNamespace": "default", "percent": 100}
    rule: dict[str, Any] = {"hosts": [host], "http": {"paths": [{"splits": [split]}]}}
    return INGRESS.document("default", name, spec={"rules": [rule]})


def revision() -> Document:
    return REVISION.document("default", "hello-00001", spec={"containers": [{"image": "hello"}]})


def pod() -> Document:
    document = POD.document("default", "hello-00001-abc")
    document["metadata"]["labels"] = {"serving.knative.dev/revision": "hello-00001"}
    port = {"name": "user-port", "containerPort": 8080, "hostPort": 20001}
    document["spec"] = {
        "nodeName": "n",
        "containers": [{"name": "c", "image": "hello", "ports": [port]}],
    }
    return document


async def test_an_ingress_is_ready_only_when_the_gateway_has_it_in_force(world: World) -> None:
    gateway, snapshot = await world.gateway()
    gateway.say(Ack(snapshot.epoch, snapshot.version))
    await world.cluster.create(ingress())
    delta = await gateway.hear()
    assert isinstance(delta, Delta)
    assert [host.host for host in delta.hosts] == [HOST]
    await settle()
    assert not await world.ready()
    gateway.say(Ack(snapshot.epoch, delta.version))
    await world.until_ready()
    status = (await world.cluster.get(INGRESS, Key("default", "hello")))["status"]
    assert status["publicLoadBalancer"] == {"ingress": [{"ip": "127.0.0.2"}]}


async def test_without_a_gateway_nothing_is_ready(world: World) -> None:
    await world.cluster.create(ingress())
    await settle()
    document = await world.cluster.get(INGRESS, Key("default", "hello"))
    configured = condition(document["status"], "NetworkConfigured")
    assert configured is not None
    assert (configured["status"], configured["reason"]) == ("Unknown", "Uninitialized")


async def test_what_was_ready_stays_so_while_a_new_gateway_catches_up(world: World) -> None:
    """A gateway takes connections only once it has a table, so nobody is served by less."""
    gateway, snapshot = await world.gateway()
    await world.cluster.create(ingress())
    delta = await gateway.hear()
    assert isinstance(delta, Delta)
    gateway.say(Ack(snapshot.epoch, delta.version))
    await world.until_ready()
    await world.gateway("gateway-1")
    await world.cluster.merge(
        INGRESS, Key("default", "hello"), {"metadata": {"labels": {"touched": "yes"}}}
    )
    await settle()
    assert await world.ready()


async def test_pods_come_and_go_as_endpoints_of_their_revision(world: World) -> None:
    gateway, _ = await world.gateway()
    await world.cluster.create(revision())
    await gateway.hear()
    made = await world.cluster.create(pod())
    delta = await gateway.hear()
    assert isinstance(delta, Delta)
    (endpoint,) = delta.revisions[0].endpoints
    assert (endpoint.uid, endpoint.port, endpoint.ready) == (made["metadata"]["uid"], 20001, False)
    await world.cluster.delete(POD, Key("default", "hello-00001-abc"))
    delta = await gateway.hear()
    assert isinstance(delta, Delta)
    assert delta.revisions[0].endpoints[0].draining


async def test_a_pod_is_an_endpoint_as_soon_as_its_process_is_there(world: World) -> None:
    """Before its binding is written; what else changes meanwhile does not take it back."""
    gateway, _ = await world.gateway()
    await world.cluster.create(revision())
    await gateway.hear()
    bare = pod()
    del bare["spec"]["nodeName"], bare["spec"]["containers"][0]["ports"][0]["hostPort"]
    made = await world.cluster.create(bare)
    await settle()
    world.plane.launched({**made, "spec": pod()["spec"]})
    delta = await gateway.hear()
    assert isinstance(delta, Delta)
    assert [one.port for one in delta.revisions[0].endpoints] == [20001]
    key = Key("default", "hello-00001-abc")
    await world.cluster.merge(POD, key, {"metadata": {"labels": {"touched": "yes"}}})
    await world.cluster.merge(POD, key, {"spec": pod()["spec"]})
    await settle()
    await world.cluster.delete(POD, key)
    delta = await gateway.hear()  # the next word, so nothing was said of the two changes
    assert isinstance(delta, Delta)
    assert not any(not one.draining for one in delta.revisions[0].endpoints)
    world.plane.launched(made)  # too late
    await settle()
    assert world.plane._launched == {}


async def test_a_pod_with_an_address_of_its_own_is_not_taken_back_while_it_is_bound(
    world: World,
) -> None:
    """Node first, address second: a gateway that heard of the first alone would forget what is
    under way there, and give the pod one request too many."""
    gateway, _ = await world.gateway()
    await world.cluster.create(revision())
    await gateway.hear()
    bare = pod()
    del bare["spec"]["nodeName"], bare["spec"]["containers"][0]["ports"][0]["hostPort"]
    made = await world.cluster.create(bare)
    await settle()
    bound = {"nodeName": "n"}
    address = {"podIP": "10.88.0.7", "hostIP": "127.0.0.1"}
    world.plane.launched({**made, "spec": {**made["spec"], **bound}, "status": address})
    delta = await gateway.hear()
    assert isinstance(delta, Delta)
    assert [(one.host, one.port) for one in delta.revisions[0].endpoints] == [("10.88.0.7", 8080)]
    key = Key("default", "hello-00001-abc")
    await world.cluster.merge(POD, key, {"spec": bound})
    await settle()
    await world.cluster.merge(POD, key, {"status": address}, subresource="status")
    await settle()
    assert world.plane._launched == {}
    await world.cluster.delete(POD, key)
    delta = await gateway.hear()  # the next word, so nothing was said of the two writes
    assert isinstance(delta, Delta)
    assert [one.draining for one in delta.revisions[0].endpoints] == [True]


async def test_a_pod_is_drained_when_the_gateway_says_so(world: World) -> None:
    gateway, _ = await world.gateway()
    heard: list[Remaining] = []
    waiting = asyncio.ensure_future(
        world.plane.drained("default/hello-00001", "uid-1", heard.append)
    )
    await settle()
    assert not waiting.done()
    gateway.say(Draining("default/hello-00001", "uid-1", 0, 1, 60.0))
    gateway.say(Drained("default/hello-00001", "uid-1"))
    await waiting
    assert heard == [Remaining(0, 1, 60.0)]


async def test_a_host_that_another_route_holds_is_refused_by_name(world: World) -> None:
    gateway, snapshot = await world.gateway()
    await world.cluster.create(ingress())
    await gateway.hear()
    await world.cluster.create(ingress("rival"))
    gateway.say(Ack(snapshot.epoch, world.plane.link.acknowledged + 10))
    await settle()
    rival = await world.cluster.get(INGRESS, Key("default", "rival"))
    refused = condition(rival["status"], "NetworkConfigured")
    assert refused is not None
    assert refused["reason"] == "NotOwned"
    assert "default/hello" in refused["message"]
    assert await world.ready()


async def test_a_late_gateway_gets_everything_at_once(world: World) -> None:
    await world.cluster.create(revision())
    await world.cluster.create(ingress())
    await settle()
    _, snapshot = await world.gateway()
    assert [host.host for host in snapshot.hosts] == [HOST]
    assert [entry.name for entry in snapshot.revisions] == ["default/hello-00001"]
    assert "1 hosts, 1 revisions" in repr(world.plane)
