"""Locks between processes. A fixed number of files, so that none has to be taken away: two names
that share one wait for each other, which does no harm."""

import contextlib
import fcntl
import hashlib
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def locked(root: Path, kind: str, name: str) -> Iterator[None]:
    """Hold the lock of `name`; waits for whoever has it."""
    with _file(root, kind, name) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def free(root: Path, kind: str, name: str) -> Iterator[bool]:
    """Whether nobody held the lock of `name`; if so, hold it."""
    with _file(root, kind, name) as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


@contextlib.contextmanager
def _file(root: Path, kind: str, name: str) -> Iterator[int]:
    locks = root / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    short = hashlib.sha256(name.encode()).hexdigest()[:3]
    with (locks / f"{kind}-{short}").open("w") as file:
        yield file.fileno()
