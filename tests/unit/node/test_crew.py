"""Several containers in a Pod: order, statuses, the end, and a restart of the node in between."""

import platform
import struct
from collections.abc import AsyncIterator

import pytest
from tests.unit.node.conftest import Node, NodeMaker

from utsuwa.kit.documents import Document
from utsuwa.node.engine.network import image, program
from utsuwa.node.packages import Package
from utsuwa.node.pods import shortage
from utsuwa.node.runtime import LaunchError
from utsuwa.testing.node import FakeInstance, a_pod

pytestmark = pytest.mark.looptime


@pytest.fixture
async def node(a_node: NodeMaker) -> AsyncIterator[Node]:
    async with a_node() as made:
        yield made


def an_init(name: str, **members: object) -> Document:
    return {"name": name, "image": "app:1", **members}


def a_pod_after(*inits: Document, **spec: object) -> Document:
    pod = a_pod()
    pod["spec"] |= {"initContainers": list(inits), **spec}
    return pod


def started(node: Node) -> list[str]:
    return [instance.launch.container for instance in node.runtime.instances]


def last(node: Node) -> FakeInstance:
    return node.runtime.instances[-1]


async def init_states(node: Node) -> list[Document]:
    return [one["state"] for one in (await node.pod())["status"]["initContainerStatuses"]]


async def test_init_containers_run_one_after_another_before_the_others(node: Node) -> None:
    """With the statuses of the original on the way."""
    await node.create(a_pod_after(an_init("first"), an_init("second")))
    assert started(node) == ["first"]
    status = (await node.pod())["status"]
    assert status["phase"] == "Pending"
    assert status["containerStatuses"][0]["state"]["waiting"]["reason"] == "PodInitializing"
    initialized = await node.condition("Initialized")
    assert initialized["reason"] == "ContainersNotInitialized"
    assert initialized["message"] == "containers with incomplete status: [first second]"
    last(node).exit(0)
    await node.settle()
    assert started(node) == ["first", "second"]
    last(node).exit(0)
    await node.settle()
    assert len(started(node)) == 3
    assert (await node.condition("Initialized"))["status"] == "True"
    first = (await node.pod())["status"]["initContainerStatuses"][0]
    assert (first["ready"], first["state"]["terminated"]["reason"]) == (True, "Completed")


async def test_an_init_container_that_fails_is_started_again(node: Node) -> None:
    """With the back-off of every container; nothing comes after it."""
    await node.create(a_pod_after(an_init("first")))
    for _ in range(2):
        last(node).exit(2, output="no schema\n")
        await node.settle()
    assert started(node) == ["first", "first"]
    (state,) = await init_states(node)
    assert state["waiting"]["reason"] == "CrashLoopBackOff"
    assert "no schema" in state["waiting"]["message"]
    await node.settle(11)
    last(node).exit(0)
    await node.settle()
    assert len(started(node)) == 4


async def test_with_policy_never_an_init_container_that_fails_is_the_end(node: Node) -> None:
    await node.create(a_pod_after(an_init("first"), restartPolicy="Never"))
    last(node).exit(2)
    await node.settle()
    assert (await node.pod())["status"]["phase"] == "Failed"
    assert started(node) == ["first"]


async def test_a_sidecar_starts_before_and_ends_after_the_others(node: Node) -> None:
    """And comes back when it ends by itself."""
    sidecar = an_init("proxy", restartPolicy="Always")
    await node.create(a_pod_after(sidecar, an_init("first")))
    assert started(node) == ["proxy", "first"]
    last(node).exit(0)
    await node.settle()
    main = last(node)
    assert (await node.condition())["status"] == "True"
    node.runtime.instances[0].exit(0)
    await node.settle()
    assert started(node)[-1] == "proxy"
    proxy = last(node)
    main.ignores = {15}
    await node.delete(grace=5)
    await node.settle(1)
    assert (main.signals, proxy.signals) == ([15], [])
    main.exit(0)
    await node.settle()
    assert proxy.signals == [15]
    assert await node.is_gone()


async def test_a_node_that_starts_anew_runs_no_init_container_twice(node: Node) -> None:
    await node.create(a_pod_after(an_init("first")))
    last(node).exit(0)
    await node.settle()
    assert len(started(node)) == 2
    await node.crash()
    await node.start()
    await node.settle()
    assert len(started(node)) == 2
    assert (await node.condition())["status"] == "True"


async def test_a_node_that_starts_anew_goes_on_after_the_init_container(node: Node) -> None:
    """It had just ended."""
    await node.create(a_pod_after(an_init("first"), an_init("second")))
    last(node).exit(0)
    await node.settle()
    await node.crash()
    last(node).exit(0)
    await node.start()
    await node.settle()
    assert len(started(node)) == 3
    assert (await node.condition("Initialized"))["status"] == "True"


async def test_deletion_does_not_wait_for_an_init_container(node: Node) -> None:
    await node.create(a_pod_after(an_init("first")))
    await node.delete(grace=5)
    await node.settle(1)
    assert last(node).signals == [15]
    assert await node.is_gone()


async def test_containers_of_an_engine_share_a_network(node: Node) -> None:
    """Where there are several at a time; it is given back in the end."""
    node.images.packages["x/y:1"] = Package("sha256:abc", "x/y@sha256:abc")
    pod = a_pod(image="x/y:1")
    pod["spec"]["containers"].append({"name": "beside", "image": "x/y:1"})
    await node.create(pod)
    boxes = [instance.launch.box for instance in node.runtime.instances]
    assert all(box is not None and box.shared for box in boxes)
    uid = (await node.pod())["metadata"]["uid"]
    await node.delete(grace=0)
    await node.settle()
    assert node.runtime.released == [uid]


async def test_one_container_alone_needs_no_network_to_share(node: Node) -> None:
    """Its init containers have ended when it starts."""
    node.images.packages["x/y:1"] = Package("sha256:abc", "x/y@sha256:abc")
    pod = a_pod(image="x/y:1")
    pod["spec"]["initContainers"] = [{"name": "first", "image": "x/y:1"}]
    await node.create(pod)
    box = last(node).launch.box
    assert box is not None
    assert not box.shared


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_program_that_waits_is_an_executable(machine: str) -> None:
    made = program(machine)
    kind, architecture = struct.unpack("<HH", made[16:20])
    assert made.startswith(b"\x7fELF")
    assert (kind, architecture) == (2, {"x86_64": 62, "aarch64": 183}[machine])


def test_a_machine_that_nobody_thought_of_is_said() -> None:
    with pytest.raises(LaunchError, match="expected a machine of x86_64, aarch64, found vax"):
        program("vax")


def test_the_image_of_the_network_is_always_the_same() -> None:
    """Its digest, too."""
    assert image(platform.machine()) == image(platform.machine())


def test_what_a_pod_needs_is_what_runs_at_the_same_time() -> None:
    """Init containers one by one, beside which nothing runs."""
    asks = {"resources": {"requests": {"cpu": "3"}}}
    pod = a_pod_after({"name": "a", **asks}, {"name": "b", **asks})
    pod["spec"]["containers"] = [{"name": "web", **asks}]
    allocatable = {"cpu": "4", "memory": "1Gi"}
    assert shortage(pod, allocatable) == ""
    pod["spec"]["initContainers"][0]["restartPolicy"] = "Always"
    assert "Insufficient cpu" in shortage(pod, allocatable)
