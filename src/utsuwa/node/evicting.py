"""Pods whose volumes on disk have outgrown their `sizeLimit` are evicted, as a kubelet does it: it
looks from time to time, so a volume may be larger than its limit for a while.

A volume in memory cannot outgrow its own; the file system sees to that.
"""

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Protocol

from utsuwa.kit.clock import Clock
from utsuwa.kit.documents import Document, dig
from utsuwa.kit.units import parse_quantity

LOOK = 10.0
"""Seconds between two looks, the original's."""
_BLOCK = 512


class Evictable(Protocol):
    """A Pod that runs here."""

    @property
    def pod(self) -> Document:
        """Its newest form."""
        ...

    @property
    def scratch(self) -> Path:
        """The directory that has its volumes."""
        ...

    async def evict(self, message: str) -> None:
        """End it for good."""
        ...


def disk_limits(pod: Document) -> dict[str, str]:
    """The limit of each volume on disk that has one, as it was written.

    >>> disk_limits({"spec": {"volumes": [
    ...     {"name": "a", "emptyDir": {"sizeLimit": "1Gi"}}, {"name": "b", "emptyDir": {}},
    ...     {"name": "c", "emptyDir": {"sizeLimit": "1Gi", "medium": "Memory"}}]}})
    {'a': '1Gi'}
    """
    found = {}
    for volume in dig(pod, "spec", "volumes", default=()):
        described = volume.get("emptyDir") or {}
        if described.get("sizeLimit") and described.get("medium") != "Memory":
            found[volume["name"]] = str(described["sizeLimit"])
    return found


def used(directory: Path) -> int:
    """Bytes that `directory` takes on disk. Blocks."""
    total = 0
    waiting = [str(directory)]
    seen: set[tuple[int, int]] = set()
    while waiting:
        try:
            entries = list(os.scandir(waiting.pop()))
        except OSError:
            continue  # removed meanwhile, or closed to us
        for entry in entries:
            try:
                found = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if found.st_nlink > 1 and not entry.is_dir(follow_symlinks=False):
                if (found.st_dev, found.st_ino) in seen:
                    continue
                seen.add((found.st_dev, found.st_ino))
            total += found.st_blocks * _BLOCK
            if entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)
    return total


def excess(scratch: Path, limits: Mapping[str, str]) -> str:
    """What to say of the first volume that is larger than it may be; "" where none is. Blocks."""
    for name, limit in limits.items():
        try:
            most = parse_quantity(limit)
        except ValueError:
            continue  # refused where the volume is made
        if used(scratch / "volumes" / name) > most:
            return f'Usage of EmptyDir volume "{name}" exceeds the limit "{limit}". '
    return ""


async def evict_for_ever(clock: Clock, pods: Callable[[], Iterable[Evictable]]) -> None:
    """Look at the volumes of `pods`, again and again."""
    while True:
        await clock.sleep(LOOK)
        for one in list(pods()):
            limits = disk_limits(one.pod)
            if limits and (message := await asyncio.to_thread(excess, one.scratch, limits)):
                await one.evict(message)
