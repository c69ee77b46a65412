"""Containers that were created ahead of their Pod and not started.

Podman is also asked to set them up: files mounted, network there, everything but the program. To
start one is then a tenth of the work of making it. Docker creates, and does the rest at the start.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

import aiohttp
from aiodocker import DockerError
from aiodocker.containers import DockerContainer

from utsuwa.kit.log import get_logger
from utsuwa.node.engine.instance import Found
from utsuwa.node.engine.wire import Wire, refusals_told
from utsuwa.node.runtime import Launch, LaunchError

_log = get_logger(__name__)

_LIBPOD = "v4.0.0/libpod"
"""Podman's own words, where Docker has none."""

Create = Callable[[Launch], Awaitable[DockerContainer]]


@dataclass(frozen=True, slots=True)
class _Spare:
    launch: Launch
    container: DockerContainer
    found: Found | None
    """Where it is set up already: its address and process."""


class Spares:
    """Makes them and hands them out. Mutable state: `_spares`, by uid of the Pod to come."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._spares: dict[str, _Spare] = {}

    def __repr__(self) -> str:
        return f"<Spares: {len(self._spares)}>"

    async def make(self, launch: Launch, create: Create) -> None:
        """Create one for `launch`. Raises LaunchError; nothing is left of it then."""
        with refusals_told():
            container = await create(launch)
            try:
                found = await self._set_up(launch, container)
            except BaseException:
                await container.delete(force=True, v=True)
                raise
        self._spares[launch.uid] = _Spare(launch, container, found)

    async def _set_up(self, launch: Launch, container: DockerContainer) -> Found | None:
        if self._wire.name != "podman":
            return None
        client = self._wire.client
        url = f"{client.docker_host}/{_LIBPOD}/containers/{container.id}/init"
        async with client.session.post(url) as response:
            if response.status >= HTTPStatus.BAD_REQUEST:
                raise LaunchError(f"podman cannot set it up: {await response.text()}")
        assert launch.box is not None, "only images of an engine come here"
        return Found.of(await container.show(), launch.log, launch.box.stop_signal)

    def holds(self, uid: str) -> bool:
        """Whether there is one for the Pod `uid`."""
        return uid in self._spares

    def forget(self, uid: str) -> None:
        """Somebody removes it."""
        self._spares.pop(uid, None)

    async def start(self, launch: Launch) -> Found | None:
        """Start the one that was made for this very `launch`; None where there is none, or it was
        made for another, or somebody has removed it. Then nothing is left of it."""
        spare = self._spares.pop(launch.uid, None)
        if spare is None:
            return None
        if spare.launch != launch:
            _log.info("container created ahead is out of date", pod=launch.uid)
            await self._remove(spare)
            return None
        try:
            await spare.container.start()
            if spare.found is not None:
                return spare.found
            assert launch.box is not None, "only images of an engine come here"
            return Found.of(await spare.container.show(), launch.log, launch.box.stop_signal)
        except (DockerError, aiohttp.ClientError, OSError, TimeoutError) as error:
            _log.info("container created ahead does not start", pod=launch.uid, reason=error)
            await self._remove(spare)
            return None

    async def _remove(self, spare: _Spare) -> None:
        try:
            await spare.container.delete(force=True, v=True)
        except (DockerError, aiohttp.ClientError, OSError, TimeoutError) as error:
            # A sweep of the Pod finds it by its labels.
            _log.debug("container created ahead is not removed", reason=error)
