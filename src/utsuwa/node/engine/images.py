"""The images of an engine: found by tag or digest, pulled where they are not there."""

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiodocker import DockerError

from utsuwa.kit.documents import Document
from utsuwa.model.images import ImageNotFoundError, Reference, parse_reference
from utsuwa.node.credentials import login_for, of_user, qualified, registry_of
from utsuwa.node.engine.wire import Wire
from utsuwa.node.packages import Package, Pull

LOCAL = frozenset({"kind.local", "ko.local", "dev.local", "localhost"})
"""Registries that are none: their images are built here."""
NOT_FOUND = 404
_MEGABYTE = 1e6


@dataclass(slots=True)
class _Layers:
    """How far a pull has come, by layer: bytes there, and bytes in all."""

    known: dict[str, tuple[int, int]]

    def told(self, line: Document) -> str:
        """After one more line of progress: the whole in a few words."""
        detail = line.get("progressDetail") or {}
        if line.get("id") and detail.get("total"):
            self.known[line["id"]] = (int(detail.get("current", 0)), int(detail["total"]))
        there = sum(current for current, _ in self.known.values()) / _MEGABYTE
        total = sum(total for _, total in self.known.values()) / _MEGABYTE
        return f"{there:.0f} of {total:.0f} MB" if total else ""


class EngineImages:
    """Finds and pulls. Mutable state: `_pulls`, one at a time for each image; `progress`, what
    they last said."""

    def __init__(self, wire: Wire, environment: Mapping[str, str] | None = None) -> None:
        self._wire = wire
        self._environment = os.environ if environment is None else environment
        self._pulls: dict[str, asyncio.Task[None]] = {}
        self._said: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"<EngineImages of {self._wire.name}: {len(self._pulls)} being pulled>"

    async def close(self) -> None:
        """Wait for no pull any more; the engine may finish it."""
        tasks = list(self._pulls.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def resolve(self, image: str) -> str:
        """`repository@sha256:…` of `image`. One that is not here is looked up in its registry,
        by way of the engine; an engine that cannot do that pulls it.

        Raises:
            ImageNotFoundError: it is neither here nor there.
        """
        reference = _parsed(image)
        shown = await self._find(reference)
        if shown is None:
            digest = await self._in_registry(reference)
            if digest:
                return reference.pinned(digest)
            shown = await self._pulled(reference, Pull())
        return reference.pinned(_digest(shown, reference))

    async def obtain(self, image: str, pull: Pull) -> Package:
        """The image, ready to run.

        Raises:
            ImageNotFoundError: it is not here and may not be pulled, or cannot be.
        """
        reference = _parsed(image)
        # What a digest names never changes, so there is nothing to look for elsewhere.
        fresh = pull.policy == "Always" and not reference.digest and not _is_local(reference)
        shown = None if fresh else await self._find(reference)
        if shown is None and pull.policy == "Never":
            raise ImageNotFoundError(
                f"image {image!r} is not in {self._wire.name}, and imagePullPolicy is Never; "
                f"load it with: {self._wire.name} load, or allow pulling"
            )
        if shown is None:
            shown = await self._pulled(reference, pull)
        config = shown.get("Config") or {}
        return Package(
            id=str(shown["Id"]),
            pinned=reference.pinned(_digest(shown, reference)),
            user=str(config.get("User") or ""),
            stop_signal=str(config.get("StopSignal") or ""),
        )

    # --- here -----------------------------------------------------------------------------------

    async def _find(self, reference: Reference) -> Any | None:
        shown = await self._inspect(str(reference))
        if shown is None and reference.digest:
            for entry in await self._ask(self._wire.client.images.list()):
                digests = {name.partition("@")[2] for name in entry.get("RepoDigests") or ()}
                if reference.digest in digests | {entry["Id"]}:
                    return await self._inspect(entry["Id"])
        return shown

    async def _inspect(self, name: str) -> Any | None:
        try:
            return await self._ask(self._wire.client.images.inspect(name))
        except DockerError as error:
            if error.status == NOT_FOUND:
                return None
            raise ImageNotFoundError(f"image {name!r}: {error.message}") from error

    async def _ask(self, question: Any) -> Any:
        try:
            return await question
        except (aiohttp.ClientError, OSError) as error:
            raise ImageNotFoundError(f"{self._wire.name} does not answer: {error}") from error

    # --- elsewhere ------------------------------------------------------------------------------

    async def _in_registry(self, reference: Reference) -> str:
        """The digest that the registry tells; "" from an engine that does not ask."""
        if _is_local(reference):
            return ""
        client = self._wire.client
        name = f"{qualified(reference.repository)}:{reference.tag}"
        url = f"{client.docker_host}/{client.api_version}/distribution/{name}/json"
        try:
            async with client.session.get(url) as response:
                if response.status >= 400:
                    return ""
                told = await response.json(content_type=None)
                return str(told["Descriptor"]["digest"])
        except (aiohttp.ClientError, OSError, ValueError, KeyError, TypeError):
            return ""

    async def _pulled(self, reference: Reference, pull: Pull) -> Any:
        if _is_local(reference):
            raise ImageNotFoundError(
                f"image {str(reference)!r} is not in {self._wire.name}, and "
                f"{registry_of(reference.repository)} stands for this machine: build it with: "
                f"{self._wire.name} build -t {reference.repository}:{reference.tag} DIR"
            )
        key = str(reference)
        task = self._pulls.get(key)
        if task is None:
            task = asyncio.create_task(self._pull(reference, pull), name=f"pull of {key}")
            self._pulls[key] = task
            task.add_done_callback(lambda _: self._forget(key))
        # Shielded: who no longer waits does not stop what the next one waits for.
        while not task.done():
            await asyncio.wait((task,), timeout=1.0)
            pull.progress(self._said.get(key, ""))
        task.result()
        shown = await self._find(reference)
        if shown is None:
            raise ImageNotFoundError(f"image {key!r} was pulled, but is not there")
        return shown

    def _forget(self, key: str) -> None:
        task = self._pulls.pop(key)
        self._said.pop(key, None)
        if not task.cancelled():
            task.exception()  # seen, though perhaps nobody waits any more

    async def _pull(self, reference: Reference, pull: Pull) -> None:
        auths = [*pull.auths, *await asyncio.to_thread(of_user, self._environment, Path.home())]
        login = login_for(reference.repository, auths)
        repository = qualified(reference.repository)
        name = f"{repository}@{reference.digest}" if reference.digest else (
            f"{repository}:{reference.tag}"
        )  # fmt: skip
        layers = _Layers({})
        say: Callable[[str], None] = lambda text: self._said.__setitem__(str(reference), text)  # noqa: E731
        try:
            lines = self._wire.client.images.pull(name, auth=login, stream=True)
            async for line in lines:
                say(layers.told(line))
        except DockerError as error:
            raise ImageNotFoundError(f"image {name!r} cannot be pulled: {error.message}") from error
        except (aiohttp.ClientError, OSError) as error:
            raise ImageNotFoundError(f"{self._wire.name} does not answer: {error}") from error


def _parsed(image: str) -> Reference:
    try:
        return parse_reference(image)
    except ValueError as error:
        raise ImageNotFoundError(str(error)) from error


def _is_local(reference: Reference) -> bool:
    return reference.repository.partition("/")[0] in LOCAL


def _digest(shown: Any, reference: Reference) -> str:
    """The digest under which the registry knows the image; one that was only built here has its
    own id alone."""
    if reference.digest:
        return reference.digest
    known = [name.partition("@") for name in shown.get("RepoDigests") or ()]
    own = qualified(reference.repository)
    for repository, _, digest in known:
        if qualified(repository) == own:
            return str(digest)
    return str(known[0][2] if known else shown["Id"])
