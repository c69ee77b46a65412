"""What stands before the first process: the data directory is ours, an earlier run has ended."""

import contextlib
import fcntl
import json
import os
import signal
from pathlib import Path
from typing import IO

from utsuwa.app import processes
from utsuwa.app.options import Layout, UpOptions
from utsuwa.kit.wall import WallClock
from utsuwa.node.engine.door import NoEngineError, advice, sockets


class StartError(Exception):
    """`up` cannot run as asked; the message is one line for the user."""


def locked(layout: Layout) -> IO[str]:
    """Hold the data directory for as long as the returned file is open.

    Raises:
        StartError: another process holds it.
    """
    path = layout.run / "lock"
    private(path)
    lock = path.open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        lock.close()
        raise StartError(
            f"data directory {layout.root}: in use by another `utsuwa up` (pid {holder}); "
            "end that one, or choose another directory with --data-dir"
        ) from error
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def end_leftovers(layout: Layout, clock: WallClock) -> list[str]:
    """End gateway and control of a run whose supervisor was killed; pods stay, to be adopted."""
    try:
        records = json.loads((layout.run / "processes.json").read_text())
    except (OSError, ValueError):
        return []
    left = [
        (record["name"], processes.Identity(record["pid"], record["start"])) for record in records
    ]
    left = [(name, identity) for name, identity in left if identity.alive]
    for _, identity in left:
        identity.signal(signal.SIGTERM)
    deadline = clock.monotonic() + 2.0
    while any(identity.alive for _, identity in left) and clock.monotonic() < deadline:
        clock.pause(0.02)
    for _, identity in left:
        identity.signal(signal.SIGKILL)
    return [
        f"replaced the {name} (pid {identity.pid}) that an earlier run left"
        for name, identity in left
    ]


def prepare(options: UpOptions) -> Layout:
    """Make the data directory, and look whether what was asked for can be had.

    Raises:
        StartError: it cannot.
    """
    if options.runtime == "container":
        try:
            if not any(path.is_socket() for path in sockets(os.environ)):
                raise NoEngineError(f"no engine's socket is there; install one with: {advice()}")
        except NoEngineError as error:
            raise StartError(f"--runtime container: {error}") from error
    layout = Layout(options.data_dir)
    try:
        layout.make()
    except OSError as error:
        raise StartError(
            f"data directory {options.data_dir}: {(error.strerror or str(error)).lower()}; "
            "make it writable, or choose another with --data-dir"
        ) from error
    return layout


def private(path: Path) -> None:
    """Make a file that is nobody else's business, or make it so."""
    path.touch(mode=0o600)
    path.chmod(0o600)


def say(line: str, stream: IO[str]) -> None:
    """A line for the user; nobody may be left to read it."""
    with contextlib.suppress(BrokenPipeError):
        stream.write(line + "\n")
        stream.flush()
