"""The images of an engine: found by tag or digest, pulled where they are not there."""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
from aiodocker import DockerError
from aiodocker.utils import compose_auth_header

from utsuwa.kit.documents import Document
from utsuwa.model.images import (
    TERMS,
    ImageNotFoundError,
    Reference,
    Terms,
    parse_reference,
)
from utsuwa.node.credentials import login_for, of_user, qualified, registry_of
from utsuwa.node.engine.pulled import Pulled
from utsuwa.node.engine.registry import Registries
from utsuwa.node.engine.wire import Wire
from utsuwa.node.packages import Package, Pull, megabytes

LOCAL = frozenset({"kind.local", "ko.local", "dev.local", "localhost"})
"""Registries that are none: their images are built here."""
NOT_FOUND = 404
STALLED = 300.0
"""Seconds after which a pull of which the engine says nothing has failed."""
_MEGABYTE = 1e6
_THERE = {"Download complete", "Pull complete", "Already exists"}


@dataclass(slots=True)
class _Layers:
    """How far a pull has come, by layer: bytes there, and bytes in all."""

    known: dict[str, tuple[int, int]]

    def told(self, line: Document) -> str:
        """After one more line of progress: the whole in a few words."""
        detail = line.get("progressDetail") or {}
        layer = line.get("id")
        if layer and detail.get("total"):
            self.known[layer] = (int(detail.get("current", 0)), int(detail["total"]))
        elif layer in self.known and line.get("status") in _THERE:
            self.known[layer] = (self.known[layer][1], self.known[layer][1])
        there = sum(current for current, _ in self.known.values())
        total = sum(total for _, total in self.known.values())
        return f"{there / _MEGABYTE:.1f} of {megabytes(total)}" if total else ""


class EngineImages:
    """Finds and pulls. Mutable state: `_pulls`, one at a time for each image; `progress`, what
    they last said."""

    def __init__(
        self,
        wire: Wire,
        environment: Mapping[str, str] | None = None,
        *,
        pulled: Path | None = None,
    ) -> None:
        self._wire = wire
        self.ours = Pulled(wire, pulled)
        self._registries = Registries()
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
        await self._registries.close()

    async def resolve(self, image: str, terms: Terms = TERMS) -> str:
        """`repository@sha256:…` of `image`. One that is not here is looked up in its registry,
        by us, or by way of the engine; where neither can, the engine pulls it. Policy `Always`
        asks the registry even so, `Never` does not.

        Raises:
            ImageNotFoundError: it is neither here nor there.
        """
        reference = _parsed(image)
        fresh = terms.policy == "Always" and not reference.digest and not _is_local(reference)
        shown = None if fresh else await self._find(reference)
        if shown is None and terms.policy == "Never":
            raise self._never(image)
        if shown is not None and len(_digests(shown, reference)) <= 1:
            return reference.pinned(_digest(shown, reference))
        # Known by several digests: one is the registry's, the others perhaps this engine's alone.
        digest = await self._in_registry(reference, terms.auths)
        if not digest or (shown is not None and digest not in _digests(shown, reference)):
            if shown is None:
                shown = await self._pulled(reference, Pull(auths=terms.auths))
            digest = _digest(shown, reference)
        return reference.pinned(digest)

    def _never(self, image: str) -> ImageNotFoundError:
        return ImageNotFoundError(
            f"image {image!r} is not in {self._wire.name}, and imagePullPolicy is Never; "
            f"load it with: {self._wire.name} load, or allow pulling"
        )

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
            raise self._never(image)
        if shown is None:
            shown = await self._pulled(reference, pull)
        config = shown.get("Config") or {}
        return Package(
            id=str(shown["Id"]),
            pinned=reference.pinned(_digest(shown, reference)),
            user=str(config.get("User") or ""),
            stop_signal=str(config.get("StopSignal") or ""),
            size=int(shown.get("Size") or 0),
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

    async def _in_registry(self, reference: Reference, auths: Sequence[Document]) -> str:
        """The digest that the registry tells; "" where nobody can ask it."""
        if _is_local(reference):
            return ""
        login = await self._login(reference, auths)
        found = await self._registries.digest(reference, login)
        return found or await self._by_engine(reference, login)

    async def _by_engine(self, reference: Reference, login: dict[str, str] | None) -> str:
        client = self._wire.client
        name = f"{qualified(reference.repository)}:{reference.tag}"
        url = f"{client.docker_host}/{client.api_version}/distribution/{name}/json"
        headers = {} if login is None else {"X-Registry-Auth": compose_auth_header(login)}
        try:
            async with client.session.get(url, headers=headers) as response:
                if response.status >= HTTPStatus.BAD_REQUEST:
                    return ""
                told = await response.json(content_type=None)
                return str(told["Descriptor"]["digest"])
        except (aiohttp.ClientError, OSError, ValueError, KeyError, TypeError):
            return ""

    async def _login(
        self, reference: Reference, auths: Sequence[Document]
    ) -> dict[str, str] | None:
        """The Pod's, else those of whoever runs us."""
        found = login_for(reference.repository, auths)
        if found is None:
            registry = registry_of(reference.repository)
            own = await asyncio.to_thread(of_user, self._environment, Path.home(), registry)
            found = login_for(reference.repository, own)
        return found

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
            pull.progress(self._said.get(key, ""))
            await asyncio.wait((task,), timeout=1.0)
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
        login = await self._login(reference, pull.auths)
        repository = qualified(reference.repository)
        name = f"{repository}@{reference.digest}" if reference.digest else (
            f"{repository}:{reference.tag}"
        )  # fmt: skip
        layers = _Layers({})
        say: Callable[[str], None] = lambda text: self._said.__setitem__(str(reference), text)  # noqa: E731
        try:
            before = await self.ours.ids()
            lines = self._wire.client.images.pull(name, auth=login, stream=True)
            async with asyncio.timeout(STALLED) as patience:
                async for line in lines:
                    patience.reschedule(asyncio.get_running_loop().time() + STALLED)
                    say(layers.told(line))
            shown = await self._find(reference)
            if shown is not None and shown["Id"] not in before:
                await self.ours.remember(str(shown["Id"]), name)
        except TimeoutError as error:
            raise ImageNotFoundError(
                f"image {name!r} cannot be pulled: nothing came for {STALLED:g} s"
            ) from error
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
    own = _digests(shown, reference)
    others = [name.partition("@")[2] for name in shown.get("RepoDigests") or ()]
    return str(next(iter([*own, *others, shown["Id"]])))


def _digests(shown: Any, reference: Reference) -> list[str]:
    """The digests by which the engine knows the image in its repository."""
    if reference.digest:
        return [reference.digest]
    known = [name.partition("@") for name in shown.get("RepoDigests") or ()]
    own = qualified(reference.repository)
    return [str(digest) for repository, _, digest in known if qualified(repository) == own]
