"""Alerts, on the pages where somebody can act on them."""

from utsuwa.alerts import Standing
from utsuwa.cluster.port import Key
from utsuwa.console.pages import banners as pages
from utsuwa.console.visit import Piece, Visit
from utsuwa.model.kinds import SERVICE


def of_all(visit: Visit) -> pages.Banners:
    """What stands, of all that he may see."""
    return pages.banners([one for one in visit.tools.standing() if _may_see(visit, one)])


def of_service(visit: Visit, key: Key) -> pages.Banners:
    """What stands on one service; who may see it was asked before."""
    wanted = (SERVICE.name, key.namespace, key.name)
    found = [one for one in visit.tools.standing() if tuple(one.alert.subject) == wanted]
    return pages.banners(found)


def look(found: pages.Banners) -> list[Piece]:
    """The banners, and apart from them their figures: who listens to a page is told of an alert
    once, and not of each change of a number."""
    return [
        Piece("alerts", "banners.alerts", found),
        *(
            Piece(f"{name}-detail", "banners.detail", detail)
            for name, detail in found.details.items()
        ),
    ]


def _may_see(visit: Visit, standing: Standing) -> bool:
    subject = standing.alert.subject
    kind = pages.KINDS.get(subject.kind)
    return kind is not None and visit.sight.may("get", kind, Key(subject.namespace, subject.name))
