"""Guarded background tasks: none may die unnoticed.

A background task that ends when nobody asked it to takes its process down, with its name in the
log; the supervisor then starts the process anew. Half a control plane is worse than none.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from utsuwa.kit.log import get_logger

_log = get_logger(__name__)

OnDeath = Callable[[str, BaseException | None], None]


class TaskSet:
    """The background tasks of one component, started by name and ended together.

    Mutable state: `_tasks`, changed only on the loop.
    """

    def __init__(self, on_death: OnDeath | None = None) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._on_death = on_death
        self._closing = False

    def __repr__(self) -> str:
        names = sorted(task.get_name() for task in self._tasks)
        return f"<TaskSet {len(names)} running: {', '.join(names)}>"

    def spawn(self, coroutine: Coroutine[Any, Any, Any], *, name: str) -> asyncio.Task[Any]:
        """Run `coroutine` for as long as the component lives; ending early counts as death."""
        task = asyncio.create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended_forever)
        return task

    def start(self, coroutine: Coroutine[Any, Any, Any], *, name: str) -> asyncio.Task[Any]:
        """Run `coroutine` once; it may end well, only a failure counts as death."""
        task = asyncio.create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended_once)
        return task

    async def close(self) -> None:
        """Cancel what still runs and wait for it. Safe to call twice."""
        self._closing = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended_forever(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not self._closing and not task.cancelled():
            self._report(task, task.exception())

    def _ended_once(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not self._closing and not task.cancelled() and task.exception() is not None:
            self._report(task, task.exception())

    def _report(self, task: asyncio.Task[Any], error: BaseException | None) -> None:
        _log.error("background task died", error=error, task=task.get_name())
        if self._on_death is not None:
            self._on_death(task.get_name(), error)
