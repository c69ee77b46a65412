"""What the labeler writes on Revisions and Configurations. Pure (`spec/reconcilers.md` §7)."""

from collections.abc import Callable
from typing import Any

from utsuwa.kit.documents import Document, dig
from utsuwa.model import labels
from utsuwa.model.kinds import CONFIGURATION, REVISION, Kind
from utsuwa.model.meta import annotations_of, labels_of

Reference = tuple[Kind, str]


def referenced(route: Document, lookup: Callable[[Kind, str], Document | None]) -> set[Reference]:
    """Every Revision that `route` leads to, or will when the latest one is ready, and their
    Configurations."""
    found: set[Reference] = set()
    for target in [
        *dig(route, "status", "traffic", default=()),
        *dig(route, "spec", "traffic", default=()),
    ]:
        if name := target.get("revisionName"):
            found.add((REVISION, name))
        elif name := target.get("configurationName"):
            found.add((CONFIGURATION, name))
            configuration = lookup(CONFIGURATION, name)
            created = dig(configuration, "status", "latestCreatedRevisionName", default="")
            if created:
                found.add((REVISION, created))
    for kind, name in list(found):
        owner = labels_of(lookup(kind, name) or {}).get(labels.CONFIGURATION)
        if kind == REVISION and owner:
            found.add((CONFIGURATION, owner))
    return found


def with_route(document: Document, route: str, now: str) -> Document | None:
    """The merge patch by which `document` learns that `route` leads to it; None if it knows."""
    known = labels.split_routes(annotations_of(document).get(labels.ROUTES, ""))
    return _patch(document, [*known, route], now)


def without_route(document: Document, route: str, now: str) -> Document | None:
    """The merge patch by which `document` forgets `route`; None if it does not know it."""
    known = labels.split_routes(annotations_of(document).get(labels.ROUTES, ""))
    if route not in known:
        return None
    return _patch(document, [name for name in known if name != route], now)


def _patch(document: Document, routes: list[str], now: str) -> Document | None:
    """A Revision also changes its routing state; when it did so is noted only if it does."""
    annotations: dict[str, Any] = {}
    metadata: Document = {}
    value = labels.join_routes(routes) or None
    if annotations_of(document).get(labels.ROUTES) != value:
        annotations[labels.ROUTES] = value
    state = labels.ROUTING_ACTIVE if routes else labels.ROUTING_RESERVE
    is_revision = document["kind"] == REVISION.name
    if is_revision and labels_of(document).get(labels.ROUTING_STATE) != state:
        metadata["labels"] = {labels.ROUTING_STATE: state}
        annotations[labels.ROUTING_STATE_MODIFIED] = now
    if annotations:
        metadata["annotations"] = annotations
    return {"metadata": metadata} if metadata else None
