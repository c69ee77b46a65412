"""ServerlessService → its two core Services and their endpoints (`spec/reconcilers.md` §6.3)."""

from collections.abc import Iterable, Sequence

from utsuwa.cluster.errors import NotFoundError
from utsuwa.cluster.informer import key_of
from utsuwa.cluster.port import Key
from utsuwa.controllers.framework import Context, Controller, own_key, owner_key
from utsuwa.controllers.passes import (
    NotOwnedError,
    StatusReconciler,
    check_owned,
    find,
)
from utsuwa.kit.documents import Document, copy, dig
from utsuwa.model import labels
from utsuwa.model.children.serverlessservice import (
    Backend,
    backends_of,
    endpoint_slices_of,
    endpoints_of,
    private_service_of,
    public_service_of,
)
from utsuwa.model.kinds import (
    CORE_SERVICE,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    ENDPOINTS,
    POD,
    SERVERLESS_SERVICE,
    kind_of,
)
from utsuwa.model.lifecycle import serverlessservice as lifecycle
from utsuwa.model.meta import labels_of, name_of, namespace_of

SERVE = "Serve"
PROXY = "Proxy"
_CONTENT = ("subsets", "endpoints", "ports", "addressType")


class ServerlessServiceReconciler(StatusReconciler):
    """Keeps the names by which a Revision's pods, or the gateway before them, are reached."""

    def __init__(self, context: Context, activator: Backend) -> None:
        super().__init__(context, SERVERLESS_SERVICE, lifecycle.CONDITIONS)
        self._activator = activator

    async def run(self, document: Document) -> float | None:
        """Private side first: the public one may have to mirror it."""
        status = document["status"]
        selector = await self._selector(document)
        backends = backends_of(
            self.context.informers.of(POD).list(namespace_of(document), selector)
        )
        proxied = not backends or dig(document, "spec", "mode") != SERVE
        wanted = private_service_of(document, selector)
        private = await self._service(document, wanted, "PrivateService")
        status["privateServiceName"] = name_of(private)
        await self._endpoints(document, private, backends)
        public = await self._service(document, public_service_of(document), "PublicService")
        status["serviceName"] = name_of(public)
        await self._endpoints(document, public, [self._activator] if proxied else backends)
        if backends:
            lifecycle.mark_endpoints_ready(status)
        else:
            lifecycle.mark_endpoints_not_ready(status)
        if proxied:
            lifecycle.mark_activator_endpoints_populated(status)
        else:
            lifecycle.mark_activator_endpoints_removed(status)
        return None

    async def _selector(self, sks: Document) -> dict[str, str]:
        key = Key(namespace_of(sks), dig(sks, "spec", "objectRef", "name", default=""))
        deployment = await self.context.cluster.get(DEPLOYMENT, key)
        selector: dict[str, str] = deployment["spec"]["selector"]["matchLabels"]
        return selector

    async def _service(self, sks: Document, wanted: Document, what: str) -> Document:
        status, cluster = sks["status"], self.context.cluster
        existing = await find(self.context, CORE_SERVICE, key_of(wanted))
        if existing is None:
            lifecycle.mark_endpoints_not_ready(status, f"Creating{what}")
            return await cluster.create(wanted)
        self._own(existing, sks)
        spec = {**existing["spec"], **wanted["spec"]}
        if spec == existing["spec"]:
            return existing
        lifecycle.mark_endpoints_not_ready(status, f"Updating{what}")
        return await cluster.update({**existing, "spec": spec})

    async def _endpoints(
        self, sks: Document, service: Document, backends: Sequence[Backend]
    ) -> None:
        """Make the Endpoints and EndpointSlices of `service` list exactly `backends`."""
        slices = endpoint_slices_of(sks, service, backends)
        for wanted in (endpoints_of(sks, service, backends), *slices):
            await self._write(sks, wanted)
        names = {name_of(one) for one in slices}
        # Only our own informer knows slices by label; one that it does not show yet is found on
        # the pass that its appearance causes.
        mine = {labels.ENDPOINT_SLICE_SERVICE: name_of(service)}
        informer = self.context.informers.of(ENDPOINT_SLICE)
        for left in informer.list(namespace_of(sks), mine):
            if name_of(left) not in names:
                await self._delete(key_of(left))

    async def _write(self, sks: Document, wanted: Document) -> None:
        cluster = self.context.cluster
        existing = await find(self.context, kind_of(wanted), key_of(wanted))
        if existing is None:
            await cluster.create(wanted)
            return
        self._own(existing, sks)
        if all(existing.get(member) == wanted.get(member) for member in _CONTENT):
            return
        changed = copy(existing)
        changed.update({member: wanted[member] for member in _CONTENT if member in wanted})
        await cluster.update(changed)

    async def _delete(self, key: Key) -> None:
        try:
            await self.context.cluster.delete(ENDPOINT_SLICE, key)
        except NotFoundError:
            return

    def _own(self, child: Document, sks: Document) -> None:
        try:
            check_owned(child, sks)
        except NotOwnedError:
            lifecycle.mark_endpoints_not_owned(sks["status"], child["kind"], name_of(child))
            raise


def build(context: Context, *, address: str = "127.0.0.1", port: int = 80) -> Controller:
    """The controller of ServerlessServices; the gateway, our activator, is at `address:port`."""
    activator = Backend(address, port)
    controller = Controller("serverlessservice", ServerlessServiceReconciler(context, activator))
    informers = context.informers
    controller.watch(informers.of(SERVERLESS_SERVICE), own_key)
    for kind in (CORE_SERVICE, ENDPOINTS, ENDPOINT_SLICE):
        controller.watch(informers.of(kind), owner_key(SERVERLESS_SERVICE.name))
    controller.watch(informers.of(POD), _of_pod)
    return controller


def _of_pod(pod: Document) -> Iterable[Key]:
    """The ServerlessService of a pod bears the name of its Revision."""
    if name := labels_of(pod).get(labels.REVISION):
        yield Key(namespace_of(pod), name)
