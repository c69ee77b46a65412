"""Processes that were started ahead of their Pod: all of it is made, and a shell waits in it for a
word to become the program.

The word comes through a socket, on which the shell has said that it is there. If we end without
it, the shell reads the end of the file and goes: a program never runs for a Pod that nobody has
made. So runc does it, too: create, then start.
"""

import functools
import re
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, TypeVar

from utsuwa.node.enclosure import First
from utsuwa.node.runtime import Launch, LaunchError
from utsuwa.node.spawn import Process

if TYPE_CHECKING:
    from concurrent.futures import Future

_SHELL = "/bin/sh"
_SCRIPT = (
    'utsuwa_word=$(command -v "$1") && [ -x "$utsuwa_word" ] && printf . >&0'
    ' && read -r utsuwa_word && unset PWD OLDPWD SHLVL && exec "$@" </dev/null'
)
"""Ends at once if there is no such program; who starts it anew says why."""
_OWN = {"PWD", "OLDPWD", "SHLVL", "_", "IFS", "OPTIND", "PPID", "LINENO", "ENV", "utsuwa_word"}
_NAME = re.compile(r"(?!BASH|PS\d)[A-Za-z_][A-Za-z0-9_]*")

_PATIENCE = 5.0
"""Seconds within which a shell has started."""

F = TypeVar("F")
Start = Callable[[Launch], tuple[Process, First | None]]


@dataclass(slots=True)
class Waiting(Generic[F]):
    """One that waits. `fence`: what holds it together; `word`: the end of the socket that is ours."""

    launch: Launch
    process: Process
    first: First | None
    fence: "Future[F]"
    word: socket.socket

    def begin(self) -> None:
        """Wait until it waits; some milliseconds.

        Raises:
            LaunchError: it does not; it is still to be ended.
        """
        try:
            there = self.word.recv(1)
        except OSError:
            there = b""
        if not there:
            raise LaunchError(f"{self.launch.command[0]} cannot be executed")

    def go(self) -> bool:
        """Be the program; False if it has ended meanwhile."""
        try:
            with self.word:
                self.word.send(b"\n")
        except OSError:
            return False
        return self.process.poll() is None

    def end(self) -> bool:
        """Nobody needs it. True once all of its tree has gone; may be called again until then.
        Blocks for a millisecond."""
        self.word.close()
        self.process.kill()
        self.process.wait()
        return self.first is None or self.first.kill()


def wait_for_word(
    launch: Launch, start: Start, fence: "Callable[[int, First | None], Future[F]]"
) -> Waiting[F]:
    """Let `start` start the shell in place of the program of `launch`, and `fence` it in.

    Raises:
        LaunchError: no shell could stand in for that program.
    """
    if unfit := next((name for name in launch.env if not _is_handed_on(name)), ""):
        raise LaunchError(f"a shell would not hand on {unfit}")
    if launch.stdin != subprocess.DEVNULL:
        raise LaunchError("its standard input is somebody's")
    if not _is_faithful():
        raise LaunchError(f"{_SHELL} changes the environment")
    ours, theirs = socket.socketpair()
    ours.settimeout(_PATIENCE)
    with theirs:
        command = (_SHELL, "-c", _SCRIPT, "sh", *launch.command)
        try:
            process, first = start(replace(launch, command=command, stdin=theirs.fileno()))
        except BaseException:
            ours.close()
            raise
    return Waiting(launch, process, first, fence(process.pid, first), ours)


def _is_handed_on(name: str) -> bool:
    """Whether shells leave a variable of that name alone."""
    return bool(_NAME.fullmatch(name)) and name not in _OWN


@functools.cache
def _is_faithful() -> bool:
    """Whether the shell of this machine leaves the environment as it is."""
    env = {"PATH": "/usr/bin:/bin", "HOME": "/nowhere", "A": "1 '2\n"}
    command = (_SHELL, "-c", _SCRIPT, "sh", "env", "-0")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.send(b"\n")
        done = subprocess.run(
            command, env=env, stdin=theirs.fileno(), capture_output=True, check=False
        )
    return sorted(done.stdout.decode().split("\0")[:-1]) == sorted(
        f"{name}={value}" for name, value in env.items()
    )
