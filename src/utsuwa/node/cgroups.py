"""Control groups: limits, out-of-memory kills, and a fence that no child can climb.

Groups of Pods live below our own group, so that limits on us hold for them too. Both versions
work, also side by side: version 2 (or `unified`) for the fence, whichever has them for cpu and
memory. What the machine does not grant is missing and said once; the rest goes on without: the
fence is then the session and a marked environment, limits are not enforced.
"""

import contextlib
import os
import signal
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from utsuwa.kit.freezing import GroupBrake
from utsuwa.kit.log import get_logger
from utsuwa.node.runtime import Limits

_log = get_logger(__name__)

ROOT = Path("/sys/fs/cgroup")
PERIOD = 100_000
"""Microseconds over which the cpu limit is averaged."""

_NEEDED = ("memory", "cpu")
_FREEZER = "freezer"
"""Of version 1; version 2 can stop a group without any controller."""


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """One mounted tree: `base` is the directory below which Pods get theirs."""

    base: Path
    unified: bool
    controllers: frozenset[str]


@dataclass(slots=True)
class Group:
    """The directories of one container's groups."""

    directories: list[Path] = field(default_factory=list)

    def add(self, pid: int) -> None:
        """Put a process behind the fence; a few 10 µs each."""
        for directory in self.directories:
            with contextlib.suppress(OSError):  # it may have ended already
                _write(directory / "cgroup.procs", str(pid))

    def pids(self) -> set[int]:
        """The processes inside."""
        found: set[int] = set()
        for directory in self.directories:
            with contextlib.suppress(OSError, ValueError):
                found.update(map(int, (directory / "cgroup.procs").read_text().split()))
        return found

    def kill(self) -> int:
        """Send SIGKILL to all that is inside; how many there were. What stands is let go first:
        with control groups of version 1 it would not die."""
        if brake := GroupBrake.among(self.directories):
            with contextlib.suppress(OSError):
                brake.let_go()
        pids = self.pids()
        for directory in self.directories:
            with contextlib.suppress(OSError):
                _write(directory / "cgroup.kill", "1")
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        return len(pids)

    def oom_kills(self) -> int:
        """How often the kernel killed something inside for its memory."""
        for directory in self.directories:
            for name in ("memory.events.local", "memory.events", "memory.oom_control"):
                with contextlib.suppress(OSError):
                    for line in (directory / name).read_text().splitlines():
                        if line.startswith("oom_kill "):
                            return int(line.split()[1])
        return 0

    def remove(self) -> bool:
        """Remove the directories; False while something is still inside."""
        self.directories = [d for d in self.directories if not _removed(d)]
        return not self.directories


def _removed(directory: Path) -> bool:
    try:
        directory.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


class Cgroups:
    """Makes and finds the groups of containers.

    `label`, any text, keeps clusters on one machine apart; `own` is `/proc/self/cgroup`.
    """

    def __init__(self, label: str, *, root: Path = ROOT, own: str | None = None) -> None:
        if own is None:
            own = Path("/proc/self/cgroup").read_text()
        name = f"utsuwa-{zlib.crc32(label.encode()):08x}"
        self._hierarchies = list(_usable(root, own, name))
        missing = [name for name in _NEEDED if not self._has(name)]
        if missing:
            _log.info("no control group: limits are not enforced", missing=",".join(missing))

    def __repr__(self) -> str:
        return f"<Cgroups {', '.join(str(h.base) for h in self._hierarchies) or 'none'}>"

    @property
    def fenced(self) -> bool:
        """Whether every process of a container can be found by its group."""
        return bool(self._hierarchies)

    def create(self, name: str, limits: Limits) -> Group:
        """A group called `name` with `limits`, as far as the machine grants."""
        group = Group()
        for hierarchy in self._hierarchies:
            if not hierarchy.unified and not _concerned(hierarchy, limits) and group.directories:
                continue
            directory = hierarchy.base / name
            try:
                directory.mkdir(parents=True, exist_ok=True)
                _limit(directory, hierarchy, limits)
            except OSError as error:
                _log.debug("control group not made", group=directory, reason=error)
                continue
            group.directories.append(directory)
        return group

    def find(self, prefix: str) -> dict[str, Group]:
        """The groups whose names begin with `prefix`."""
        found: dict[str, Group] = {}
        for hierarchy in self._hierarchies:
            for directory in hierarchy.base.glob(f"{prefix}*"):
                if directory.is_dir():
                    found.setdefault(directory.name, Group()).directories.append(directory)
        return found

    def close(self) -> None:
        """Remove what is empty of ours."""
        for hierarchy in self._hierarchies:
            with contextlib.suppress(OSError):  # pods that survive us are still inside
                hierarchy.base.rmdir()

    def _has(self, controller: str) -> bool:
        return any(controller in hierarchy.controllers for hierarchy in self._hierarchies)


def _concerned(hierarchy: Hierarchy, limits: Limits) -> bool:
    cpu = limits.cpu or limits.cpu_request
    return bool(
        _FREEZER in hierarchy.controllers
        or ("memory" in hierarchy.controllers and limits.memory)
        or ("cpu" in hierarchy.controllers and cpu)
    )


def _usable(root: Path, own: str, name: str) -> "list[Hierarchy]":
    """Version 2 first (it alone kills a whole group at once), then those of version 1."""
    found: list[Hierarchy] = []
    for line in sorted(own.splitlines()):
        number, controllers, path = line.split(":", 2)
        if number == "0":
            hierarchy = _unified(root, path, name)
        elif controllers == _FREEZER and any(hierarchy.unified for hierarchy in found):
            continue
        else:
            hierarchy = _version1(root, controllers, path, name)
        if hierarchy is not None:
            found.append(hierarchy)
    return found


def _version1(root: Path, controllers: str, path: str, name: str) -> Hierarchy | None:
    wanted = frozenset(controllers.split(",")) & {*_NEEDED, _FREEZER}
    base = root / controllers / path.lstrip("/") / name
    return Hierarchy(base, unified=False, controllers=wanted) if wanted and _made(base) else None


def _unified(root: Path, path: str, name: str) -> Hierarchy | None:
    mount = root if (root / "cgroup.controllers").exists() else root / "unified"
    if not (mount / "cgroup.controllers").exists():
        return None
    own = mount / path.lstrip("/")
    # Groups with processes of their own may not share out controllers: try beside us as well.
    for parent in (own, own.parent) if own != mount else (own,):
        base = parent / name
        if not _made(base):
            continue
        granted = _delegate(parent) and _delegate(base)
        if granted or parent == own.parent or own == mount:
            return Hierarchy(base, unified=True, controllers=granted or frozenset())
        with contextlib.suppress(OSError):
            base.rmdir()
    base = own / name
    return Hierarchy(base, unified=True, controllers=frozenset()) if _made(base) else None


def _delegate(directory: Path) -> frozenset[str]:
    """Let children of `directory` use cpu and memory; which of them they may."""
    for controller in _NEEDED:
        with contextlib.suppress(OSError):
            _write(directory / "cgroup.subtree_control", f"+{controller}")
    with contextlib.suppress(OSError):
        granted = (directory / "cgroup.subtree_control").read_text().split()
        return frozenset(granted) & set(_NEEDED)
    return frozenset()


def _made(base: Path) -> bool:
    try:
        base.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(base / "cgroup.procs", os.W_OK)


def _limit(directory: Path, hierarchy: Hierarchy, limits: Limits) -> None:
    settings = _version2_settings if hierarchy.unified else _version1_settings
    for controller, file, text in settings(limits):
        if controller in hierarchy.controllers:
            _write(directory / file, text)


_Settings = list[tuple[str, str, str]]


def _version2_settings(limits: Limits) -> _Settings:
    found: _Settings = []
    if limits.memory:
        found.append(("memory", "memory.max", str(limits.memory)))
    if limits.cpu:
        found.append(("cpu", "cpu.max", f"{_quota(limits)} {PERIOD}"))
    if limits.cpu_request:
        # Shares 2..262144 onto weights 1..10000, as the Kubernetes runtimes do it.
        weight = 1 + (_shares(limits) - 2) * 9999 // 262142
        found.append(("cpu", "cpu.weight", str(weight)))
    return found


def _version1_settings(limits: Limits) -> _Settings:
    found: _Settings = []
    if limits.memory:
        found.append(("memory", "memory.limit_in_bytes", str(limits.memory)))
    if limits.cpu:
        found.append(("cpu", "cpu.cfs_period_us", str(PERIOD)))
        found.append(("cpu", "cpu.cfs_quota_us", str(_quota(limits))))
    if limits.cpu_request:
        found.append(("cpu", "cpu.shares", str(_shares(limits))))
    return found


def _quota(limits: Limits) -> int:
    return max(1000, int(limits.cpu * PERIOD))


def _shares(limits: Limits) -> int:
    return max(2, min(262_144, int(limits.cpu_request * 1024)))


def _write(path: Path, text: str) -> None:
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
