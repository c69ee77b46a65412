"""The list of services."""

from collections.abc import Sequence

from utsuwa.cluster.port import Key
from utsuwa.console.pages import services as pages
from utsuwa.console.views import banners
from utsuwa.console.visit import Page, Piece, Redirect, Visit
from utsuwa.model.kinds import SERVICE
from utsuwa.model.meta import name_of, namespace_of


async def home(visit: Visit) -> Redirect:
    """The first page."""
    return Redirect("/services")


async def page(visit: Visit) -> Page:
    """All services that he may see."""
    found = _page(visit)
    live = f"/live/services{found.cut.query(found.cut.number)}"
    return Page("services.html", found, title="Services", here="services", live=live)


async def look(visit: Visit) -> Sequence[Piece]:
    """What changes on it: the rows when there are others, else what each of them does."""
    found = _page(visit)
    standing = tuple((row.id, row.url, row.shares) for row in found.rows)
    pieces = [
        *banners.look(found.alerts),
        Piece("rows", "services.rows", Standing(found, standing)),
        Piece("pager", "services.pager", found.cut),
    ]
    for row in found.rows:
        pieces += [
            Piece(f"state.{row.id}", "services.state", row.state),
            Piece(f"pods.{row.id}", "services.pods", row.doing.pods),
            Piece(f"rate.{row.id}", "services.rate", (row.doing.rate, row.doing.failing)),
            Piece(f"p95.{row.id}", "services.p95", row.doing.p95),
            Piece(f"line.{row.id}", "services.line", row.doing.line),
        ]
    return pieces


class Standing:
    """The rows as a whole: the same for as long as the same ones are there."""

    def __init__(self, page: pages.ServicesPage, standing: object) -> None:
        self.page = page
        self._standing = standing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Standing) and other._standing == self._standing

    def __hash__(self) -> int:
        return hash(self._standing)

    def __repr__(self) -> str:
        return f"<Standing {len(self.page.rows)} rows>"


def _page(visit: Visit) -> pages.ServicesPage:
    documents, cut = pages.chosen(
        visit.sight.all(SERVICE), visit.query.get("filter", ""), visit.query.get("page", "")
    )
    live = visit.live
    second = live.second
    doing = {}
    for document in documents:
        key = Key(namespace_of(document), name_of(document))
        revisions = live.revisions(*key)
        doing[key] = pages.doing(
            [live.points(one, second - pages.SHOWN) for one in revisions],
            [live.pods(one) for one in revisions],
            second,
        )
    may = visit.sight.may("create", SERVICE, Key("default", ""))
    return pages.page(
        documents, doing, now=visit.now, may_deploy=may, alerts=banners.of_all(visit), cut=cut
    )
