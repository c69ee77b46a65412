"""Volumes: what is in them, how they are written, how they follow, where containers see them."""

import asyncio
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.unit.node.conftest import NodeMaker

from utsuwa.cluster.informer import Informers
from utsuwa.cluster.port import Key
from utsuwa.kit.clock import LoopClock
from utsuwa.kit.documents import Document
from utsuwa.kit.tasks import TaskSet
from utsuwa.model.kinds import CONFIG_MAP, SECRET
from utsuwa.node import memory, view
from utsuwa.node.environment import ConfigError, Source
from utsuwa.node.records import Records
from utsuwa.node.runtime import Mount
from utsuwa.node.volume_content import File, content_of, volume_sources
from utsuwa.node.volume_files import fill
from utsuwa.node.volumes import Volumes
from utsuwa.testing.cluster import memory_cluster
from utsuwa.testing.node import a_pod

MAP = Source(CONFIG_MAP, "cm")
SECRETS = Source(SECRET, "s")
SOURCES = {
    MAP: CONFIG_MAP.document("default", "cm", data={"a": "1", "b": "2"}),
    SECRETS: SECRET.document("default", "s", data={"a": "Mw=="}),
}


TOKENS = {("api", 3600): "signed"}


def content(volume: Document, **sources: Any) -> dict[str, File]:
    return dict(content_of({"name": "v", **volume}, a_pod(), SOURCES, TOKENS))


# --- content --------------------------------------------------------------------------------------


def test_a_config_map_becomes_a_file_for_each_key() -> None:
    """Mode 0644 where none is given; binary data as it is."""
    assert content({"configMap": {"name": "cm"}}) == {"a": File(b"1"), "b": File(b"2")}


def test_items_choose_keys_and_paths_and_modes() -> None:
    items = [{"key": "b", "path": "deep/er", "mode": 0o400}]
    found = content({"configMap": {"name": "cm", "items": items, "defaultMode": 0o600}})
    assert found == {"deep/er": File(b"2", 0o400)}


def test_secrets_are_decoded() -> None:
    found = content({"secret": {"secretName": "s", "defaultMode": 0o440}})
    assert found == {"a": File(b"3", 0o440)}


def test_later_projections_win() -> None:
    """As the suite's TestProjectedComplex demands."""
    projected = {"sources": [{"configMap": {"name": "cm"}}, {"secret": {"name": "s"}}]}
    assert content({"projected": projected}) == {"a": File(b"3"), "b": File(b"2")}


def test_a_token_is_made_for_its_audience() -> None:
    source = {"serviceAccountToken": {"audience": "api", "path": "token"}}
    found = content({"projected": {"sources": [source], "defaultMode": 0o444}})
    assert found == {"token": File(b"signed", 0o444)}


def test_fields_of_the_pod() -> None:
    items = [
        {"path": "name", "fieldRef": {"fieldPath": "metadata.name"}},
        {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
    ]
    found = content({"downwardAPI": {"items": items}})
    assert found["name"] == File(b"web")
    assert found["labels"] == File(b'serving.knative.dev/revision="hello-00001"\n')


def test_what_is_optional_may_be_missing() -> None:
    assert content({"configMap": {"name": "no", "optional": True}}) == {}
    items = [{"key": "no", "path": "x"}]
    assert content({"configMap": {"name": "cm", "optional": True, "items": items}}) == {}


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        ({"configMap": {"name": "no"}}, 'configmap "no" not found'),
        ({"secret": {"secretName": "no"}}, 'secret "no" not found'),
        (
            {"configMap": {"name": "cm", "items": [{"key": "no", "path": "x"}]}},
            "configmap \"cm\" has no key 'no': found a, b",
        ),
        (
            {"hostPath": {"path": "/"}},
            (
                "volume v: expected one of configMap, secret, projected, downwardAPI, emptyDir, "
                "persistentVolumeClaim, found hostPath; other volumes cannot be mounted here"
            ),
        ),
    ],
)
def test_what_is_missing_is_named(volume: Document, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        content(volume)
    assert str(caught.value) == message


def test_its_objects_are_known_beforehand() -> None:
    sources = [{"configMap": {"name": "cm"}}, {"secret": {"name": "s"}}]
    assert volume_sources({"name": "v", "projected": {"sources": sources}}) == {MAP, SECRETS}


# --- files ----------------------------------------------------------------------------------------


def test_a_volume_is_replaced_in_one_step(tmp_path: Path) -> None:
    """Names at the top go through one link; what is gone is gone, what is the same is untouched."""
    fill(tmp_path, {"a": File(b"1", 0o400), "d/e": File(b"2")})
    assert ((tmp_path / "a").read_text(), (tmp_path / "d" / "e").read_text()) == ("1", "2")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o400
    before = os.readlink(tmp_path / "..data")
    fill(tmp_path, {"a": File(b"1", 0o400), "d/e": File(b"2")})
    assert os.readlink(tmp_path / "..data") == before
    fill(tmp_path, {"a": File(b"9")})
    assert (tmp_path / "a").read_text() == "9"
    assert sorted(path.name for path in tmp_path.iterdir() if path.name[:2] != "..") == ["a"]
    assert not (tmp_path / before).exists()


# --- in a container -------------------------------------------------------------------------------

MOUNT = {"name": "v", "mountPath": "/etc/app"}


def with_volume(volume: Document, *mounts: Document) -> Document:
    pod = a_pod(volumeMounts=list(mounts))
    pod["spec"]["volumes"] = [{"name": "v", **volume}]
    return pod


@pytest.mark.looptime
async def test_a_container_gets_its_volumes_and_they_follow(a_node: NodeMaker) -> None:
    """An edited ConfigMap reaches the running container."""
    async with a_node() as node:
        await node.cluster.create(CONFIG_MAP.document("default", "cm", data={"a": "1"}))
        await node.create(with_volume({"configMap": {"name": "cm"}}, MOUNT))
        (mount,) = node.runtime.instances[0].launch.mounts
        assert (mount.target, mount.read_only) == (Path("/etc/app"), True)
        assert (mount.source / "a").read_text() == "1"
        await node.cluster.merge(CONFIG_MAP, Key("default", "cm"), {"data": {"a": "2"}})
        await node.settle()
        assert (mount.source / "a").read_text() == "2"


@pytest.mark.looptime
async def test_an_adopted_container_keeps_following(a_node: NodeMaker) -> None:
    async with a_node() as node:
        await node.cluster.create(CONFIG_MAP.document("default", "cm", data={"a": "1"}))
        await node.create(with_volume({"configMap": {"name": "cm"}}, MOUNT))
        (mount,) = node.runtime.instances[0].launch.mounts
        await node.crash()
        await node.cluster.merge(CONFIG_MAP, Key("default", "cm"), {"data": {"a": "2"}})
        await node.start()
        await node.settle()
        assert (mount.source / "a").read_text() == "2"
        assert len(node.runtime.instances) == 1


@pytest.mark.looptime
async def test_a_missing_object_keeps_the_container_from_starting(a_node: NodeMaker) -> None:
    """Until it is there."""
    async with a_node() as node:
        await node.create(with_volume({"configMap": {"name": "cm"}}, MOUNT))
        waiting = (await node.container())["state"]["waiting"]
        assert waiting["reason"] == "CreateContainerConfigError"
        assert waiting["message"] == 'configmap "cm" not found'
        await node.cluster.create(CONFIG_MAP.document("default", "cm", data={"a": "1"}))
        await node.settle(40)
        assert "running" in (await node.container())["state"]


@pytest.mark.looptime
async def test_an_empty_directory_can_be_written(a_node: NodeMaker) -> None:
    async with a_node() as node:
        await node.create(with_volume({"emptyDir": {}}, MOUNT))
        (mount,) = node.runtime.instances[0].launch.mounts
        assert not mount.read_only
        assert mount.source.stat().st_mode & 0o777 == 0o777


@pytest.mark.looptime
async def test_a_sub_path_is_one_file_of_the_volume(a_node: NodeMaker) -> None:
    async with a_node() as node:
        await node.cluster.create(CONFIG_MAP.document("default", "cm", data={"a": "1"}))
        mount = {**MOUNT, "subPath": "a"}
        await node.create(with_volume({"configMap": {"name": "cm"}}, mount))
        (found,) = node.runtime.instances[0].launch.mounts
        assert found.source.read_text() == "1"
        assert not found.source.is_symlink()


@pytest.mark.looptime
async def test_a_sub_path_stays_inside(a_node: NodeMaker) -> None:
    async with a_node() as node:
        await node.create(with_volume({"emptyDir": {}}, {**MOUNT, "subPath": "../../x"}))
        waiting = (await node.container())["state"]["waiting"]
        assert waiting["message"] == "subPath ../../x: expected a path inside the volume"


class Numbered:
    """Issues tokens that count."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, int]] = []

    async def token(self, pod: Document, audience: str, seconds: int) -> str:
        self.asked.append((pod["metadata"]["name"], audience, seconds))
        return f"token {len(self.asked)}"


@pytest.mark.looptime
async def test_tokens_are_written_anew_before_they_expire(tmp_path: Path) -> None:
    """After four fifths of their life, for as long as the Pod lives."""
    async with memory_cluster(LoopClock()) as cluster:
        tasks, tokens = TaskSet(), Numbered()
        volumes = Volumes(cluster, LoopClock(), tmp_path / "claims", tokens)
        volumes.follow(Informers(cluster), tasks)
        source = {"serviceAccountToken": {"path": "token", "expirationSeconds": 1000}}
        pod = with_volume({"projected": {"sources": [source]}}, MOUNT)
        pod["metadata"]["uid"] = "u"
        container = pod["spec"]["containers"][0]
        (mount,) = await volumes.mounts(pod, container, tmp_path)
        assert (mount.source / "token").read_text() == "token 1"
        await asyncio.sleep(790)
        assert (mount.source / "token").read_text() == "token 1"
        await asyncio.sleep(20)
        assert (mount.source / "token").read_text() == "token 2"
        assert tokens.asked == [("web", "", 1000)] * 2
        volumes.forget("u")
        await asyncio.sleep(2000)
        assert len(tokens.asked) == 2
        await tasks.close()


@pytest.mark.looptime
async def test_where_no_tokens_are_issued_the_container_says_so(a_node: NodeMaker) -> None:
    source = {"serviceAccountToken": {"path": "token"}}
    async with a_node() as node:
        await node.create(with_volume({"projected": {"sources": [source]}}, MOUNT))
        waiting = (await node.container())["state"]["waiting"]
        assert waiting["message"] == "volume v: no ServiceAccount tokens are issued here"


@pytest.mark.slow
def test_volumes_are_seen_where_they_are_mounted_and_nowhere_else(tmp_path: Path) -> None:
    """Also at places that the machine does not have, at its root and below directories of its
    own; nothing of the machine changes."""
    if not view.is_possible(tmp_path / "probe"):
        pytest.skip("no right to mount here")
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "file").write_text("hi")
    targets = ["/utsuwa-test-volume", "/etc/utsuwa-test/volume", "/utsuwa-test-file"]
    mounts = [
        Mount(volume, Path(targets[0])),
        Mount(volume, Path(targets[1]), read_only=True),
        Mount(volume / "file", Path(targets[2]), read_only=True),
    ]
    (tree := tmp_path / "tree").mkdir()
    script = (
        f"cat {targets[0]}/file {targets[1]}/file {targets[2]} && echo there > {targets[0]}/new; "
        f"touch {targets[1]}/new && echo written; test -r /etc/passwd && test -d /proc/self && echo ok"
    )

    def start() -> subprocess.CompletedProcess[str]:
        return subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)

    done = view.with_layer(tree, tmp_path / "layer", start, mounts)
    assert done.stdout == "hihihiok\n"
    assert "Read-only file system" in done.stderr
    assert (volume / "new").read_text() == "there\n"
    assert [target for target in targets if Path(target).exists()] == []


# --- directories ----------------------------------------------------------------------------------


async def mounted(tmp_path: Path, source: Document, **mount: Any) -> Mount:
    """Where a container of a Pod `u` finds a volume of `source`."""
    pod = with_volume(source, {**MOUNT, **mount})
    async with memory_cluster(LoopClock()) as cluster:
        volumes = Volumes(cluster, LoopClock(), tmp_path / "claims")
        (found,) = await volumes.mounts(pod, pod["spec"]["containers"][0], tmp_path / "u")
        return found


@pytest.mark.looptime
async def test_a_claim_is_a_directory_that_outlives_its_pods(tmp_path: Path) -> None:
    """One for each name in a namespace."""
    claim = {"persistentVolumeClaim": {"claimName": "data"}}
    found = await mounted(tmp_path, claim)
    assert (found.source, found.read_only) == (tmp_path / "claims" / "default" / "data", False)
    (found.source / "file").write_text("kept")
    again = await mounted(tmp_path, claim)
    assert (again.source / "file").read_text() == "kept"
    claim["persistentVolumeClaim"]["readOnly"] = True  # type: ignore[assignment]
    assert (await mounted(tmp_path, claim)).read_only


@pytest.mark.looptime
async def test_a_claim_leads_nowhere_else(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'\.\./other' is no name of a claim"):
        await mounted(tmp_path, {"persistentVolumeClaim": {"claimName": "../other"}})


@pytest.mark.looptime
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting takes root")
async def test_a_directory_in_memory_has_a_limit_and_goes_with_its_pod(tmp_path: Path) -> None:
    """It is shared by the containers, and kept when one is started again."""
    source = {"emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}
    records = Records(tmp_path)
    found = await mounted(tmp_path, source)
    try:
        (found.source / "file").write_text("here")
        assert (await mounted(tmp_path, source)).source == found.source
        assert (found.source / "file").read_text() == "here"
        with pytest.raises(OSError, match="No space left"):
            (found.source / "big").write_bytes(bytes(2 << 20))
    finally:
        records.remove("u")
    assert not found.source.exists()


@pytest.mark.looptime
async def test_without_the_right_to_mount_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk would be no secret place."""

    def refused(directory: Path, size: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(memory, "provide", refused)
    with pytest.raises(ConfigError, match="which medium Memory takes, found: Operation not"):
        await mounted(tmp_path, {"emptyDir": {"medium": "Memory"}})
