"""Garbage collection by ownerReferences, and the end of namespaces.

An object whose owners are all gone is deleted in the background. An owner that is deleted in the
foreground waits for the dependents that block it; one that orphans its dependents first takes
itself out of their ownerReferences (`spec/kubernetes-api.md` §5). A Namespace that is being
deleted takes everything in it along.

Informers tell where to look; what is done rests on the cluster's own answer, so a view that lags
can delay a deletion but never cause a wrong one. One controller a kind, so that a key is enough.
"""

from collections.abc import Callable, Mapping

from utsuwa.controllers.framework import Context, Controller
from utsuwa.controllers.garbage.collector import Collector
from utsuwa.controllers.garbage.graph import Graph
from utsuwa.controllers.garbage.namespaces import NamespaceEnd
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import KINDS, NAMESPACE, Kind

__all__ = ["build"]


def build(context: Context) -> list[Controller]:
    """A collector for each kind, and the one that ends namespaces."""
    graph = Graph()
    collectors = {
        kind: Controller(
            f"garbage.{kind.resource}", Collector(kind, context.cluster, graph), workers=1
        )
        for kind in KINDS
    }
    end = NamespaceEnd(context.cluster, context.informers, context.clock)
    namespaces = Controller("garbage.end-of-namespaces", end, workers=1)
    namespaces.watch(context.informers.of(NAMESPACE))
    for kind in KINDS:
        informer = context.informers.of(kind)
        informer.on_change(_listener(kind, graph, collectors))
        if kind.namespaced:
            namespaces.watch(informer, end.of)
    return [*collectors.values(), namespaces]


def _listener(
    kind: Kind, graph: Graph, collectors: Mapping[Kind, Controller]
) -> Callable[[Document | None, Document | None], None]:
    def changed(old: Document | None, new: Document | None) -> None:
        for place in graph.changed(kind, old, new):
            collectors[place.kind].queue.add(place.key)

    return changed
