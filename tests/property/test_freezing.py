"""No request ever meets a frozen pod, whatever overtakes what: gateways with the real code, the
node's real part, a lock between them; threads and messages take their time, control and gateways
die and come back. And none is left waiting."""

import asyncio
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from utsuwa.kit.freezing import Share
from utsuwa.node.resting import Rest
from utsuwa.routing.messages import Endpoint, Resting, Woken
from utsuwa.testing.freezing import AtSomeTime, FakeBrake, FakeHold, FakeLock, opener
from utsuwa.testing.gateway import FakeNetwork, FakeTransport, Hop, one_service
from utsuwa.testing.virtual import run_virtually

GET = b"GET / HTTP/1.1\r\nHost: hello.default.example.com\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
POD = Endpoint("pod-1", "127.0.0.1", 9001, ready=True)
AFTER = 1.0
DELAYS = (0.0, 0.001, 0.01, 0.1)


@dataclass
class World:
    """One pod, its node, and gateways. Mutable state: all of it."""

    source: random.Random
    lock: FakeLock = field(default_factory=FakeLock)
    gateways: "list[Gateway]" = field(default_factory=list)
    control: "Control | None" = None
    clients: list[FakeTransport] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.brake = FakeBrake(self.watch)

    def watch(self) -> None:
        """It is about to be frozen."""
        assert not any(one.under_way for one in self.gateways), "it has a request"

    def delay(self) -> float:
        return self.source.choice(DELAYS)


class PodEnd(FakeTransport):
    """A connection to the pod, which answers each request after a while."""

    def __init__(self, world: World, gateway: "Gateway", protocol: Any) -> None:
        self._world = world
        self._gateway = gateway
        super().__init__(protocol)

    def write(self, data: bytes) -> None:
        super().write(data)
        assert not self._world.brake.down, "a request has met a frozen pod"
        self._gateway.under_way += 1
        loop = asyncio.get_running_loop()
        loop.call_later(self._world.source.choice((0.001, 0.3, 3.0)), self._answer)

    def _answer(self) -> None:
        if self._gateway.alive:
            assert not self._world.brake.down, "it was frozen with a request"
            self._gateway.under_way -= 1
            if not self.closed:
                self.feed(OK)


class Network(FakeNetwork):
    """The way to the pod."""

    def __init__(self, world: World, gateway: "Gateway") -> None:
        super().__init__()
        self._world = world
        self._gateway = gateway

    async def __call__(self, factory: Any, host: str, port: int) -> Any:
        await asyncio.sleep(self._world.delay())
        protocol = factory()
        return PodEnd(self._world, self._gateway, protocol), protocol


class Gateway(Hop):
    """One gateway process. Mutable state: `alive`; `under_way`, requests that the pod has of it and
    has not answered."""

    def __init__(self, world: World) -> None:
        super().__init__(seed=world.source.randrange(1000))
        self.alive = True
        self.under_way = 0
        self._world = world
        self.hands: list[FakeHold] = []
        self.core.connect = Network(world, self)
        self.core.hold = self._hold
        self.core.aside = AtSomeTime(world.source)
        self.core.send = self._send
        self.table.apply(one_service(POD, freeze_after=AFTER))

    def _hold(self, uid: str) -> Share:
        self.hands.append(self._world.lock.hand())
        return self.hands[-1]

    def _send(self, message: Any) -> None:
        """Over a link on which what is sent arrives in order, if control lives until then."""
        control = self._world.control
        if self.alive and control is not None:
            control.hear(message)

    def ask(self) -> None:
        client = self.client()
        self._world.clients.append(client)
        client.feed(GET)

    def serves(self, client: FakeTransport) -> bool:
        return id(client.protocol) in {id(connection) for connection in self.core.connections}

    async def die(self) -> None:
        """The kernel gives up its locks; its requests are lost with it."""
        await self.tasks.close()
        self.alive = False
        for hand in self.hands:
            hand.close()
        for revision in self.core.revisions.values():
            for pod in revision.pods.values():
                if pod.rest is not None:
                    pod.rest.leave()


@dataclass(frozen=True, eq=False)
class TheInstance:
    """The pod's only process."""

    stands: FakeBrake
    alive: bool = True

    async def brake(self) -> FakeBrake:
        return self.stands


class Control:
    """One control process: the node's part, and the link's order. Mutable state: `_inbox`."""

    def __init__(self, world: World) -> None:
        self._world = world
        instance: Any = TheInstance(world.brake)
        self.rest = Rest(
            Path("pod-1.hold"),
            lambda: [instance],
            changed=lambda: None,
            aside=AtSomeTime(world.source),
            open_hold=opener(world.lock),
        )
        self._inbox: asyncio.Queue[Any] = asyncio.Queue()
        self._task = asyncio.create_task(self._run())
        self._doing: set[asyncio.Task[None]] = set()

    def hear(self, message: Any) -> None:
        self._inbox.put_nowait(message)

    async def _run(self) -> None:
        await self.rest.adopt(shown=False)
        for gateway in self._world.gateways:
            for revision in gateway.core.revisions.values():
                revision.resend()
        while True:
            message = await self._inbox.get()
            await asyncio.sleep(self._world.delay())
            if isinstance(message, Resting):
                self._do(self.rest.rests(message.idle))
            elif isinstance(message, Woken):
                self._do(self.rest.woken(help=message.help))

    def _do(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._doing.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._doing.discard(task)
        if not task.cancelled():
            task.result()

    async def die(self) -> None:
        """Threads end with it, wherever they are."""
        tasks = [self._task, *self._doing]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["ask", "ask", "ask", "wait", "control dies", "gateway dies", "command"]),
        st.integers(0, 1),
        st.sampled_from([0.0, 0.0005, 0.005, 0.05, 0.9, 1.2, 2.0]),
    ),
    min_size=3,
    max_size=25,
)


async def history(actions: list[tuple[str, int, float]], seed: int) -> World:
    world = World(random.Random(seed))
    world.gateways = [Gateway(world), Gateway(world)]
    world.control = Control(world)
    for what, number, pause in actions:
        if what == "ask":
            world.gateways[number].ask()
        elif what == "control dies":
            if world.control is not None:
                await world.control.die()
            world.control = None if number else Control(world)
        elif what == "gateway dies":
            gone = world.gateways[number]
            await gone.die()
            world.clients = [client for client in world.clients if not gone.serves(client)]
            world.gateways[number] = Gateway(world)
        elif what == "command" and world.control is not None:
            asyncio.get_running_loop().create_task(command(world.control.rest, pause))
        await asyncio.sleep(pause)
    return world


async def command(rest: Rest, seconds: float) -> None:
    async with rest.awake():
        await asyncio.sleep(seconds)


@settings(deadline=None, max_examples=150)
@given(ACTIONS, st.integers(0, 2**16))
def test_no_request_meets_a_frozen_pod(actions: list[tuple[str, int, float]], seed: int) -> None:
    async def run() -> None:
        failures: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda loop, context: failures.append(context)
        )
        world = await history(actions, seed)
        await asyncio.sleep(10)
        assert all(client.take() == OK for client in world.clients), "a request is left"
        if world.control is None:
            world.control = Control(world)
        await asyncio.sleep(10)
        assert world.brake.down, f"nobody needs it, and it runs on: {world}"
        assert world.control.rest.frozen
        world.gateways[0].ask()
        await asyncio.sleep(4)
        assert world.clients[-1].take() == OK
        assert not failures, failures
        await world.control.die()
        for gateway in world.gateways:
            await gateway.die()

    run_virtually(run())
