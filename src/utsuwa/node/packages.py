"""Images of whatever kind: bundles, which run as processes, and images of a container engine.

The kind decides how a Pod runs: a bundle on a port of this machine, an image of the engine as a
container with an address of its own.
"""

import asyncio
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from utsuwa.kit.documents import Document
from utsuwa.model.images import TERMS, ImageNotFoundError, Terms
from utsuwa.node.engine.door import Door, NoEngineError
from utsuwa.node.images import Bundle, ImageStore

AUTO, PROCESS, CONTAINER = "auto", "process", "container"


def _silent(_: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Pull:
    """How an image may be had."""

    policy: str = "IfNotPresent"
    auths: Sequence[Document] = ()
    """Credentials by registry, as `docker login` writes them; the first that fit count."""
    progress: Callable[[str], None] = _silent
    """Told now and then how far it has come; "" where nobody knows."""


@dataclass(frozen=True, slots=True)
class Package:
    """An image of the engine, ready to run."""

    id: str
    pinned: str
    """`repository@sha256:…`."""
    user: str = ""
    """Who runs its command, as the image says; "" is root."""
    stop_signal: str = ""
    size: int = 0
    """Bytes on disk; 0 where nobody knows."""


@dataclass(frozen=True, slots=True)
class Disk:
    """How full a disk is, in bytes."""

    total: int
    used: int


@dataclass(frozen=True, slots=True)
class Held:
    """An image that is here, and may go when nobody needs it."""

    key: str
    """A bundle's digest, or the engine's id."""
    name: str
    """As people know it."""
    size: int
    digests: frozenset[str]
    """By which it may be referred to."""
    bundle: bool = False


def megabytes(size: float) -> str:
    """A size as people read it."""
    return f"{size / 1e6:.0f} MB" if size >= 10e6 else f"{size / 1e6:.1f} MB"


class Images(Protocol):
    """Where images come from."""

    def is_bundle(self, image: str) -> bool:
        """Whether `image` runs as a process. Takes no time."""
        ...

    async def resolve(self, image: str, terms: Terms = TERMS) -> str:
        """`repository@sha256:…`. Raises ImageNotFoundError."""
        ...

    def bundle(self, name: str) -> Bundle:
        """The bundle of a digest. Raises ImageNotFoundError."""
        ...

    async def obtain(self, image: str, pull: Pull) -> Package:
        """The image for the engine. Raises ImageNotFoundError."""
        ...


class NodeImages:
    """Bundles first, then the engine (`auto`), or one of the two alone."""

    def __init__(self, store: ImageStore, door: Door | None = None, kind: str = AUTO) -> None:
        self._store = store
        self._door = None if kind == PROCESS else door
        self._kind = kind

    def __repr__(self) -> str:
        return f"<NodeImages {self._kind}: {self._store!r}, {self._door!r}>"

    def is_bundle(self, image: str) -> bool:
        """As the port. Where there is no engine everything is a bundle, or missing."""
        if self._kind == CONTAINER:
            return False
        if self._door is None or not self._door.present:
            return True
        try:
            self._store.resolve_now(image)
        except ImageNotFoundError:
            return False
        return True

    async def resolve(self, image: str, terms: Terms = TERMS) -> str:
        """As the port."""
        if self._kind == CONTAINER:
            return await self._by_engine(image, terms)
        try:
            return self._store.resolve_now(image)
        except ImageNotFoundError as error:
            if self._door is None:
                raise
            missing = str(error)
        try:
            return await self._by_engine(image, terms)
        except ImageNotFoundError as error:
            if self._door.present:
                raise
            raise ImageNotFoundError(f"{missing}; or run it as a container: {error}") from error

    async def _by_engine(self, image: str, terms: Terms) -> str:
        assert self._door is not None, "asked only with a door"
        try:
            return await (await self._door.engine()).images.resolve(image, terms)
        except NoEngineError as error:
            raise ImageNotFoundError(str(error)) from error

    def bundle(self, name: str) -> Bundle:
        """As the port."""
        return self._store.bundle(name)

    async def held(self) -> list[tuple[Disk, list[Held]]]:
        """Bundles without a tag, and what was pulled for us into an engine that is open."""
        found = []
        bundles = await asyncio.to_thread(self._store.untagged)
        if bundles:
            disk = await asyncio.to_thread(_disk, self._store.root)
            found.append((disk, [_held(name, size) for name, size in bundles]))
        engine = None if self._door is None else self._door.opened
        if engine is not None and (images := await engine.images.ours.held()):
            found.append((await asyncio.to_thread(_disk, engine.wire.root), images))
        return found

    async def remove(self, image: Held) -> bool:
        """Remove what :meth:`held` told; whether it is gone."""
        if image.bundle:
            return await asyncio.to_thread(self._store.remove, image.key)
        engine = None if self._door is None else self._door.opened
        return engine is not None and await engine.images.ours.remove(image)

    async def obtain(self, image: str, pull: Pull) -> Package:
        """As the port."""
        if self._door is None:
            raise ImageNotFoundError(f"image {image!r}: --runtime process runs bundles alone")
        try:
            return await (await self._door.engine()).images.obtain(image, pull)
        except NoEngineError as error:
            raise ImageNotFoundError(f"image {image!r}: {error}") from error


def _held(digest: str, size: int) -> Held:
    return Held(digest, f"bundle {digest}", size, frozenset((digest,)), bundle=True)


def _disk(place: Path) -> Disk:
    """The disk of `place`; one of no size where that is not there."""
    try:
        usage = shutil.disk_usage(place)
    except OSError:
        return Disk(0, 0)
    return Disk(usage.total, usage.used)
