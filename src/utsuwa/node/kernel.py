"""Calls to Linux that Python's library lacks: namespaces, mounts, and the rights of one thread.

The kernel keeps namespaces and rights for each thread; the C library hides that and changes all
threads of a process at once. Here the one that calls is meant: it is a thread made for the
purpose (:func:`apart`), and what it starts inherits what it has. So a process is started with
other rights by vfork, without a copy of us in between.
"""

import ctypes
import os
import platform
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

NEW_MOUNTS = 0x00020000
NEW_IPC = 0x08000000
NEW_PIDS = 0x20000000
OWN_DIRECTORY = 0x00000200
RECURSIVE = 0x4000
PRIVATE = 1 << 18
READ_ONLY, NO_SET_UID, NO_DEVICES, NO_EXEC = 1, 2, 4, 8
REMOUNT = 32
BIND = 4096
MOVE = 8192
UNBINDABLE = 1 << 17
DETACH = 2

_HERE = -100
_EMPTY_PATH = 0x1000
_RECURSIVELY = 0x8000
_CLONE, _CLOSE_ON_EXEC = 1, os.O_CLOEXEC
_NO_NEW_PRIVILEGES = 38
_DROP_FROM_BOUND = 24
_FD, _CREATE = 5, 6

_MACHINE = platform.machine()
_OTHER = {"pivot_root": 41, "setgroups": 159, "setresgid": 149, "setresuid": 147}
_NUMBERS = {
    "x86_64": {"pivot_root": 155, "setgroups": 116, "setresgid": 119, "setresuid": 117},
    "aarch64": _OTHER,
    "riscv64": _OTHER,
}
_EVERYWHERE = {
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "mount_setattr": 442,
}
"""Numbers of what the C library has no function for, or one for all threads."""

T = TypeVar("T")

_libc = ctypes.CDLL(None, use_errno=True)


class _Answer(Generic[T]):
    """The result of a thread, handed over before the thread ends: ending it takes longer, for
    its namespace is taken down."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._done = threading.Event()
        self._result: list[T] = []
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._result.append(self._work())
        except BaseException as error:
            self._error = error
        self._done.set()

    def get(self) -> T:
        self._done.wait()
        if self._error is not None:
            raise self._error
        return self._result[0]


def apart(work: Callable[[], T]) -> T:
    """Do `work` in a thread of its own, whose namespaces and rights it may change."""
    answer = _Answer(work)
    threading.Thread(target=answer.run, name="view", daemon=True).start()
    return answer.get()


def call(name: str, *arguments: object) -> None:
    """A function of the C library that answers 0. Raises OSError."""
    if getattr(_libc, name)(*arguments) != 0:
        raise _error(name)


def _system(name: str, *arguments: object) -> int:
    number = _EVERYWHERE.get(name) or _NUMBERS.get(_MACHINE, _OTHER)[name]
    result: int = _libc.syscall(number, *arguments)
    if result < 0:
        raise _error(name)
    return result


def _error(name: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{name}: {os.strerror(number)}")


# --- mounts ---------------------------------------------------------------------------------------


def mount(source: str, target: Path, flags: int) -> None:
    """Bind, move or change what is mounted at `target`."""
    call("mount", os.fsencode(source), os.fsencode(target), None, flags, None)


def mount_new(kind: str, target: Path, flags: int, options: str = "") -> None:
    """A new one of `kind`, such as `tmpfs`, at `target`."""
    name = kind.encode()
    call("mount", name, os.fsencode(target), name, flags, options.encode())


def pivot_root() -> None:
    """The working directory is the root of the files from now on; the old one is let go."""
    _system("pivot_root", b".", b".")
    call("umount2", b".", DETACH)
    os.chdir("/")


def clone(path: Path, *, deep: bool = True) -> int:
    """What is at `path`, with what is mounted below, to be shown elsewhere: a descriptor."""
    flags = _CLONE | _CLOSE_ON_EXEC | (_RECURSIVELY if deep else 0)
    return _system("open_tree", _HERE, os.fsencode(path), flags)


def show(mounted: int, target: Path) -> None:
    """Let `target` show what :func:`clone` has answered."""
    _system("move_mount", mounted, b"", _HERE, os.fsencode(target), 4)


def protect(path: Path, *, writable: bool, deep: bool) -> None:
    """Let what is mounted at `path` be read only, or not."""
    change = (ctypes.c_uint64 * 4)(0, READ_ONLY, 0, 0) if writable else (ctypes.c_uint64 * 4)(1)
    flags = _RECURSIVELY if deep else 0
    _system("mount_setattr", _HERE, os.fsencode(path), flags, ctypes.byref(change), 32)


def mount_processes(of: int, target: Path) -> None:
    """Let `target` show the tree of processes of process `of`. Raises OSError, also from kernels
    before 6.17: they show whoever mounts his own."""
    context = _system("fsopen", b"proc", 1)
    space = -1
    try:
        space = os.open(f"/proc/{of}/ns/pid", os.O_RDONLY)
        _system("fsconfig", context, _FD, b"pidns", None, space)
        _system("fsconfig", context, _CREATE, None, None, 0)
        made = _system("fsmount", context, 1, NO_SET_UID | NO_DEVICES | NO_EXEC)
        try:
            show(made, target)
        finally:
            os.close(made)
    finally:
        os.close(context)
        if space >= 0:
            os.close(space)


# --- the rights of a thread -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rights:
    """What a process may do. `bound`: the capabilities that it can have at all, a bit each; None
    leaves them as they are. `lasting`: no program that it starts gets it more."""

    user: int
    group: int
    groups: Sequence[int] = ()
    bound: int | None = None
    lasting: bool = False

    def take(self) -> None:
        """Let this thread have no more than these."""
        if self.lasting:
            call("prctl", _NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        if self.bound is not None:
            for number in range(_last_capability() + 1):
                if not self.bound >> number & 1:
                    call("prctl", _DROP_FROM_BOUND, number, 0, 0, 0)
        groups = (ctypes.c_uint32 * len(self.groups))(*self.groups)
        _system("setgroups", len(self.groups), groups)
        group, user = ctypes.c_uint32(self.group), ctypes.c_uint32(self.user)
        _system("setresgid", group, group, group)
        _system("setresuid", user, user, user)


def _last_capability() -> int:
    return int(Path("/proc/sys/kernel/cap_last_cap").read_text())
