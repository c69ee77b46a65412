"""When the lines of a log file were written, as whoever watches it has noted (`kit.timeline`)."""

import errno
import os
from contextlib import suppress
from pathlib import Path

from utsuwa.kit.timeline import RECORD_SIZE, Timeline, index_of, parse_record
from utsuwa.logs.file import opened, punch


class Times:
    """Of one file; where nothing was noted (yet), the time at which the file last grew.

    Mutable state: what has been read of the notes, and when the file last grew.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._timeline = Timeline()
        self._taken = 0
        self._latest = 0

    def __repr__(self) -> str:
        return f"<Times of {self._path.name}: {self._timeline!r}>"

    def refresh(self) -> None:
        """Read what is new; for a thread."""
        with suppress(FileNotFoundError):
            self._latest = self._path.stat().st_mtime_ns
            with opened(index_of(self._path)) as descriptor:
                try:
                    self._taken = os.lseek(descriptor, self._taken, os.SEEK_DATA)
                except OSError as error:
                    if error.errno != errno.ENXIO:
                        raise
                    return  # nothing new
                size = os.fstat(descriptor).st_size
                data = os.pread(descriptor, size - self._taken, self._taken)
                self._taken += self._timeline.extend(data)

    def at(self, end: int) -> int:
        """When the bytes up to `end` were complete, in nanoseconds."""
        found = self._timeline.at(end)
        return self._latest if found is None else found

    def before(self, nanoseconds: int, size: int) -> int:
        """How many of `size` bytes had been written before that time."""
        if self._latest < nanoseconds:
            return size
        return min(self._timeline.before(nanoseconds), size)


def drop_notes(path: Path, kept: int) -> None:
    """Give back what is noted of the first `kept` bytes of `path`, which are no more."""
    with suppress(FileNotFoundError), opened(index_of(path), os.O_RDWR) as descriptor:
        low, high = 0, os.fstat(descriptor).st_size // RECORD_SIZE
        while low < high:
            middle = (low + high) // 2
            size, _ = parse_record(os.pread(descriptor, RECORD_SIZE, middle * RECORD_SIZE))
            if size <= kept:
                low = middle + 1
            else:
                high = middle
        if low:
            punch(descriptor, low * RECORD_SIZE, index_of(path))
