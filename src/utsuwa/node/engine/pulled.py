"""Which images of the engine were pulled for us: those alone are ours to remove. A small file
remembers them; an image that was there before, or was built here, is never in it."""

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import aiohttp
from aiodocker import DockerError

from utsuwa.kit.log import get_logger
from utsuwa.node.engine.wire import Wire
from utsuwa.node.packages import Held

_log = get_logger(__name__)


class Pulled:
    """Remembers, tells, removes. Mutable state: `_names`, by the engine's id, of what was pulled;
    None before the file was read."""

    def __init__(self, wire: Wire, file: Path | None) -> None:
        self._wire = wire
        self._file = file
        self._names: dict[str, str] | None = None

    def __repr__(self) -> str:
        return f"<Pulled: {len(self._names or ())} images>"

    async def ids(self) -> frozenset[str]:
        """The images that the engine has now."""
        return frozenset(str(entry["Id"]) for entry in await self._wire.client.images.list())

    async def remember(self, image: str, name: str) -> None:
        """`image` came as `name`."""
        names = await self._read()
        names[image] = name
        await self._write()

    async def held(self) -> list[Held]:
        """Those that are there, and that nobody has given another name since."""
        names = await self._read()
        if not names:
            return []
        try:
            entries = await self._wire.client.images.list()
        except (DockerError, aiohttp.ClientError, OSError, TimeoutError) as error:
            _log.warning("images of the engine are not told", reason=error)
            return []
        there = {str(entry["Id"]): entry for entry in entries}
        if gone := names.keys() - there.keys():
            for image in gone:
                del names[image]
            await self._write()
        return [
            _held(image, name, there[image])
            for image, name in names.items()
            if set(there[image].get("RepoTags") or ()) <= {name, "<none>:<none>"}
        ]

    async def remove(self, image: Held) -> bool:
        """Remove one; False where a container still uses it, or the engine will not."""
        try:
            await self._wire.client.images.delete(image.key)
        except (DockerError, aiohttp.ClientError, OSError, TimeoutError) as error:
            _log.info("image not removed", image=image.name, reason=error)
            return False
        (await self._read()).pop(image.key, None)
        await self._write()
        return True

    async def _read(self) -> dict[str, str]:
        if self._names is None:
            self._names = await asyncio.to_thread(self._load)
        return self._names

    def _load(self) -> dict[str, str]:
        if self._file is not None:
            with contextlib.suppress(OSError, ValueError):
                return dict(json.loads(self._file.read_text()))
        return {}

    async def _write(self) -> None:
        if self._file is not None:
            await asyncio.to_thread(self._store, self._file, json.dumps(self._names))

    @staticmethod
    def _store(file: Path, text: str) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_suffix(".new")
        temporary.write_text(text)
        temporary.replace(file)


def _held(image: str, name: str, entry: Any) -> Held:
    digests = {known.partition("@")[2] for known in entry.get("RepoDigests") or ()}
    # By its name, too: a Pod may run by the tag, where tags are not resolved.
    return Held(image, name, int(entry.get("Size") or 0), frozenset({image, name, *digests}))
