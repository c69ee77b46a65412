"""When containers wrote what: they write straight into their files, and we look on.

The kernel tells of each file that grew (inotify); its size and the time of its last change are
then noted beside it (`kit.timeline`). A quiet container's lines get their exact time, those of a
busy one are told apart by 50 ms, and nothing stands between a container and its file.
"""

import asyncio
import ctypes
import os
import struct
from collections.abc import Callable
from pathlib import Path

from utsuwa.kit.clock import Clock
from utsuwa.kit.log import get_logger
from utsuwa.kit.timeline import Timeline, index_of, record

_log = get_logger(__name__)

RESOLUTION = 0.05
"""Seconds between two looks while something grows."""

_MODIFIED = 0x00000002
_EVENT = struct.Struct("iIII")
_EVENTS = 64 * 1024

_libc = ctypes.CDLL(None, use_errno=True)


class LogTimes:
    """Follows files that grow.

    Mutable state: `_fd`, -1 where nothing can be followed; `_paths` by the number of their watch;
    `_sizes`, the last size noted of each.
    """

    def __init__(self, grown: Callable[[Path, int], None] = lambda path, size: None) -> None:
        """`grown` is called with a file that has grown and its size, on the loop."""
        self._grown = grown
        self._fd = -1
        self._paths: dict[int, Path] = {}
        self._sizes: dict[Path, int] = {}

    def __repr__(self) -> str:
        return f"<LogTimes of {len(self._paths)} files>"

    def open(self) -> None:
        """From now on files can be followed, where the machine allows."""
        fd = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if fd < 0:
            reason = os.strerror(ctypes.get_errno())
            _log.warning("times of log lines are approximate", reason=reason)
        self._fd = fd

    def close(self) -> None:
        """Follow nothing any more."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1
        self._paths.clear()

    async def run(self, clock: Clock) -> None:
        """Note what grows until cancelled."""
        if self._fd < 0:
            self.open()
        if self._fd < 0:
            await asyncio.get_running_loop().create_future()
        try:
            while True:
                await self._news()
                self._take()
                await clock.sleep(RESOLUTION)
        finally:
            self.close()

    async def _news(self) -> None:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        loop.add_reader(self._fd, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_reader(self._fd)

    def _take(self) -> None:
        try:
            events = os.read(self._fd, _EVENTS)
        except BlockingIOError:
            return
        grown, place = set(), 0
        while place + _EVENT.size <= len(events):
            number, _, _, length = _EVENT.unpack_from(events, place)
            grown.add(number)
            place += _EVENT.size + length
        for number in grown & self._paths.keys():
            self._note(self._paths[number])

    def watch(self, path: Path) -> None:
        """Follow `path`, which exists. What grew while nobody looked gets the time of the last
        change."""
        if self._fd < 0:
            return
        number = _libc.inotify_add_watch(self._fd, os.fsencode(path), _MODIFIED)
        if number < 0:
            reason = os.strerror(ctypes.get_errno())
            _log.info("times of log lines are approximate", file=path, reason=reason)
            return
        self._paths[number] = path
        self._sizes[path] = _noted(path)
        self._note(path)
        self._grown(path, self._sizes[path])

    def forget(self, path: Path) -> None:
        """It grows no more."""
        for number in [number for number, known in self._paths.items() if known == path]:
            self._note(path)
            del self._paths[number]
            _libc.inotify_rm_watch(self._fd, number)
        self._sizes.pop(path, None)

    def _note(self, path: Path) -> None:
        try:
            now = path.stat()
            if now.st_size != self._sizes.get(path, 0):
                with index_of(path).open("ab") as file:
                    file.write(record(now.st_size, now.st_mtime_ns))
                self._sizes[path] = now.st_size
                self._grown(path, now.st_size)
        except OSError as error:
            _log.info("time of log lines not noted", file=path, reason=error)


def _noted(path: Path) -> int:
    """The size that was noted last."""
    timeline = Timeline()
    try:
        with index_of(path).open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end - end % 16 - 16))
            timeline.extend(file.read(16))
    except OSError:
        return 0
    return timeline.size
