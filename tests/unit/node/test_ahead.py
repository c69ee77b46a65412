"""Containers created ahead: for which Revisions, for whom they are used, and when they are not."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.unit.node.conftest import Node, NodeMaker

from utsuwa.cluster.port import Key
from utsuwa.kit.documents import Document
from utsuwa.model import labels
from utsuwa.model.children.pod import pod_of
from utsuwa.model.images import ImageNotFoundError
from utsuwa.model.kinds import CONFIG_MAP, REPLICA_SET, REVISION
from utsuwa.model.meta import name_of, uid_of
from utsuwa.node.ahead import Most
from utsuwa.node.packages import Package

pytestmark = pytest.mark.looptime

IMAGE = "registry.test/shop:v1"
PINNED = "registry.test/shop@sha256:" + "1" * 64


@pytest.fixture
async def node(a_node: NodeMaker) -> AsyncIterator[Node]:
    """One that may create three containers ahead."""
    async with a_node() as made:
        made.most = Most(containers=3)
        made.images.packages[IMAGE] = Package("sha256:abc", PINNED)
        yield made


async def a_revision(
    node: Node, name: str = "shop-00001", *, replicas: int = 0, state: str = "active", **spec: Any
) -> Document:
    """Its ReplicaSet, as the Deployment's controller makes it."""
    revision = REVISION.document("default", name, spec={})
    revision["metadata"]["labels"] = {labels.ROUTING_STATE: state}
    await node.cluster.create(revision)
    container = {"name": "user-container", "image": IMAGE, "ports": [{"containerPort": 8080}]}
    template = {
        "metadata": {"labels": {labels.REVISION: name}},
        "spec": {"containers": [{**container, **spec}]},
    }
    one = REPLICA_SET.document(
        "default", f"{name}-deployment-x", spec={"replicas": replicas, "template": template}
    )
    one["metadata"]["labels"] = {labels.REVISION: name}
    one["metadata"]["ownerReferences"] = [
        {"apiVersion": "apps/v1", "kind": "Deployment", "name": name, "uid": f"uid-of-{name}",
         "controller": True}
    ]  # fmt: skip
    return await node.cluster.create(one)


async def scale(node: Node, replica_set: Document, replicas: int) -> None:
    key = Key("default", name_of(replica_set))
    await node.cluster.merge(REPLICA_SET, key, {"spec": {"replicas": replicas}})


async def test_the_next_pod_finds_its_container_there(node: Node) -> None:
    """The launch is the very one that was prepared: hostname, environment, uid and all."""
    replica_set = await a_revision(node)
    await node.settle(2.0)
    (prepared,) = node.runtime.prepared.values()
    pod = await node.agent.ahead.create(pod_of(replica_set))
    await node.settle()
    launch = node.runtime.instances[0].launch
    assert launch == prepared
    assert launch.box is not None
    assert launch.box.hostname == name_of(pod)
    assert launch.uid == uid_of(pod)


async def test_pods_beyond_the_first_are_made_as_ever(node: Node) -> None:
    """With names that the cluster completes."""
    replica_set = await a_revision(node)
    await node.settle(2.0)
    pods = [await node.agent.ahead.create(pod_of(replica_set)) for _ in range(3)]
    assert len({name_of(pod) for pod in pods}) == 3
    assert len({uid_of(pod) for pod in pods}) == 3
    await node.settle()
    assert [i.launch.uid in node.runtime.prepared for i in node.runtime.instances].count(True) == 1


async def test_after_use_there_is_another_once_the_revision_is_at_zero_again(node: Node) -> None:
    """And none while it has pods."""
    replica_set = await a_revision(node)
    await node.settle(2.0)
    await scale(node, replica_set, 1)
    pod = await node.agent.ahead.create(pod_of(replica_set))
    await node.settle(5.0)
    assert set(node.runtime.prepared) == {uid_of(pod)}
    await scale(node, replica_set, 0)
    await node.delete(name_of(pod))
    await node.settle(5.0)
    assert len(set(node.runtime.prepared) - {uid_of(pod)}) == 1


@pytest.mark.parametrize(
    "how",
    [
        {"replicas": 1},
        {"state": "reserve"},
        {"image": "app:1"},
    ],
    ids=["it has pods", "no route leads to it", "it is a bundle"],
)
async def test_who_gets_none(node: Node, how: dict[str, Any]) -> None:
    await a_revision(node, **how)
    await node.settle(5.0)
    assert node.runtime.prepared == {}


async def test_the_process_of_a_bundle_waits_with_its_port(node: Node) -> None:
    """Which is the Pod's once it comes, and otherwise anybody's again."""
    node.most = Most(processes=1)
    replica_set = await a_revision(node, image="app:1")
    await a_revision(node, "other-00001")
    await node.settle(2.0)
    (prepared,) = node.runtime.prepared.values()
    assert prepared.box is None
    await node.agent.ahead.create(pod_of(replica_set))
    await node.settle()
    assert [instance.launch for instance in node.runtime.instances] == [prepared]
    assert "1 of" in repr(node.agent)  # the Pod's worker has the same one, and no other


async def test_a_process_that_is_not_needed_gives_back_its_port_and_leaves_no_log(
    node: Node,
) -> None:
    node.most = Most(processes=1)
    replica_set = await a_revision(node, image="app:1")
    await node.settle(2.0)
    (prepared,) = node.runtime.prepared.values()
    prepared.log.parent.mkdir(parents=True)
    prepared.log.touch()
    assert "1 of" in repr(node.agent)
    await node.cluster.delete(REPLICA_SET, Key("default", name_of(replica_set)))
    await node.settle(2.0)
    assert "0 of" in repr(node.agent)
    assert not prepared.log.parent.parent.exists()


async def test_there_are_no_more_than_may_be(node: Node) -> None:
    """Those that came to rest last; a setting of 0 removes them all."""
    sets = [await a_revision(node, f"shop-0000{number}") for number in range(5)]
    await node.settle(5.0)
    assert len(node.runtime.prepared) == 3
    await scale(node, sets[0], 1)
    await node.settle(2.0)
    await scale(node, sets[0], 0)
    await node.settle(2.0)
    hosts = [launch.box.hostname for launch in node.runtime.prepared.values() if launch.box]
    assert len(hosts) == 3
    assert any(host.startswith("shop-00000-") for host in hosts)
    node.most = Most()
    node.agent.ahead.stir()
    await node.settle(2.0)
    assert node.runtime.prepared == {}


async def test_it_goes_with_its_revision(node: Node) -> None:
    """And what was kept for it."""
    replica_set = await a_revision(node)
    await node.settle(2.0)
    (uid,) = node.runtime.prepared
    assert (node.data_dir / "pods" / uid).is_dir()
    await node.cluster.delete(REPLICA_SET, Key("default", name_of(replica_set)))
    await node.settle(2.0)
    assert node.runtime.prepared == {}
    assert not (node.data_dir / "pods" / uid).exists()


async def test_one_that_is_out_of_date_is_made_anew(node: Node) -> None:
    """What its environment comes from has changed; other objects do not matter."""
    settings = CONFIG_MAP.document("default", "settings")
    await node.cluster.create({**settings, "data": {"A": "1"}})
    await a_revision(node, envFrom=[{"configMapRef": {"name": "settings"}}])
    await node.settle(2.0)
    (before,) = node.runtime.prepared
    await node.cluster.create(CONFIG_MAP.document("default", "other"))
    await node.settle(2.0)
    assert list(node.runtime.prepared) == [before]
    await node.cluster.merge(CONFIG_MAP, Key("default", "settings"), {"data": {"A": "2"}})
    await node.settle(3.0)
    (launch,) = node.runtime.prepared.values()
    assert launch.uid != before
    assert launch.env["A"] == "2"


async def test_what_cannot_be_created_is_tried_again_later(node: Node) -> None:
    """Its image is missing: nothing waits, nothing is left."""
    node.images.packages[IMAGE] = ImageNotFoundError("not there")
    await a_revision(node)
    await node.settle(10.0)
    assert len(node.images.pulls) == 1
    assert list((node.data_dir / "pods").iterdir()) == []
    node.images.packages[IMAGE] = Package("sha256:abc", PINNED)
    await node.settle(70.0)
    assert len(node.runtime.prepared) == 1


async def test_another_control_sweeps_what_it_does_not_know(node: Node) -> None:
    """The names are forgotten with the process that chose them."""
    await a_revision(node)
    await node.settle(2.0)
    (before,) = node.runtime.prepared
    await node.crash()
    report = await node.start()
    assert report.removed == 1
    assert before in node.runtime.swept
    await node.settle(2.0)
    assert len(node.runtime.prepared) == 1
    await node.agent.stop()
    assert node.runtime.prepared == {}


async def test_an_engine_that_does_not_answer_takes_nobody_along(node: Node) -> None:
    """What could not be removed is left to the next start."""
    replica_set = await a_revision(node)
    await node.settle(2.0)
    (uid,) = node.runtime.prepared
    node.runtime.silent = True
    await node.cluster.delete(REPLICA_SET, Key("default", name_of(replica_set)))
    await node.settle(2.0)
    assert (node.data_dir / "pods" / uid).is_dir()
    node.runtime.silent = False
    await node.crash()
    assert (await node.start()).removed == 1
    assert node.runtime.prepared == {}
