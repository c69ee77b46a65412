"""Route → placeholder Services and Ingress (`spec/reconcilers.md` §5)."""

from collections.abc import Callable, Collection

from utsuwa.cluster.errors import ApiError
from utsuwa.cluster.informer import key_of
from utsuwa.cluster.port import Key
from utsuwa.controllers.framework import (
    Context,
    Controller,
    TerminalError,
    own_key,
    owner_key,
)
from utsuwa.controllers.passes import StatusReconciler, check_owned, create_child, find, resync
from utsuwa.controllers.route.certificates import Certificates, Secured
from utsuwa.controllers.route.placeholders import Placeholders
from utsuwa.controllers.route.progress import Budget, Figures, NoBudget, Progress
from utsuwa.controllers.tracker import Tracker
from utsuwa.kit.documents import Document, dig
from utsuwa.model import labels
from utsuwa.model.children.parts import drifted
from utsuwa.model.kinds import (
    CERTIFICATE,
    CONFIGURATION,
    CORE_SERVICE,
    INGRESS,
    REVISION,
    ROUTE,
    Kind,
)
from utsuwa.model.lifecycle import route as lifecycle
from utsuwa.model.meta import (
    generation_of,
    labels_of,
    namespace_of,
    observed_generation_of,
)
from utsuwa.model.settings import Settings
from utsuwa.routing import guard, rollout
from utsuwa.routing.hosts import HTTP_PORT, HTTPS_PORT, HostError, Hosts, local_tags
from utsuwa.routing.ingress import ingress_of
from utsuwa.routing.traffic import DEFAULT, Cause, Target, Traffic, Trouble, resolve

_ABSENT: dict[Cause, Callable[[Document, str], None]] = {
    Cause.CONFIGURATION_MISSING: lifecycle.mark_configuration_missing,
    Cause.CONFIGURATION_NOT_READY: lifecycle.mark_configuration_not_ready,
    Cause.REVISION_MISSING: lifecycle.mark_revision_missing,
    Cause.REVISION_NOT_READY: lifecycle.mark_revision_not_ready,
}
_FAILED: dict[Cause, Callable[[Document, str, str], None]] = {
    Cause.CONFIGURATION_FAILED: lifecycle.mark_configuration_failed,
    Cause.REVISION_FAILED: lifecycle.mark_revision_failed,
}


class RouteReconciler(StatusReconciler):
    """Resolves a Route's traffic and has it served."""

    def __init__(
        self,
        context: Context,
        tracker: Tracker,
        port: int,
        https_port: int = HTTPS_PORT,
        *,
        progress: Progress | None = None,
    ) -> None:
        super().__init__(context, ROUTE, lifecycle.CONDITIONS)
        self._tracker = tracker
        self._placeholders = Placeholders(context)
        self._certificates = Certificates(context)
        self._port = port
        self._https_port = https_port
        self._progress = progress or Progress(context, guard.Figures(), NoBudget())

    def forget(self, key: Key) -> None:
        """The Route is gone and waits for nothing any more."""
        self._tracker.follow(key, ())

    async def run(self, document: Document) -> float | None:
        """Resolve, then serve; what cannot be resolved leaves everything as it is served now."""
        status = document["status"]
        hosts = Hosts(document, self.context.settings.current, self._port, self._https_port)
        if observed_generation_of(document) != generation_of(document):
            lifecycle.mark_ingress_not_configured(status)
        try:
            traffic = await self._resolve(document)
        except ApiError as error:
            lifecycle.mark_traffic_unknown(status, f"The targets could not be read: {error}")
            raise
        try:
            local = self._local(hosts, traffic)
            status["url"] = hosts.url(DEFAULT, local=DEFAULT in local)
            if traffic.trouble is not None:
                mark_trouble(status, traffic.trouble, labels_of(document).get(labels.SERVICE, ""))
                return None
            status["traffic"] = [shown(target, hosts, local) for target in traffic.targets]
        except HostError as error:
            lifecycle.mark_host_invalid(status, str(error))
            return None
        lifecycle.mark_traffic_assigned(status)
        status["address"] = {"url": hosts.address}
        return await self._serve(hosts, traffic, local)

    async def _resolve(self, route: Document) -> Traffic:
        """Resolve by what the cluster has now: views of two kinds that are a moment apart would
        show a Configuration's latest Revision before it is seen to be ready."""
        namespace = namespace_of(route)
        known: dict[tuple[Kind, str], Document | None] = {}

        async def look(kind: Kind, name: str) -> Document | None:
            if (kind, name) not in known:
                known[kind, name] = await find(self.context, kind, Key(namespace, name))
            return known[kind, name]

        for target in dig(route, "spec", "traffic", default=()):
            revision = target.get("revisionName")
            if not revision:
                configuration = await look(CONFIGURATION, target.get("configurationName") or "")
                revision = dig(configuration, "status", "latestReadyRevisionName", default="")
            await look(REVISION, revision)
        traffic = resolve(
            route,
            lambda name: known.get((CONFIGURATION, name)),
            lambda name: known.get((REVISION, name)),
        )
        tracked = ((kind, Key(namespace, name)) for kind, name in traffic.references)
        self._tracker.follow(key_of(route), tracked)
        return traffic

    def _local(self, hosts: Hosts, traffic: Traffic) -> frozenset[str]:
        services = self.context.informers.of(CORE_SERVICE)
        namespace = namespace_of(hosts.route)
        tags = traffic.tags or (DEFAULT,)
        return local_tags(hosts, tags, lambda name: services.get(Key(namespace, name)))

    async def _serve(self, hosts: Hosts, traffic: Traffic, local: Collection[str]) -> float | None:
        """Hold the names, have the gateway programmed, and say how far that is. Answers the
        seconds until the next step of a rollout."""
        status = hosts.route["status"]
        services = await self._placeholders.hold(hosts, traffic.tags)
        secured = await self._certify(hosts, traffic, local)
        existing = await find(self.context, INGRESS, key_of(hosts.route))
        stand = await self._progress.now(hosts, traffic, existing)
        traffic = rollout.applied(traffic, stand.course)
        ingress = await self._ingress(
            hosts, traffic, local, stand.course, secured=secured, existing=existing
        )
        await self._progress.announce(hosts, stand)
        if generation_of(ingress) != observed_generation_of(ingress):
            lifecycle.mark_ingress_not_configured(status)
        else:
            lifecycle.propagate_ingress(status, ingress)
        await self._placeholders.aim(hosts, services, ingress, local)
        stand.tell(status)
        status["traffic"] = [
            shown(target, hosts, local, secured.tags) for target in traffic.targets
        ]
        return stand.again

    async def _certify(self, hosts: Hosts, traffic: Traffic, local: Collection[str]) -> Secured:
        """The certificates of the Route's hosts, and URLs that say so."""
        status = hosts.route["status"]
        try:
            secured = await self._certificates.hold(hosts, traffic.tags, local)
        except ValueError as error:
            raise TerminalError(f"Route {key_of(hosts.route)}: {error}") from error
        if secured.tags:
            status["url"] = hosts.url(DEFAULT, local=DEFAULT in local, tls=DEFAULT in secured.tags)
            status["traffic"] = [
                shown(target, hosts, local, secured.tags) for target in traffic.targets
            ]
        return secured

    async def _ingress(
        self,
        hosts: Hosts,
        traffic: Traffic,
        local: Collection[str],
        course: rollout.Rollout,
        *,
        secured: Secured,
        existing: Document | None,
    ) -> Document:
        try:
            wanted = ingress_of(hosts, traffic, local, rollout.document_of(course), secured.tls)
        except ValueError as error:
            raise TerminalError(f"Route {key_of(hosts.route)}: {error}") from error
        if existing is None:
            return await create_child(self.context, hosts.route, wanted)
        check_owned(existing, hosts.route)
        changed = drifted(existing, wanted)
        return existing if changed is None else await self.context.cluster.update(changed)


def shown(
    target: Target, hosts: Hosts, local: Collection[str], secured: Collection[str] = ()
) -> Document:
    """`target` as `status.traffic` shows it; the URLs of the tags in `secured` are https.

    Raises:
        HostError: a template gives no host.
    """
    entry: Document = {
        "revisionName": target.revision,
        "latestRevision": target.latest,
        "percent": target.percent,
    }
    if target.tag:
        url = hosts.url(target.tag, local=target.tag in local, tls=target.tag in secured)
        entry = {**entry, "tag": target.tag, "url": url}
    return entry


def mark_trouble(status: Document, trouble: Trouble, service: str) -> None:
    """Say why traffic cannot be assigned; `service` is the Service that the Route belongs to."""
    if trouble.cause is Cause.REVISION_NOT_OWNED:
        lifecycle.mark_revision_not_owned(
            status, trouble.name, expected=service, actual=trouble.owner
        )
    elif trouble.cause in _FAILED:
        _FAILED[trouble.cause](status, trouble.name, trouble.why)
    else:
        _ABSENT[trouble.cause](status, trouble.name)


def build(
    context: Context,
    *,
    port: int = HTTP_PORT,
    https_port: int = HTTPS_PORT,
    figures: Figures | None = None,
    budget: Budget | None = None,
) -> Controller:
    """The controller of Routes; the ports are where the gateway listens for requests from
    outside, `figures` and `budget` are what rollouts are guarded by."""
    tracker = Tracker()
    progress = Progress(context, figures or guard.Figures(), budget or NoBudget())
    reconciler = RouteReconciler(context, tracker, port, https_port, progress=progress)
    controller = Controller("route", reconciler)
    informers = context.informers
    controller.watch(informers.of(ROUTE), own_key)
    controller.watch(informers.of(CORE_SERVICE), owner_key(ROUTE.name))
    controller.watch(informers.of(INGRESS), owner_key(ROUTE.name))
    controller.watch(informers.of(CERTIFICATE), owner_key(ROUTE.name))
    controller.watch(informers.of(CONFIGURATION), tracker.followers_of)
    controller.watch(informers.of(REVISION), tracker.followers_of)
    resync(context, controller, ROUTE, of_interest)
    return controller


def of_interest(settings: Settings) -> object:
    """The settings whose change makes every Route be looked at (`spec/config.md` §1)."""
    return (settings.network, settings.domain, settings.features.tag_header_based_routing)
