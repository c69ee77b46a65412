"""Pods whose volumes outgrow their limit."""

import os
import signal
from pathlib import Path

import pytest
from tests.unit.node.conftest import Node, NodeMaker

from utsuwa.kit.documents import Document
from utsuwa.node.evicting import LOOK, excess, used
from utsuwa.testing.node import a_pod

pytestmark = pytest.mark.looptime

SAID = 'Usage of EmptyDir volume "cache" exceeds the limit "64Ki". '


def a_pod_with(name: str = "web", **empty_dir: str) -> Document:
    pod = a_pod(name, volumeMounts=[{"name": "cache", "mountPath": "/cache"}])
    pod["spec"]["volumes"] = [{"name": "cache", "emptyDir": empty_dir}]
    return pod


async def write(node: Node, size: int, name: str = "web") -> Path:
    """What the program in the Pod would do; answers the volume."""
    uid: str = (await node.pod(name))["metadata"]["uid"]
    volume: Path = node.data_dir / "pods" / uid / "volumes" / "cache"
    (volume / "data").write_bytes(os.urandom(size))
    return volume


async def test_a_pod_whose_volume_outgrew_its_limit_is_evicted(a_node: NodeMaker) -> None:
    """It ends, and stays as a failed Pod with a kubelet's words."""
    async with a_node() as node:
        await node.create(a_pod_with(sizeLimit="64Ki"))
        volume = await write(node, 100 * 1024)
        await node.settle(LOOK + 0.5)
        status = (await node.pod())["status"]
        assert (status["phase"], status["reason"], status["message"]) == ("Failed", "Evicted", SAID)
        target = await node.condition("DisruptionTarget")
        assert (target["status"], target["reason"]) == ("True", "TerminationByKubelet")
        assert (await node.condition())["status"] == "False"
        assert node.runtime.instances[0].signals == [signal.SIGTERM]
        assert node.runtime.running == []
        assert ("Evicted", SAID) in node.events.told
        assert not volume.exists()


async def test_it_gets_no_request_while_it_ends(a_node: NodeMaker) -> None:
    """It has failed from the moment on at which that is decided."""
    async with a_node() as node:
        await node.create(a_pod_with(sizeLimit="64Ki"))
        node.runtime.instances[0].ignores = {signal.SIGTERM}
        await write(node, 100 * 1024)
        await node.settle(LOOK)
        assert (await node.pod())["status"]["phase"] == "Failed"
        assert len(node.runtime.running) == 1
        await node.settle(1.5)
        assert node.runtime.running == []


async def test_an_evicted_pod_goes_when_it_is_deleted(a_node: NodeMaker) -> None:
    async with a_node() as node:
        await node.create(a_pod_with(sizeLimit="64Ki"))
        await write(node, 100 * 1024)
        await node.settle(3 * LOOK)
        assert len(node.runtime.instances) == 1  # restarted by nobody
        await node.delete()
        await node.settle()
        assert await node.is_gone()


async def test_an_evicted_pod_is_left_alone_by_the_next_control(a_node: NodeMaker) -> None:
    async with a_node() as node:
        await node.create(a_pod_with(sizeLimit="64Ki"))
        await write(node, 100 * 1024)
        await node.settle(2 * LOOK)
        await node.crash()
        await node.start()
        await node.settle()
        assert (await node.pod())["status"]["reason"] == "Evicted"
        await node.delete()
        await node.settle()
        assert await node.is_gone()


async def test_within_its_limit_or_without_one_a_pod_stays(a_node: NodeMaker) -> None:
    async with a_node() as node:
        await node.create(a_pod_with("small", sizeLimit="1Mi"))
        await node.create(a_pod_with("free"))
        for name in ("small", "free"):
            await write(node, 100 * 1024, name)
        await node.settle(2 * LOOK)
        assert len(node.runtime.running) == 2


def test_what_a_directory_takes_is_what_the_disk_gives(tmp_path: Path) -> None:
    """Holes take nothing, and a file with two names counts once."""
    inner = tmp_path / "inner"
    inner.mkdir()
    with (inner / "hole").open("wb") as hole:
        hole.truncate(1 << 30)
    (inner / "real").write_bytes(os.urandom(1 << 20))
    once = used(tmp_path)
    (inner / "again").hardlink_to(inner / "real")
    (inner / "link").symlink_to("/usr")
    assert 1 << 20 <= once < 2 << 20
    assert used(tmp_path) - once < 1 << 16
    assert used(tmp_path / "absent") == 0


def test_a_volume_is_measured_against_its_own_limit(tmp_path: Path) -> None:
    for name, size in (("one", 10_000), ("two", 100_000)):
        (tmp_path / "volumes" / name).mkdir(parents=True)
        (tmp_path / "volumes" / name / "data").write_bytes(os.urandom(size))
    assert excess(tmp_path, {"one": "50Ki", "two": "1Mi"}) == ""
    assert '"two"' in excess(tmp_path, {"one": "50Ki", "two": "50Ki"})
