"""Where a container's processes are on this machine: its control groups and its network."""

import os
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


class OomWatch:
    """Whether the kernel killed something in a group of control groups version 1 for its memory;
    engines there do not always tell. The group is gone when its container has ended, so the
    kernel is asked beforehand to count."""

    def __init__(self, place: Place | None) -> None:
        self._group = _with_oom_events(place)
        self._events = -1
        if self._group is not None:
            self._events = _ask_to_count(self._group)

    def __repr__(self) -> str:
        return f"<OomWatch of {self._group}>"

    def close(self) -> bool:
        """Whether it has happened; watches no more. The end of the group counts as one event."""
        if self._group is None or self._events < 0:
            return False
        there = self._group.is_dir()
        try:
            count = os.eventfd_read(self._events)
        except BlockingIOError:
            count = 0
        os.close(self._events)
        self._events = -1
        return count > 1 or (count == 1 and there)


def _with_oom_events(place: Place | None) -> Path | None:
    groups = () if place is None else place.groups
    return next((group for group in groups if (group / "cgroup.event_control").exists()
                 and (group / "memory.oom_control").exists()), None)  # fmt: skip


def _ask_to_count(group: Path) -> int:
    events = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
    try:
        with (group / "memory.oom_control").open() as control:
            (group / "cgroup.event_control").write_text(f"{events} {control.fileno()}")
    except OSError:
        os.close(events)
        return -1
    return events


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
