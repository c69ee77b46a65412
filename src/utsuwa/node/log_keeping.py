"""Keeps logs within their bounds, while whoever writes them writes on.

A container writes straight into its file, so nothing of ours is between the two, and a restart of
ours loses nothing. Where a file has grown beyond its bound, its oldest part is given back to the
disk (`utsuwa.logs.file`); once a minute all that pods have left behind is looked through.
"""

import asyncio
from collections.abc import Callable, Collection
from pathlib import Path

from utsuwa.kit.clock import Clock
from utsuwa.kit.documents import Document
from utsuwa.kit.log import get_logger
from utsuwa.kit.tasks import TaskSet
from utsuwa.logs.keeping import sweep, sweep_requests, trim
from utsuwa.logs.places import describe
from utsuwa.model.settings.log_bounds import LogBounds
from utsuwa.node.log_times import LogTimes

_log = get_logger(__name__)

SWEEP = 60.0
"""Seconds between two looks at everything."""
LOOK = 5.0
"""Seconds between two looks at request logs, which nobody tells us of."""


class Keeper:
    """Bounds, notes and describes the logs below `root`.

    `alive`: the uids of the Pods that there are; `bounds`: as they are set now.
    Mutable state: `_kept`, by file, where its content begins as far as is known; `_due`, files
    that are too long; `_new`, Pods that are still to be described; `_unable`: the file system
    gives nothing back, and that has been told.
    """

    def __init__(
        self,
        root: Path,
        alive: Callable[[], Collection[str]] = tuple,
        bounds: Callable[[], LogBounds] = LogBounds,
    ) -> None:
        self._root = root
        self._alive = alive
        self._bounds = bounds
        self._times = LogTimes(self._grown)
        self._kept: dict[Path, int] = {}
        self._due: set[Path] = set()
        self._new: list[Document] = []
        self._work = asyncio.Event()
        self._unable = False

    def __repr__(self) -> str:
        return f"<Keeper of {self._times!r}, {len(self._due)} too long>"

    def start(self, clock: Clock, tasks: TaskSet) -> None:
        """Note and bound from now on."""
        tasks.spawn(self._times.run(clock), name="times of logs")
        tasks.spawn(self._keep(), name="bounds of logs")
        tasks.spawn(self._sweep(clock), name="logs of pods that are gone")

    def open(self) -> None:
        """Follow what grows, before :meth:`start`."""
        self._times.open()

    def began(self, pod: Document, path: Path) -> None:
        """A life of a container of `pod` writes to `path`."""
        self._new.append(pod)
        self._work.set()
        self._times.watch(path)

    def ended(self, path: Path) -> None:
        """That life is over."""
        self._times.forget(path)
        self._kept.pop(path, None)

    def _grown(self, path: Path, size: int) -> None:
        if size - self._kept.get(path, 0) > self._bounds().most:
            self._due.add(path)
            self._work.set()

    async def _keep(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            new, self._new = self._new, []
            due, self._due = self._due, set()
            kept = await asyncio.to_thread(self._work_off, new, due, self._bounds())
            self._kept.update(kept)

    def _work_off(self, new: list[Document], due: set[Path], bounds: LogBounds) -> dict[Path, int]:
        kept = {}
        for path in due:
            try:
                kept[path] = trim(path, bounds.least)
            except OSError as error:
                self._cannot(error, file=path)
        for pod in new:
            try:
                describe(self._root, pod)
            except OSError as error:
                _log.warning("logs not described", pod=pod["metadata"]["name"], reason=error)
        return kept

    async def _sweep(self, clock: Clock) -> None:
        due = clock.monotonic()
        while True:
            alive = frozenset(self._alive())
            all_of_it = clock.monotonic() >= due
            due += SWEEP if all_of_it else 0
            look = sweep if all_of_it else sweep_requests
            try:
                done = await asyncio.to_thread(look, self._root, alive, self._bounds(), clock.now())
            except OSError as error:
                self._cannot(error)
            else:
                if done.removed:
                    _log.info("logs of pods that are gone removed", pods=done.removed)
            await clock.sleep(LOOK)

    def _cannot(self, error: OSError, **where: object) -> None:
        if not self._unable:
            self._unable = True
            _log.warning(
                "logs are not bounded: put the data directory on ext4, xfs, btrfs or tmpfs, or "
                "make room",
                reason=error,
                **where,
            )
