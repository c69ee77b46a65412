"""Containers whose control group is out of our reach: the engine stops them and lets them go."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import aiohttp
from aiodocker import DockerError
from aiodocker.containers import DockerContainer

from utsuwa.kit.documents import dig

PATIENCE = 10.0
"""Seconds for one answer of the engine."""


class EngineBrake:
    """Only who has the engine can let go. For threads: the loop does the work."""

    def __init__(self, container: DockerContainer, loop: asyncio.AbstractEventLoop) -> None:
        self._container = container
        self._loop = loop

    def __repr__(self) -> str:
        return f"<EngineBrake of {self._container.id[:12]}>"

    def line(self) -> str:
        """Nobody else can."""
        return ""

    def stop(self) -> None:
        """`docker pause`."""
        self._do(self._container.pause())

    def let_go(self) -> bool:
        """`docker unpause`."""
        stood = self.stopped()
        if stood:
            self._do(self._container.unpause())
        return stood

    def stopped(self) -> bool:
        """As the engine says."""
        return bool(dig(self._do(self._container.show()), "State", "Paused"))

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)
        except (DockerError, aiohttp.ClientError, TimeoutError) as error:
            raise OSError(f"container engine: {error}") from error
