import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from utsuwa.controllers.dataplane.link import LinkServer
from utsuwa.model.draining import Remaining
from utsuwa.routing.messages import (
    Ack,
    ColdStart,
    ColdStarts,
    Delta,
    Drained,
    Draining,
    Elsewhere,
    Leaving,
    Resting,
    RevisionStats,
    Snapshot,
    Stats,
    Wake,
    Woken,
)
from utsuwa.testing.link import FakeGateway, Sink


class World:
    def __init__(self, path: Path) -> None:
        self.sink = Sink()
        self.starts = Sink()
        self.acknowledged: list[int] = []
        self.path = path
        self.server = LinkServer(
            path,
            snapshot=lambda: Snapshot("epoch", 7, (), ()),
            sink=self.sink,
            on_acknowledged=self.acknowledged.append,
            starts=self.starts,
        )
        self.dialled: list[FakeGateway] = []

    async def dial(self, name: str = "gateway-0") -> FakeGateway:
        gateway = await FakeGateway.dial(self.path, name)
        self.dialled.append(gateway)
        return gateway

    async def settle(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path / "link.sock")
    await world.server.open()
    yield world
    for gateway in world.dialled:
        await gateway.hang_up()
    await world.server.close()


async def acknowledged(world: World, count: int) -> None:
    while len(world.acknowledged) < count:
        await asyncio.sleep(0)


async def test_a_gateway_gets_a_snapshot_and_then_what_changes(world: World) -> None:
    gateway = await world.dial()
    assert await gateway.hear() == Snapshot("epoch", 7, (), ())
    world.server.broadcast(Delta(8, removed_hosts=("a",)))
    assert await gateway.hear() == Delta(8, removed_hosts=("a",))
    assert repr(world.server) == "<LinkServer 1 gateways>"


async def test_nothing_is_acknowledged_until_every_gateway_has_it(world: World) -> None:
    assert world.server.acknowledged == -1
    first, second = await world.dial("a"), await world.dial("b")
    await first.hear()
    await second.hear()
    first.say(Ack("epoch", 7))
    await acknowledged(world, 1)
    assert world.server.acknowledged == -1
    second.say(Ack("epoch", 7))
    await acknowledged(world, 2)
    assert world.server.acknowledged == 7
    await world.server.connected()


async def test_an_acknowledgement_of_an_earlier_life_of_control_counts_for_nothing(
    world: World,
) -> None:
    gateway = await world.dial()
    await gateway.hear()
    gateway.say(Ack("older epoch", 900))
    gateway.say(Ack("epoch", 7))
    await acknowledged(world, 1)
    assert world.server.acknowledged == 7


async def test_what_a_gateway_counts_reaches_the_autoscaler(world: World) -> None:
    gateway = await world.dial()
    await gateway.hear()
    stats = Stats(5, (RevisionStats("default/a", 1.5, 3.0),))
    gateway.say(Wake("default/a", 4.5))
    gateway.say(stats)
    while len(world.sink.heard) < 2:
        await asyncio.sleep(0)
    assert world.sink.heard == [Wake("default/a", 4.5), ("gateway-0", stats)]


async def test_a_pod_is_drained_when_the_last_gateway_has_said_so(world: World) -> None:
    first, second = await world.dial("a"), await world.dial("b")
    await first.hear()
    await second.hear()
    waiting = asyncio.ensure_future(world.server.drained("pod-1"))
    first.say(Drained("default/a", "pod-1"))
    await world.settle()
    assert not waiting.done()
    second.say(Drained("default/a", "pod-1"))
    await waiting


async def test_what_several_gateways_have_left_adds_up(world: World) -> None:
    """Whoever waits hears each change; one that begins late hears what is known."""
    first, second = await world.dial("a"), await world.dial("b")
    await first.hear()
    await second.hear()
    first.say(Draining("default/a", "pod-1", 2, 1, 60.0))
    await world.settle()
    heard: list[Remaining] = []
    waiting = asyncio.ensure_future(world.server.drained("pod-1", heard.append))
    await world.settle()
    second.say(Draining("default/a", "pod-1", 1, 1, 60.0))
    await world.settle()
    first.say(Drained("default/a", "pod-1"))
    await world.settle()
    await second.hang_up()
    await waiting
    assert heard == [Remaining(2, 1, 60.0), Remaining(3, 2, 60.0), Remaining(1, 1, 60.0)]


async def test_a_gateway_that_is_gone_has_no_requests_left(world: World) -> None:
    gateway = await world.dial()
    await gateway.hear()
    waiting = asyncio.ensure_future(world.server.drained("pod-1"))
    await world.settle()
    assert not waiting.done()
    await gateway.hang_up()
    await waiting
    await world.server.drained("pod-2")


async def test_a_gateway_that_speaks_nonsense_is_hung_up_on(world: World) -> None:
    gateway = await world.dial()
    await gateway.hear()
    gateway.babble()
    assert await gateway.hear() is None


async def test_a_second_gateway_gets_no_slot_before_the_first_leaves_and_then_what_it_has_not(
    world: World,
) -> None:
    """A hard limit holds for both together, while one replaces the other."""
    first = await world.dial("gateway-0-1")
    await first.hear()
    second = await world.dial("gateway-0-2")
    assert await second.hear() == Elsewhere(all=True)
    assert isinstance(await second.hear(), Snapshot)
    first.say(Leaving((("pod-1", 2), ("pod-2", 1))))
    assert await second.hear() == Elsewhere((("pod-1", 2), ("pod-2", 1)))
    first.say(Leaving((("pod-1", 1),)))
    assert await second.hear() == Elsewhere((("pod-1", 1),))
    await first.hang_up()
    assert await second.hear() == Elsewhere()


async def test_one_that_leaves_counts_whichever_finds_a_new_control_first(world: World) -> None:
    second = await world.dial("gateway-0-2")
    await second.hear()
    first = await world.dial("gateway-0-1")
    first.say(Leaving((("pod-1", 2),)))
    assert await second.hear() == Elsewhere((("pod-1", 2),))


async def test_several_that_leave_hold_together(world: World) -> None:
    gateways = []
    for number in range(3):
        gateways.append(await world.dial(f"gateway-0-{number}"))
        while not isinstance(await gateways[-1].hear(), Snapshot):
            pass
    gateways[0].say(Leaving((("pod-1", 2),)))
    await world.settle()
    assert await gateways[1].hear() == Elsewhere((("pod-1", 2),))
    gateways[1].say(Leaving((("pod-1", 1),)))
    heard = [await gateways[2].hear() for _ in range(2)]
    assert heard == [Elsewhere((("pod-1", 2),), all=True), Elsewhere((("pod-1", 3),))]


async def test_cold_starts_go_to_whoever_wants_them(world: World) -> None:
    """And to nobody else."""
    gateway = await world.dial()
    await gateway.hear()
    told = ColdStarts((ColdStart("default/a", "pod-1", 4.0, first_byte=4.5),))
    gateway.say(told)
    await world.settle()
    assert world.starts.heard == [told]
    assert world.sink.heard == []


class Rests:
    """Keeps what the node is told."""

    def __init__(self) -> None:
        self.heard: list[tuple[object, ...]] = []

    def rests(self, uid: str, idle: float) -> None:
        """As the port."""
        self.heard.append((uid, idle))

    def woken(self, uid: str, *, help: bool) -> None:  # noqa: A002  (as the port)
        """As the port."""
        self.heard.append((uid, help))


async def test_the_node_hears_which_pods_rest(world: World) -> None:
    """And nothing is lost where nobody freezes pods."""
    gateway = await world.dial()
    await gateway.hear()
    gateway.say(Resting("default/a", "pod-1", 30.0))
    await world.settle()
    rests = world.server.rests = Rests()
    gateway.say(Resting("default/a", "pod-1", 30.0))
    gateway.say(Woken("default/a", "pod-1", help=True))
    while len(rests.heard) < 2:
        await asyncio.sleep(0)
    assert rests.heard[-2:] == [("pod-1", 30.0), ("pod-1", True)]
