"""The names of services in `/etc/hosts`: which, for whom, and kept up to date."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.unit.node.conftest import Node, NodeMaker

from utsuwa.cluster.port import Key
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import CORE_SERVICE
from utsuwa.node.names import ServiceNames, text_of, without, write_in_place
from utsuwa.node.packages import Package
from utsuwa.node.runtime import Box
from utsuwa.testing.node import a_pod

pytestmark = pytest.mark.looptime
BRIDGE = "10.88.0.1"


def a_service(name: str, namespace: str = "default", *, route: bool = True) -> Document:
    labels = {"serving.knative.dev/route": name} if route else {}
    document = CORE_SERVICE.document(namespace, name, spec={"ports": [{"port": 80}]})
    document["metadata"]["labels"] = labels
    return document


@pytest.fixture
async def node(a_node: NodeMaker, tmp_path: Path) -> AsyncIterator[Node]:
    """Whose containers reach the gateway at a bridge, and whose processes do on loopback."""
    names = ServiceNames(tmp_path / "hosts", boxes=BRIDGE, processes="127.0.0.2")
    async with a_node(names=names) as found:
        found.images.packages["x/y:1"] = Package("sha256:abc", "x/y@sha256:abc")
        await found.cluster.create(a_service("hello"))
        await found.cluster.create(a_service("other", route=False))
        await found.settle()
        yield found


async def test_a_container_knows_the_services_that_there_are_from_its_start(node: Node) -> None:
    """Those of Routes; the short name in their own namespace."""
    await node.create(a_pod(image="x/y:1"))
    box = node.runtime.instances[0].launch.box
    assert box is not None
    names = ["hello.default.svc.cluster.local", "hello.default.svc", "hello.default", "hello"]
    assert box.hosts == tuple((name, BRIDGE) for name in names)


def test_a_container_that_was_created_ahead_outlives_new_services() -> None:
    """Its names are brought up to date when it runs."""
    assert Box("sha256:abc", "web", hosts=(("hello.default", BRIDGE),)) == Box("sha256:abc", "web")


async def test_its_file_follows_services_that_come_and_go(node: Node, tmp_path: Path) -> None:
    """In place: the file stays the one that the container has mounted."""
    hosts = tmp_path / "its-hosts"
    hosts.write_text(f"{BRIDGE} host.containers.internal\n10.88.0.9 web\n{BRIDGE} gone.default\n")
    inode = hosts.stat().st_ino
    await node.create(a_pod(image="x/y:1"))
    uid = (await node.pod())["metadata"]["uid"]
    assert node.names is not None
    node.names.show(uid, "user-container", "default", str(hosts))
    await node.settle()
    own = f"{BRIDGE} host.containers.internal\n10.88.0.9 web\n"
    hello = text_of({"default": ["hello"]}, "default", BRIDGE)
    assert hosts.read_text() == own + hello
    await node.cluster.create(a_service("later"))
    await node.settle()
    assert f"{BRIDGE} later.default.svc later.default later\n" in hosts.read_text()
    for name in ("hello", "later"):
        await node.cluster.delete(CORE_SERVICE, Key("default", name))
    await node.settle()
    assert (hosts.read_text(), hosts.stat().st_ino) == (own, inode)
    await node.delete(grace=0)
    await node.settle()
    await node.cluster.create(a_service("never"))
    await node.settle()
    assert hosts.read_text() == own


async def test_processes_of_a_namespace_share_a_file(node: Node) -> None:
    """The machine's, and the names after it."""
    await node.create(a_pod())
    hosts = node.runtime.instances[0].launch.hosts
    assert hosts is not None
    assert hosts.read_text().startswith(Path("/etc/hosts").read_text().rstrip("\n"))
    assert hosts.read_text().endswith("127.0.0.2 hello.default.svc hello.default hello\n")
    await node.cluster.create(a_service("later", "knative-serving"))
    await node.settle()
    assert hosts.read_text().endswith("127.0.0.2 later.knative-serving.svc later.knative-serving\n")


async def test_nobody_is_told_where_there_is_no_way_to_the_gateway(a_node: NodeMaker) -> None:
    async with a_node() as node:
        await node.cluster.create(a_service("hello"))
        await node.create(a_pod())
        assert node.runtime.instances[0].launch.hosts is None


def test_what_is_too_long_at_first_is_cut_off_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    for text in ("a b\n" * 2000, "c d\n", "", "e f\n"):
        write_in_place(path, text)
        assert path.read_text() == text


def test_lines_of_others_are_left_alone() -> None:
    """Comments, too; what we wrote is taken out."""
    text = f"# {BRIDGE}\n127.0.0.1 localhost\n{BRIDGE} a.b.svc a.b\n\n"
    assert without(text, BRIDGE) == f"# {BRIDGE}\n127.0.0.1 localhost\n\n"


def test_lines_stay_short() -> None:
    """Some readers look at no more than 512 bytes of each."""
    text = text_of({"n" * 63: ["s" * 63]}, "n" * 63, "255.255.255.255")
    assert max(map(len, text.splitlines())) < 512
