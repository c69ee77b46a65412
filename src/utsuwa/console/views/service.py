"""One service: what it is, what it does, why it has so many pods."""

import asyncio
from collections.abc import Sequence

from utsuwa.autoscale.explanation import explain
from utsuwa.cluster.errors import NotFoundError
from utsuwa.cluster.port import Key
from utsuwa.console.pages import service as pages
from utsuwa.console.pages.conditions import told
from utsuwa.console.pages.series import WINDOWS, grid, point, served
from utsuwa.console.pages.services import SHOWN, Doing, doing
from utsuwa.console.pages.short import errors, short
from utsuwa.console.pages.why import why
from utsuwa.console.views import banners
from utsuwa.console.visit import Data, Page, Part, Piece, Visit
from utsuwa.kit.clock import parse_rfc3339, time_of_day
from utsuwa.kit.documents import Document
from utsuwa.model import labels
from utsuwa.model.kinds import POD, POD_AUTOSCALER, REVISION, SERVICE
from utsuwa.model.meta import labels_of, name_of

_HOUR = 3600


def service_of(visit: Visit) -> tuple[Key, Document]:
    """The service that the path names. Raises NotFoundError, also where he may not see it."""
    key = Key(visit.parts["namespace"], visit.parts["name"])
    document = visit.sight.one(SERVICE, key)
    if document is None:
        raise NotFoundError(
            f"There is no service {key.name} in namespace {key.namespace}, or you may not see it."
        )
    return key, document


def head_of(visit: Visit, document: Document, key: Key) -> pages.Head:
    """The head of each of its pages."""
    return pages.head(
        document,
        may_change=visit.sight.may("update", SERVICE, key),
        may_delete=visit.sight.may("delete", SERVICE, key),
    )


def revisions_of(visit: Visit, key: Key) -> list[Document]:
    """The revisions of a service."""
    return [
        one
        for one in visit.sight.all(REVISION, key.namespace)
        if labels_of(one).get(labels.SERVICE) == key.name
    ]


async def page(visit: Visit) -> Page:
    """Its first page. What is not in memory comes when it is there: first paint waits for nothing."""
    key, document = service_of(visit)
    return Page(
        "service.html",
        _page(visit, key, document),
        title=key.name,
        here="services",
        live=f"/live/services/{key.namespace}/{key.name}",
    )


async def look(visit: Visit) -> Sequence[Piece]:
    """What changes on it."""
    key, document = service_of(visit)
    found = _page(visit, key, document)
    second = visit.live.second
    known = visit.live.revisions(*key)
    points = [visit.live.points(one, second).get(second) for one in known]
    marks = [[mark.time, mark.kind, mark.revision, mark.text] for mark in visit.live.marks(known)]
    explained = await _explained(visit, key)
    pieces = [
        Piece("point", "", point([one for one in points if one is not None], second)),
        Piece("marks", "", marks),
        *banners.look(found.alerts),
        Piece("head", "service.state", found.head.state),
        Piece("trouble", "service.trouble", found.head.state),
        Piece("conditions", "service.conditions", found.conditions),
        Piece("pods", "service.pods", found.pods),
        Piece("why", "service.why", why(explained, time_of_day)),
        Piece("short", "service.short", short(explained, now=visit.now, shown=time_of_day)),
    ]
    for row in found.revisions:
        pieces += [
            Piece(f"rate.{row.name}", "services.rate", (row.doing.rate, row.doing.failing)),
            Piece(f"p95.{row.name}", "services.p95", row.doing.p95),
            Piece(f"pods.{row.name}", "services.pods", row.doing.pods),
        ]
    return pieces


async def series(visit: Visit) -> Data:
    """The columns of its charts, over the window that the query names."""
    key, _ = service_of(visit)
    window = WINDOWS.get(visit.query.get("window", ""), WINDOWS["5m"])
    since = visit.live.second - window.seconds + 1
    query = {"step": str(window.step), "since": str(since)}
    history = await visit.api.get(SERVICE, key, "history", query)
    return Data(await asyncio.to_thread(grid, history, window, since))


async def revisions(visit: Visit) -> Part:
    """Its revisions, with what each answered in the last hour."""
    key, document = service_of(visit)
    since = str(int(visit.now) - _HOUR)
    query = {"step": "60", "since": since, "revisions": "true"}
    history = await visit.api.get(SERVICE, key, "history", query)
    found = _page(visit, key, document)
    told = served(history)
    return Part("parts/revisions-told.html", {"rows": found.revisions, "older": found.older,
                                              "served": told,
                                              "now": visit.now, "head": found.head,
                                              "errors": errors(told)})  # fmt: skip


def _page(visit: Visit, key: Key, document: Document) -> pages.ServicePage:
    live, second = visit.live, visit.live.second
    mine = revisions_of(visit, key)
    doings: dict[str, Doing] = {}
    for one in mine:
        revision = Key(key.namespace, name_of(one))
        points = live.points(revision, second - SHOWN)
        doings[revision.name] = doing([points], [live.pods(revision)], second)
    pods = [
        pod
        for pod in visit.sight.all(POD, key.namespace)
        if labels_of(pod).get(labels.SERVICE) == key.name
    ]
    shown = pages.worth(pages.revisions(mine, document, doings))
    return pages.ServicePage(
        head=head_of(visit, document, key),
        conditions=told(document),
        revisions=shown,
        older=len(mine) - len(shown),
        pods=pages.pods(pods),
        windows=tuple((one.name, one.title) for one in WINDOWS.values()),
        now=visit.now,
        alerts=banners.of_service(visit, key),
    )


async def _explained(visit: Visit, key: Key) -> list[Document]:
    """What `utsuwa explain` tells, of the revisions that are scaled."""
    found = []
    mine = revisions_of(visit, key)
    mine.sort(key=lambda one: parse_rfc3339(one["metadata"]["creationTimestamp"]), reverse=True)
    for one in mine:
        revision = Key(key.namespace, name_of(one))
        if visit.sight.one(POD_AUTOSCALER, revision) is None:
            continue
        answer = await visit.api.get(POD_AUTOSCALER, revision, "decisions")
        found.append(explain(answer, now=visit.now, shown=time_of_day))
    return found
