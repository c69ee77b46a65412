"""Commands run beside a container, as `kubectl exec` and exec probes do.

A command gets what the container's first process has: environment, working directory, files, user
and groups. Whoever called it is a :class:`Caller`; what he types goes in, what the command writes
goes out, by pipes or by a terminal. A caller who goes away hangs up: our ends are closed, as when
a terminal is closed, and the command does with that what it likes; its container's end is its end.
"""

import asyncio
import contextlib
import errno
import fcntl
import os
import pty
import shutil
import struct
import subprocess
import termios
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from utsuwa.kit.caller import Caller
from utsuwa.node import view
from utsuwa.node.kernel import Rights
from utsuwa.node.runtime import Exit, LaunchError

NOT_FOUND = 127
NOT_EXECUTABLE = 126
"""Exit codes for a command that cannot be started, as shells give them."""
LAST_WORDS = 0.2
"""Seconds in which a terminal passes on what was written before the command ended."""
_CHUNK = 64 * 1024
_END_OF_INPUT = b"\x04"

Popen = subprocess.Popen[bytes]
Write = Callable[[bytes], Awaitable[None]]


class Waiting(Protocol):
    """Something whose end can be awaited."""

    async def wait(self) -> Exit:
        """Wait for its end."""
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a process of a container has, to be given to another one."""

    pid: int
    directory: str
    environment: Mapping[bytes, bytes]
    user: int
    group: int
    groups: tuple[int, ...]
    umask: int
    bound: int
    """The capabilities that it can have."""
    lasting: bool
    """No program gets it more rights."""

    @classmethod
    def of(cls, pid: int) -> "Surroundings":
        """Of process `pid`. Raises OSError if it is gone."""
        with open(f"/proc/{pid}/environ", "rb") as file:
            pairs = (item.partition(b"=") for item in file.read().split(b"\0") if item)
            environment = {name: value for name, _, value in pairs}
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            told = {name: rest.split() for name, _, rest in (line.partition(":") for line in file)}
        return cls(
            pid,
            os.readlink(f"/proc/{pid}/cwd"),
            environment,
            int(told["Uid"][1]),
            int(told["Gid"][1]),
            tuple(map(int, told["Groups"])),
            int(told["Umask"][0], 8),
            int(told["CapBnd"][0], 16),
            told["NoNewPrivs"][0] == "1",
        )

    def start(
        self, command: tuple[str, ...], stdio: "Stdio", environment: Mapping[bytes, bytes]
    ) -> Popen:
        """Start `command` there. Raises OSError."""
        limited = self.lasting or self.user != os.geteuid()
        rights = Rights(self.user, self.group, self.groups, self.bound, self.lasting)

        def start() -> Popen:
            return subprocess.Popen(
                command,
                cwd=self.directory,
                env=environment,
                stdin=stdio.stdin,
                stdout=stdio.stdout,
                stderr=stdio.stderr,
                start_new_session=stdio.new_session,
                umask=self.umask,
            )

        return view.with_view_of(self.pid, start, rights if limited else None)


@dataclass(frozen=True, slots=True)
class Stdio:
    """The descriptors that a command is given."""

    stdin: int
    stdout: int
    stderr: int
    new_session: bool = True


def execute(pid: int, command: tuple[str, ...], output: int) -> Popen:
    """Start `command` beside process `pid`, without input, writing to `output`.

    Raises:
        LaunchError: it cannot be started.
    """
    try:
        around = Surroundings.of(pid)
        stdio = Stdio(subprocess.DEVNULL, output, output)
        return around.start(command, stdio, around.environment)
    except OSError as error:
        raise LaunchError(f"cannot run {command[0]}: {error.strerror}") from error


async def converse(
    pid: int, command: tuple[str, ...], caller: Caller, begun: Callable[[Popen], Waiting]
) -> int:
    """Run `command` beside process `pid` for `caller`; its exit code. `begun` is told of the
    process and answers with what waits for it. Cancelled, it hangs up.

    Raises:
        LaunchError: the process is gone.
    """
    line = _Terminal() if caller.tty else _Pipes(caller.stdin)
    try:
        try:
            around = await asyncio.to_thread(Surroundings.of, pid)
        except (OSError, KeyError, IndexError) as error:
            raise LaunchError("the container has just ended") from error
        environment = dict(around.environment)
        if caller.tty:
            environment.setdefault(b"TERM", b"xterm")
        try:
            child = await asyncio.to_thread(
                around.start, line.command(command), line.theirs, environment
            )
        except OSError as error:
            code, message = _refusal(command[0], error)
            await caller.write_error(message.encode() + b"\n")
            return code
        waiting = begun(child)
        line.close_theirs()
        return await _talk(line, caller, waiting)
    finally:
        line.close()


def _refusal(command: str, error: OSError) -> tuple[int, str]:
    if isinstance(error, FileNotFoundError):
        return NOT_FOUND, f'exec: "{command}": executable file not found in $PATH'
    return NOT_EXECUTABLE, f'exec: "{command}": {(error.strerror or str(error)).lower()}'


async def _talk(line: "_Line", caller: Caller, waiting: Waiting) -> int:
    ended = asyncio.create_task(waiting.wait(), name="end of a command")
    outputs = [
        asyncio.create_task(copy_out(fd, write, ended, line.patience), name="output of a command")
        for fd, write in line.outputs(caller)
    ]
    others = [asyncio.create_task(line.feed(caller), name="input of a command")]
    if caller.tty:
        others.append(asyncio.create_task(line.resize(caller), name="size of a terminal"))
    try:
        await asyncio.gather(ended, *outputs)
        return ended.result().code
    finally:
        for task in (*others, *outputs, ended):
            task.cancel()
        await asyncio.gather(*others, *outputs, ended, return_exceptions=True)


class _Line(ABC):
    """The descriptors between a caller and a command. Mutable state: `_theirs` and `_ours`, those
    still open."""

    patience = 0.0

    def __init__(self, theirs: Stdio, ours: list[int]) -> None:
        self.theirs = theirs
        self._theirs = {theirs.stdin, theirs.stdout, theirs.stderr} - {subprocess.DEVNULL}
        self._ours = set(ours)
        for fd in ours:
            os.set_blocking(fd, False)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {sorted(self._ours)}>"

    def command(self, words: tuple[str, ...]) -> tuple[str, ...]:
        """What to start so that `words` run at the other end."""
        return words

    @abstractmethod
    def outputs(self, caller: Caller) -> list[tuple[int, Write]]:
        """Where to read, and who gets it."""

    @abstractmethod
    async def feed(self, caller: Caller) -> None:
        """Pass on what the caller types until he has ended."""

    @abstractmethod
    async def resize(self, caller: Caller) -> None:
        """Follow the size of the caller's window, where there is one."""

    def close_theirs(self) -> None:
        """The command has its own copies."""
        _close(self._theirs)

    def close(self) -> None:
        """Hang up."""
        _close(self._theirs)
        _close(self._ours)


class _Pipes(_Line):
    """Standard input, output and error apart."""

    def __init__(self, stdin: bool) -> None:
        out, their_out = os.pipe()
        err, their_err = os.pipe()
        self._in = -1
        their_in = subprocess.DEVNULL
        ours = [out, err]
        if stdin:
            their_in, self._in = os.pipe()
            ours.append(self._in)
        self._out, self._err = out, err
        super().__init__(Stdio(their_in, their_out, their_err), ours)

    def outputs(self, caller: Caller) -> list[tuple[int, Write]]:
        """Two of them."""
        return [(self._out, caller.write), (self._err, caller.write_error)]

    async def feed(self, caller: Caller) -> None:
        """Its end closes the pipe."""
        if self._in < 0:
            return
        await copy_in(self._in, caller)
        self._ours.discard(self._in)
        os.close(self._in)

    async def resize(self, caller: Caller) -> None:
        """Pipes have no size."""


class _Terminal(_Line):
    """A terminal: output and error come as one."""

    patience = LAST_WORDS

    def __init__(self) -> None:
        self._master, slave = pty.openpty()
        self._setsid = shutil.which("setsid")
        alone = self._setsid is None
        super().__init__(Stdio(slave, slave, slave, new_session=alone), [self._master])

    def command(self, words: tuple[str, ...]) -> tuple[str, ...]:
        """By way of `setsid`, which makes it the controlling terminal, where there is one: ^C and
        job control need that."""
        return (self._setsid, "-c", *words) if self._setsid else words

    def outputs(self, caller: Caller) -> list[tuple[int, Write]]:
        """One."""
        return [(self._master, caller.write)]

    async def feed(self, caller: Caller) -> None:
        """Its end is the key that says so."""
        if caller.stdin:
            await copy_in(self._master, caller)
            await _write_all(self._master, _END_OF_INPUT)

    async def resize(self, caller: Caller) -> None:
        """The terminal tells its foreground processes."""
        while True:
            columns, rows = await caller.resized()
            size = struct.pack("HHHH", rows & 0xFFFF, columns & 0xFFFF, 0, 0)
            with contextlib.suppress(OSError):  # it has just been closed
                fcntl.ioctl(self._master, termios.TIOCSWINSZ, size)


def _close(fds: set[int]) -> None:
    while fds:
        os.close(fds.pop())


async def copy_in(fd: int, caller: Caller) -> None:
    """What the caller types, until he has ended or nobody reads any more."""
    while data := await caller.read():
        try:
            await _write_all(fd, data)
        except BrokenPipeError:
            return
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return


async def _write_all(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(fd, rest) :]
        except BlockingIOError:
            await _ready(fd, writing=True)


async def copy_out(fd: int, write: Write, ended: "asyncio.Task[Exit]", patience: float) -> None:
    """What the command writes, until it and all its children have closed the output, or it has
    ended and nothing more is there (what it left behind may hold the output for ever)."""
    while True:
        try:
            data = os.read(fd, _CHUNK)
        except BlockingIOError:
            if ended.done() and not await _comes(fd, patience):
                return
            if not ended.done():
                await _until_readable(fd, ended)
            continue
        except OSError as error:
            if error.errno != errno.EIO:  # the other side of a terminal has been closed
                raise
            return
        if not data:
            return
        await write(data)


async def _comes(fd: int, patience: float) -> bool:
    if not patience:
        return False
    try:
        async with asyncio.timeout(patience):
            await _ready(fd)
    except TimeoutError:
        return False
    return True


async def _until_readable(fd: int, ended: "asyncio.Task[Exit]") -> None:
    readable = asyncio.create_task(_ready(fd), name="output of a command")
    try:
        await asyncio.wait((readable, ended), return_when=asyncio.FIRST_COMPLETED)
    finally:
        readable.cancel()
        await asyncio.gather(readable, return_exceptions=True)


async def _ready(fd: int, *, writing: bool = False) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def tell() -> None:
        if not ready.done():
            ready.set_result(None)

    (loop.add_writer if writing else loop.add_reader)(fd, tell)
    try:
        await ready
    finally:
        (loop.remove_writer if writing else loop.remove_reader)(fd)
