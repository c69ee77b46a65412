"""Directories that nobody writes to any more."""

import contextlib
import os
import shutil
from pathlib import Path


def freeze(tree: Path) -> None:
    """Nobody writes below `tree` any more (but root could)."""
    for top, _, files in os.walk(tree):
        for name in files:
            path = os.path.join(top, name)
            if not os.path.islink(path):
                mode = os.stat(path).st_mode
                if mode & 0o222:
                    os.chmod(path, mode & 0o555)
        os.chmod(top, 0o555)


def remove(tree: Path) -> None:
    """Take `tree` away, frozen or not; one that somebody else takes away meanwhile is fine."""
    if not tree.exists():
        return
    for top, _, _ in os.walk(tree):
        with contextlib.suppress(FileNotFoundError):
            os.chmod(top, 0o755)
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(tree)


def size_of(tree: Path) -> int:
    """Bytes of the files below `tree`."""
    return sum(
        os.lstat(os.path.join(top, name)).st_size
        for top, _, files in os.walk(tree)
        for name in files
    )
