"""From a :class:`Launch` to a process: one vfork and exec, no copy of us in between."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from utsuwa.node.names import HOSTS
from utsuwa.node.procfs import POD_VARIABLE
from utsuwa.node.runtime import Launch, LaunchError, Mount

Process: TypeAlias = "subprocess.Popen[bytes]"


@contextlib.contextmanager
def opened_log(launch: Launch, owner: int | None = None) -> Iterator[int]:
    """The descriptor to which `launch` writes; the file is then `owner`'s, so that he may also
    open it by a name such as `/dev/stdout`."""
    launch.log.parent.mkdir(parents=True, exist_ok=True)
    log = os.open(launch.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        if owner is not None:
            os.fchown(log, owner, -1)
        yield log
    finally:
        with contextlib.suppress(OSError):
            os.close(log)


def spawn(launch: Launch, log: int) -> Process:
    """Start the process of `launch`: own session, stdin empty, stdout and stderr appended to its
    log, everything else of ours closed.

    Raises:
        LaunchError: the command does not exist or may not be executed.
    """
    try:
        return subprocess.Popen(
            launch.command,
            cwd=launch.directory,
            env={**launch.env, POD_VARIABLE: f"{launch.uid}/{launch.container}"},
            stdin=launch.stdin,
            stdout=log,
            stderr=log,
            start_new_session=True,
            umask=0o022,
            user=launch.user,
            group=launch.group,
            extra_groups=None if launch.user is None else [],
        )
    except OSError as error:
        raise LaunchError(_why(launch, error)) from error


def _why(launch: Launch, error: OSError) -> str:
    command = launch.command[0]
    if not launch.directory.is_dir():
        return f"working directory {launch.directory} does not exist"
    if isinstance(error, FileNotFoundError):
        return f'exec: "{command}": executable file not found in $PATH'
    return f'exec: "{command}": {(error.strerror or str(error)).lower()}'


def layer_of(launch: Launch) -> Path:
    """Where is kept what this life of the container writes beside its files."""
    assert launch.scratch is not None
    return launch.scratch / launch.log.stem


def mounts_of(launch: Launch) -> tuple[Mount, ...]:
    """What is in its view of the files, beside its bundle."""
    if launch.hosts is None:
        return launch.mounts
    return (Mount(launch.hosts, HOSTS, read_only=True), *launch.mounts)
