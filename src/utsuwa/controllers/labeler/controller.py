"""Route → marks on what it leads to (`spec/reconcilers.md` §7).

Never writes a Route's status; owns its finalizer, so that nothing keeps the mark of a Route that
is gone.
"""

from collections.abc import Callable, Iterable

from utsuwa.cluster.errors import NotFoundError
from utsuwa.cluster.informer import key_of
from utsuwa.cluster.port import Key
from utsuwa.controllers.framework import Context, Controller, own_key
from utsuwa.controllers.labeler.marks import Reference, referenced, with_route, without_route
from utsuwa.controllers.passes import find
from utsuwa.controllers.tracker import Tracker
from utsuwa.kit.clock import rfc3339
from utsuwa.kit.documents import Document
from utsuwa.model import labels
from utsuwa.model.conditions import is_failed, is_ready
from utsuwa.model.kinds import CONFIGURATION, REVISION, ROUTE, Kind
from utsuwa.model.meta import annotations_of, is_deleting, name_of, namespace_of

FINALIZER = "routes.serving.knative.dev"

Mark = Callable[[Document, str, str], Document | None]


class Labeler:
    """Tells Revisions and Configurations which Routes lead to them."""

    def __init__(self, context: Context, tracker: Tracker) -> None:
        self._context = context
        self._tracker = tracker

    async def reconcile(self, key: Key) -> None:
        """Mark what the Route refers to; what it no longer does only when it has settled."""
        route = await find(self._context, ROUTE, key)
        if route is None:
            self._tracker.follow(key, ())
            return
        if is_deleting(route):
            await self._finalize(route)
            return
        await self._ensure_finalizer(route)
        informers = self._context.informers
        wanted = referenced(
            route, lambda kind, name: informers.of(kind).get(Key(key.namespace, name))
        )
        self._tracker.follow(key, ((kind, Key(key.namespace, name)) for kind, name in wanted))
        for reference in sorted(wanted, key=lambda found: (found[0].name, found[1])):
            await self._mark(route, reference, with_route)
        if is_ready(route) or is_failed(route):
            for reference in self._marked(route):
                if reference not in wanted:
                    await self._mark(route, reference, without_route)

    async def _finalize(self, route: Document) -> None:
        finalizers = route["metadata"].get("finalizers") or []
        if FINALIZER not in finalizers:
            return
        for reference in self._marked(route):
            await self._mark(route, reference, without_route)
        left = [name for name in finalizers if name != FINALIZER]
        await self._patch(route, {"metadata": {"finalizers": left}})

    async def _ensure_finalizer(self, route: Document) -> None:
        finalizers = route["metadata"].get("finalizers") or []
        if FINALIZER in finalizers:
            return
        await self._patch(route, {"metadata": {"finalizers": [*finalizers, FINALIZER]}})
        await self._context.events.normal(
            route, "FinalizerUpdate", f"Updated {name_of(route)!r} finalizers"
        )

    def _marked(self, route: Document) -> list[Reference]:
        """What bears the mark of `route` now."""
        name = name_of(route)
        return [
            (kind, name_of(document))
            for kind in (CONFIGURATION, REVISION)
            for document in self._context.informers.of(kind).list(namespace_of(route))
            if name in labels.split_routes(annotations_of(document).get(labels.ROUTES, ""))
        ]

    async def _mark(self, route: Document, reference: Reference, mark: Mark) -> None:
        kind, name = reference
        document = await find(self._context, kind, Key(namespace_of(route), name))
        if document is None:
            return
        patch = mark(document, name_of(route), rfc3339(self._context.clock.now()))
        if patch is not None:
            await self._patch(document, patch)

    async def _patch(self, document: Document, patch: Document) -> None:
        """Lay `patch` over the very version that it was made for."""
        version = document["metadata"]["resourceVersion"]
        patch["metadata"]["resourceVersion"] = version
        kind: Kind = _KINDS[document["kind"]]
        try:
            await self._context.cluster.merge(kind, key_of(document), patch)
        except NotFoundError:
            return


def build(context: Context) -> Controller:
    """The labeler."""
    tracker = Tracker()
    controller = Controller("labeler", Labeler(context, tracker))
    informers = context.informers
    controller.watch(informers.of(ROUTE), own_key)
    controller.watch(informers.of(CONFIGURATION), tracker.followers_of)
    controller.watch(informers.of(REVISION), _either(tracker.followers_of, _routes_of))
    return controller


_KINDS = {kind.name: kind for kind in (ROUTE, CONFIGURATION, REVISION)}


def _routes_of(document: Document) -> Iterable[Key]:
    for name in labels.split_routes(annotations_of(document).get(labels.ROUTES, "")):
        yield Key(namespace_of(document), name)


def _either(
    *ways: Callable[[Document], Iterable[Key]],
) -> Callable[[Document], Iterable[Key]]:
    def to_keys(document: Document) -> Iterable[Key]:
        for way in ways:
            yield from way(document)

    return to_keys
