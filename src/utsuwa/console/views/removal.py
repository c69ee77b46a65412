"""Deleting a service: asked twice."""

from utsuwa.cluster.port import Key
from utsuwa.console.pages import removal as pages
from utsuwa.console.pages.services import SHOWN, doing
from utsuwa.console.views.service import head_of, service_of
from utsuwa.console.visit import Page, Redirect, Visit
from utsuwa.kit.documents import Document
from utsuwa.model import labels
from utsuwa.model.kinds import POD, REVISION, SERVICE, Kind
from utsuwa.model.meta import labels_of


async def page(visit: Visit) -> Page:
    """What would go, and the question."""
    key, document = service_of(visit)
    return _page(visit, key, document)


async def delete(visit: Visit) -> Page | Redirect:
    """Delete it, when its name was typed."""
    key, document = service_of(visit)
    wrong = pages.wrong_name(visit.form.get("name", ""), head_of(visit, document, key))
    if wrong:
        return _page(visit, key, document, wrong)
    await visit.api.delete(SERVICE, key)
    return Redirect("/services", notice=f"Deleted {key.name}. Requests under way may still end.")


def _page(visit: Visit, key: Key, document: Document, wrong: str = "") -> Page:
    live = visit.live
    known = live.revisions(*key)
    points = [live.points(one, live.second - SHOWN) for one in known]
    model = pages.RemovalPage(
        head=head_of(visit, document, key),
        revisions=_count(visit, REVISION, key),
        pods=_count(visit, POD, key),
        busy=doing(points, [], live.second).rate,
        wrong=wrong,
    )
    return Page("removal.html", model, title=f"Delete {key.name}", here="services")


def _count(visit: Visit, kind: Kind, key: Key) -> int:
    found = visit.sight.all(kind, key.namespace)
    return sum(labels_of(one).get(labels.SERVICE) == key.name for one in found)
