"""What stops a container where it stands: which control group, or the engine."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from aiodocker import DockerError

from utsuwa.kit.freezing import GroupBrake
from utsuwa.node.cgroups import Cgroups
from utsuwa.node.engine.pausing import EngineBrake
from utsuwa.node.runtime import Limits

if TYPE_CHECKING:
    from aiodocker.containers import DockerContainer


def machine(root: Path, *trees: str) -> Path:
    """Control groups as far as files can be some; the directory of ours in each of `trees`."""
    for tree in trees:
        ours = root / tree / "utsuwa-8cdc1683"
        ours.mkdir(parents=True)
        (ours / "cgroup.procs").touch()
        if tree == "unified":
            (root / tree / "cgroup.controllers").touch()
            (root / tree / "cgroup.subtree_control").touch()
    return root


OWN = "6:freezer:/\n4:memory:/\n0::/\n"


def test_where_there_is_version_2_it_alone_stops(tmp_path: Path) -> None:
    """Also beside version 1, whose freezer would cost 10 ms to move into."""
    cgroups = Cgroups("x", root=machine(tmp_path, "unified", "freezer", "memory"), own=OWN)
    group = cgroups.create("pod_c", Limits())
    assert [directory.parts[-3] for directory in group.directories] == ["unified"]


def test_version_1_alone_needs_its_freezer(tmp_path: Path) -> None:
    """Whatever else the pod asks for."""
    cgroups = Cgroups("x", root=machine(tmp_path, "freezer"), own="6:freezer:/\n")
    group = cgroups.create("pod_c", Limits())
    (directory,) = group.directories
    (directory / "freezer.state").write_text("FROZEN")
    brake = GroupBrake.among(group.directories)
    assert brake is not None
    assert brake.stopped()
    group.kill()
    assert (directory / "freezer.state").read_text() == "THAWED"


class Container:
    """An engine's. Mutable state: `paused`; `refuses`: the engine has lost it."""

    id = "0123456789abcdef"

    def __init__(self) -> None:
        self.paused = False
        self.refuses = False

    async def show(self) -> Any:
        """As the engine."""
        if self.refuses:
            raise DockerError(404, "no such container")
        return {"State": {"Paused": self.paused}}

    async def pause(self) -> None:
        """As the engine."""
        self.paused = True

    async def unpause(self) -> None:
        """As the engine."""
        self.paused = False


async def test_an_engine_stops_what_is_out_of_our_reach() -> None:
    """Nobody else can let go, which the line says."""
    container = Container()
    brake = EngineBrake(cast("DockerContainer", container), asyncio.get_running_loop())
    assert brake.line() == ""
    assert not await asyncio.to_thread(brake.stopped)
    await asyncio.to_thread(brake.stop)
    assert await asyncio.to_thread(brake.stopped)
    assert await asyncio.to_thread(brake.let_go)
    assert not await asyncio.to_thread(brake.let_go)


async def test_what_the_engine_refuses_is_said() -> None:
    container = Container()
    container.refuses = True
    brake = EngineBrake(cast("DockerContainer", container), asyncio.get_running_loop())
    with pytest.raises(OSError, match=r"container engine: .*no such container"):
        await asyncio.to_thread(brake.stopped)
