"""Directories that lie in memory: what is in them is never written to a disk, and counts for a
limit of its own."""

import ctypes
import os
import shutil
from pathlib import Path

_DETACH = 2
_NO_SET_UID, _NO_DEVICES = 2, 4

_libc = ctypes.CDLL(None, use_errno=True)


def provide(directory: Path, size: int) -> None:
    """Let `directory` lie in memory, at most `size` bytes of it (0: half of the machine's); kept
    where it does already. Blocks.

    Raises:
        OSError: that takes the right to mount.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if os.path.ismount(directory):
        return
    options = b"mode=1777" + (b",size=%d" % size if size else b"")
    target, flags = os.fsencode(directory), _NO_SET_UID | _NO_DEVICES
    _check(_libc.mount(b"tmpfs", target, b"tmpfs", flags, options))


def give_back(directories: Path) -> None:
    """Free those in memory that lie in `directories`. Blocks."""
    if not directories.is_dir():
        return
    for directory in directories.iterdir():
        if os.path.ismount(directory):
            # Others may have it in their view of the files for as long as they live: what is in
            # it must not wait for them.
            for entry in directory.iterdir():
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry, ignore_errors=True)
                else:
                    entry.unlink(missing_ok=True)
            _check(_libc.umount2(os.fsencode(directory), _DETACH))


def _check(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
