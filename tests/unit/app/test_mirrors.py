"""Our own processes as Pods: this test's process stands in for them."""

import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from utsuwa.app.mirrors import Mirrors, is_mirror
from utsuwa.app.options import Layout
from utsuwa.app.processes import start_time
from utsuwa.cluster.embedded import Embedded
from utsuwa.cluster.port import Key
from utsuwa.kit.clock import LoopClock
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import NAMESPACE, POD
from utsuwa.testing.cluster import memory_cluster


def process(name: str, child: str, **changed: Any) -> Document:
    pid = os.getpid()
    return {
        "name": name, "pid": pid, "start": start_time(pid), "child": child, "restarts": 0,
        "life": None, **changed,
    }  # fmt: skip


@dataclass
class World:
    cluster: Embedded
    layout: Layout
    mirrors: Mirrors
    connected: bool = True

    async def look(self, *processes: Document) -> list[Document]:
        """The supervisor's record says so; what the Pods say then."""
        (self.layout.run / "processes.json").write_text(json.dumps(processes))
        await self.mirrors.look()
        found = await self.cluster.list(POD)
        return sorted(found.items, key=lambda pod: str(pod["metadata"]["namespace"]))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    layout = Layout(tmp_path)
    layout.make()
    async with memory_cluster() as cluster:
        await cluster.create(NAMESPACE.document("", "istio-system"))
        mirrors = Mirrors(
            cluster, layout, LoopClock(), node_name="vm", serving=lambda: found.connected
        )
        found = World(cluster, layout, mirrors)
        yield found


async def test_gateway_and_control_have_their_pods(world: World) -> None:
    """In the namespaces in which one looks for them, on this node, ready."""
    gateway, control = await world.look(process("gateway", "1-1"), process("control", "1-2"))
    assert gateway["metadata"]["namespace"] == "istio-system"
    assert gateway["metadata"]["name"].startswith("istio-ingressgateway-")
    assert control["metadata"]["namespace"] == "knative-serving"
    for pod in (gateway, control):
        assert is_mirror(pod)
        assert pod["spec"]["nodeName"] == "vm"
        assert pod["status"]["containerStatuses"][0]["ready"] is True


async def test_looking_again_writes_nothing(world: World) -> None:
    await world.look(process("gateway", "1-1"))
    version = world.cluster.resource_version
    await world.look(process("gateway", "1-1"))
    assert world.cluster.resource_version == version


async def test_a_restart_is_counted_with_how_the_last_life_ended(world: World) -> None:
    """The Pod stays; a signal is told as a kubelet tells it."""
    (before,) = await world.look(process("control", "1-2"))
    (after,) = await world.look(process("control", "1-2", restarts=1, life=[100.0, 200.0, -9]))
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    status = after["status"]["containerStatuses"][0]
    assert status["restartCount"] == 1
    assert status["lastState"]["terminated"] == {
        "exitCode": 137, "reason": "Error",
        "startedAt": "1970-01-01T00:01:40Z", "finishedAt": "1970-01-01T00:03:20Z",
    }  # fmt: skip


async def test_a_process_that_is_gone_is_not_ready(world: World) -> None:
    (pod,) = await world.look(process("gateway", "1-1", start=1))
    status = pod["status"]["containerStatuses"][0]
    assert (status["ready"], list(status["state"])) == (False, ["waiting"])


async def test_a_gateway_that_has_not_connected_runs_and_is_not_ready(world: World) -> None:
    world.connected = False
    (pod,) = await world.look(process("gateway", "1-1"))
    status = pod["status"]["containerStatuses"][0]
    assert (status["ready"], list(status["state"])) == (False, ["running"])


async def test_a_replacement_has_a_pod_of_its_own(world: World) -> None:
    both = await world.look(process("gateway", "1-1"), process("gateway (new)", "1-3"))
    assert len({pod["metadata"]["name"] for pod in both}) == 2
    (left,) = await world.look(process("gateway", "1-3"))
    assert left["metadata"]["uid"] in {pod["metadata"]["uid"] for pod in both}


async def test_the_pods_of_another_up_are_gone(world: World) -> None:
    (before,) = await world.look(process("control", "1-2"))
    (after,) = await world.look(process("control", "2-2"))
    assert after["metadata"]["name"] != before["metadata"]["name"]


async def test_a_mirror_that_somebody_deletes_is_written_again(world: World) -> None:
    (before,) = await world.look(process("control", "1-2"))
    key = Key("knative-serving", before["metadata"]["name"])
    await world.cluster.delete(POD, key)
    (after,) = await world.look(process("control", "1-2"))
    assert after["metadata"]["uid"] != before["metadata"]["uid"]
    assert "deletionTimestamp" not in after["metadata"]


async def test_pods_of_others_are_left_alone(world: World) -> None:
    await world.cluster.create(POD.document("knative-serving", "mine", spec={"containers": []}))
    pods = await world.look()
    assert [pod["metadata"]["name"] for pod in pods] == ["mine"]


async def test_its_log_is_that_of_the_process(world: World) -> None:
    (pod,) = await world.look(process("gateway (leaving)", "1-1"))
    assert world.mirrors.log_path(pod, previous=False) == world.layout.logs / "gateway.log"
    assert world.mirrors.log_path(pod, previous=True) is None


async def test_without_a_record_there_is_nothing_to_mirror(world: World) -> None:
    await world.mirrors.look()
    assert (await world.cluster.list(POD)).items == []
