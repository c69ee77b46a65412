"""From a :class:`Launch` to a process: one vfork and exec, no copy of us in between."""

import contextlib
import os
import subprocess
from typing import TypeAlias

from utsuwa.node.procfs import POD_VARIABLE
from utsuwa.node.runtime import Launch, LaunchError

Process: TypeAlias = "subprocess.Popen[bytes]"


def spawn(launch: Launch) -> Process:
    """Start the process of `launch`: own session, stdin empty, stdout and stderr appended to its
    log, everything else of ours closed.

    Raises:
        LaunchError: the command does not exist or may not be executed.
    """
    launch.log.parent.mkdir(parents=True, exist_ok=True)
    log = os.open(launch.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
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
    finally:
        with contextlib.suppress(OSError):
            os.close(log)


def _why(launch: Launch, error: OSError) -> str:
    command = launch.command[0]
    if not launch.directory.is_dir():
        return f"working directory {launch.directory} does not exist"
    if isinstance(error, FileNotFoundError):
        return f'exec: "{command}": executable file not found in $PATH'
    return f'exec: "{command}": {(error.strerror or str(error)).lower()}'
