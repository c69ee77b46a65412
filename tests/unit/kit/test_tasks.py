import asyncio
from collections.abc import Callable, Coroutine

import pytest

from utsuwa.kit.tasks import TaskSet


async def _nothing() -> None:
    return None


async def _fail() -> None:
    raise OSError("disk on fire")


async def _for_ever() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("ending", [_nothing, _fail])
async def test_a_background_task_that_ends_is_reported_by_name(
    ending: Callable[[], Coroutine[None, None, None]],
) -> None:
    """Half a component is worse than none: its process is to go down."""
    deaths: list[str] = []
    tasks = TaskSet(on_death=lambda name, _: deaths.append(name))
    tasks.spawn(ending(), name="watcher")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert deaths == ["watcher"]


async def test_a_one_off_may_end_well_but_not_fail() -> None:
    deaths: list[str] = []
    tasks = TaskSet(on_death=lambda name, _: deaths.append(name))
    tasks.start(_nothing(), name="good")
    tasks.start(_fail(), name="bad")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert deaths == ["bad"]


async def test_closing_ends_every_task_and_reports_none() -> None:
    deaths: list[str] = []
    tasks = TaskSet(on_death=lambda name, _: deaths.append(name))
    task = tasks.spawn(_for_ever(), name="watcher")
    assert repr(tasks) == "<TaskSet 1 running: watcher>"
    await tasks.close()
    assert task.cancelled()
    assert deaths == []
