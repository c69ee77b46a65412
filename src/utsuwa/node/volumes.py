"""The volumes of this node's Pods: made when a container starts, and kept in step with the
ConfigMaps and Secrets that they show for as long as the Pod lives.

A volume is a directory below the Pod's scratch directory, shared by its containers; where a
container sees it is the runtime's business (:class:`utsuwa.node.runtime.Mount`).
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from utsuwa.cluster.errors import ApiError, ForbiddenError, NotFoundError
from utsuwa.cluster.informer import Informers, key_of
from utsuwa.cluster.port import Cluster, Key
from utsuwa.kit.clock import Clock
from utsuwa.kit.documents import Document, dig
from utsuwa.kit.log import get_logger
from utsuwa.kit.tasks import TaskSet
from utsuwa.model.kinds import CONFIG_MAP, SECRET, Kind
from utsuwa.node import memory, volume_files
from utsuwa.node.environment import ConfigError, Source
from utsuwa.node.runtime import Mount
from utsuwa.node.volume_content import (
    claim_of,
    content_of,
    is_directory,
    is_writable,
    memory_of,
    token_requests,
    volume_sources,
)

_log = get_logger(__name__)


RENEW = 0.8
"""Part of the life of a token after which the next one is written, as the original's nodes do."""


class Tokens(Protocol):
    """Who issues ServiceAccount tokens."""

    async def token(self, pod: Document, audience: str, seconds: int) -> str:
        """A token of the ServiceAccount of `pod`, bound to it. Raises ApiError."""
        ...


class NoTokens:
    """For nodes that nobody gave any."""

    async def token(self, pod: Document, audience: str, seconds: int) -> str:
        """Raises ForbiddenError."""
        raise ForbiddenError("no ServiceAccount tokens are issued here")


@dataclass(frozen=True, slots=True)
class _Shown:
    """A volume that shows objects, and where."""

    pod: Document
    volume: Document
    directory: Path


class Volumes:
    """Makes volumes, and follows what they show.

    Mutable state: `_shown`, by uid of the Pod and name of the volume, and those of them whose
    tokens are being renewed; changed on the loop alone.
    """

    def __init__(
        self, cluster: Cluster, clock: Clock, claims: Path, tokens: Tokens | None = None
    ) -> None:
        """`claims`: the directory that has those which outlive Pods, by namespace and claim."""
        self._cluster = cluster
        self._claims = claims
        self._clock = clock
        self._tokens = tokens or NoTokens()
        self._shown: dict[tuple[str, str], _Shown] = {}
        self._renewed: set[tuple[str, str]] = set()
        self._tasks: TaskSet | None = None

    def __repr__(self) -> str:
        return f"<Volumes: {len(self._shown)} that show objects>"

    def follow(self, informers: Informers, tasks: TaskSet) -> None:
        """Write volumes anew when what they show changes."""
        self._tasks = tasks
        informers.of(CONFIG_MAP).on_change(lambda old, new: self._changed(CONFIG_MAP, new or old))
        informers.of(SECRET).on_change(lambda old, new: self._changed(SECRET, new or old))

    def forget(self, uid: str) -> None:
        """The Pod is gone."""
        for key in [key for key in self._shown if key[0] == uid]:
            del self._shown[key]

    async def mounts(self, pod: Document, container: Document, scratch: Path) -> tuple[Mount, ...]:
        """Make what `container` mounts, below `scratch`; shallow paths first.

        Raises:
            ConfigError: an object that is not optional is missing, or a volume is of a kind that
                is not known here.
        """
        volumes = {volume["name"]: volume for volume in dig(pod, "spec", "volumes", default=())}
        found = []
        for mount in container.get("volumeMounts") or ():
            volume = volumes.get(mount["name"])
            if volume is None:
                raise ConfigError(
                    f"volumeMounts of {container['name']}: expected one of the volumes "
                    f"{', '.join(volumes) or '(none)'}, found {mount['name']}"
                )
            directory = await self._make(pod, volume, scratch / "volumes" / mount["name"])
            writable = is_writable(volume) and not mount.get("readOnly")
            source = _inside(directory, mount.get("subPath") or "", writable=writable)
            found.append(Mount(source, Path(mount["mountPath"]), read_only=not writable))
        return tuple(sorted(found, key=lambda mount: len(mount.target.parts)))

    async def resume(self, pod: Document, container: Document, scratch: Path) -> None:
        """Follow the volumes of a container that was found running."""
        try:
            await self.mounts(pod, container, scratch)
        except (ConfigError, OSError) as error:
            # As in Kubernetes: what is shown stays, for the container runs with it.
            _log.warning("volumes keep their old content", pod=key_of(pod), reason=error)

    async def _make(self, pod: Document, volume: Document, directory: Path) -> Path:
        if is_directory(volume):
            return await self._directory(pod, volume, directory)
        shown = _Shown(pod, volume, directory)
        await self._fill(shown)
        key = (pod["metadata"]["uid"], volume["name"])
        self._shown[key] = shown
        lives = [seconds for _, seconds in token_requests(volume)]
        if lives and key not in self._renewed and self._tasks is not None:
            self._renewed.add(key)
            self._tasks.start(self._renew(key, min(lives)), name=f"tokens of {key}")
        return directory

    async def _directory(self, pod: Document, volume: Document, directory: Path) -> Path:
        if claim := claim_of(volume):
            if "/" in claim or claim in {".", ".."}:
                raise ConfigError(f"volume {volume['name']}: {claim!r} is no name of a claim")
            directory = self._claims / pod["metadata"]["namespace"] / claim
        size = memory_of(volume)
        if size is None:
            volume_files.empty(directory)
            return directory
        try:
            await asyncio.to_thread(memory.provide, directory, size)
        except OSError as error:
            raise ConfigError(
                f"volume {volume['name']}: expected the right to mount, which medium Memory takes, "
                f"found: {error.strerror}; run `utsuwa up` as root, or leave medium out"
            ) from error
        return directory

    async def _renew(self, key: tuple[str, str], life: int) -> None:
        while key in self._shown:
            await self._clock.sleep(life * RENEW)
            await self._refill(*key)
        self._renewed.discard(key)

    async def _fill(self, shown: _Shown) -> None:
        pod, volume = shown.pod, shown.volume
        namespace = pod["metadata"]["namespace"]
        sources = {
            source: await self._object(source.kind, Key(namespace, source.name))
            for source in volume_sources(volume)
        }
        try:
            tokens = {
                (audience, seconds): await self._tokens.token(pod, audience, seconds)
                for audience, seconds in token_requests(volume)
            }
        except ApiError as error:
            raise ConfigError(f"volume {volume['name']}: {error}") from error
        content = content_of(volume, pod, sources, tokens)
        await asyncio.to_thread(volume_files.fill, shown.directory, content)

    async def _object(self, kind: Kind, key: Key) -> Document | None:
        try:
            return await self._cluster.get(kind, key)
        except NotFoundError:
            return None

    # --- following ------------------------------------------------------------------------------

    def _changed(self, kind: Kind, document: Document | None) -> None:
        assert document is not None, "a change has an old form or a new one"
        key = key_of(document)
        for (uid, name), shown in self._shown.items():
            if shown.pod["metadata"]["namespace"] != key.namespace or self._tasks is None:
                continue
            if Source(kind, key.name) in volume_sources(shown.volume):
                self._tasks.start(self._refill(uid, name), name=f"volume {name} of {uid}")

    async def _refill(self, uid: str, name: str) -> None:
        shown = self._shown.get((uid, name))
        if shown is None or not shown.directory.parent.is_dir():
            return
        try:
            await self._fill(shown)
        except (ConfigError, OSError) as error:
            pod = key_of(shown.pod)
            _log.warning("volume keeps its old content", pod=pod, volume=name, reason=error)


def _inside(directory: Path, path: str, *, writable: bool) -> Path:
    """What `subPath` names: a file or directory of the volume, links followed."""
    if not path:
        return directory
    found = (directory / path).resolve()
    if directory.resolve() not in found.parents:
        raise ConfigError(f"subPath {path}: expected a path inside the volume")
    if not found.exists():
        if not writable:
            raise ConfigError(f"subPath {path}: the volume {directory.name} has no such file")
        volume_files.empty(found)
    return found
