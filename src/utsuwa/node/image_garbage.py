"""Images that nobody needs any more are removed: bundles that no tag names, and what was pulled for
us into the engine. Never one that a Revision or a Pod refers to, nor one that somebody else has
put into the engine.

How long an image has been without use is written down (`images/used.json`): ages survive us.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from utsuwa.cluster.informer import Informers
from utsuwa.kit.clock import Clock
from utsuwa.kit.documents import Document, dig
from utsuwa.kit.log import get_logger
from utsuwa.model.images import parse_reference
from utsuwa.model.kinds import POD, REVISION
from utsuwa.model.settings import GarbageCollection
from utsuwa.node.credentials import qualified
from utsuwa.node.packages import Disk, Held, megabytes

_log = get_logger(__name__)

PERIOD = 600.0
"""Seconds between two looks."""
LEAST_AGE = 120.0
"""Seconds for which an image is left alone, however full the disk: as long as a kubelet does."""
_MEMBERS = (("containerStatuses", "containers"), ("initContainerStatuses", "initContainers"))


def doomed(
    images: Iterable[Held],
    used: Mapping[str, float],
    referenced: frozenset[str],
    now: float,
    *,
    max_age: float | None,
    excess: int,
) -> list[Held]:
    """Which images go: those unused for `max_age` seconds, then the longest unused until `excess`
    bytes are free. `used`: when each was last seen in use, or first seen at all."""
    idle = [(now - used.get(one.key, now), one) for one in images if not one.digests & referenced]
    idle = sorted((pair for pair in idle if pair[0] >= LEAST_AGE), key=lambda pair: -pair[0])
    gone = [one for age, one in idle if max_age is not None and age >= max_age]
    left = excess - sum(one.size for one in gone)
    for _, one in idle:
        if left <= 0:
            break
        if one not in gone:
            gone.append(one)
            left -= one.size
    return gone


def excess_of(disk: Disk, settings: GarbageCollection) -> int:
    """How many bytes are to be freed on a disk: none below the high mark, else down to the low."""
    if disk.total <= 0 or disk.used * 100 < disk.total * settings.images_high_percent:
        return 0
    return disk.used - disk.total * settings.images_low_percent // 100


def references(documents: Iterable[Document]) -> frozenset[str]:
    """What Revisions and Pods name in spec and status: digests, ids, and tags with their registry."""
    found: set[str] = set()
    for document in documents:
        for statuses, containers in _MEMBERS:
            for one in dig(document, "status", statuses, default=()):
                found |= {str(one.get("imageDigest", "")), str(one.get("imageID", ""))}
            for one in dig(document, "spec", containers, default=()):
                found.add(str(one.get("image", "")))
    return frozenset(_named(image) for image in found if image)


def _named(image: str) -> str:
    digest = image.partition("@")[2]
    if digest or image.startswith("sha256:"):
        return digest or image
    try:
        reference = parse_reference(image)
    except ValueError:
        return image
    return f"{qualified(reference.repository)}:{reference.tag}"


class Warehouse(Protocol):
    """Where images are."""

    async def held(self) -> list[tuple[Disk, list[Held]]]:
        """By disk, the images that may be removed when nobody needs them."""
        ...

    async def remove(self, image: Held) -> bool:
        """Remove one; whether it is gone. One that is in use stays."""
        ...


@dataclass
class Book:
    """When each image was last seen in use; a small file. Mutable state: `used`."""

    path: Path
    used: dict[str, float] = field(default_factory=dict)

    def read(self) -> None:
        """What is written down; nothing where that cannot be read."""
        with contextlib.suppress(OSError, ValueError, AttributeError):
            self.used = {str(k): float(v) for k, v in json.loads(self.path.read_text()).items()}

    def write(self) -> None:
        """Write it down, in one step."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(".new")
        temporary.write_text(json.dumps(self.used, sort_keys=True))
        temporary.replace(self.path)


class ImageGarbage:
    """Looks now and then. `settings`: those of config-gc, as they are now."""

    def __init__(
        self,
        warehouse: Warehouse,
        book: Book,
        clock: Clock,
        settings: Callable[[], GarbageCollection],
    ) -> None:
        self._warehouse = warehouse
        self._book = book
        self._clock = clock
        self._settings = settings

    def __repr__(self) -> str:
        return f"<ImageGarbage of {self._warehouse!r}>"

    async def run(self, informers: Informers) -> None:
        """For ever."""
        await asyncio.to_thread(self._book.read)
        while True:
            await self._clock.sleep(PERIOD)
            try:
                await self.collect([*informers.of(REVISION).list(), *informers.of(POD).list()])
            except OSError as error:
                _log.warning("images cannot be looked through", reason=error)

    async def collect(self, documents: Iterable[Document]) -> list[Held]:
        """One look; what was removed."""
        now, settings, referenced = self._clock.now(), self._settings(), references(documents)
        removed, known = [], {}
        for disk, images in await self._warehouse.held():
            for one in images:
                seen = now if one.digests & referenced else self._book.used.get(one.key, now)
                known[one.key] = seen
            going = doomed(
                images, known, referenced, now,
                max_age=settings.images_max_age, excess=excess_of(disk, settings),
            )  # fmt: skip
            for one in going:
                if await self._warehouse.remove(one):
                    _log.info("image removed", image=one.name, size=megabytes(one.size),
                              unused_for=f"{now - known.pop(one.key):.0f}s")  # fmt: skip
                    removed.append(one)
        if known != self._book.used:
            self._book.used = known
            await asyncio.to_thread(self._book.write)
        return removed
