"""Where a container's processes are on this machine: its control groups and its network."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from utsuwa.node import procfs
from utsuwa.node.cgroups import ROOT


@dataclass(frozen=True, slots=True)
class Place:
    """`pid` is that of the first process as this machine counts."""

    pid: int
    groups: tuple[Path, ...]

    def pids(self) -> Iterable[int]:
        """The processes inside."""
        for group in self.groups:
            try:
                return [int(pid) for pid in (group / "cgroup.procs").read_text().split()]
            except OSError:
                continue
        return [self.pid]

    def listening(self) -> frozenset[int]:
        """The TCP ports of its network on which somebody listens."""
        return frozenset(port for _, port in procfs.listeners(str(self.pid)))


def place_of(pid: int, container: str) -> Place | None:
    """The place of process `pid`, unless it is none of this machine's, or of another container
    by now (an engine in a virtual machine counts differently)."""
    try:
        told = Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:
        return None
    groups = []
    for line in told.splitlines():
        _, controllers, path = line.split(":", 2)
        if container in path:
            groups.append(_mounted(controllers, path))
    return Place(pid, tuple(groups)) if groups else None


def _mounted(controllers: str, path: str) -> Path:
    inside = path.lstrip("/")
    if not controllers:
        unified = ROOT / "unified"
        return (unified if unified.is_dir() else ROOT) / inside
    return ROOT / controllers.removeprefix("name=") / inside
