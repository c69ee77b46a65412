"""Processes that are stopped where they stand, and who may stop them when.

Several processes share a thing that one of them, its keeper, may stop while nobody uses it. A file,
the :class:`Hold`, settles who may do what, by the kernel's lock on it:

* a user has a share of the hold for as long as it uses the thing. It takes its share first, then
  lets go what is stopped, then uses it;
* the keeper stops only while it has the hold for itself, which it cannot have while anybody has a
  share. It writes into the file beforehand how to let go, and gives the hold back at once.

So whoever has a share knows that the thing runs and goes on running, without asking anybody: the
keeper may be dead. A lock ends with the process that has it.

All of this blocks, most of it for a tenth of a millisecond: it is for threads.
"""

import contextlib
import fcntl
import os
import signal
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

_VERSION_2, _VERSION_1 = "cgroup.freeze", "freezer.state"
_WORDS = {_VERSION_2: ("1", "0"), _VERSION_1: ("FROZEN", "THAWED")}


class Brake(Protocol):
    """Stops some processes and lets them go on."""

    def line(self) -> str:
        """How others let them go, for :func:`brake_of`; empty if nobody else can."""
        ...

    def stop(self) -> None:
        """Stop them. Raises OSError."""
        ...

    def let_go(self) -> bool:
        """Let them go on; whether they stood. Raises OSError."""
        ...

    def stopped(self) -> bool:
        """Whether they stand, or are about to."""
        ...


class GroupBrake:
    """For all that is in a control group, `directory`: of version 2, or of version 1's freezer."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / _VERSION_2
        if not self._file.exists():
            self._file = directory / _VERSION_1

    def __repr__(self) -> str:
        return f"<GroupBrake {self._file}>"

    @classmethod
    def among(cls, directories: Iterable[Path]) -> "GroupBrake | None":
        """With the first of these that can be stopped; None if none can."""
        for name in _WORDS:
            for directory in directories:
                if os.access(directory / name, os.W_OK):
                    return cls(directory)
        return None

    def line(self) -> str:
        """Its directory."""
        return f"group {self._file.parent}"

    def stop(self) -> None:
        """The kernel stops each at the next moment at which it may."""
        self._write(_WORDS[self._file.name][0])

    def let_go(self) -> bool:
        """A group that is gone holds nobody."""
        try:
            stood = self.stopped()
            self._write(_WORDS[self._file.name][1])
        except OSError:
            if self._file.parent.exists():
                raise
            return False
        return stood

    def stopped(self) -> bool:
        """Version 1 also knows FREEZING."""
        try:
            return self._file.read_text().strip() not in {"0", "THAWED"}
        except OSError:
            return False

    def _write(self, word: str) -> None:
        fd = os.open(self._file, os.O_WRONLY)
        try:
            os.write(fd, word.encode())
        finally:
            os.close(fd)


class SignalBrake:
    """For processes one by one, where there are no control groups: SIGSTOP and SIGCONT. `find`
    tells which there are; those that begin while they are being stopped are found as well."""

    def __init__(self, find: Callable[[], Iterable[int]]) -> None:
        self._find = find
        self._known: dict[int, int] = {}

    def __repr__(self) -> str:
        return f"<SignalBrake of {len(self._known)} processes>"

    def line(self) -> str:
        """Each process and when it was started: a pid alone may be somebody else's by then."""
        self._look()
        return "signal " + ",".join(f"{pid}:{start}" for pid, start in self._known.items())

    def stop(self) -> None:
        """Until no new one is found."""
        done: set[int] = set()
        while fresh := self._look() - done:
            for pid in fresh:
                _send(pid, self._known[pid], signal.SIGSTOP)
            done |= fresh

    def let_go(self) -> bool:
        """All of them, in the reverse order: children first would find nobody listening."""
        stood = self.stopped()
        for pid, start in reversed(self._known.items()):
            _send(pid, start, signal.SIGCONT)
        return stood

    def stopped(self) -> bool:
        """Whether any of them stands."""
        if not self._known:
            self._look()
        return any(_stat(pid)[:1] == ["T"] for pid in self._known)

    def _look(self) -> set[int]:
        self._known = {pid: start for pid in self._find() if (start := _start(pid)) >= 0}
        return set(self._known)


class _Told(SignalBrake):
    """Processes that somebody else has found."""

    def __init__(self, known: dict[int, int]) -> None:
        super().__init__(lambda: known)
        self._known = known


def brake_of(line: str) -> Brake | None:
    """The brake of a :meth:`Brake.line`; None if only the keeper can let go."""
    kind, _, rest = line.partition(" ")
    if kind == "group" and rest:
        return GroupBrake(Path(rest))
    if kind == "signal":
        pairs = (pair.split(":") for pair in rest.split(",") if pair)
        return _Told({int(pid): int(start) for pid, start in pairs})
    return None


def _stat(pid: int) -> list[str]:
    """State first, as `/proc/PID/stat` has it behind the name."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return []
    return text[text.rindex(")") + 2 :].split()


def _start(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[19]) if fields and fields[0] not in {"Z", "X"} else -1


def _send(pid: int, start: int, number: int) -> None:
    if _start(pid) == start:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


class NotAloneError(Exception):
    """Only the keeper could let it go."""


class Share(Protocol):
    """What a user has of a :class:`Hold`."""

    def use(self) -> bool:
        """Take a share and let go what stands; whether anything did.

        Raises:
            NotAloneError: the share is ours, but only the keeper can let it go.
            OSError: the share is ours, but what stands could not be let go.
        """
        ...

    def release(self) -> None:
        """Give back what we have of it."""
        ...

    def close(self) -> None:
        """Done with it, our share included."""
        ...


def hold_path(directory: Path, name: str) -> Path:
    """Where the hold of `name` is."""
    return directory / f"{name}.hold"


class Hold:
    """One process's hand on the file `path`. Raises OSError if there is none."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._path = path

    def __repr__(self) -> str:
        return f"<Hold {self._path.name}>"

    def use(self) -> bool:
        """As :meth:`Share.use`."""
        fcntl.flock(self._fd, fcntl.LOCK_SH)
        brakes = [brake_of(line) for line in self.read()]
        stood = [brake.let_go() for brake in brakes if brake is not None]
        if None in brakes:
            raise NotAloneError
        return any(stood)

    def release(self) -> None:
        """Give back what we have of it."""
        fcntl.flock(self._fd, fcntl.LOCK_UN)

    def stop(self, brakes: Iterable[Brake]) -> bool:
        """The keeper's: stop everything, unless somebody has a share; whether it was done.

        Raises:
            OSError: it could not be stopped; nothing stands then.
        """
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        brakes = list(brakes)
        try:
            self.write(brakes)
            for brake in brakes:
                brake.stop()
            self.write(brakes)  # what began meanwhile has been stopped as well
        except OSError:
            for brake in brakes:
                with contextlib.suppress(OSError):
                    brake.let_go()
            raise
        finally:
            self.release()
        return True

    def write(self, brakes: Iterable[Brake]) -> None:
        """The keeper's: note how to let go. Written over what was there: nobody reads half of it
        who is not to wait for the lock anyway."""
        text = "".join(f"{brake.line() or 'keeper'}\n" for brake in brakes).encode()
        if os.pread(self._fd, len(text) + 1, 0) != text:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, text, 0)

    def read(self) -> list[str]:
        """How to let go."""
        size = os.fstat(self._fd).st_size
        return os.pread(self._fd, size, 0).decode().splitlines()

    def close(self) -> None:
        """Done with it, our share included."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
