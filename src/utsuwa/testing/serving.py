"""The serving controllers over a cluster in memory, with stand-ins for what surrounds them.

The stand-ins do in one step what the workload controllers with the node, the autoscaler and the
data plane do in many: pods become ready, the autoscaler says so, the gateway acknowledges.
"""

import random
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from utsuwa.cluster.errors import NotFoundError
from utsuwa.cluster.informer import Informers
from utsuwa.cluster.port import Cluster, Key
from utsuwa.controllers.events import EventRecorder
from utsuwa.controllers.framework import Context, Controller, own_key, owner_key
from utsuwa.controllers.live_settings import LiveSettings
from utsuwa.kit.clock import Clock, LoopClock, rfc3339
from utsuwa.kit.documents import Document, copy, dig
from utsuwa.kit.ids import Ids
from utsuwa.kit.tasks import TaskSet
from utsuwa.model.conditions import finish
from utsuwa.model.images import TERMS, ImageNotFoundError, Terms, parse_reference
from utsuwa.model.kinds import CONFIG_MAP, DEPLOYMENT, INGRESS, POD_AUTOSCALER, REVISION, Kind
from utsuwa.model.lifecycle import ingress as ingress_lifecycle
from utsuwa.model.lifecycle import podautoscaler as autoscaler_lifecycle
from utsuwa.model.meta import generation_of, name_of
from utsuwa.testing.cluster import memory_cluster

DIGEST = "sha256:" + "0123456789abcdef" * 4


class FakeImages:
    """An image store that has every image, save those that a test calls `missing`."""

    def __init__(self) -> None:
        self.missing: set[str] = set()
        self.asked: list[str] = []
        self.terms: list[Terms] = []

    async def resolve(self, image: str, terms: Terms = TERMS) -> str:
        """The image by :data:`DIGEST`. Raises ImageNotFoundError."""
        self.asked.append(image)
        self.terms.append(terms)
        if image in self.missing:
            raise ImageNotFoundError(f"image {image!r} not found: build it first")
        return parse_reference(image).pinned(DIGEST)


class FakeWorkloads:
    """Pods of every Deployment are ready at once, save of those that a test calls `stuck`."""

    def __init__(self, context: Context) -> None:
        self._cluster = context.cluster
        self.stuck: set[str] = set()

    async def reconcile(self, key: Key) -> None:
        """Fill in the status of one Deployment."""
        deployment = await self._cluster.get(DEPLOYMENT, key)
        replicas = dig(deployment, "spec", "replicas", default=0)
        ready = 0 if key.name in self.stuck else replicas
        status = {
            "observedGeneration": generation_of(deployment),
            "replicas": replicas,
            "readyReplicas": ready,
            "availableReplicas": ready,
            "conditions": [
                {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}
            ],
        }
        if deployment.get("status") != status:
            await self._cluster.update_status({**deployment, "status": status})


class FakeAutoscaler:
    """Says what the Deployment says: active while it has ready pods."""

    def __init__(self, context: Context) -> None:
        self._cluster = context.cluster
        self._clock = context.clock

    async def reconcile(self, key: Key) -> None:
        """Fill in the status of one PodAutoscaler."""
        autoscaler = await self._cluster.get(POD_AUTOSCALER, key)
        target = Key(key.namespace, autoscaler["spec"]["scaleTargetRef"]["name"])
        deployment = await self._cluster.get(DEPLOYMENT, target)
        status = copy(autoscaler.get("status") or {})
        autoscaler_lifecycle.CONDITIONS.begin(status, generation_of(autoscaler))
        ready = dig(deployment, "status", "readyReplicas", default=0)
        status["serviceName"] = name_of(autoscaler)
        status["desiredScale"] = dig(deployment, "spec", "replicas", default=0)
        status["actualScale"] = ready
        if ready:
            autoscaler_lifecycle.mark_active(status)
            autoscaler_lifecycle.mark_scale_target_initialised(status)
            autoscaler_lifecycle.mark_sks_ready(status)
        elif status["desiredScale"]:
            autoscaler_lifecycle.mark_queued(status)
        else:
            autoscaler_lifecycle.mark_no_traffic(status)
        await write_status(self._cluster, self._clock, autoscaler, status)


class FakeDataplane:
    """Acknowledges every Ingress at once, unless a test sets `silent`."""

    def __init__(self, context: Context) -> None:
        self._cluster = context.cluster
        self._clock = context.clock
        self.silent = False

    async def reconcile(self, key: Key) -> None:
        """Fill in the status of one Ingress."""
        if self.silent:
            return
        ingress = await self._cluster.get(INGRESS, key)
        status = copy(ingress.get("status") or {})
        ingress_lifecycle.CONDITIONS.begin(status, generation_of(ingress))
        ingress_lifecycle.mark_network_configured(status)
        balancer = {"domainInternal": "gateway.knative-serving.svc.cluster.local"}
        ingress_lifecycle.mark_load_balancer_ready(status, [balancer], [balancer])
        await write_status(self._cluster, self._clock, ingress, status)


async def write_status(cluster: Cluster, clock: Clock, live: Document, status: Document) -> None:
    """End a stand-in's pass as a real one ends, with a write only if something changed."""
    finish(live.get("status"), status, generation=generation_of(live), now=rfc3339(clock.now()))
    if status != live.get("status"):
        await cluster.update_status({**live, "status": status})


def context_of(cluster: Cluster, clock: Clock | None = None) -> Context:
    """What controllers are given, over `cluster`, with default settings."""
    clock = clock or LoopClock()
    return Context(
        cluster=cluster,
        informers=Informers(cluster),
        clock=clock,
        ids=Ids(random.Random(1)),
        settings=LiveSettings(),
        events=EventRecorder(cluster, clock),
    )


@dataclass
class World:
    """A running set of controllers."""

    context: Context
    tasks: TaskSet
    controllers: list[Controller] = field(default_factory=list)

    @property
    def cluster(self) -> Cluster:
        """The cluster in memory."""
        return self.context.cluster

    async def get(self, kind: Kind, name: str, namespace: str = "default") -> Document:
        """The object as it is now. Raises NotFoundError."""
        return await self.cluster.get(kind, Key(namespace, name))

    async def find(self, kind: Kind, name: str, namespace: str = "default") -> Document | None:
        """The object as it is now, or None."""
        try:
            return await self.get(kind, name, namespace)
        except NotFoundError:
            return None

    async def settle(self, seconds: float = 1.0) -> None:
        """Let everybody work for so many (virtual) seconds."""
        await self.context.clock.sleep(seconds)


@asynccontextmanager
async def running(
    builds: Iterable[Callable[[Context], Controller | list[Controller]]],
    clock: Clock | None = None,
) -> AsyncIterator[World]:
    """Controllers at work over a cluster in memory; settings follow its ConfigMaps."""
    async with memory_cluster(clock=clock) as cluster:
        context = context_of(cluster, clock)
        died: list[str] = []
        tasks = TaskSet(on_death=lambda name, error: died.append(f"{name}: {error!r}"))
        world = World(context, tasks)
        for build in builds:
            built = build(context)
            world.controllers += built if isinstance(built, list) else [built]
        context.settings.follow(context.informers.of(CONFIG_MAP))
        context.informers.start(tasks)
        await context.informers.synced()
        for controller in world.controllers:
            controller.start(tasks)
        try:
            yield world
        finally:
            for controller in world.controllers:
                controller.queue.close()
            await tasks.close()
        if died:
            raise AssertionError(f"background tasks died: {died}")


def workloads(context: Context) -> Controller:
    """A controller of Deployments around :class:`FakeWorkloads`."""
    controller = Controller("fake-workloads", FakeWorkloads(context))
    controller.watch(context.informers.of(DEPLOYMENT), own_key)
    return controller


def autoscaler(context: Context) -> Controller:
    """A controller of PodAutoscalers around :class:`FakeAutoscaler`."""
    controller = Controller("fake-autoscaler", FakeAutoscaler(context))
    controller.watch(context.informers.of(POD_AUTOSCALER), own_key)
    controller.watch(context.informers.of(DEPLOYMENT), owner_key(REVISION.name))
    return controller


def dataplane(context: Context) -> Controller:
    """A controller of Ingresses around :class:`FakeDataplane`."""
    controller = Controller("fake-dataplane", FakeDataplane(context))
    controller.watch(context.informers.of(INGRESS), own_key)
    return controller
