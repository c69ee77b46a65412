"""The link to control: dialled for ever, whatever happens to the other side."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from utsuwa.gateway.link import RETRY, Link
from utsuwa.kit.framing import encode_frame
from utsuwa.routing.messages import Ack, Delta, Elsewhere, Hello, Snapshot, ToGateway, Tracing, Wake
from utsuwa.testing.gateway import FakeControl, one_service


class Impatient:
    """A clock whose sleeps take no time; it remembers how long they should have been."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now(self) -> float:
        return 0.0

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)


class Running:
    def __init__(self, path: Path) -> None:
        self.path = str(path / "link.sock")
        self.clock = Impatient()
        self.applied: list[Snapshot | Delta] = []
        self.link = Link(self.path, Hello("gateway-0-1", 1), self.apply, self.clock)
        self.task = asyncio.ensure_future(self.link.run())

    def apply(self, message: ToGateway) -> Ack:
        assert not isinstance(message, Elsewhere | Tracing)
        self.applied.append(message)
        return Ack("e1", message.version)


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    running = Running(tmp_path)
    yield running
    running.task.cancel()
    await asyncio.gather(running.task, return_exceptions=True)


async def test_it_says_hello_and_acknowledges_what_is_in_force(running: Running) -> None:
    async with FakeControl(running.path, one_service()) as control:
        await control.wait_for(Ack)
        assert control.received == [Hello("gateway-0-1", 1), Ack("e1", 1)]
        control.send(Delta(2))
        await control.wait_for(Ack, lambda ack: ack.version == 2)
    assert [message.version for message in running.applied] == [1, 2]


async def test_it_tries_every_fifty_milliseconds_while_control_is_absent(running: Running) -> None:
    while len(running.clock.slept) < 10:
        await asyncio.sleep(0)
    assert set(running.clock.slept) == {RETRY}


async def test_it_comes_back_when_control_does(running: Running) -> None:
    for epoch in ("e1", "e2"):
        async with FakeControl(running.path, one_service(epoch=epoch)) as control:
            await control.wait_for(Ack)
            assert control.of(Hello)
    assert len(running.applied) == 2


async def test_what_is_no_message_makes_it_dial_anew(running: Running) -> None:
    async with FakeControl(running.path) as control:
        await control.wait_for(Hello)
        control.connections[0].write(encode_frame({"type": "nonsense"}))
        control.received.clear()
        await control.wait_for(Hello)


async def test_what_is_said_while_control_is_gone_is_lost_without_harm(running: Running) -> None:
    running.link.send(Wake("default/a", 1.0))
    async with FakeControl(running.path, one_service()) as control:
        await control.wait_for(Ack)
        assert control.of(Wake) == []
        running.link.send(Wake("default/a", 2.0))
        assert (await control.wait_for(Wake)).time == 2.0
