"""Processes and containers side by side: each launch goes to the runtime of its kind."""

from utsuwa.kit.documents import Document
from utsuwa.kit.log import get_logger
from utsuwa.node.engine.door import Door, NoEngineError
from utsuwa.node.runtime import Instance, Launch, LaunchError
from utsuwa.node.warm import WarmRuntime

_log = get_logger(__name__)


class Runtimes:
    """Bundles as processes, images of the engine as containers."""

    def __init__(self, processes: WarmRuntime, door: Door) -> None:
        self._processes = processes
        self._door = door

    def __repr__(self) -> str:
        return f"<Runtimes {self._processes!r}, {self._door!r}>"

    @property
    def version(self) -> str:
        """That of the processes: they are always there."""
        return self._processes.version

    async def close(self) -> None:
        """Let go of everything; it runs on."""
        await self._processes.close()
        await self._door.close()

    async def launch(self, launch: Launch) -> Instance:
        """As the port."""
        if launch.box is None:
            return await self._processes.launch(launch)
        try:
            engine = await self._door.engine()
        except NoEngineError as error:
            raise LaunchError(str(error)) from error
        return await engine.runtime.launch(launch)

    async def ahead(self, launch: Launch) -> None:
        """As the port."""
        if launch.box is None:
            await self._processes.ahead(launch)
            return
        try:
            engine = await self._door.engine()
        except NoEngineError as error:
            raise LaunchError(str(error)) from error
        await engine.runtime.ahead(launch)

    async def adopt(self, record: Document) -> Instance | None:
        """As the port."""
        if "engine" not in record:
            return await self._processes.adopt(record)
        try:
            engine = await self._door.engine()
        except NoEngineError as error:
            _log.warning("a container cannot be found again", reason=error)
            return None
        return await engine.runtime.adopt(record)

    async def release(self, uid: str) -> None:
        """As the port."""
        try:
            engine = await self._door.engine()
        except NoEngineError as error:
            _log.warning("what a pod shared cannot be given back", pod=uid, reason=error)
            return
        await engine.runtime.release(uid)

    async def sweep(self, uid: str) -> int:
        """As the port."""
        found = await self._processes.sweep(uid)
        if not self._door.present:
            return found
        try:
            engine = await self._door.engine()
        except NoEngineError as error:
            _log.warning("containers of a pod cannot be looked for", pod=uid, reason=error)
            return found
        return found + await engine.runtime.sweep(uid)
