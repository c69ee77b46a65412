"""A Route's placeholder Services (`spec/reconcilers.md` §5.5): held first, aimed at the load
balancer when the Ingress says where it is."""

from collections.abc import Collection, Iterable, Mapping

from utsuwa.cluster.errors import NotFoundError
from utsuwa.cluster.informer import key_of
from utsuwa.cluster.port import Key
from utsuwa.controllers.framework import Context
from utsuwa.controllers.passes import NotOwnedError, check_owned, create_child, find
from utsuwa.kit.documents import Document
from utsuwa.model.children.parts import drifted
from utsuwa.model.kinds import CORE_SERVICE, ENDPOINTS, Kind
from utsuwa.model.lifecycle import route as lifecycle
from utsuwa.model.meta import name_of, namespace_of, uid_of
from utsuwa.routing.hosts import Hosts
from utsuwa.routing.placeholders import (
    balanced_service_of,
    merged_service,
    placeholder_service_of,
)


class Placeholders:
    """Keeps one core Service for each of a Route's hosts."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def hold(self, hosts: Hosts, tags: Iterable[str]) -> dict[str, Document]:
        """Make sure of one Service for each tag, and delete those of tags that are no more.

        Raises:
            NotOwnedError: a name is taken.
        """
        held: dict[str, Document] = {}
        for tag in tags:
            wanted = placeholder_service_of(hosts, tag, local=hosts.local)
            existing = await find(self._context, CORE_SERVICE, key_of(wanted))
            if existing is None:
                existing = await create_child(self._context, hosts.route, wanted)
            self._own(existing, hosts.route)
            endpoints = await find(self._context, ENDPOINTS, key_of(wanted))
            if endpoints is not None:
                self._own(endpoints, hosts.route)
            held[tag] = existing
        await self._delete_orphans(hosts.route, {name_of(service) for service in held.values()})
        return held

    async def aim(
        self,
        hosts: Hosts,
        held: Mapping[str, Document],
        ingress: Document,
        local: Collection[str],
    ) -> None:
        """Let the Services lead to the load balancer in the status of `ingress`, if it has one."""
        cluster = self._context.cluster
        for tag, service in held.items():
            pair = balanced_service_of(hosts, tag, ingress, local=tag in local)
            if pair is None:
                continue
            wanted, endpoints = pair
            if _must_be_replaced(service, wanted):
                await cluster.delete(CORE_SERVICE, key_of(service))
                await cluster.create(wanted)
            elif (changed := merged_service(service, wanted)) is not None:
                await cluster.update(changed)
            await self._endpoints(key_of(service), endpoints)

    async def _endpoints(self, key: Key, wanted: Document | None) -> None:
        existing = await find(self._context, ENDPOINTS, key)
        if wanted is None:
            if existing is not None:
                await self._delete(ENDPOINTS, key)
        elif existing is None:
            await self._context.cluster.create(wanted)
        else:
            changed = drifted(existing, wanted)
            if changed is not None or existing.get("subsets") != wanted["subsets"]:
                content = {**(changed or existing), "subsets": wanted["subsets"]}
                content.pop("spec", None)
                await self._context.cluster.update(content)

    async def _delete_orphans(self, route: Document, active: Collection[str]) -> None:
        for service in self._context.informers.of(CORE_SERVICE).owned_by(uid_of(route)):
            if name_of(service) not in active:
                key = Key(namespace_of(service), name_of(service))
                await self._delete(CORE_SERVICE, key)
                await self._delete(ENDPOINTS, key)

    async def _delete(self, kind: Kind, key: Key) -> None:
        try:
            await self._context.cluster.delete(kind, key)
        except NotFoundError:
            return

    def _own(self, child: Document, route: Document) -> None:
        try:
            check_owned(child, route)
        except NotOwnedError:
            if child["kind"] == ENDPOINTS.name:
                lifecycle.mark_endpoints_not_owned(route["status"], name_of(child))
            else:
                lifecycle.mark_service_not_owned(route["status"], name_of(child))
            raise


def _must_be_replaced(existing: Document, wanted: Document) -> bool:
    """Kubernetes lets an ExternalName turn into anything, but nothing back, and a Service keep
    its cluster IP or the lack of one."""
    old: Document = existing.get("spec") or {}
    new: Document = wanted["spec"]
    if old.get("type") == "ExternalName":
        return False
    if old.get("type", "ClusterIP") != new["type"]:
        return True
    return bool((old.get("clusterIP") == "None") != (new.get("clusterIP") == "None"))
