"""Events: of everything, and of one service."""

from collections.abc import Sequence

from utsuwa.cluster.port import Key
from utsuwa.console.pages import events as pages
from utsuwa.console.views.service import head_of, service_of
from utsuwa.console.visit import Page, Piece, Visit
from utsuwa.model import labels
from utsuwa.model.kinds import EVENT, REVISION
from utsuwa.model.meta import labels_of, name_of, namespace_of


async def page(visit: Visit) -> Page:
    """All events that he may see."""
    found = pages.page(_rows(visit), _only(visit))
    return Page(
        "events.html", found, title="Events", here="events", live=_live(visit, "/live/events")
    )


async def of_service(visit: Visit) -> Page:
    """Those of one service and of what it owns."""
    key, document = service_of(visit)
    found = pages.page(_rows(visit, key.namespace), _only(visit), head_of(visit, document, key))
    live = _live(visit, f"/live/events/{key.namespace}/{key.name}")
    return Page("events.html", found, title=f"{key.name}: events", here="services", live=live)


async def look(visit: Visit) -> Sequence[Piece]:
    """What changes on the page of all."""
    return _pieces(pages.page(_rows(visit), _only(visit)))


async def look_at_service(visit: Visit) -> Sequence[Piece]:
    """What changes on that of a service."""
    key, document = service_of(visit)
    head = head_of(visit, document, key)
    found = pages.page(_rows(visit, key.namespace), _only(visit), head)
    return [Piece("head", "service.state", head.state), *_pieces(found)]


def _pieces(found: pages.EventsPage) -> list[Piece]:
    return [Piece("events", "events.rows", (found.rows, found.head is None))]


def _rows(visit: Visit, namespace: str = "") -> list[pages.EventRow]:
    revisions = {
        Key(namespace_of(one), name_of(one)): labels_of(one).get(labels.SERVICE, "")
        for one in visit.sight.all(REVISION, namespace)
    }
    return pages.rows(visit.sight.all(EVENT, namespace), revisions, _only(visit))


def _only(visit: Visit) -> str:
    return pages.WARNINGS if visit.query.get("only") == pages.WARNINGS else ""


def _live(visit: Visit, path: str) -> str:
    return f"{path}?only={pages.WARNINGS}" if _only(visit) else path
