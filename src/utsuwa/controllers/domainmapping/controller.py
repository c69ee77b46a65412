"""DomainMapping → claim, certificate and Ingress (`spec/reconcilers.md` §9)."""

import contextlib
from collections.abc import Iterable

from utsuwa.cluster.errors import AlreadyExistsError, NotFoundError
from utsuwa.cluster.informer import Informer, key_of
from utsuwa.cluster.port import Key
from utsuwa.controllers.framework import Context, Controller, TerminalError, own_key, owner_key
from utsuwa.controllers.passes import StatusReconciler, check_owned, create_child, find, resync
from utsuwa.controllers.provisioning import Provision, Stage, provide
from utsuwa.controllers.tracker import Tracker
from utsuwa.kit.documents import Document, dig
from utsuwa.model import labels
from utsuwa.model.children.certificate import mapping_certificate_of
from utsuwa.model.children.parts import drifted
from utsuwa.model.kinds import (
    CERTIFICATE,
    CLUSTER_DOMAIN_CLAIM,
    CORE_SERVICE,
    DOMAIN_MAPPING,
    INGRESS,
    ROUTE,
    SERVICE,
)
from utsuwa.model.lifecycle import domainmapping as lifecycle
from utsuwa.model.meta import (
    annotations_of,
    generation_of,
    is_deleting,
    name_of,
    namespace_of,
    observed_generation_of,
)
from utsuwa.model.settings import Settings
from utsuwa.routing.domain_mapping import (
    UnresolvedError,
    mapping_ingress_of,
    target_host,
    target_kind,
    tls_of,
)
from utsuwa.routing.hosts import HTTP_PORT, HTTPS_PORT, url_of
from utsuwa.routing.ingress import http_option

FINALIZER = "domainmappings.serving.knative.dev"


class DomainMappingReconciler(StatusReconciler):
    """Claims a domain, and has what it is mapped to served there."""

    def __init__(self, context: Context, tracker: Tracker, port: int, https_port: int) -> None:
        super().__init__(context, DOMAIN_MAPPING, lifecycle.CONDITIONS)
        self._tracker = tracker
        self._port = port
        self._https_port = https_port

    def forget(self, key: Key) -> None:
        """The mapping is gone and waits for nothing any more."""
        self._tracker.follow(key, ())

    async def reconcile(self, key: Key) -> float | None:
        """One pass; a mapping that is to go lets go of its domain first."""
        mapping = await find(self.context, DOMAIN_MAPPING, key)
        if mapping is not None:
            if is_deleting(mapping):
                await self._finalize(mapping)
                return None
            await self._ensure_finalizer(mapping)
        return await super().reconcile(key)

    async def run(self, document: Document) -> float | None:
        """Claim, certificate, target, Ingress: in this order, and no further than the first that
        cannot be had."""
        status = document["status"]
        self._show(document, tls=False)
        if observed_generation_of(document) != generation_of(document):
            lifecycle.mark_ingress_not_configured(status)
        if not await self._claim(document):
            return None
        tls = await self._tls(document)
        host = await self._resolve(document)
        if host is not None:
            await self._serve(document, host, tls)
        return None

    def _show(self, mapping: Document, *, tls: bool) -> None:
        https = self._https_port if tls else 0
        url = url_of(name_of(mapping), port=self._port, https_port=https)
        mapping["status"]["url"] = url
        mapping["status"]["address"] = {"url": url}

    # --- the claim ------------------------------------------------------------------------------

    async def _claim(self, mapping: Document) -> bool:
        """Whether the domain is ours."""
        name, namespace, status = name_of(mapping), namespace_of(mapping), mapping["status"]
        claim = await find(self.context, CLUSTER_DOMAIN_CLAIM, Key("", name))
        if claim is None:
            if not self.context.settings.current.network.autocreate_cluster_domain_claims:
                lifecycle.mark_domain_not_claimed(
                    status,
                    f"there is no ClusterDomainClaim {name!r}: create one with spec.namespace "
                    f"{namespace!r}, or set autocreate-cluster-domain-claims in config-network",
                )
                return False
            wanted = CLUSTER_DOMAIN_CLAIM.document("", name, spec={"namespace": namespace})
            try:
                claim = await self.context.cluster.create(wanted)
            except AlreadyExistsError:
                claim = await self.context.cluster.get(CLUSTER_DOMAIN_CLAIM, Key("", name))
        holder = dig(claim, "spec", "namespace")
        if holder != namespace:
            lifecycle.mark_domain_claimed_elsewhere(status, name, str(holder))
            return False
        lifecycle.mark_domain_claimed(status)
        return True

    async def _finalize(self, mapping: Document) -> None:
        finalizers = mapping["metadata"].get("finalizers") or []
        if FINALIZER not in finalizers:
            return
        name = name_of(mapping)
        claim = await find(self.context, CLUSTER_DOMAIN_CLAIM, Key("", name))
        if claim is not None and dig(claim, "spec", "namespace") == namespace_of(mapping):
            ours = self.context.settings.current.network.autocreate_cluster_domain_claims
            if ours or labels.CLAIMED_WITH_MAPPING in annotations_of(claim):
                with contextlib.suppress(NotFoundError):  # somebody else was faster
                    await self.context.cluster.delete(CLUSTER_DOMAIN_CLAIM, Key("", name))
        left = [one for one in finalizers if one != FINALIZER]
        await self._patch_finalizers(mapping, left)

    async def _ensure_finalizer(self, mapping: Document) -> None:
        finalizers = mapping["metadata"].get("finalizers") or []
        if FINALIZER not in finalizers:
            await self._patch_finalizers(mapping, [*finalizers, FINALIZER])

    async def _patch_finalizers(self, mapping: Document, finalizers: list[str]) -> None:
        version = mapping["metadata"]["resourceVersion"]
        patch = {"metadata": {"finalizers": finalizers, "resourceVersion": version}}
        try:
            await self.context.cluster.merge(DOMAIN_MAPPING, key_of(mapping), patch)
        except NotFoundError:
            return

    # --- the certificate ------------------------------------------------------------------------

    async def _tls(self, mapping: Document) -> list[Document]:
        """What the Ingress needs to serve the domain with TLS; nothing where it is not to be."""
        status, name, namespace = mapping["status"], name_of(mapping), namespace_of(mapping)
        if secret := dig(mapping, "spec", "tls", "secretName"):
            lifecycle.mark_certificate_provided(status)
            self._show(mapping, tls=True)
            return [tls_of([name], secret, namespace)]
        network = self.context.settings.current.network
        opted_out = labels.DISABLE_EXTERNAL_TLS.value(annotations_of(mapping)).lower() == "true"
        if not network.external_domain_tls or opted_out:
            lifecycle.mark_tls_not_enabled(status)
            return []
        wanted = mapping_certificate_of(mapping, network.certificate_class)
        provision = await provide(self.context, mapping, wanted)
        self._mark(mapping, provision)
        if provision.stage is not Stage.READY:
            return []
        return [tls_of([name], provision.name, namespace)]

    def _mark(self, mapping: Document, provision: Provision) -> None:
        status, name = mapping["status"], provision.name
        downgrade = self._option(mapping) == "Enabled"
        self._show(mapping, tls=provision.stage is Stage.READY or not downgrade)
        if provision.stage is Stage.READY:
            lifecycle.mark_certificate_ready(status)
        elif provision.stage is Stage.FAILED:
            lifecycle.mark_certificate_failed(status, name)
        elif provision.stage is Stage.NOT_OWNED:
            lifecycle.mark_certificate_not_owned(status, name)
        elif downgrade:
            lifecycle.mark_http_downgrade(status, name)
        else:
            lifecycle.mark_certificate_not_ready(status, name)

    def _option(self, mapping: Document) -> str:
        try:
            return http_option(mapping, self.context.settings.current)
        except ValueError as error:
            raise TerminalError(f"DomainMapping {key_of(mapping)}: {error}") from error

    # --- the target -----------------------------------------------------------------------------

    async def _resolve(self, mapping: Document) -> str | None:
        reference = dig(mapping, "spec", "ref")
        try:
            kind = target_kind(reference)
            key = Key(namespace_of(mapping), reference["name"])
            self._tracker.follow(key_of(mapping), ((kind, key),))
            host = target_host(mapping, kind, await find(self.context, kind, key))
        except UnresolvedError as error:
            lifecycle.mark_reference_not_resolved(mapping["status"], str(error))
            return None
        lifecycle.mark_reference_resolved(mapping["status"])
        return host

    async def _serve(self, mapping: Document, host: str, tls: list[Document]) -> None:
        self._option(mapping)
        wanted = mapping_ingress_of(mapping, host, self.context.settings.current, tls)
        existing = await find(self.context, INGRESS, key_of(wanted))
        if existing is None:
            existing = await create_child(self.context, mapping, wanted)
        else:
            check_owned(existing, mapping)
            if (changed := drifted(existing, wanted)) is not None:
                existing = await self.context.cluster.update(changed)
        if generation_of(existing) != observed_generation_of(existing):
            lifecycle.mark_ingress_not_configured(mapping["status"])
        else:
            lifecycle.propagate_ingress(mapping["status"], existing)


def build(context: Context, *, port: int = HTTP_PORT, https_port: int = HTTPS_PORT) -> Controller:
    """The controller of DomainMappings; the ports are those of their URLs."""
    tracker = Tracker()
    reconciler = DomainMappingReconciler(context, tracker, port, https_port)
    controller = Controller("domainmapping", reconciler)
    informers = context.informers
    mappings = informers.of(DOMAIN_MAPPING)
    controller.watch(mappings, own_key)
    controller.watch(informers.of(INGRESS), owner_key(DOMAIN_MAPPING.name))
    controller.watch(informers.of(CERTIFICATE), owner_key(DOMAIN_MAPPING.name))
    controller.watch(informers.of(CLUSTER_DOMAIN_CLAIM), lambda claim: _named_like(mappings, claim))
    for kind in (SERVICE, ROUTE, CORE_SERVICE):
        controller.watch(informers.of(kind), tracker.followers_of)
    resync(context, controller, DOMAIN_MAPPING, _of_interest)
    return controller


def _named_like(mappings: Informer, claim: Document) -> Iterable[Key]:
    """Every mapping of the claimed domain, in whichever namespace: one may have it now."""
    return [key_of(one) for one in mappings.list() if name_of(one) == name_of(claim)]


def _of_interest(settings: Settings) -> object:
    return settings.network
