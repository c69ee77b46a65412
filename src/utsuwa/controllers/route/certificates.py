"""A Route's certificates (`spec/reconcilers.md` §5.7): one for each host that is seen outside."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from utsuwa.cluster.informer import key_of
from utsuwa.controllers.framework import Context
from utsuwa.controllers.provisioning import Provision, Stage, provide
from utsuwa.kit.documents import Document
from utsuwa.model import labels
from utsuwa.model.children.certificate import route_certificate_of
from utsuwa.model.kinds import CERTIFICATE
from utsuwa.model.lifecycle import route as lifecycle
from utsuwa.model.meta import annotations_of, name_of, namespace_of, uid_of
from utsuwa.routing.domain_mapping import tls_of
from utsuwa.routing.hosts import Hosts
from utsuwa.routing.ingress import http_option
from utsuwa.routing.traffic import DEFAULT


class Secured(NamedTuple):
    """What came of it: the Ingress's `spec.tls`, and the tags whose URLs are https."""

    tls: Sequence[Document] = ()
    tags: frozenset[str] = frozenset()


class Certificates:
    """Keeps one Certificate for each host of a Route, where the operator wants them."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def hold(self, hosts: Hosts, tags: Collection[str], local: Collection[str]) -> Secured:
        """Make sure of the certificates and say in the Route's status how far they are.

        Raises:
            HostError: a template gives no host.
            ValueError: the Route asks for an HTTP option that does not exist.
        """
        route, status = hosts.route, hosts.route["status"]
        network = hosts.settings.network
        opted_out = labels.DISABLE_EXTERNAL_TLS.value(annotations_of(route)).lower() == "true"
        if DEFAULT in local:
            lifecycle.mark_tls_not_enabled(status, lifecycle.TLS_OFF_CLUSTER_LOCAL)
            outside: list[str] = []
        elif not network.external_domain_tls or opted_out:
            lifecycle.mark_tls_not_enabled(status)
            outside = []
        else:
            outside = [tag for tag in tags if tag not in local]
        provisions: dict[str, Provision] = {}
        for tag in outside:
            host = hosts.host(tag, local=False)
            wanted = route_certificate_of(route, tag, host, network.certificate_class)
            provisions[tag] = await provide(self._context, route, wanted)
        await self._delete_others(route, {one.name for one in provisions.values()})
        if not provisions:
            return Secured()
        downgrade = http_option(route, hosts.settings) == "Enabled"
        _mark(status, provisions.values(), downgrade=downgrade)
        ready = {tag: one for tag, one in provisions.items() if one.stage is Stage.READY}
        tls = [tls_of([one.host], one.name, namespace_of(route)) for one in ready.values()]
        return Secured(tls, frozenset(ready if downgrade else provisions))

    async def _delete_others(self, route: Document, kept: Collection[str]) -> None:
        for certificate in self._context.informers.of(CERTIFICATE).owned_by(uid_of(route)):
            if name_of(certificate) not in kept:
                await self._context.cluster.delete(CERTIFICATE, key_of(certificate))


def _mark(status: Document, provisions: Collection[Provision], *, downgrade: bool) -> None:
    """The worst of them is what the Route's condition says."""
    by_stage = {one.stage: one.name for one in provisions}
    if name := by_stage.get(Stage.NOT_OWNED):
        lifecycle.mark_certificate_not_owned(status, name)
    elif name := by_stage.get(Stage.FAILED):
        lifecycle.mark_certificate_failed(status, name)
    elif name := by_stage.get(Stage.PENDING):
        if downgrade:
            lifecycle.mark_http_downgrade(status, name)
        else:
            lifecycle.mark_certificate_not_ready(status, name)
    else:
        lifecycle.mark_certificate_ready(status)
