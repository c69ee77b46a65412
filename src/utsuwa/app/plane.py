"""The control plane, wired: what is built from what, started and ended in which order."""

import asyncio
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from utsuwa import __version__
from utsuwa.apiserver import ApiServer, User
from utsuwa.app import alerts, console, gke, tracing
from utsuwa.app.admission import admission
from utsuwa.app.bootstrap import Addresses, bootstrap
from utsuwa.app.containers import Containers, process_runtime, service_names
from utsuwa.app.controllers import build_controllers
from utsuwa.app.history import Fleet, HistoryFile, Journal, Recorder, Sinks, Told
from utsuwa.app.identity import Identity, PodTokens, rights, watch
from utsuwa.app.image_garbage import collect_images
from utsuwa.app.metrics import Collector, Internals, MetricsServer, Pulse, Traffic, route_of
from utsuwa.app.mirrors import Mirrors, is_mirror
from utsuwa.app.options import LOOPBACK, ControlOptions, Layout
from utsuwa.app.sweeping import start_sweeping
from utsuwa.cluster.embedded import Embedded
from utsuwa.cluster.informer import Informers
from utsuwa.cluster.port import Key
from utsuwa.controllers.dataplane import DataPlane
from utsuwa.controllers.events import EventRecorder
from utsuwa.controllers.framework import Context, Controller
from utsuwa.controllers.live_settings import LiveSettings
from utsuwa.controllers.podautoscaler import Decisions, HorizontalHistory, Scaler
from utsuwa.kit.clock import Clock
from utsuwa.kit.documents import Document
from utsuwa.kit.ids import Ids
from utsuwa.kit.log import get_logger
from utsuwa.kit.tasks import OnDeath, TaskSet
from utsuwa.logs.reading import ServiceLogs
from utsuwa.model.builtin_roles import AUTHENTICATED, MASTERS
from utsuwa.model.kinds import CONFIG_MAP, KINDS, REVISION
from utsuwa.model.usage import PodUse
from utsuwa.node import AdoptionReport, NodeAgent, default_node_name
from utsuwa.node.ahead import Most
from utsuwa.node.engine.door import Door
from utsuwa.node.images import ImageStore
from utsuwa.node.packages import NodeImages
from utsuwa.node.runtimes import Runtimes
from utsuwa.node.warm import WarmRuntime
from utsuwa.routing.guard import Figures
from utsuwa.routing.messages import ColdStarts, RevisionName
from utsuwa.store import Store

_log = get_logger(__name__)

PATIENCE = 0.005
"""Seconds by which controllers off the way of a cold start let it pass."""
_IN_A_HURRY = frozenset({"deployment"})


class ControlPlane:
    """Everything that control runs. Mutable state: what has been started, to be ended."""

    def __init__(
        self, options: ControlOptions, *, clock: Clock, ids: Ids, on_death: OnDeath
    ) -> None:
        self._options = options
        self._layout = Layout(options.data_dir)
        self._tasks = TaskSet(on_death)
        self._store = Store(self._layout.database)
        cluster = Embedded(self._store, clock=clock, ids=ids)
        self._cluster = cluster
        self._context = Context(
            cluster=cluster,
            informers=Informers(cluster),
            clock=clock,
            ids=ids,
            settings=LiveSettings(),
            events=EventRecorder(cluster, clock),
        )
        self._addresses = _addresses(options)
        label = str(self._layout.root.resolve())
        door = Door(clock, label=label, pulled=self._layout.images / "pulled.json")
        self._images = NodeImages(ImageStore(self._layout.images), door, options.runtime)
        self._scaler = Scaler(self._context)
        self._horizontal = HorizontalHistory()
        self._figures = Figures()
        self._traffic = Traffic(clock, route_of(self._context.informers.of(REVISION)))
        self._pulse = Pulse(clock)
        self._running: list[Controller] = []
        self._history_file = HistoryFile(self._layout.history)
        self._fleet = Fleet(self._context.informers, self._measured, clock)
        self._recorder = Recorder(
            self._history_file, self._fleet, clock, panicking=self._panic_since
        )
        self._journal = Journal(
            self._history_file,
            self._scaler.memory,
            self._horizontal,
            self._context.informers.of(REVISION),
            clock,
        )
        self._dataplane = DataPlane(
            self._context,
            socket=self._layout.link,
            sink=Sinks(self._scaler, self._recorder, self._figures, self._traffic),
            starts=_Starts(self._scaler, self._traffic),
            address=self._addresses.gateway_ip,
        )
        self._tracing = tracing.build(self._context.settings, self._dataplane.link)
        processes = process_runtime(options, clock, label)
        self._warm = WarmRuntime(processes, self._layout.warm, clock)
        self._runtime = Runtimes(self._warm, door)
        server = f"https://{LOOPBACK}:{options.api_port}"
        if options.address_has_api:
            server = f"https://{options.address}"  # gcloud calls port 443 whatever is written here
        addresses = [options.address] if options.address else []
        self._identity = Identity(self._layout, server, addresses, clock)
        self._node = NodeAgent(
            cluster,
            self._context.informers,
            clock,
            ids,
            data_dir=self._layout.root,
            images=self._images,
            drains=self._dataplane,
            node_name=default_node_name(),
            runtime=self._runtime,
            events=self._context.events,
            names=service_names(options),
            tokens=PodTokens(self._identity.tokens(self._context.informers, ids), cluster),
            log_bounds=lambda: self._context.settings.current.observability.logs,
            births=cluster,
            ahead=self._ahead,
        )
        self._dataplane.link.rests = self._node
        authentication = self._identity.authentication(
            self._context.informers, ids, anonymous=bool(options.anonymous)
        )
        self._mirrors = Mirrors(
            cluster,
            self._layout,
            clock,
            node_name=default_node_name(),
            serving=lambda: self._dataplane.link.acknowledged >= 0,
        )
        authorizer = rights(self._context.informers)
        logs = ServiceLogs(self._layout.logs, clock, self._node.uids)
        self._links = console.Links()
        self._alerts = alerts.build(
            self._context,
            traffic=self._traffic,
            scaler=self._scaler,
            layout=self._layout,
            node_name=default_node_name(),
        )
        self._api = ApiServer(
            cluster,
            authorizer=authorizer,
            authentication=authentication,
            admission=admission(lambda: self._context.settings.current),
            clock=clock,
            ids=ids,
            logs=_Logs(self._node, self._mirrors),
            version=__version__,
            usage=self._node,
            decisions=Decisions(self._scaler, self._horizontal),
            containers=Containers(self._node.access),
            history=Told(self._recorder, self._fleet),
            service_logs=logs,
            alerts=self._alerts,
            console=self._links,
        )
        self._console = self._links.console = console.build(
            self._api,
            layout=self._layout,
            informers=self._context.informers,
            authorizer=authorizer,
            authentication=authentication,
            recorder=self._recorder,
            fleet=self._fleet,
            logs=logs,
            standing=self._alerts.standing,
            clock=clock,
            ids=ids,
        )
        self._metrics = MetricsServer(
            Collector(
                self._traffic,
                self._scaler,
                self._context.informers.of(REVISION),
                Internals(
                    store=self._store,
                    controllers=lambda: self._running,
                    gateways=lambda: self._dataplane.link.count,
                    warm_parents=self._warm.use,
                    version=__version__,
                    alerts=self._alerts.standing,
                    late=lambda: self._pulse.worst,
                    traces=lambda: (self._tracing.exported, self._tracing.dropped),
                ),
                clock,
            ).pieces
        )
        self._gke = gke.build(
            cluster,
            layout=self._layout,
            authentication=authentication,
            endpoint=options.address,
            node_name=default_node_name(),
            clock=clock,
            ids=ids,
        )

    def _ahead(self) -> Most:
        now = self._context.settings.current.deployment
        return Most(now.containers_created_ahead, now.processes_created_ahead)

    def __repr__(self) -> str:
        return f"<ControlPlane {self._tasks!r}>"

    async def start(
        self,
        sockets: Sequence[socket.socket],
        *,
        gke_sockets: Sequence[socket.socket] = (),
        metrics_sockets: Sequence[socket.socket] = (),
        console_sockets: Sequence[socket.socket] = (),
    ) -> list[str]:
        """Bring everything up; returns what the user should know of it, a line each."""
        await self._store.open()
        await bootstrap(self._cluster, self._addresses)
        await self._identity.local_token(self._cluster)
        context = self._context
        watch(context.informers)
        context.informers.start(self._tasks)
        await context.informers.synced()
        await self._api.serve(sockets, self._identity.context)
        self._tasks.spawn(self._identity.keep(self._cluster), name="renewal of certificates")
        context.settings.follow(context.informers.of(CONFIG_MAP))
        context.settings.on_change(self._node.ahead.stir)
        for kind in KINDS:
            context.informers.of(kind)
        await context.informers.synced()
        # Who hears of a change first acts first: the way of a cold start (Deployment, Pod,
        # process) comes before those that only tell of it.
        await self._warm.start(self._tasks, context.informers.of(REVISION))
        report = await self._node.start(self._tasks)
        await self._gke.serve(gke_sockets, self._identity.context)
        self._history_file.start()
        await self._journal.restore()
        controllers = self._running = build_controllers(
            context,
            options=self._options,
            layout=self._layout,
            images=self._images,
            node=self._node,
            scaler=self._scaler,
            horizontal=self._horizontal,
            figures=self._figures,
        )
        await self._dataplane.start(self._tasks)
        self._tracing.start(self._tasks)
        self._scaler.start(self._tasks)
        for controller in controllers:
            if controller.name not in _IN_A_HURRY:
                controller.patience = PATIENCE
            controller.start(self._tasks)
        self._tasks.spawn(self._mirrors.run(), name="mirrors")
        self._tasks.spawn(collect_images(context, self._images, self._layout), name="image garbage")
        await self._metrics.serve(metrics_sockets)
        self._tasks.spawn(self._journal.run(), name="journal")
        await self._console.serve(console_sockets, self._tasks)
        self._tasks.spawn(self._alerts.run(), name="alerts")
        self._tasks.spawn(self._pulse.run(), name="pulse")
        self._tasks.spawn(self._recorder.run(), name="history")
        self._tasks.spawn(self._fleet.measure_forever(), name="history of use")
        start_sweeping(self._tasks, self._layout.images, context.informers, context.clock)
        return _notes(report)

    async def console_link(self) -> str:
        """A link that lets the administrator into the console; "" where there is none."""
        return await self._links.link(User("admin", (MASTERS, AUTHENTICATED)), "")

    async def serving(self) -> None:
        """Wait until a gateway serves what we have told it."""
        await self._dataplane.link.connected()

    async def stop(self, *, keep_pods: bool) -> None:
        """End everything in reverse. `keep_pods`: we are about to be started anew and will adopt
        them."""
        await self._console.close()
        await self._api.close()
        await self._gke.close()
        await self._metrics.close()
        if not keep_pods:
            await asyncio.gather(self._node.stop(), self._warm.stop())
        await self._tasks.close()
        await self._tracing.close()
        self._recorder.seal()
        self._journal.flush(all_of_it=True)
        await self._history_file.close()
        await self._dataplane.link.close()
        await self._runtime.close()
        await self._store.close()

    async def _measured(self, uids: Sequence[str]) -> Mapping[str, PodUse]:
        return await self._node.measured(uids)

    def _panic_since(self, revision: Key) -> float | None:
        entry = self._scaler.current(revision)
        return None if entry is None or entry.decision is None else entry.decision.panic_since


class _Starts:
    """Cold starts, for who explains them and for who counts them."""

    def __init__(self, scaler: Scaler, traffic: Traffic) -> None:
        self._scaler = scaler
        self._traffic = traffic

    def cold_starts(self, message: ColdStarts) -> None:
        self._scaler.cold_starts(message)
        self._traffic.cold_starts(message)

    def raised(self, revision: RevisionName) -> float:
        return self._scaler.raised(revision)


class _Logs:
    """The node's logs as the API server asks for them."""

    def __init__(self, node: NodeAgent, mirrors: Mirrors) -> None:
        self._node = node
        self._mirrors = mirrors

    def path(self, pod: Document, container: str, previous: bool) -> Path | None:
        if is_mirror(pod):
            return self._mirrors.log_path(pod, previous)
        return self._node.log_path(pod, container, previous)


def _addresses(options: ControlOptions) -> Addresses:
    return Addresses(
        domain=options.domain,
        gateway_ip=options.address if options.address_has_gateway else LOOPBACK,
        gateway_port=options.gateway_port,
        api_port=options.api_port,
        anonymous=options.anonymous,
        https_port=options.https_port,
    )


def _notes(report: AdoptionReport) -> list[str]:
    parts = (
        ("adopted {} pods that still ran", report.adopted),
        ("replaced {} pods that had ended", report.replaced),
        ("ended {} processes whose pod is gone", report.removed),
    )
    return [text.format(count) for text, count in parts if count]
