import asyncio

import pytest
import uvloop

from utsuwa.kit.backoff import Backoff
from utsuwa.kit.queue import WorkQueue


async def test_a_key_added_twice_while_it_waits_is_worked_once() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    queue.add("a")
    assert await queue.get() == "a"
    queue.done("a")
    assert queue.idle


async def test_a_key_added_while_it_is_worked_is_worked_again_afterwards() -> None:
    """Never by two workers at a time."""
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    await queue.get()
    queue.add("a")
    assert repr(queue) == "<WorkQueue 0 ready, 1 in work, 0 delayed>"
    queue.done("a")
    assert await queue.get() == "a"


@pytest.mark.looptime
async def test_of_two_appointments_the_earlier_one_stands() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add_after("a", 10)
    queue.add_after("a", 3)
    queue.add_after("a", 7)
    await queue.get()
    assert asyncio.get_running_loop().time() == pytest.approx(3)
    assert repr(queue) == "<WorkQueue 0 ready, 1 in work, 0 delayed>"


@pytest.mark.looptime
async def test_failures_in_a_row_wait_longer_and_success_starts_anew() -> None:
    queue: WorkQueue[str] = WorkQueue(Backoff(first=1, most=3))
    assert [queue.add_failed("a") for _ in range(4)] == [1, 2, 3, 3]
    queue.forget("a")
    assert queue.add_failed("a") == 1
    queue.close()


async def test_a_waiting_worker_is_woken_by_an_added_key() -> None:
    queue: WorkQueue[str] = WorkQueue()
    waiting = asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    queue.add("a")
    assert await waiting == "a"


def test_appointments_of_less_than_a_millisecond_hold_on_uvloop() -> None:
    """uvloop turns them into plain handles, which do not know when they are due."""

    async def twice() -> str:
        queue: WorkQueue[str] = WorkQueue()
        queue.add_after("a", 0.0001)
        queue.add_after("a", 0.0)
        queue.add_after("b", 0.0001)
        queue.add_after("b", 0.00005)
        return await queue.get() + await queue.get()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(twice()) == "ab"
