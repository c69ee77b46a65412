"""What is kept of logs, and for how long. All of it is for a thread: it looks at many files.

A container's output is bounded as a kubelet's rotation bounds it (`containerLogMaxSize`,
`containerLogMaxFiles`): its file keeps that many bytes in all, and loses its oldest part in steps
of that size. A Service has a share of the disk; what pods that are gone have left behind goes
first, oldest first, and never later than its age allows.
"""

import shutil
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from utsuwa.kit.timeline import index_of
from utsuwa.logs.file import drop, on_disk
from utsuwa.logs.places import REQUESTS, PodPlace, namespaces, pods
from utsuwa.logs.times import drop_notes
from utsuwa.model.settings.log_bounds import LogBounds

LIVES = 10
"""Former lives of a container whose output is kept."""
LEAST = 64 * 1024
"""Bytes that a file keeps, however little room there is."""


@dataclass(slots=True, eq=False)
class _Kept:
    """One Pod's logs. `bytes` on the disk, `newest`: when the last of them was written."""

    place: PodPlace
    alive: bool
    bytes: int
    newest: float


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep has done."""

    removed: int = 0
    """Pods that are gone, whose logs are now gone too."""
    trimmed: int = 0
    """Files that lost their oldest part."""


def trim(path: Path, keep: int) -> int:
    """Let `path` keep about its last `keep` bytes; where what is kept begins.

    Raises:
        OSError: the file system cannot give parts of a file back.
    """
    kept = drop(path, keep)
    drop_notes(path, kept)
    return kept


def sweep(root: Path, alive: Collection[str], bounds: LogBounds, now: float) -> Swept:
    """Bring everything below `root` within `bounds`; `alive`: the uids of Pods that are there.

    Raises:
        OSError: the file system cannot give parts of a file back.
    """
    kept = [_measure(place, alive) for space in namespaces(root) for place in pods(space)]
    gone = sorted((one for one in kept if not one.alive), key=lambda one: one.newest)
    doomed = {one for one in gone if one.newest < now - bounds.gone_age}
    _beyond(kept, gone, doomed, bounds)
    for one in doomed:
        shutil.rmtree(one.place.directory, ignore_errors=True)
    trimmed = 0
    for service in _by_service(one for one in kept if one.alive).values():
        trimmed += _fit(service, bounds)
    for log in root.glob("*.log"):  # of our own processes
        trimmed += _sweep_file(log, bounds)
    return Swept(len(doomed), trimmed + sweep_requests(root, alive, bounds, now).trimmed)


def sweep_requests(root: Path, alive: Collection[str], bounds: LogBounds, now: float) -> Swept:
    """The same for request logs alone; they belong to no Pod."""
    del alive
    logs = (log for space in namespaces(root) for log in (space / REQUESTS).glob("*.log"))
    return Swept(trimmed=sum(_sweep_requests(log, bounds, now) for log in logs))


def _measure(place: PodPlace, alive: Collection[str]) -> _Kept:
    used, newest = 0, 0.0
    for path in (place.directory, *place.directory.glob("*/*")):
        try:
            found = path.stat()
        except OSError:
            continue
        used += found.st_blocks * 512
        newest = max(newest, found.st_mtime)
    return _Kept(place, place.uid in alive, used, newest)


def _by_service(kept: Iterable[_Kept]) -> dict[tuple[str, str], list[_Kept]]:
    found: dict[tuple[str, str], list[_Kept]] = defaultdict(list)
    for one in kept:
        place = one.place
        found[place.namespace, place.service or place.revision or place.pod].append(one)
    return found


def _beyond(kept: list[_Kept], gone: list[_Kept], doomed: set[_Kept], bounds: LogBounds) -> None:
    """Add to `doomed` what is too much: per Service, then of all pods that are gone."""
    for service in _by_service(kept).values():
        used = sum(one.bytes for one in service if one not in doomed)
        for one in sorted(service, key=lambda one: one.newest):
            if used > bounds.service_bytes and not one.alive and one not in doomed:
                doomed.add(one)
                used -= one.bytes
    used = sum(one.bytes for one in gone if one not in doomed)
    for one in gone:
        if used > bounds.gone_bytes and one not in doomed:
            doomed.add(one)
            used -= one.bytes


def _fit(service: list[_Kept], bounds: LogBounds) -> int:
    """Let the living pods of a Service keep no more than its share; how many files were cut."""
    files: list[Path] = []
    for one in service:
        lives = one.place.lives()
        for container in {life.container for life in lives}:
            own = [life.path for life in lives if life.container == container]
            for path in own[:-LIVES]:
                path.unlink(missing_ok=True)
                index_of(path).unlink(missing_ok=True)
            files += own[-LIVES:]
    used = sum(map(on_disk, files))
    if used <= bounds.service_bytes:
        return 0
    share = max(LEAST, bounds.service_bytes // len(files))
    cut = [path for path in files if on_disk(path) > share]
    for path in cut:
        trim(path, share * 4 // 5)
    return len(cut)


def _sweep_requests(log: Path, bounds: LogBounds, now: float) -> int:
    if log.stat().st_mtime < now - bounds.gone_age:
        log.unlink()
        index_of(log).unlink(missing_ok=True)
        return 0
    return _sweep_file(log, bounds)


def _sweep_file(log: Path, bounds: LogBounds) -> int:
    if on_disk(log) <= bounds.most:
        return 0
    trim(log, bounds.least)
    return 1
