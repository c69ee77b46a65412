"""The node agent: binds Pods, runs them, tells how they are, ends them, and finds them again.

One worker a Pod: ordered within a Pod, parallel across Pods. A start compares three worlds, the
objects, our records and the live processes (:mod:`utsuwa.node.adoption`).
"""

import asyncio
import contextlib
import socket
import zlib
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from utsuwa.cluster.errors import AlreadyExistsError, ConflictError, NotFoundError
from utsuwa.cluster.informer import Informers, key_of
from utsuwa.cluster.port import Cluster, DeleteOptions, Key, Preconditions
from utsuwa.kit.clock import Clock
from utsuwa.kit.documents import Document, dig
from utsuwa.kit.ids import Ids
from utsuwa.kit.log import get_logger
from utsuwa.kit.tasks import TaskSet
from utsuwa.model.kinds import NODE, POD
from utsuwa.model.labels import MIRROR
from utsuwa.model.settings.log_bounds import LogBounds
from utsuwa.model.usage import PodUse
from utsuwa.node.access import Access
from utsuwa.node.adoption import Adoption, AdoptionReport, plan_adoption
from utsuwa.node.ahead import Ahead, Births, Most
from utsuwa.node.checks import NetworkChecks
from utsuwa.node.drains import Drains
from utsuwa.node.evicting import evict_for_ever
from utsuwa.node.launching import Services
from utsuwa.node.log_keeping import Keeper
from utsuwa.node.logs import PodLogs
from utsuwa.node.meter import MachineMeter, Meter
from utsuwa.node.names import ServiceNames
from utsuwa.node.node_object import node_document
from utsuwa.node.packages import Images
from utsuwa.node.pods import host_port, serving_image, shortage
from utsuwa.node.ports import NoPortError, Ports
from utsuwa.node.probes import Checks
from utsuwa.node.pulling import Events
from utsuwa.node.records import Records
from utsuwa.node.resting import Rest
from utsuwa.node.runtime import Instance, Runtime
from utsuwa.node.status import ADDRESS, unschedulable
from utsuwa.node.volumes import Tokens, Volumes
from utsuwa.node.worker import PodWorker, Site

_log = get_logger(__name__)

SAMPLE = 0.5
"""Seconds between two readings where nothing was known beforehand."""
STOP_PATIENCE = 4.0
"""Seconds in which :meth:`NodeAgent.stop` is done, come what may."""


def default_node_name() -> str:
    """The machine's name as a label value."""
    return socket.gethostname().lower().split(".")[0] or "localhost"


class NodeAgent:
    """Runs the Pods of one machine.

    Mutable state: `_workers` by uid of their Pod, changed on the loop alone.
    """

    def __init__(  # noqa: PLR0913  (each one is a collaborator, and all but four go by name)
        self,
        cluster: Cluster,
        informers: Informers,
        clock: Clock,
        ids: Ids,
        *,
        data_dir: Path,
        images: Images,
        drains: Drains,
        node_name: str,
        runtime: Runtime,
        address: str = ADDRESS,
        checks: Checks | None = None,
        ports: Ports | None = None,
        tokens: Tokens | None = None,
        events: Events | None = None,
        names: ServiceNames | None = None,
        log_bounds: Callable[[], LogBounds] = LogBounds,
        births: Births | None = None,
        ahead: Callable[[], Most] = Most,
    ) -> None:
        """`log_bounds`: how much of logs is kept, as it is set now; `ahead`: how many containers
        are created ahead, for Pods made by `births`."""
        self._cluster = cluster
        self._pods = informers.of(POD)
        self._clock = clock
        self._ids = ids
        self._images = images
        self._node_name = node_name
        self._address = address
        self._runtime = runtime
        self._workers: dict[str, PodWorker] = {}
        root = data_dir / "logs"
        self._logs = PodLogs(root, Keeper(root, self._workers.keys, log_bounds))
        self._records = Records(data_dir / "pods")
        start = zlib.crc32(str(data_dir.resolve()).encode())
        self._ports = ports if ports is not None else Ports(start)
        services = Services(
            cluster=cluster,
            clock=clock,
            images=images,
            runtime=runtime,
            checks=checks if checks is not None else NetworkChecks(),
            logs=self._logs,
            volumes=Volumes(cluster, clock, data_dir / "volumes", tokens),
            events=events,
            names=names if names is not None else ServiceNames(data_dir / "hosts"),
        )
        self.ahead = Ahead(services, self._records, births, ids, self._ports, most=ahead)
        """Who makes Pods for controllers."""
        self._volumes, self._names = services.volumes, services.names
        self._informers = informers
        self._site = Site(services, self._records, drains, node_name)
        self._meter = Meter(clock)
        self._machine = MachineMeter(clock)
        self._allocatable: dict[str, str] = {}
        self._ended: set[str] = set()
        self.access = Access(self, self._logs, clock)
        """For `kubectl exec`, `attach` and `port-forward`."""
        self._tasks: TaskSet | None = None
        self._stopping = False

    def __repr__(self) -> str:
        return f"<NodeAgent {self._node_name}: {len(self._workers)} pods, {self._ports!r}>"

    # --- lifecycle --------------------------------------------------------------------------------

    async def start(self, tasks: TaskSet) -> AdoptionReport:
        """Register the node, adopt what still runs, then follow the Pods. The informer of Pods
        must be synced."""
        self._tasks = tasks
        self._logs.open()
        await self._register()
        report = await self._adopt()
        self._logs.start(self._clock, tasks)
        self._pods.on_change(self._changed)
        self._volumes.follow(self._informers, tasks)
        self.ahead.start(self._informers, tasks)
        self._names.follow(self._informers, tasks, self._clock)
        tasks.start(evict_for_ever(self._clock, self._workers.values), name="limits of volumes")
        if report.any:
            _log.info(
                "pods found from before",
                adopted=report.adopted,
                replaced=report.replaced,
                removed=report.removed,
            )
        return report

    async def stop(self) -> None:
        """End every container in order, for the end of the node. Pods that somebody would make
        anew are removed; the others are run again by the next start."""
        self._stopping = True
        await self.ahead.stop()
        workers = list(self._workers.values())
        for worker in workers:
            worker.shut_down()
        deadline = self._clock.monotonic() + STOP_PATIENCE
        while self._workers and self._clock.monotonic() < deadline:
            await self._clock.sleep(0.01)
        if self._workers:
            _log.warning("pods did not end in time", pods=len(self._workers))
            await asyncio.gather(*(self._runtime.sweep(uid) for uid in list(self._workers)))

    def uids(self) -> frozenset[str]:
        """Of the Pods that are here."""
        return frozenset(self._workers)

    def log_path(self, pod: Document, container: str, previous: bool) -> Path | None:
        """The file with the output of `container`: of its present life, or (`previous`) of the
        one before. None where there was none."""
        return self._logs.path(pod, container, previous=previous)

    def instance(self, uid: str, container: str) -> Instance | None:
        """The process of a container of the Pod `uid`, while it runs."""
        worker = self._workers.get(uid)
        found = None if worker is None else worker.instance(container)
        return found if found is not None and found.alive else None

    def rest(self, uid: str) -> Rest | None:
        """Whether the Pod `uid` is frozen, and who keeps it from that."""
        worker = self._workers.get(uid)
        return None if worker is None else worker.rest

    def rests(self, uid: str, idle: float) -> None:
        """A gateway has not needed the Pod `uid` for so many seconds, and will wake it first."""
        if (rest := self.rest(uid)) is not None:
            self._do(rest.rests(idle), f"freeze {uid}")

    def woken(self, uid: str, *, help: bool) -> None:  # noqa: A002  (as the message has it)
        """A gateway needs the Pod `uid`; it has thawed it, unless it wants `help`."""
        if (rest := self.rest(uid)) is not None:
            self._do(rest.woken(help=help), f"thaw {uid}")

    def _do(self, work: Coroutine[Any, Any, None], name: str) -> None:
        if self._tasks is not None:
            self._tasks.start(work, name=name)

    # --- what is used -----------------------------------------------------------------------------

    def usage(self, uid: str) -> PodUse | None:
        """What the Pod `uid` uses, on average since an earlier question; None where it has no
        process. Costs nothing until somebody asks."""
        worker = self._workers.get(uid)
        return None if worker is None else self._meter.use(uid, worker.readings())

    async def measured(self, uids: Sequence[str]) -> dict[str, PodUse]:
        """What each of these Pods uses, by uid. Takes half a second where nobody asked lately."""
        found = {uid: self.usage(uid) for uid in uids}
        if any(use is not None and use.cores is None for use in found.values()):
            await self._clock.sleep(SAMPLE)
            found = {uid: self.usage(uid) for uid in uids}
        return {uid: use for uid, use in found.items() if use is not None}

    async def machine(self, name: str) -> PodUse | None:
        """What the machine uses, all of it; None for a Node that is not ours."""
        if name != self._node_name:
            return None
        found = self._machine.use()
        if found.cores is None:
            await self._clock.sleep(SAMPLE)
            found = self._machine.use()
        return found

    async def _register(self) -> None:
        now = self._clock.now()
        document = node_document(self._node_name, self._address, self._runtime.version, now)
        with contextlib.suppress(AlreadyExistsError):
            await self._cluster.create(document)
        self._allocatable = document["status"]["allocatable"]
        key = Key("", self._node_name)
        await self._cluster.merge(NODE, key, {"status": document["status"]}, subresource="status")

    async def _adopt(self) -> AdoptionReport:
        listed = await self._cluster.list(POD)
        plan = plan_adoption(listed.items, self._records.all(), self._node_name)
        swept = [self._forget_processes(uid) for uid in plan.strangers]
        await asyncio.gather(*swept)
        adopted = 0
        for found in plan.known:
            adopted += await self._take_over(found)
        for pod in plan.lost:
            await self._replace(pod)
        return AdoptionReport(
            adopted=adopted,
            replaced=len(plan.known) - adopted + len(plan.lost),
            removed=len(plan.strangers),
        )

    async def _forget_processes(self, uid: str) -> None:
        await self._runtime.sweep(uid)
        await asyncio.to_thread(self._records.remove, uid)

    async def _take_over(self, found: Adoption) -> bool:
        """Whether a process of the Pod still runs."""
        instances = {}
        for name, record in found.record.containers.items():
            instance = await self._runtime.adopt(record)
            if instance is not None:
                instances[name] = instance
        if not instances:
            await self._forget_processes(found.record.uid)
            await self._replace(found.pod)
            return False
        self._ports.keep(found.record.port)
        self._spawn(PodWorker(self._site, found.pod, found.record.port, adopted=instances))
        return any(instance.alive for instance in instances.values())

    async def _replace(self, pod: Document) -> None:
        """Its processes are gone without a trace: who made it makes another one."""
        if dig(pod, "metadata", "ownerReferences"):
            uid = pod["metadata"]["uid"]
            options = DeleteOptions(grace_seconds=0, preconditions=Preconditions(uid=uid))
            await self._cluster.delete(POD, key_of(pod), options)

    # --- following the Pods -----------------------------------------------------------------------

    def _changed(self, old: Document | None, new: Document | None) -> None:
        if old is not None and (new is None or new["metadata"]["uid"] != old["metadata"]["uid"]):
            uid = old["metadata"]["uid"]
            self._ended.discard(uid)
            if uid in self._workers:
                self._workers[uid].vanished()
        if new is not None:
            self._seen(new)

    def _seen(self, pod: Document) -> None:
        uid = pod["metadata"]["uid"]
        worker = self._workers.get(uid)
        if worker is not None:
            worker.update(pod)
        elif self._is_ours(pod) and uid not in self._ended and not self._stopping:
            self._begin(pod)

    def _is_ours(self, pod: Document) -> bool:
        if dig(pod, "metadata", "annotations", MIRROR) is not None:
            return False
        node = dig(pod, "spec", "nodeName")
        ended = dig(pod, "status", "phase") in {"Succeeded", "Failed"}
        deleting = dig(pod, "metadata", "deletionTimestamp") is not None
        return (not node or node == self._node_name) and (not ended or deleting)

    def _begin(self, pod: Document) -> None:
        if lacking := self._shortage(pod):
            name = f"no room for {key_of(pod)}"
            assert self._tasks is not None, "start() first"
            self._tasks.start(self._refuse(pod, lacking), name=name)
            return
        try:
            port = self._port_for(pod)
        except NoPortError as error:
            _log.error("pod not started", pod=key_of(pod), reason=error)
            return
        self._spawn(PodWorker(self._site, pod, port))

    def _shortage(self, pod: Document) -> str:
        """Why there is no room for a Pod that is to run; "" where there is."""
        if dig(pod, "spec", "nodeName") or dig(pod, "metadata", "deletionTimestamp"):
            return ""
        try:
            return shortage(pod, self._allocatable)
        except ValueError:
            return ""  # its container says what is wrong with the quantity

    async def _refuse(self, pod: Document, message: str) -> None:
        if dig(pod, "status", "conditions", 0, "message") == message:
            return
        patch = {
            "metadata": {"uid": pod["metadata"]["uid"]},
            "status": unschedulable(message, self._clock.now()),
        }
        with contextlib.suppress(NotFoundError, ConflictError):
            await self._cluster.merge(POD, key_of(pod), patch, subresource="status")
            _log.info("pod not scheduled", pod=key_of(pod), reason=message)

    def _port_for(self, pod: Document) -> int:
        """The port that the Pod itself asks for, else one of ours; 0 for a Pod that gets an
        address of its own."""
        if not self._images.is_bundle(serving_image(pod)):
            return 0
        if (chosen := self.ahead.port_of(pod["metadata"]["uid"])) is not None:
            return chosen
        asked = host_port(pod)
        if asked and not dig(pod, "spec", "nodeName"):
            self._ports.keep(asked)
            return asked
        return self._ports.take()

    def _spawn(self, worker: PodWorker) -> None:
        assert self._tasks is not None, "start() first"
        self._workers[worker.uid] = worker
        self._tasks.start(self._work(worker), name=f"pod {worker.uid}")

    async def _work(self, worker: PodWorker) -> None:
        await worker.run()
        self._workers.pop(worker.uid, None)
        self._meter.forget(worker.uid)
        self._volumes.forget(worker.uid)
        self._names.forget(worker.uid)
        self._ended.add(worker.uid)  # until its object is gone from the informer, too
        self._ports.give_back(worker.port)
