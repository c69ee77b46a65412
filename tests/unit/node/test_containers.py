"""Containers of an engine, as far as no engine is needed: who gets one, and what is asked for."""

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.node.conftest import Node, NodeMaker

from utsuwa.kit.documents import Document
from utsuwa.model.endpoints import reachable_port
from utsuwa.model.images import ImageNotFoundError
from utsuwa.model.kinds import SECRET
from utsuwa.node import credentials
from utsuwa.node.engine.door import Door, NoEngineError, sockets
from utsuwa.node.engine.instance import exit_of
from utsuwa.node.engine.network import Network
from utsuwa.node.engine.request import creation
from utsuwa.node.images import ImageStore
from utsuwa.node.packages import NodeImages, Package
from utsuwa.node.runtime import Box, Launch, Limits, Mount
from utsuwa.testing.node import a_pod

IMAGE = "registry.test/shop:v1"
pytestmark = pytest.mark.looptime

PINNED = "registry.test/shop@sha256:" + "1" * 64


def a_login(user: str, password: str = "secret") -> Document:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.fixture
async def node(a_node: NodeMaker) -> AsyncIterator[Node]:
    async with a_node() as made:
        yield made


# --- who gets a container -------------------------------------------------------------------------


async def test_an_image_of_the_engine_gets_an_address_of_its_own(node: Node) -> None:
    """And the port that it insists on; the machine's ports are left alone."""
    node.images.packages[IMAGE] = Package("sha256:abc", PINNED, stop_signal="SIGQUIT")
    await node.create(a_pod(image=IMAGE, args=["--port", "$(PORT)"], workingDir="/srv"))
    launch = node.runtime.instances[0].launch
    assert launch.env["PORT"] == "8080"
    assert launch.box == Box(
        "sha256:abc", "web", arguments=("--port", "8080"), directory="/srv", stop_signal="SIGQUIT"
    )
    pod = await node.pod()
    assert "hostPort" not in pod["spec"]["containers"][0]["ports"][0]
    assert pod["status"]["containerStatuses"][0]["imageID"] == PINNED


async def test_a_container_is_told_nothing_but_its_manifest(node: Node) -> None:
    """HOME and PATH are the image's business."""
    node.images.packages[IMAGE] = Package("sha256:abc", PINNED)
    await node.create(a_pod(image=IMAGE, env=[{"name": "A", "value": "1"}]))
    assert set(node.runtime.instances[0].launch.env) == {"A", "PORT"}


async def test_the_pod_tells_the_address_of_its_container(node: Node) -> None:
    """As soon as it is known; probes and people go there."""
    node.images.packages[IMAGE] = Package("sha256:abc", PINNED)
    node.runtime.address = "10.88.0.7"
    await node.create(a_pod(image=IMAGE))
    status = (await node.pod())["status"]
    assert (status["podIP"], status["hostIP"]) == ("10.88.0.7", "127.0.0.1")


@pytest.mark.parametrize(
    ("policy", "reasons"),
    [("IfNotPresent", {"ErrImagePull", "ImagePullBackOff"}), ("Never", {"ErrImageNeverPull"})],
)
async def test_an_image_that_cannot_be_had(node: Node, policy: str, reasons: set[str]) -> None:
    """Tried again, and said why."""
    node.images.packages[IMAGE] = ImageNotFoundError("registry.test does not answer")
    await node.create(a_pod(image=IMAGE, imagePullPolicy=policy))
    for _ in range(2):
        waiting = (await node.pod())["status"]["containerStatuses"][0]["state"]["waiting"]
        assert waiting["reason"] in reasons
        assert waiting["message"] == "registry.test does not answer"
        await node.settle(3.0)
    assert len(node.images.pulls) > 1


async def test_pull_secrets_go_with_the_pull(node: Node) -> None:
    """Those of the Pod."""
    auths = {"registry.test": a_login("ann")}
    packed = base64.b64encode(json.dumps({"auths": auths}).encode()).decode()
    secret = SECRET.document("default", "pull")
    await node.cluster.create({**secret, "data": {".dockerconfigjson": packed}})
    node.images.packages[IMAGE] = Package("sha256:abc", PINNED)
    pod = a_pod(image=IMAGE)
    pod["spec"]["imagePullSecrets"] = [{"name": "pull"}]
    await node.create(pod)
    login = credentials.login_for("registry.test/shop", node.images.pulls[0].auths)
    assert login == {"username": "ann", "password": "secret"}


@pytest.mark.parametrize(
    ("user", "words"),
    [("", "image will run as root"), ("0:0", "image will run as root"), ("app", "non-numeric")],
)
async def test_run_as_non_root_is_checked(node: Node, user: str, words: str) -> None:
    """Before anything is started."""
    node.images.packages[IMAGE] = Package("sha256:abc", PINNED, user=user)
    await node.create(a_pod(image=IMAGE, securityContext={"runAsNonRoot": True}))
    waiting = (await node.pod())["status"]["containerStatuses"][0]["state"]["waiting"]
    assert waiting["reason"] == "CreateContainerConfigError"
    assert words in waiting["message"]
    assert not node.runtime.instances


@pytest.mark.parametrize(
    ("port", "status", "expected"),
    [
        ({"containerPort": 8080, "hostPort": 20001}, {"podIP": "127.0.0.1"}, 20001),
        ({"containerPort": 8080}, {"podIP": "127.0.0.1", "hostIP": "127.0.0.1"}, 0),
        ({"containerPort": 8080}, {"podIP": "10.88.0.7", "hostIP": "127.0.0.1"}, 8080),
        ({"containerPort": 8080}, {"hostIP": "127.0.0.1"}, 0),
        ({"containerPort": 8080}, {}, 0),
    ],
)
def test_where_a_pod_can_be_reached(port: Document, status: Document, expected: int) -> None:
    """On a port of the machine, or on its own address, once it has one."""
    assert reachable_port({"status": status}, port) == expected


# --- the engine ---------------------------------------------------------------------------------


def test_where_an_engine_is_looked_for() -> None:
    """As its own clients do."""
    assert sockets({"DOCKER_HOST": "unix:///a/b.sock"}) == [Path("/a/b.sock")]
    assert Path("/run/podman/podman.sock") in sockets({})
    with pytest.raises(NoEngineError, match="DOCKER_HOST: expected unix://"):
        sockets({"DOCKER_HOST": "tcp://elsewhere:2375"})


async def test_without_an_engine_the_way_to_one_is_told(node: Node, tmp_path: Path) -> None:
    """Both ways: a bundle of that name, or an engine."""
    missing = tmp_path / "none.sock"
    door = Door(node.clock, label="t", environment={"DOCKER_HOST": f"unix://{missing}"})
    images = NodeImages(ImageStore(tmp_path / "images"), door)
    assert images.is_bundle(IMAGE)
    with pytest.raises(ImageNotFoundError) as caught:
        await images.resolve(IMAGE)
    assert "utsuwa build DIR" in str(caught.value)
    assert f"no container engine listens on {missing}; install" in str(caught.value)


def a_launch(**members: Any) -> Launch:
    box = members.pop("box", Box("sha256:abc", "web"))
    given = {"env": {"A": "1"}, "command": (), "directory": Path("/"), **members}
    return Launch(uid="uid-1", container="c", log=Path("/logs/0.log"), box=box, **given)


def test_what_the_engine_is_asked_for() -> None:
    """All that the manifest says."""
    mount = Mount(Path("/data/x"), Path("/x"), read_only=True)
    box = Box(
        "sha256:abc", "web", entrypoint=("/app",), directory="/srv", read_only=True,
        no_new_privileges=True, drop=("ALL",), groups=(7,),
    )  # fmt: skip
    limits = Limits(cpu=0.5, cpu_request=0.125, memory=2**27)
    launch = a_launch(box=box, limits=limits, user=2020, mounts=(mount,))
    asked = creation(launch, "here", swap=True)
    assert (asked["Entrypoint"], asked["Cmd"], asked["User"]) == (["/app"], [], "2020")
    assert asked["Labels"] == {
        "utsuwa.cluster": "here", "utsuwa.pod": "uid-1", "utsuwa.container": "c",
    }  # fmt: skip
    host = asked["HostConfig"]
    assert (host["Memory"], host["MemorySwap"]) == (2**27, 2**27)
    assert (host["CpuQuota"], host["CpuPeriod"], host["CpuShares"]) == (50_000, 100_000, 128)
    assert (host["ReadonlyRootfs"], host["SecurityOpt"]) == (True, ["no-new-privileges"])
    assert (host["CapDrop"], host["GroupAdd"]) == (["ALL"], ["7"])
    assert host["Mounts"] == [
        {"Type": "bind", "Source": "/data/x", "Target": "/x", "ReadOnly": True}
    ]


def test_system_calls_are_filtered_unless_the_manifest_says_no() -> None:
    """By the engine's own filter."""
    free = Box("sha256:abc", "web", unconfined=True, no_new_privileges=True)
    host = creation(a_launch(box=free), "here", swap=False)["HostConfig"]
    assert host["SecurityOpt"] == ["no-new-privileges", "seccomp=unconfined"]
    assert "SecurityOpt" not in creation(a_launch(), "here", swap=False)["HostConfig"]


@pytest.mark.parametrize("kind", ["Unconfined", "RuntimeDefault", "Localhost"])
async def test_the_filter_that_a_manifest_asks_for(node: Node, kind: str) -> None:
    node.images.packages[IMAGE] = Package("sha256:abc", PINNED)
    profile = {"seccompProfile": {"type": kind}}
    await node.create(a_pod(image=IMAGE, securityContext=profile))
    if kind == "Localhost":
        waiting = (await node.pod())["status"]["containerStatuses"][0]["state"]["waiting"]
        assert "expected RuntimeDefault or Unconfined, found Localhost" in waiting["message"]
        return
    box = node.runtime.instances[0].launch.box
    assert box is not None
    assert box.unconfined == (kind == "Unconfined")


def test_what_the_image_says_counts_where_nothing_is_asked_for() -> None:
    """User, working directory, command and arguments."""
    asked = creation(a_launch(), "here", swap=False)
    assert not {"User", "WorkingDir", "Entrypoint", "Cmd"} & asked.keys()
    assert "Memory" not in asked["HostConfig"]


def test_a_container_joins_the_network_of_its_pod() -> None:
    """The name of the machine is the network's."""
    asked = creation(
        a_launch(), "here", swap=False, network=Network("f00", "", names_too=True).joining()
    )
    host = asked["HostConfig"]
    assert host["NetworkMode"] == host["UTSMode"] == "container:f00"
    assert "Hostname" not in asked
    assert asked["Env"][0] == "HOSTNAME=web"


def test_how_containers_end() -> None:
    """Exit codes above 128 stand for signals."""
    assert exit_of({"State": {"ExitCode": 137, "OOMKilled": True}}).reason == "OOMKilled"
    assert exit_of({"State": {"ExitCode": 143}}).signal == 15
    assert exit_of({"State": {"ExitCode": 3}}).signal == 0


# --- credentials --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("repository", "registry", "whole"),
    [
        ("redis", "docker.io", "docker.io/library/redis"),
        ("ann/shop", "docker.io", "docker.io/ann/shop"),
        ("index.docker.io/ann/shop", "docker.io", "docker.io/ann/shop"),
        ("ghcr.io/ann/shop", "ghcr.io", "ghcr.io/ann/shop"),
        ("localhost:5000/shop", "localhost:5000", "localhost:5000/shop"),
    ],
)
def test_the_registry_of_an_image(repository: str, registry: str, whole: str) -> None:
    """Docker Hub where none is named."""
    assert credentials.registry_of(repository) == registry
    assert credentials.qualified(repository) == whole


def test_the_first_login_that_fits_counts() -> None:
    """The Pod's before the user's; Docker Hub has many names."""
    auths = [{"ghcr.io": a_login("pod")}, {"https://index.docker.io/v1/": a_login("me", "a:b")}]
    assert credentials.login_for("redis", auths) == {"username": "me", "password": "a:b"}
    assert credentials.login_for("ghcr.io/x/y", auths) == {"username": "pod", "password": "secret"}
    assert credentials.login_for("quay.io/x/y", auths) is None


def test_the_login_of_the_longest_path_counts() -> None:
    """Of one file or Secret; a path is no prefix of another word."""
    auths = [
        {
            "https://ghcr.io": a_login("all"),
            "ghcr.io/team": a_login("team"),
            "ghcr.io/tea": a_login("tea"),
        }
    ]
    assert (credentials.login_for("ghcr.io/team/shop", auths) or {})["username"] == "team"
    assert (credentials.login_for("ghcr.io/other/shop", auths) or {})["username"] == "all"


def test_a_credential_helper_is_asked(tmp_path: Path) -> None:
    """That of the registry, or of everything; one that knows nothing is none."""
    helper = tmp_path / "docker-credential-safe"
    helper.write_text(
        "#!/bin/sh\nread name\n[ $name = ghcr.io ] || exit 1\n"
        'echo \'{"Username": "ann", "Secret": "s"}\'\n'
    )
    helper.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "DOCKER_CONFIG": str(tmp_path)}
    config = {"credHelpers": {"ghcr.io": "safe", "quay.io": "safe", "gcr.io": "none"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    said = credentials.of_user(environment, tmp_path, "ghcr.io")
    assert credentials.login_for("ghcr.io/a/b", said) == {"username": "ann", "password": "s"}
    for registry in ("quay.io", "gcr.io", ""):
        assert credentials.of_user(environment, tmp_path, registry) == []


async def test_a_pull_is_told_as_long_as_it_lasts(node: Node) -> None:
    """In the waiting state, and as events with time and size."""
    node.images.packages[IMAGE] = Package("sha256:abc", PINNED, size=61_000_000)
    node.images.slow = 2.0
    await node.create(a_pod(image=IMAGE))
    waiting = (await node.container())["state"]["waiting"]
    assert waiting == {"reason": "ContainerCreating", "message": f"pulling image {IMAGE}: 1 MB"}
    await node.settle(3.0)
    assert "running" in (await node.container())["state"]
    assert node.events.said == [
        ("Pulling", f'Pulling image "{IMAGE}"'),
        ("Pulled", f'Pulled image "{IMAGE}" in 2.0 s, 61 MB'),
    ]


async def test_a_pull_secret_that_does_not_exist_is_said_where_the_pull_fails(node: Node) -> None:
    """It may well be the reason."""
    node.images.packages[IMAGE] = ImageNotFoundError("unauthorized")
    pod = a_pod(image=IMAGE)
    pod["spec"]["imagePullSecrets"] = [{"name": "team"}]
    await node.create(pod)
    message = (await node.container())["state"]["waiting"]["message"]
    assert message == "unauthorized; the pull secret default/team does not exist"


def test_logins_of_whoever_runs_us(tmp_path: Path) -> None:
    """From the files of docker and podman; one that is broken is none."""
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker" / "config.json").write_text('{"auths": {"ghcr.io": {}}}')
    (tmp_path / "auth.json").write_text("{")
    environment = {"REGISTRY_AUTH_FILE": str(tmp_path / "auth.json")}
    assert credentials.of_user(environment, tmp_path) == [{"ghcr.io": {}}]


async def test_a_container_that_needs_too_much_memory_says_so(node: Node) -> None:
    """Its limit, and its last words."""
    resources = {"limits": {"memory": "64Mi"}}
    await node.create(a_pod(resources=resources))
    node.runtime.instances[0].exit(137, oom=True, output="loading\n")
    await node.settle()
    last = (await node.pod())["status"]["containerStatuses"][0]["lastState"]["terminated"]
    assert last["reason"] == "OOMKilled"
    assert last["message"] == "killed: it needed more memory than its limit of 64Mi; loading"
