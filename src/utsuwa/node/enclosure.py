"""Starts a process in namespaces of its own: files, processes, and what System V calls IPC.

The first process in a tree of processes is special: the kernel spares it signals that it does not
handle, and gives it every orphan. Apps expect neither, so that place is taken by a shell that waits
for whatever comes; its end is the end of all others. The app is our own child like any other: its
pid, its exit code and the signal that ended it are what they would be outside.
"""

import contextlib
import errno
import functools
import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from utsuwa.kit.documents import Document
from utsuwa.node import kernel, procfs, view
from utsuwa.node.images.bundle import MODULES, base_interpreter
from utsuwa.node.isolation import FIRST_USER, ROOT_MAY, TEMPORARY, Step, World, prefix_of, steps
from utsuwa.node.kernel import Rights
from utsuwa.node.procfs import POD_VARIABLE
from utsuwa.node.runtime import Isolation, Launch, LaunchError
from utsuwa.node.spawn import Process, layer_of, mounts_of, opened_log, spawn

_FIRST = ("/bin/sh", "-c", "while :; do sleep 2147483647 & wait; done")
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "log")
_GRAPHICS = ("nvidia*", "dri", "kfd")
_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}
_EMPTY = "mode=755,size=1m"
_SHALLOW = 100
"""A bundle with more directories than that can be written at its top alone."""


@dataclass(slots=True)
class First:
    """The first process of a tree. `ours`: it is our child, whom nobody else waits for."""

    pid: int
    start: int
    ours: bool = False

    @classmethod
    def of(cls, record: Document) -> "First":
        """From :meth:`record`."""
        return cls(record["pid"], record["start"])

    def record(self) -> Document:
        """What is needed to find it again; JSON-able."""
        return {"pid": self.pid, "start": self.start}

    def kill(self) -> bool:
        """End the whole tree; True once it has gone. Blocks no longer than a system call."""
        if not self.ours and not procfs.is_running(self.pid, self.start):
            return True
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        if not self.ours:
            return False
        try:
            self.ours = os.waitpid(self.pid, os.WNOHANG)[0] == 0
        except ChildProcessError:
            self.ours = False
        return not self.ours


def start(launch: Launch, isolation: Isolation, hidden: Iterable[Path]) -> tuple[Process, First]:
    """Start the process of `launch`, isolated; `hidden` are directories that it must not see.

    Raises:
        LaunchError: the command does not exist or may not be executed.
        OSError: the machine does not allow it.
    """
    place = _Place(launch, isolation, tuple(path.resolve() for path in hidden))
    may = Rights(
        isolation.user,
        isolation.group,
        isolation.groups,
        bound=0 if isolation.user else ROOT_MAY,
        lasting=True,
    )
    plain = replace(launch, user=None, group=None, env=_environment(launch))
    firsts: list[Process] = []
    with opened_log(launch, isolation.user) as log, contextlib.ExitStack() as clones:

        def inside() -> Process:
            kernel.call("unshare", kernel.NEW_MOUNTS | kernel.NEW_IPC | kernel.NEW_PIDS)
            kernel.call("mount", None, b"/", None, kernel.RECURSIVE | kernel.PRIVATE, None)
            firsts.append(_first(launch))
            place.furnish(firsts[0].pid, clones)
            may.take()
            return spawn(plain, log)

        try:
            process = kernel.apart(inside)
        except BaseException:
            for first in firsts:
                first.kill()
                first.wait()
            raise
    firsts[0].returncode = 0  # from here on we wait for it ourselves, at the end of its tree
    return process, First(firsts[0].pid, -1, ours=True)


def _first(launch: Launch) -> Process:
    return subprocess.Popen(
        _FIRST,
        cwd="/",
        env={POD_VARIABLE: f"{launch.uid}/{launch.container}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def is_possible(directory: Path, hidden: Iterable[Path]) -> str:
    """Why processes whose scratch directories lie in `directory` cannot be isolated here; "" if
    they can. Tries it, once."""
    if os.geteuid() != 0:
        return "that takes root"
    tree = directory / ".enclosure"
    tree.mkdir(parents=True, exist_ok=True)
    launch = Launch(
        "enclosure",
        "probe",
        ("/bin/sh", "-c", "echo > probe && ! echo > /probe"),
        {},
        tree,
        directory / ".enclosure.log",
        tree=tree,
        scratch=directory / ".enclosed",
    )
    try:
        process, first = start(launch, Isolation(FIRST_USER, FIRST_USER), hidden)
        code = process.wait()
        if not first.kill():
            os.waitpid(first.pid, 0)
    except (OSError, LaunchError) as error:
        return str(error)
    finally:
        shutil.rmtree(tree)
        shutil.rmtree(directory / ".enclosed", ignore_errors=True)
    said = launch.log.read_text().strip()
    launch.log.unlink()
    return "" if code == 0 else said or f"a trial ended with {code}"


def _environment(launch: Launch) -> dict[str, str]:
    """Its own directory has no name there; what it is for is done by `/tmp`."""
    assert launch.scratch is not None
    own = str(launch.scratch.parent)
    return {name: "/tmp" if value == own else value for name, value in launch.env.items()}


class _Place:
    """Makes the files that one life of a container sees, in the namespace of this thread."""

    def __init__(self, launch: Launch, isolation: Isolation, hidden: tuple[Path, ...]) -> None:
        assert launch.tree is not None
        assert launch.scratch is not None
        self._launch = launch
        self._tree = launch.tree
        self._layer = layer_of(launch)
        self._user, self._group = isolation.user, isolation.group
        self._mounts = mounts_of(launch)
        world = World(hidden, _is_closed if isolation.user else _is_open)
        self._steps = steps((self._tree, *_needs(launch, isolation)), world)
        self._stage = hidden[0] if hidden else TEMPORARY[0]

    def furnish(self, first: int, clones: contextlib.ExitStack) -> None:
        """Do all of it. `first`: the first process of the tree that is to be shown. What stands
        at a place before something is laid over it is kept in `clones`."""
        self._lay()
        temporary = self._layer / "tmp"
        temporary.mkdir(exist_ok=True)
        temporary.chmod(0o1777)
        kept = {
            path: self._clone(temporary if step is Step.TEMPORARY else path, clones)
            for path, step in self._steps
            if step is not Step.COVER and path.exists()
        }
        volumes = [
            (mount, mount.source.is_dir(), self._clone(mount.source, clones))
            for mount in self._mounts
        ]
        writable = [self._tree]
        for path, step in self._steps:
            if step is Step.COVER:
                path.mkdir(parents=True, exist_ok=True)
                kernel.mount_new("tmpfs", path, 0, _EMPTY)
            elif path in kept:
                directory, mounted = kept[path]
                _make(path, directory=directory)
                kernel.show(mounted, path)
                if step is Step.TEMPORARY:
                    writable.append(path)
        _devices(clones)
        writable += [Path("/dev/shm"), Path("/dev/pts")]
        anew = [path for path, step in self._steps if step is not Step.SHOW]
        for mount, directory, (_, mounted) in volumes:
            view.make_place(mount.target, self._stage, directory=directory, anew=anew)
            kernel.show(mounted, mount.target)
            if mount.target in writable:
                writable.remove(mount.target)
            if not mount.read_only:
                writable.append(mount.target)
        _processes(first)
        if self._user:
            writable.append(Path("/proc"))
        kernel.protect(Path("/"), writable=False, deep=True)
        for path in writable:
            kernel.protect(path, writable=True, deep=False)

    def _lay(self) -> None:
        upper = self._layer / "upper"
        upper.mkdir(parents=True, exist_ok=True)
        for directory in (upper, *(upper / path for path in _directories(self._tree))):
            directory.mkdir(exist_ok=True)
            os.chown(directory, self._user, self._group)
        view.lay(self._tree, self._layer)

    def _clone(self, path: Path, clones: contextlib.ExitStack) -> tuple[bool, int]:
        mounted = kernel.clone(path)
        clones.callback(os.close, mounted)
        return path.is_dir(), mounted


@functools.lru_cache(maxsize=64)
def _directories(tree: Path) -> tuple[Path, ...]:
    """Those of a bundle into which its process shall be able to write."""
    found: list[Path] = []
    for top, names, _ in os.walk(tree):
        names[:] = [name for name in names if name != MODULES]
        found += [Path(top, name).relative_to(tree) for name in names]
        if len(found) > _SHALLOW:
            return ()
    return tuple(path for path in found if not (tree / path).is_symlink())


def _is_closed(directory: Path) -> bool:
    return not directory.stat().st_mode & stat.S_IXOTH


def _is_open(_directory: Path) -> bool:
    return False


def _needs(launch: Launch, isolation: Isolation) -> list[Path]:
    """What the process reads beside its bundle, wherever that is: interpreters and programs."""
    path = launch.env.get("PATH", os.defpath)
    programs = [base_interpreter(), shutil.which(launch.command[0], path=path) or ""]
    found = [*isolation.shown, *(Path(name) for name in path.split(":") if name)]
    found += [prefix_of(Path(name).resolve()) for name in programs if name]
    found += [prefix_of(directory / "program") for directory in found if directory.name == "bin"]
    return [found for found in dict.fromkeys(map(Path.resolve, found)) if found.exists()]


def _make(path: Path, *, directory: bool) -> None:
    """Something over which can be mounted."""
    (path if directory else path.parent).mkdir(parents=True, exist_ok=True)
    if not directory and not path.exists():
        path.touch()


def _devices(clones: contextlib.ExitStack) -> None:
    """Those that do no harm, and those that compute."""
    dev = Path("/dev")
    names = [*_DEVICES, *(path.name for kind in _GRAPHICS for path in dev.glob(kind))]
    kept = {}
    for name in names:
        if (dev / name).exists():
            kept[name] = (dev / name).is_dir(), kernel.clone((dev / name).resolve())
            clones.callback(os.close, kept[name][1])
    kernel.mount_new("tmpfs", dev, kernel.NO_SET_UID, _EMPTY)
    for name, (directory, mounted) in kept.items():
        _make(dev / name, directory=directory)
        kernel.show(mounted, dev / name)
    for name, target in _LINKS.items():
        (dev / name).symlink_to(target)
    for name, kind, options in (
        ("shm", "tmpfs", "mode=1777"),
        ("pts", "devpts", "newinstance,ptmxmode=0666,mode=620"),
    ):
        (dev / name).mkdir()
        kernel.mount_new(kind, dev / name, kernel.NO_SET_UID | kernel.NO_EXEC, options)


def _processes(first: int) -> None:
    """Show the tree of `first` at `/proc`. Kernels before 6.17 show everybody his own alone, so
    there a program within does it."""
    try:
        kernel.mount_processes(first, Path("/proc"))
    except OSError:
        command = ("mount", "-n", "-i", "-t", "proc", "proc", "/proc")
        try:
            done = subprocess.run(command, cwd="/", capture_output=True, check=False, text=True)
        except FileNotFoundError as missing:
            raise OSError(missing.errno, "the program mount is missing") from missing
        if done.returncode:
            raise OSError(errno.EPERM, done.stderr.strip()) from None
