import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from utsuwa.cluster.errors import ApiError, ConflictError, NotFoundError
from utsuwa.cluster.informer import Informers
from utsuwa.cluster.port import Key
from utsuwa.controllers.events import EventRecorder
from utsuwa.controllers.framework import Controller, TerminalError, owner_key
from utsuwa.controllers.live_settings import LiveSettings
from utsuwa.kit.backoff import Backoff
from utsuwa.kit.clock import LoopClock
from utsuwa.kit.tasks import TaskSet
from utsuwa.model.kinds import CONFIG_MAP, EVENT
from utsuwa.testing.cluster import memory_cluster

pytestmark = pytest.mark.looptime

KEY = Key("default", "a")


class Scripted:
    """A reconciler that does what each step of its script says, then nothing."""

    def __init__(self, *steps: Callable[[], float | None]) -> None:
        self.steps = list(steps)
        self.passes: list[tuple[Key, float]] = []

    async def reconcile(self, key: Key) -> float | None:
        self.passes.append((key, asyncio.get_running_loop().time()))
        return self.steps.pop(0)() if self.steps else None


def failing(error: Exception) -> Callable[[], float | None]:
    def step() -> float | None:
        raise error

    return step


@pytest.fixture
async def tasks() -> AsyncIterator[TaskSet]:
    tasks = TaskSet()
    yield tasks
    await tasks.close()


async def times(reconciler: Scripted, tasks: TaskSet) -> list[float]:
    controller = Controller("test", reconciler, backoff=Backoff(first=1, most=8))
    controller.start(tasks)
    controller.queue.add(KEY)
    await asyncio.sleep(100)
    controller.queue.close()
    return [round(time, 3) for _, time in reconciler.passes]


@pytest.mark.parametrize(
    "error",
    [ConflictError("x"), NotFoundError("x"), ApiError("x"), ValueError("a bug")],
    ids=lambda error: type(error).__name__,
)
async def test_a_pass_that_fails_is_tried_again_after_its_back_off(
    error: Exception, tasks: TaskSet
) -> None:
    assert await times(Scripted(failing(error), failing(error)), tasks) == [0, 1, 3]


async def test_a_terminal_error_is_not_tried_again(tasks: TaskSet) -> None:
    assert await times(Scripted(failing(TerminalError("hopeless"))), tasks) == [0]


async def test_a_pass_may_ask_to_look_again_later(tasks: TaskSet) -> None:
    assert await times(Scripted(lambda: 7.5), tasks) == [0, 7.5]


async def test_a_change_of_a_child_is_a_look_at_its_owner(tasks: TaskSet) -> None:
    reconciler = Scripted()
    async with memory_cluster() as cluster:
        informers = Informers(cluster)
        informers.start(tasks)
        controller = Controller("test", reconciler)
        controller.watch(informers.of(CONFIG_MAP), owner_key("Parent"))
        controller.start(tasks)
        reference = {
            "apiVersion": "v1",
            "kind": "Parent",
            "name": "p",
            "uid": "u",
            "controller": True,
        }
        child = CONFIG_MAP.document("default", "child")
        child["metadata"]["ownerReferences"] = [reference]
        await cluster.create(child)
        await cluster.create(CONFIG_MAP.document("default", "stranger"))
        await asyncio.sleep(1)
        await tasks.close()
    assert [key for key, _ in reconciler.passes] == [Key("default", "p")]
    assert repr(controller) == "<Controller test: <WorkQueue 0 ready, 0 in work, 0 delayed>>"


async def test_the_same_event_again_only_counts_up() -> None:
    async with memory_cluster() as cluster:
        recorder = EventRecorder(cluster, LoopClock())
        about = await cluster.create(CONFIG_MAP.document("default", "a"))
        await recorder.warning(about, "Broken", "it broke")
        await recorder.warning(about, "Broken", "it broke")
        await recorder.normal(about, "Mended", "it works")
        events = (await cluster.list(EVENT)).items
    assert sorted((e["reason"], e["type"], e["count"]) for e in events) == [
        ("Broken", "Warning", 2),
        ("Mended", "Normal", 1),
    ]


async def test_an_edited_setting_is_in_force_at_once_and_a_bad_one_is_ignored(
    tasks: TaskSet,
) -> None:
    async with memory_cluster() as cluster:
        informers = Informers(cluster)
        informers.start(tasks)
        settings = LiveSettings()
        changes: list[float] = []
        settings.on_change(lambda: changes.append(settings.current.autoscaler.stable_window))
        settings.follow(informers.of(CONFIG_MAP))
        await cluster.create(
            CONFIG_MAP.document(
                "knative-serving", "config-autoscaler", data={"stable-window": "20s"}
            )
        )
        await asyncio.sleep(1)
        key = Key("knative-serving", "config-autoscaler")
        await cluster.merge(CONFIG_MAP, key, {"data": {"stable-window": "one minute"}})
        await asyncio.sleep(1)
        await tasks.close()
    assert changes == [20]
    assert settings.current.autoscaler.stable_window == 20
