"""A node agent on a cluster in memory, with a fake runtime, on virtual time."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from utsuwa.cluster.embedded import Embedded
from utsuwa.cluster.errors import NotFoundError
from utsuwa.cluster.informer import Informers
from utsuwa.cluster.port import DeleteOptions, Key
from utsuwa.kit.clock import LoopClock
from utsuwa.kit.documents import Document, dig
from utsuwa.kit.ids import Ids
from utsuwa.kit.tasks import TaskSet
from utsuwa.model.kinds import POD
from utsuwa.node.adoption import AdoptionReport
from utsuwa.node.agent import NodeAgent
from utsuwa.node.ahead import Most
from utsuwa.node.names import ServiceNames
from utsuwa.node.ports import Ports
from utsuwa.testing.cluster import memory_cluster
from utsuwa.testing.node import FakeChecks, FakeDrains, FakeEvents, FakeImages, FakeRuntime


@dataclass
class Node:
    """The node under test and what surrounds it."""

    cluster: Embedded
    clock: LoopClock
    data_dir: Path
    images: FakeImages
    runtime: FakeRuntime = field(default_factory=FakeRuntime)
    checks: FakeChecks = field(default_factory=FakeChecks)
    drains: FakeDrains = field(default_factory=FakeDrains)
    events: FakeEvents = field(default_factory=FakeEvents)
    names: ServiceNames | None = None
    deaths: list[str] = field(default_factory=list)
    most: Most = field(default_factory=Most)
    """How many containers are created ahead."""

    async def start(self) -> AdoptionReport:
        """Start an agent, as control does."""
        self.tasks = TaskSet(lambda name, error: self.deaths.append(f"{name}: {error}"))
        informers = Informers(self.cluster)
        self.agent = NodeAgent(
            self.cluster,
            informers,
            self.clock,
            Ids(random.Random(1)),
            data_dir=self.data_dir,
            images=self.images,
            drains=self.drains,
            node_name="here",
            runtime=self.runtime,
            checks=self.checks,
            ports=Ports(0),
            events=self.events,
            births=self.cluster,
            ahead=lambda: self.most,
            names=self.names,
        )
        informers.start(self.tasks)
        await informers.synced()
        return await self.agent.start(self.tasks)

    async def crash(self) -> None:
        """The agent ends without a word; what it started goes on."""
        await self.tasks.close()

    async def settle(self, seconds: float = 0.2) -> None:
        await self.clock.sleep(seconds)

    async def create(self, pod: Document) -> None:
        await self.cluster.create(pod)
        await self.settle()

    async def pod(self, name: str = "web") -> Document:
        return await self.cluster.get(POD, Key("default", name))

    async def is_gone(self, name: str = "web") -> bool:
        try:
            await self.pod(name)
        except NotFoundError:
            return True
        return False

    async def container(self, name: str = "web") -> Document:
        found: Document = (await self.pod(name))["status"]["containerStatuses"][0]
        return found

    async def condition(self, type_: str = "Ready", name: str = "web") -> Document:
        conditions = dig(await self.pod(name), "status", "conditions", default=())
        return next((c for c in conditions if c["type"] == type_), {})

    async def delete(self, name: str = "web", grace: int | None = None) -> None:
        options = DeleteOptions(grace_seconds=grace)
        await self.cluster.delete(POD, Key("default", name), options)


NodeMaker = Callable[..., AbstractAsyncContextManager[Node]]


@pytest.fixture
def a_node(tmp_path: Path) -> NodeMaker:
    """Makes a node that has been started."""

    @asynccontextmanager
    async def make(names: ServiceNames | None = None) -> AsyncIterator[Node]:
        clock = LoopClock()
        async with memory_cluster(clock) as cluster:
            node = Node(cluster, clock, tmp_path, FakeImages(tmp_path, "app:1"), names=names)
            await node.start()
            try:
                yield node
            finally:
                await node.tasks.close()
            assert node.deaths == []

    return make
