"""A pull as others see it: in the container's waiting state, and as events of its Pod."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from utsuwa.kit.clock import Clock
from utsuwa.kit.documents import Document
from utsuwa.model.images import PULLING
from utsuwa.node.packages import megabytes


class Events(Protocol):
    """Who writes down what `kubectl describe` shows under an object."""

    async def normal(self, document: Document, reason: str, message: str) -> None:
        """Record that something goes as it should; never fails."""
        ...

    async def warning(self, document: Document, reason: str, message: str) -> None:
        """Record that something went wrong with the object; never fails."""
        ...


class Pulls:
    """The pulls of one container. `waits` is called with what it waits for.

    Mutable state: `_since`, when the present pull began; None where nothing is pulled.
    """

    def __init__(
        self, events: Events | None, clock: Clock, pod: Document, *, waits: Callable[[str], None]
    ) -> None:
        self._events = events
        self._clock = clock
        self._pod = pod
        self._waits = waits
        self._since: float | None = None
        self._telling: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<Pulls: {'none' if self._since is None else 'one under way'}>"

    def progress(self, image: str, text: str) -> None:
        """`image` is being pulled, and `text` says how far it has come ("": nobody knows)."""
        if self._since is None:
            self._since = self._clock.monotonic()
            self._tell("Pulling", f'Pulling image "{image}"')
        self._waits(f"{PULLING}{image}" + (f": {text}" if text else ""))

    def ended(self) -> None:
        """It could not be had; whoever failed says why."""
        self._since = None

    def here(self, image: str, size: int) -> None:
        """The image is there; told only where it had to be pulled."""
        if self._since is None:
            return
        seconds = self._clock.monotonic() - self._since
        self._since = None
        much = f", {megabytes(size)}" if size else ""
        self._tell("Pulled", f'Pulled image "{image}" in {seconds:.1f} s{much}')

    def _tell(self, reason: str, message: str) -> None:
        if self._events is None:
            return
        told = self._events.normal(self._pod, reason, message)
        task = asyncio.create_task(told, name=f"event {reason}")
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)
