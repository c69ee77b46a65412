"""Service → Configuration and Route (`spec/reconcilers.md` §2).

Deleting a Service is left to cascading deletion.
"""

from utsuwa.cluster.informer import key_of
from utsuwa.controllers.framework import Context, Controller, own_key, owner_key
from utsuwa.controllers.passes import (
    NotOwnedError,
    StatusReconciler,
    check_owned,
    create_child,
    find,
)
from utsuwa.kit.documents import Document, dig, without
from utsuwa.model.children.configuration import byo_name, conflicts
from utsuwa.model.children.parts import drifted
from utsuwa.model.children.service import configuration_of, route_of
from utsuwa.model.conditions import is_ready
from utsuwa.model.kinds import CONFIGURATION, REVISION, ROUTE, SERVICE
from utsuwa.model.lifecycle import service as lifecycle
from utsuwa.model.meta import generation_of, name_of, observed_generation_of


class ServiceReconciler(StatusReconciler):
    """Makes a Service's two children and carries their state back."""

    def __init__(self, context: Context) -> None:
        super().__init__(context, SERVICE, lifecycle.CONDITIONS)

    async def run(self, document: Document) -> float | None:
        """Configuration first; the Route must not move before the Configuration has settled."""
        status = document["status"]
        configuration = await self._configuration(document)
        if _settled(configuration):
            lifecycle.propagate_configuration(status, configuration)
        else:
            lifecycle.mark_configuration_out_of_date(status)
            if byo_name(document):
                return None
        if await self._name_taken(document, configuration):
            return None
        route = await self._route(document)
        if not _settled(route):
            lifecycle.mark_route_out_of_date(status)
            return None
        lifecycle.propagate_route(status, route)
        if is_ready(route) and not migrated(route, configuration):
            lifecycle.mark_traffic_not_migrated(status)
        return None

    async def _configuration(self, service: Document) -> Document:
        cluster = self.context.cluster
        existing = await find(self.context, CONFIGURATION, key_of(service))
        wanted = configuration_of(service, existing)
        if existing is None:
            return await create_child(self.context, service, wanted)
        try:
            check_owned(existing, service)
        except NotOwnedError:
            lifecycle.mark_configuration_not_owned(service["status"], name_of(existing))
            raise
        changed = drifted(existing, wanted)
        return existing if changed is None else await cluster.update(changed)

    async def _route(self, service: Document) -> Document:
        cluster = self.context.cluster
        existing = await find(self.context, ROUTE, key_of(service))
        wanted = route_of(service)
        if existing is None:
            return await create_child(self.context, service, wanted)
        try:
            check_owned(existing, service)
        except NotOwnedError:
            lifecycle.mark_route_not_owned(service["status"], name_of(existing))
            raise
        changed = drifted(existing, wanted)
        return existing if changed is None else await cluster.update(changed)

    async def _name_taken(self, service: Document, configuration: Document) -> bool:
        name = byo_name(service)
        if not name:
            return False
        key = key_of(service)._replace(name=name)
        revision = await find(self.context, REVISION, key)
        settings = self.context.settings.current
        if revision is None or not conflicts(revision, configuration, settings):
            return False
        lifecycle.mark_revision_name_taken(service["status"], name)
        return True


def migrated(route: Document, configuration: Document) -> bool:
    """Whether the Route serves what its spec asks for, by the Configuration's latest ready
    Revision; URLs and what follows the latest do not matter."""
    latest = dig(configuration, "status", "latestReadyRevisionName", default="")
    wanted = [
        {**without(target, ("configurationName",)), "revisionName": latest}
        if target.get("configurationName")
        else target
        for target in dig(route, "spec", "traffic", default=())
    ]
    return _shares(wanted) == _shares(dig(route, "status", "traffic", default=[]))


def build(context: Context) -> Controller:
    """The controller of Services."""
    controller = Controller("service", ServiceReconciler(context))
    controller.watch(context.informers.of(SERVICE), own_key)
    controller.watch(context.informers.of(CONFIGURATION), owner_key(SERVICE.name))
    controller.watch(context.informers.of(ROUTE), owner_key(SERVICE.name))
    return controller


def _shares(traffic: list[Document]) -> list[Document]:
    return [{"percent": 0, **without(target, ("url", "latestRevision"))} for target in traffic]


def _settled(child: Document) -> bool:
    return generation_of(child) == observed_generation_of(child)
