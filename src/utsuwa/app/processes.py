"""Processes as the kernel knows them: identity that survives pid reuse, orphans, endings.

A pid alone is not an identity; pid and start time (field 22 of `/proc/PID/stat`, in clock ticks
since boot) are.
"""

import contextlib
import ctypes
import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_M_MMAP_THRESHOLD = -3
_LARGE_BLOCK = 128 * 1024


@dataclass(frozen=True)
class Identity:
    """One process, for ever."""

    pid: int
    start: int

    @property
    def alive(self) -> bool:
        """Whether this very process still runs (a zombie does not)."""
        return start_time(self.pid) == self.start and _state(self.pid) not in {"Z", "X", ""}

    def started_at(self) -> float:
        """When it started, in seconds since the Unix epoch; the kernel knows it to the second."""
        with open("/proc/stat", encoding="utf-8") as lines:
            boot = next(int(line.split()[1]) for line in lines if line.startswith("btime "))
        return boot + self.start / os.sysconf("SC_CLK_TCK")

    def signal(self, number: int) -> None:
        """Send a signal if it is still alive."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


def _stat(pid: int) -> list[str]:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []
    # The name, in parentheses, may itself hold blanks and parentheses: cut behind the last one.
    return text[text.rindex(")") + 2 :].split()


def start_time(pid: int) -> int:
    """Start of process `pid` in clock ticks since boot, or -1 if there is none."""
    fields = _stat(pid)
    return int(fields[19]) if fields else -1


def _state(pid: int) -> str:
    fields = _stat(pid)
    return fields[0] if fields else ""


def identify(pid: int) -> Identity:
    """The identity of a process that is known to exist (a zombie still does)."""
    return Identity(pid, start_time(pid))


def become_subreaper() -> None:
    """From now on orphans below this process become its children, so that it learns how they end."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def keep_large_blocks_apart() -> None:
    """Have the C library map each large block by itself for ever, not only until it first frees one.

    A TLS connection of uvloop has a buffer of 256 KiB of which it touches a page; on the heap it
    shares its pages with whatever lay there before (measured: 5 KiB for each idle connection).
    """
    with contextlib.suppress(AttributeError):  # another C library than glibc
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK)


def die_with_parent(parent: int) -> None:
    """Be killed when the process that started this one dies, however it dies."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def reap(on_exit: Callable[[Identity, int], None]) -> None:
    """Collect every child that has ended; `on_exit(identity, waitpid status)` is told of each."""
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if ended is None:
            return
        identity = identify(ended.si_pid)
        _, status = os.waitpid(ended.si_pid, 0)
        on_exit(identity, status)


def record_exit(directory: Path, identity: Identity, status: int) -> None:
    """Write down how an orphan ended, for the node agent that adopted it."""
    record = {"pid": identity.pid, "start": identity.start, "status": status}
    temporary = directory / f".{identity.pid}.tmp"
    temporary.write_text(json.dumps(record))
    temporary.rename(directory / f"{identity.pid}.json")


def children() -> list[int]:
    """Pids of this process's children, in no order."""
    try:
        text = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    except OSError:
        return []
    return [int(pid) for pid in text.split()]
