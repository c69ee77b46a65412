"""The whole control plane on virtual time: the real controllers over a cluster in memory, with a
node that runs no process and a gateway that is none.

    async with whole() as world:
        await world.user.apply(service)
        await world.settle(10)
        await world.restart()

What survives a restart of control survives here: the objects, the pods, the gateway.
"""

import asyncio
import math
import random
import tempfile
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

from utsuwa.cluster.embedded import Embedded
from utsuwa.cluster.informer import Informers, key_of
from utsuwa.cluster.port import DeleteOptions, Key, Propagation
from utsuwa.controllers import (
    configuration,
    domainmapping,
    garbage,
    labeler,
    podautoscaler,
    revision,
    revision_gc,
    route,
    serverlessservice,
    service,
    workloads,
)
from utsuwa.controllers.dataplane import DataPlane
from utsuwa.controllers.events import EventRecorder
from utsuwa.controllers.framework import Context, Controller
from utsuwa.controllers.live_settings import LiveSettings
from utsuwa.controllers.podautoscaler import HorizontalHistory, Scaler
from utsuwa.kit.clock import LoopClock
from utsuwa.kit.documents import Document, copy
from utsuwa.kit.framing import FrameDecoder, encode_frame
from utsuwa.kit.ids import Ids
from utsuwa.kit.tasks import TaskSet
from utsuwa.model.admission import Denied, Request, admit
from utsuwa.model.images import TERMS, ImageNotFoundError, Terms, parse_reference
from utsuwa.model.kinds import CONFIG_MAP, KINDS, Kind, kind_of
from utsuwa.model.settings import Settings
from utsuwa.routing.messages import (
    Ack,
    Delta,
    Drained,
    Elsewhere,
    Hello,
    HostTable,
    RevisionStats,
    RevisionTable,
    Snapshot,
    Stats,
    ToControl,
    Wake,
    to_gateway,
)
from utsuwa.testing.cluster import memory_cluster
from utsuwa.testing.pods import FakeNode
from utsuwa.testing.serving import DIGEST
from utsuwa.testing.unreliable import UnreliableCluster

SYSTEM = "knative-serving"
DIAL = 0.05
"""Seconds after which a gateway dials again."""
LATENCY = 0.001
"""Seconds that a word takes over the link."""


class Images:
    """A store of images. Mutable state: `missing`, the repositories that are not there now."""

    def __init__(self) -> None:
        self.missing: set[str] = set()

    async def resolve(self, image: str, terms: Terms = TERMS) -> str:
        """Raises ImageNotFoundError for what is missing."""
        reference = parse_reference(image)
        if reference.repository in self.missing:
            raise ImageNotFoundError(f"image {image!r} not found: build it first")
        return reference.pinned(DIGEST)


class _Wire(asyncio.Transport):
    """Control's end of the link: what it writes reaches the gateway a little later."""

    def __init__(self, gateway: "Gateway") -> None:
        super().__init__()
        self._gateway = gateway
        self._under_way: deque[bytes] = deque()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._under_way.append(bytes(data))
        asyncio.get_running_loop().call_later(LATENCY, self._arrive)

    def _arrive(self) -> None:
        """Timers of one moment fire in any order; words do not overtake one another."""
        self._gateway.heard(self, self._under_way.popleft())

    def close(self) -> None:
        self._gateway.lost(self)


class Gateway:
    """Keeps the table, acknowledges each version, and has no request left anywhere.

    Mutable state: `hosts` and `revisions`, the table in force; `_wire` and `_control`, the link.
    """

    def __init__(self, clock: LoopClock) -> None:
        self._clock = clock
        self._frames = FrameDecoder()
        self._wire: _Wire | None = None
        self._control: asyncio.Protocol | None = None
        self._epoch = ""
        self._said: deque[tuple[asyncio.Protocol, bytes]] = deque()
        self.hosts: dict[str, HostTable] = {}
        self.revisions: dict[str, RevisionTable] = {}

    def __repr__(self) -> str:
        return f"<Gateway {len(self.hosts)} hosts, linked: {self._wire is not None}>"

    def dial(self, dataplane: DataPlane) -> None:
        """Connect to control."""
        self._wire, self._frames = _Wire(self), FrameDecoder()
        self._control = dataplane.link.connection()
        self._control.connection_made(self._wire)
        self._say(Hello("gateway-0"))

    def hang_up(self) -> None:
        """Break the link; the table stays in force."""
        control, self._wire, self._control = self._control, None, None
        if control is not None:
            control.connection_lost(None)

    def wake(self, name: str) -> None:
        """A request came for the revision `namespace/name`, and went again within the second."""
        now = self._clock.now()
        self._say(Wake(name, now))
        left = math.floor(now) + 2 + LATENCY - now
        asyncio.get_running_loop().call_later(left, self._idle, name, math.floor(now) + 1)

    def _idle(self, name: str, second: int) -> None:
        self._say(Stats(second, (RevisionStats(name, 0.0, 0.0),)))

    def lost(self, wire: _Wire) -> None:
        """Control hung up."""
        if wire is self._wire:
            self.hang_up()

    def heard(self, wire: _Wire, data: bytes) -> None:
        """Bytes of control; those of a link that was broken meanwhile are lost."""
        if wire is self._wire:
            for body in self._frames.feed(data):
                self._apply(to_gateway.decode(body))

    def _apply(self, message: Snapshot | Delta | Elsewhere) -> None:
        if isinstance(message, Elsewhere):
            return
        if isinstance(message, Snapshot):
            self._epoch = message.epoch
            self.hosts.clear()
            self.revisions.clear()
        else:
            for host in message.removed_hosts:
                self.hosts.pop(host, None)
            for name in message.removed_revisions:
                self.revisions.pop(name, None)
        self.hosts.update({table.host: table for table in message.hosts})
        self.revisions.update({table.name: table for table in message.revisions})
        for table in message.revisions:
            for endpoint in table.endpoints:
                if endpoint.draining:
                    self._say(Drained(table.name, endpoint.uid))
        self._say(Ack(self._epoch, message.version))

    def _say(self, message: ToControl) -> None:
        if self._control is not None:
            self._said.append((self._control, encode_frame(message)))
            asyncio.get_running_loop().call_later(LATENCY, self._deliver)

    def _deliver(self) -> None:
        control, frame = self._said.popleft()
        if control is self._control:
            control.data_received(frame)


class User:
    """Writes through admission, as clients of the API server do."""

    def __init__(self, cluster: Embedded) -> None:
        self._cluster = cluster

    async def settings(self) -> Settings:
        """The operator's settings as they are stored."""
        maps = (await self._cluster.list(CONFIG_MAP, SYSTEM)).items
        return Settings.parse({one["metadata"]["name"]: one.get("data") or {} for one in maps})

    async def apply(self, document: Document) -> bool:
        """Create or replace `document`; False where admission denies it."""
        kind, key = kind_of(document), key_of(document)
        known = await self._cluster.list(kind, key.namespace)
        old = next((one for one in known.items if key_of(one) == key), None)
        wanted = copy(document)
        if old is not None:
            kept = {**old["metadata"], "labels": {}, "annotations": {}}
            wanted["metadata"] = {**kept, **wanted["metadata"]}
            if "status" in old:
                wanted["status"] = copy(old["status"])
        verb: Literal["CREATE", "UPDATE"] = "CREATE" if old is None else "UPDATE"
        request = Request(kind, verb, wanted, old=old, user="alice")
        try:
            admitted = admit(request, await self.settings())
        except Denied:
            return False
        if old is None:
            await self._cluster.create(admitted.document)
        else:
            await self._cluster.update(admitted.document)
        return True

    async def delete(
        self, kind: Kind, key: Key, propagation: Propagation = Propagation.BACKGROUND
    ) -> None:
        """Delete it. Raises NotFoundError."""
        await self._cluster.delete(kind, key, DeleteOptions(propagation=propagation))


class World:
    """Control, node, gateway and user, all over one cluster.

    Mutable state: the running control (`tasks`, `scaler`, `dataplane`), replaced by a restart.
    """

    def __init__(self, cluster: Embedded, directory: Path, source: random.Random) -> None:
        self.cluster = cluster
        self.clock = LoopClock()
        self.images = Images()
        self.user = User(cluster)
        self.line = UnreliableCluster(cluster, self.clock, source)
        self.gateway = Gateway(self.clock)
        self._random = source
        self._directory = directory
        self._died: list[str] = []
        self._around = TaskSet(self._on_death)
        informers = Informers(cluster)
        self.node = FakeNode(cluster, informers, self.clock)
        self._node_informers = informers
        self._tasks: TaskSet | None = None
        self._controllers: list[Controller] = []
        self._dataplane: DataPlane | None = None

    def __repr__(self) -> str:
        return f"<World at {self.clock.monotonic():.3f} s, control up: {self._tasks is not None}>"

    async def open(self) -> None:
        """Start the node, then control."""
        self._node_informers.start(self._around)
        await self._node_informers.synced()
        self.node.start(self._around)
        await self.start()

    async def start(self) -> None:
        """Start control as `app.plane` does."""
        context = Context(
            cluster=self.line,
            informers=Informers(self.line),
            clock=self.clock,
            ids=Ids(self._random),
            settings=LiveSettings(),
            events=EventRecorder(self.line, self.clock),
        )
        self._tasks = TaskSet(self._on_death)
        scaler = Scaler(context)
        dataplane = DataPlane(
            context, socket=self._directory / "link", sink=scaler, address="127.0.0.1"
        )
        context.informers.start(self._tasks)
        await context.informers.synced()
        context.settings.follow(context.informers.of(CONFIG_MAP))
        for kind in KINDS:
            context.informers.of(kind)
        await context.informers.synced()
        self._controllers = self._build(context, scaler)
        await dataplane.start(self._tasks)
        scaler.start(self._tasks)
        for controller in self._controllers:
            controller.start(self._tasks)
        self._dataplane = dataplane
        await self.clock.sleep(DIAL)
        self.gateway.dial(dataplane)

    async def stop(self) -> None:
        """End control in the middle of whatever it does."""
        self.gateway.hang_up()
        for controller in self._controllers:
            controller.queue.close()
        if self._dataplane is not None:
            self._dataplane.controller.queue.close()
            await self._dataplane.link.close()
        if self._tasks is not None:
            await self._tasks.close()
        self._tasks = None
        self._controllers = []

    async def restart(self) -> None:
        """End control and start it anew."""
        await self.stop()
        await self.start()

    async def reconnect(self) -> None:
        """The gateway loses the link, and dials again."""
        self.gateway.hang_up()
        await self.clock.sleep(DIAL)
        if self._dataplane is not None:
            self.gateway.dial(self._dataplane)

    async def close(self) -> None:
        """End everything. Raises AssertionError if a background task died."""
        await self.stop()
        await self._around.close()
        if self._died:
            raise AssertionError(f"background tasks died: {self._died}")

    async def settle(self, seconds: float) -> None:
        """Let everybody work for so many (virtual) seconds."""
        await self.clock.sleep(seconds)

    def _build(self, context: Context, scaler: Scaler) -> list[Controller]:
        return [
            *workloads.build(context, None, scaler.leave_zero_by),
            service.build(context),
            configuration.build(context),
            revision.build(context, self.images),
            route.build(context, port=8080),
            domainmapping.build(context, port=8080),
            labeler.build(context),
            revision_gc.build(context),
            podautoscaler.build(context, scaler),
            podautoscaler.build_hpa(context, None, HorizontalHistory()),
            serverlessservice.build(context, address="127.0.0.1", port=8080),
            *garbage.build(context),
        ]

    def _on_death(self, name: str, error: BaseException | None) -> None:
        self._died.append(f"{name}: {error!r}")


@asynccontextmanager
async def whole(seed: int = 1) -> AsyncIterator[World]:
    """A world in which nothing has happened yet. Run it on virtual time."""
    source = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="utsuwa-whole-") as directory:
        async with memory_cluster(ids=Ids(source)) as cluster:
            world = World(cluster, Path(directory), source)
            await world.open()
            try:
                yield world
            finally:
                await world.close()
