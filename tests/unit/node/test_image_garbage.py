"""Which images are removed, and which never."""

import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from utsuwa.kit.clock import LoopClock
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import POD, REVISION
from utsuwa.model.settings import GarbageCollection
from utsuwa.node.image_garbage import Book, ImageGarbage, doomed, excess_of, references
from utsuwa.node.images import ImageStore
from utsuwa.node.packages import Disk, Held, NodeImages

pytestmark = pytest.mark.looptime

A, B, C = (f"sha256:{letter * 64}" for letter in "abc")
HOUR = 3600.0


def held(digest: str, size: int = 10) -> Held:
    return Held(digest, f"shop@{digest}", size, frozenset((digest,)))


def names(images: list[Held]) -> list[str]:
    return [image.key for image in images]


def test_age_first_then_the_longest_unused_until_enough_is_free() -> None:
    """What is referred to stays, however old and however full the disk."""
    images = [held(A), held(B), held(C)]
    used = {A: 0.0, B: 1000.0, C: 2000.0}
    now = 10_000.0

    def going(referenced: frozenset[str] = frozenset(), excess: int = 0) -> list[str]:
        return names(doomed(images, used, referenced, now, max_age=9500.0, excess=excess))

    assert going() == [A]
    assert going(excess=10) == [A]
    assert going(excess=11) == [A, B]
    assert going(excess=1000) == [A, B, C]
    assert going(frozenset((A, B)), excess=1000) == [C]
    assert names(doomed(images, used, frozenset(), 2100.0, max_age=None, excess=999)) == [A, B]


@pytest.mark.parametrize(
    ("used", "excess"), [(84, 0), (85, 5), (100, 20), (0, 0)],
)  # fmt: skip
def test_how_much_a_disk_has_too_much(used: int, excess: int) -> None:
    """Nothing below the high mark; from there down to the low one."""
    assert excess_of(Disk(100, used), GarbageCollection()) == excess
    assert excess_of(Disk(0, 0), GarbageCollection()) == 0


def test_what_refers_to_an_image() -> None:
    """Digests of Revisions, ids of Pods, tags that were never resolved."""
    revision = REVISION.document("default", "r", spec={"containers": [{"image": "redis"}]})
    revision["status"] = {"containerStatuses": [{"name": "c", "imageDigest": f"shop@{A}"}]}
    pod = POD.document("default", "p", spec={"initContainers": [{"image": "ghcr.io/a/b:v1"}]})
    pod["status"] = {"containerStatuses": [{"name": "c", "imageID": B}]}
    expected = {A, B, "docker.io/library/redis:latest", "ghcr.io/a/b:v1"}
    assert references([revision, pod]) == expected


@dataclass
class Shelf:
    """Images on one disk."""

    images: list[Held]
    disk: Disk = field(default_factory=lambda: Disk(100, 10))
    refused: set[str] = field(default_factory=set)

    async def held(self) -> list[tuple[Disk, list[Held]]]:
        return [(self.disk, list(self.images))]

    async def remove(self, image: Held) -> bool:
        if image.key in self.refused:
            return False
        self.images.remove(image)
        return True


def a_revision(digest: str) -> Document:
    document = REVISION.document("default", "r", spec={})
    document["status"] = {"containerStatuses": [{"name": "c", "imageDigest": f"shop@{digest}"}]}
    return document


async def test_an_image_goes_when_nobody_has_needed_it_for_long(tmp_path: Path) -> None:
    """Counted from when it was last needed, across restarts; one that is refused is tried again."""
    clock, shelf = LoopClock(), Shelf([held(A), held(B)])

    def garbage() -> ImageGarbage:
        book = Book(tmp_path / "used.json")
        book.read()
        return ImageGarbage(shelf, book, clock, lambda: GarbageCollection(images_max_age=2 * HOUR))

    assert await garbage().collect([a_revision(A)]) == []
    await clock.sleep(1.5 * HOUR)
    assert await garbage().collect([a_revision(A)]) == []
    await clock.sleep(1 * HOUR)
    shelf.refused = {B}
    assert await garbage().collect([]) == []
    shelf.refused = set()
    assert names(await garbage().collect([])) == [B]
    await clock.sleep(1 * HOUR)
    assert names(await garbage().collect([])) == [A]


async def test_a_full_disk_hurries(tmp_path: Path) -> None:
    """But leaves what has just come."""
    clock, shelf = LoopClock(), Shelf([held(A)], Disk(100, 99))
    garbage = ImageGarbage(shelf, Book(tmp_path / "used.json"), clock, GarbageCollection)
    assert await garbage.collect([]) == []
    await clock.sleep(600.0)
    assert names(await garbage.collect([])) == [A]


async def test_bundles_without_a_tag_go(tmp_path: Path) -> None:
    """And those with one stay."""
    app = tmp_path / "app"
    app.mkdir()
    store = ImageStore(tmp_path / "images")
    digests = []
    for text in ("one", "two"):
        (app / "start").write_text(f"#!/bin/sh\necho {text}\n")
        os.chmod(app / "start", 0o755)
        digests.append(store.build(app, "dev.local/app:v1").digest)
    images = NodeImages(store)
    ((_, found),) = await images.held()
    assert [image.key for image in found] == [digests[0]]
    assert await images.remove(found[0])
    assert await images.held() == []
    assert store.bundle("dev.local/app:v1").digest == digests[1]
    assert not store.remove(digests[1])
