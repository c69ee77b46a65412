"""A log file whose oldest part is given back to the disk while others write and read it.

Whoever writes does so straight into the file, at its end (O_APPEND). Renaming the file would not
make him write to another, and copying and cutting it would lose what comes in between. So its
beginning becomes a hole (`fallocate`, FALLOC_FL_PUNCH_HOLE), always up to the beginning of a line:
the disk has its blocks back, no offset changes, and nobody who writes or reads needs to know.

    offset 0        kept_from                      size
    |.... hole .....|line\\nline\\nline\\n ......... line\\n|
"""

import ctypes
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHUNK = 64 * 1024
_KEEP_SIZE, _PUNCH_HOLE = 0x01, 0x02
_LONGEST_LINE = 1024 * 1024
"""How far the beginning of a line is looked for; a longer line is cut."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)


@contextmanager
def opened(path: Path, flags: int = os.O_RDONLY) -> Iterator[int]:
    """A descriptor of `path`, closed again."""
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def size_of(descriptor: int) -> int:
    """Where the next byte will be written."""
    return os.fstat(descriptor).st_size


def on_disk(path: Path) -> int:
    """The bytes that `path` takes up; 0 where there is no such file."""
    try:
        return path.stat().st_blocks * 512
    except OSError:
        return 0


def kept_from(descriptor: int) -> int:
    """Where what is kept begins: after the hole, and after the rest of its last block."""
    try:
        place = os.lseek(descriptor, 0, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return size_of(descriptor)  # nothing is kept, or nothing was written
        raise
    if not place:
        return 0
    while block := os.pread(descriptor, CHUNK, place):
        content = block.lstrip(b"\0")
        place += len(block) - len(content)
        if content:
            break
    return place


def read(descriptor: int, offset: int, size: int = CHUNK) -> tuple[int, bytes]:
    """What is kept from `offset` on, and where that begins: later, if meanwhile that was dropped.

    Never gives a byte of a hole, nor a line whose beginning it has not given.
    """
    while True:
        data = os.pread(descriptor, size, offset)
        if not data or (b"\0" not in data and _is_data(descriptor, offset)):
            return offset, data
        kept = kept_from(descriptor)  # after the reading: what had become a hole by then is seen
        if kept <= offset:
            return offset, data  # its own zeros
        offset = kept


def _is_data(descriptor: int, offset: int) -> bool:
    try:
        return os.lseek(descriptor, offset, os.SEEK_DATA) == offset
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        return False


def line_start(descriptor: int, place: int) -> int:
    """Where the line begins to which `place` belongs."""
    if place and os.pread(descriptor, 1, place - 1) == b"\n":
        return place
    return tail_start(descriptor, place, 1)


def tail_start(descriptor: int, end: int, lines: int) -> int:
    """The offset of the last `lines` lines before `end`, read backwards in chunks."""
    if lines == 0:
        return end
    first = kept_from(descriptor)
    position, seen = end, 0
    if end and os.pread(descriptor, 1, end - 1) != b"\n":
        seen = 1
    while position > first:
        size = min(CHUNK, position - first)
        position -= size
        chunk = os.pread(descriptor, size, position)
        place = len(chunk)
        while (place := chunk.rfind(b"\n", 0, place)) >= 0:
            seen += 1
            if seen > lines:
                return position + place + 1
    return first


def drop(path: Path, keep: int) -> int:
    """Give back all of `path` but about its last `keep` bytes; where what is kept begins.

    Raises:
        OSError: the file system cannot (EOPNOTSUPP), or there is no such file.
    """
    with opened(path, os.O_RDWR) as descriptor:
        kept = kept_from(descriptor)
        wanted = size_of(descriptor) - keep
        if wanted <= kept:
            return kept
        place = _next_line(descriptor, wanted)
        punch(descriptor, place, path)
        return place


def punch(descriptor: int, end: int, path: Path) -> None:
    """Make the first `end` bytes of `path` a hole. Takes some milliseconds: for a thread.

    Raises:
        OSError: the file system cannot.
    """
    if _libc.fallocate(descriptor, _PUNCH_HOLE | _KEEP_SIZE, 0, end):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(path))


def _next_line(descriptor: int, place: int) -> int:
    """Where the first line begins that begins at `place` or later."""
    position, end = place - 1, place + _LONGEST_LINE
    while position < end and (chunk := os.pread(descriptor, CHUNK, position)):
        found = chunk.find(b"\n")
        if found >= 0:
            return position + found + 1
        position += len(chunk)
    return place
