"""The autoscaler in a small world on virtual time: pods that take a while to start, a gateway that
tells exact figures, and one revision to load.

    async with autoscaling(revision("web", concurrency=80)) as world:
        world.load("web", 500)
        await world.run(20)
        assert world.replicas("web") == 9
"""

import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple

from utsuwa.autoscale.request_stats import ActivatorStats, Ticket
from utsuwa.cluster.errors import NotFoundError
from utsuwa.cluster.port import DeleteOptions, Key
from utsuwa.controllers.framework import Context, Controller, own_key, owner_key
from utsuwa.controllers.podautoscaler import HorizontalHistory, PodUse, Scaler, build, build_hpa
from utsuwa.kit.clock import LoopClock
from utsuwa.kit.documents import Document, copy, dig
from utsuwa.model import labels
from utsuwa.model.autoscaling_annotations import GROUP
from utsuwa.model.kinds import (
    CONFIG_MAP,
    DEPLOYMENT,
    POD,
    POD_AUTOSCALER,
    REVISION,
    SERVERLESS_SERVICE,
)
from utsuwa.model.lifecycle import serverlessservice
from utsuwa.model.meta import generation_of, name_of, owner_reference
from utsuwa.routing.messages import RevisionStats, Stats, Wake
from utsuwa.testing.serving import World as ControllerWorld
from utsuwa.testing.serving import running, write_status

NAMESPACE = "default"
AFTER_SECOND = 0.002
"""Seconds after the end of a second at which its figures are told."""


class Revision(NamedTuple):
    """What is to be scaled: a PodAutoscaler and its Deployment."""

    autoscaler: Document
    deployment: Document


def revision(
    name: str,
    *,
    concurrency: int = 0,
    annotations: Mapping[str, str] | None = None,
    reachability: str = "Reachable",
    replicas: int = 1,
) -> Revision:
    """A revision as its reconciler makes it; keys of `annotations` without their prefix."""
    spec: Document = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": f"{name}-d"},
        "protocolType": "http1",
        "containerConcurrency": concurrency,
        "reachability": reachability,
    }
    autoscaler = POD_AUTOSCALER.document(NAMESPACE, name, spec=spec)
    full = {f"{GROUP}/{key}": value for key, value in (annotations or {}).items()}
    autoscaler["metadata"]["annotations"] = full
    autoscaler["metadata"]["labels"] = {labels.REVISION: name}
    deployment = DEPLOYMENT.document(NAMESPACE, f"{name}-d", spec={"replicas": replicas})
    deployment["metadata"]["labels"] = {labels.REVISION: name}
    owner = {"apiVersion": REVISION.api_version, "kind": REVISION.name, "name": name, "uid": name}
    deployment["metadata"]["ownerReferences"] = [{**owner, "controller": True}]
    return Revision(autoscaler, deployment)


class FakePods:
    """Makes every Deployment's pods; each becomes ready `start` seconds after it was made."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.start = 4.0
        self._made = 0

    async def reconcile(self, key: Key) -> float | None:
        """One pass over one Deployment."""
        cluster = self._context.cluster
        try:
            deployment = await cluster.get(DEPLOYMENT, key)
        except NotFoundError:
            return None
        name = deployment["metadata"]["labels"][labels.REVISION]
        listed = await cluster.list(POD, key.namespace, labels={labels.REVISION: name})
        pods = sorted(listed.items, key=name_of)
        wanted = dig(deployment, "spec", "replicas", default=1)
        for pod in pods[wanted:]:
            gone = DeleteOptions(grace_seconds=0)
            await cluster.delete(POD, Key(key.namespace, name_of(pod)), gone)
        for _ in range(wanted - len(pods)):
            await self._make(deployment, name)
        return await self._start_due(pods[:wanted])

    async def _make(self, deployment: Document, name: str) -> None:
        self._made += 1
        pod = POD.document(NAMESPACE, f"{name}-{self._made:05d}", spec={"containers": []})
        pod["metadata"]["labels"] = {labels.REVISION: name}
        pod["metadata"]["ownerReferences"] = [owner_reference(deployment)]
        pod["metadata"]["annotations"] = {"made": repr(self._context.clock.now())}
        created = await self._context.cluster.create(pod)
        await self._context.cluster.update_status({**created, "status": {"phase": "Pending"}})

    async def _start_due(self, pods: list[Document]) -> float | None:
        now = self._context.clock.now()
        left: list[float] = []
        for pod in pods:
            due = float(pod["metadata"]["annotations"]["made"]) + self.start
            if dig(pod, "status", "phase") == "Running":
                continue
            if due > now:
                left.append(due - now)
                continue
            ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
            await self._context.cluster.update_status({**pod, "status": ready})
        return min(left, default=None)


class FakeServerlessServices:
    """Gives every ServerlessService its names, and endpoints when pods are ready."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def reconcile(self, key: Key) -> None:
        """One pass over one ServerlessService."""
        context = self._context
        sks = await context.cluster.get(SERVERLESS_SERVICE, key)
        status = copy(sks.get("status") or {})
        serverlessservice.CONDITIONS.begin(status, generation_of(sks))
        status["serviceName"] = key.name
        status["privateServiceName"] = f"{key.name}-private"
        serverlessservice.mark_activator_endpoints_populated(status)
        pods = await context.cluster.list(POD, key.namespace, labels={labels.REVISION: key.name})
        if any(dig(pod, "status", "phase") == "Running" for pod in pods.items):
            serverlessservice.mark_endpoints_ready(status)
        else:
            serverlessservice.mark_endpoints_not_ready(status)
        await write_status(context.cluster, context.clock, sks, status)


class FakeGateway:
    """Tells the figures of clients that always have the same number of requests open.

    Mutable state: `_open` requests of each revision, of them `waiting` and `tunnels` as a test says.
    """

    def __init__(self, scaler: Scaler, clock: LoopClock) -> None:
        self._scaler = scaler
        self._clock = clock
        self._stats = ActivatorStats()
        self._open: dict[str, list[Ticket]] = {}
        self.waiting: dict[str, int] = {}
        self.tunnels: dict[str, int] = {}
        self.silent = False
        """Nothing is told, as when the link is lost."""

    def set_open(self, name: str, requests: int) -> None:
        """From now on `requests` are open on the revision."""
        now = self._clock.now()
        tickets = self._open.setdefault(name, [])
        while len(tickets) > requests:
            self._stats.leave(tickets.pop(), now)
        while len(tickets) < requests:
            ticket, told = self._stats.arrive(name, now)
            tickets.append(ticket)
            if told is not None and not self.silent:
                wake = Wake(f"{NAMESPACE}/{name}", now, path="/", client="test")
                self._scaler.wake(wake)

    async def tell_forever(self) -> None:
        """Tell each second's figures just after it has ended."""
        while True:
            second = math.floor(self._clock.now())
            await self._clock.sleep(second + 1 - self._clock.now())
            figures = tuple(
                RevisionStats(
                    f"{NAMESPACE}/{stat.revision}",
                    stat.concurrency,
                    stat.requests,
                    waiting=self.waiting.get(stat.revision, 0),
                    tunnels=self.tunnels.get(stat.revision, 0),
                )
                for stat in self._stats.report(second + 1.0)
            )
            await self._clock.sleep(AFTER_SECOND)
            if figures and not self.silent:
                self._scaler.stats("gateway-0", Stats(second, figures))


class FakeUsage:
    """Every pod uses the same, as a test says."""

    def __init__(self) -> None:
        self.use: PodUse | None = None

    def usage(self, uid: str) -> PodUse | None:
        """The use of any pod."""
        return self.use if uid else None


class World:
    """The autoscaler at work."""

    def __init__(self, controllers: ControllerWorld, scaler: Scaler, clock: LoopClock) -> None:
        self.controllers = controllers
        self.scaler = scaler
        self.clock = clock
        self.gateway = FakeGateway(scaler, clock)
        self.pods = FakePods(controllers.context)
        self.usage = FakeUsage()
        self.horizontal = HorizontalHistory()

    async def add(self, new: Revision) -> None:
        """Create a revision's objects."""
        await self.controllers.cluster.create(new.deployment)
        await self.controllers.cluster.create(new.autoscaler)

    def load(self, name: str, requests: int) -> None:
        """From now on that many requests are open at any time."""
        self.gateway.set_open(name, requests)

    async def run(self, seconds: float) -> None:
        """Let (virtual) time pass."""
        await self.clock.sleep(seconds)

    def replicas(self, name: str) -> int:
        """What the Deployment asks for."""
        informer = self.controllers.context.informers.of(DEPLOYMENT)
        found: int = dig(informer.get(Key(NAMESPACE, f"{name}-d")), "spec", "replicas", default=1)
        return found

    def ready(self, name: str) -> int:
        """Ready pods."""
        return self.scaler.counts(Key(NAMESPACE, name)).ready

    def status(self, name: str) -> Document:
        """The PodAutoscaler's status."""
        found = self.controllers.context.informers.of(POD_AUTOSCALER).get(Key(NAMESPACE, name))
        return dict(dig(found, "status", default={}))

    def condition(self, name: str, type_: str) -> str:
        """`True`, `False(Reason)` or `Unknown(Reason)`."""
        for entry in self.status(name).get("conditions", ()):
            if entry["type"] == type_:
                reason = entry.get("reason")
                return f"{entry['status']}({reason})" if reason else str(entry["status"])
        return ""

    async def configure(self, **data: str) -> None:
        """Write `config-autoscaler`; keys with `_` for `-`."""
        values = {key.replace("_", "-"): value for key, value in data.items()}
        cluster = self.controllers.cluster
        key = Key("knative-serving", "config-autoscaler")
        try:
            present = await cluster.get(CONFIG_MAP, key)
        except NotFoundError:
            await cluster.create(CONFIG_MAP.document(key.namespace, key.name, data=values))
        else:
            await cluster.update({**present, "data": values})


@asynccontextmanager
async def autoscaling(*revisions: Revision, **config: str) -> AsyncIterator[World]:
    """The autoscaler over a cluster in memory with `revisions`; `config` is `config-autoscaler`."""
    clock = LoopClock()
    made: list[World] = []

    def everything(context: Context) -> list[Controller]:
        scaler = Scaler(context)
        world = World(ControllerWorld(context, None), scaler, clock)  # type: ignore[arg-type]  # tasks come with `running`
        made.append(world)
        informers = context.informers
        pods = Controller("fake-pods", world.pods)
        pods.watch(informers.of(DEPLOYMENT), own_key)
        pods.watch(informers.of(POD), owner_key(DEPLOYMENT.name))
        services = Controller("fake-serverlessservices", FakeServerlessServices(context))
        services.watch(informers.of(SERVERLESS_SERVICE), own_key)
        services.watch(informers.of(POD), _serverless_service_of)
        hpa = build_hpa(context, world.usage, world.horizontal)
        return [build(context, scaler), hpa, pods, services]

    async with running([everything], clock) as controllers:
        world = made[0]
        world.controllers = controllers
        if config:
            await world.configure(**config)
        world.scaler.start(controllers.tasks)
        controllers.tasks.spawn(world.gateway.tell_forever(), name="fake gateway")
        for new in revisions:
            await world.add(new)
        yield world


def _serverless_service_of(pod: Document) -> tuple[Key, ...]:
    return (Key(NAMESPACE, pod["metadata"]["labels"][labels.REVISION]),)
