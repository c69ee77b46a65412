"""The list of services. Pure: documents and figures in, rows out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from utsuwa.cluster.port import Key
from utsuwa.console.pages.banners import NO_BANNERS, Banners
from utsuwa.console.pages.state import State, state_of
from utsuwa.console.ports import NO_PODS, PodsNow
from utsuwa.kit.clock import parse_rfc3339
from utsuwa.kit.documents import Document, dig
from utsuwa.model.meta import name_of, namespace_of
from utsuwa.series import TENTHS, Point

OVER = 10
"""Seconds over which the figures of a row are averaged."""
SHOWN = 60
"""Seconds that the small chart of a row shows, in steps of two."""
PER_PAGE = 60
"""Services on one page: the next ones come on another."""
_HEIGHT = 22


@dataclass(frozen=True, slots=True)
class Share:
    """A part of the traffic."""

    revision: str
    percent: int
    tag: str = ""


@dataclass(frozen=True, slots=True)
class Doing:
    """What a service does now: requests a second and the 95th percentile of their latency (None
    without requests) over the last seconds, the part of them that failed, what is inside, its pods,
    and the line of a small chart."""

    rate: float = 0.0
    p95: float | None = None
    failing: float = 0.0
    in_flight: int = 0
    waiting: int = 0
    pods: PodsNow = NO_PODS
    line: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One service."""

    namespace: str
    name: str
    url: str
    state: State
    shares: tuple[Share, ...]
    created: float
    doing: Doing

    @property
    def id(self) -> str:
        """Tells its elements apart: a namespace has no dot."""
        return f"{self.namespace}.{self.name}"

    @property
    def path(self) -> str:
        """Its own page."""
        return f"/services/{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Cut:
    """Which part of all services a page shows; `total` are those that fit `wanted`."""

    number: int = 1
    total: int = 0
    wanted: str = ""

    @property
    def last(self) -> int:
        """The number of the last page."""
        return max(1, -(-self.total // PER_PAGE))

    @property
    def first_row(self) -> int:
        """The first row on it, counted from zero."""
        return (self.number - 1) * PER_PAGE

    @property
    def last_row(self) -> int:
        """The row after the last one on it."""
        return min(self.first_row + PER_PAGE, self.total)

    def query(self, number: int) -> str:
        """What the address of page `number` ends with."""
        given = {"filter": self.wanted, "page": str(number) if number > 1 else ""}
        words = urlencode({name: value for name, value in given.items() if value})
        return f"?{words}" if words else ""


EVERYTHING = Cut()


@dataclass(frozen=True, slots=True)
class ServicesPage:
    """The list; `may_deploy`: whether he who looks may make another."""

    rows: tuple[Row, ...]
    namespaces: tuple[str, ...]
    now: float
    may_deploy: bool = False
    alerts: Banners = NO_BANNERS
    cut: Cut = EVERYTHING

    @property
    def several(self) -> bool:
        """Whether a column of namespaces is of use."""
        return len(self.namespaces) > 1


def page(
    documents: Iterable[Document],
    doing: Mapping[Key, Doing],
    *,
    now: float,
    may_deploy: bool = False,
    alerts: Banners = NO_BANNERS,
    cut: Cut = EVERYTHING,
) -> ServicesPage:
    """The page of these services."""
    rows = tuple(
        sorted((row(one, doing) for one in documents), key=lambda one: (one.namespace, one.name))
    )
    namespaces = tuple(dict.fromkeys(one.namespace for one in rows))
    return ServicesPage(rows, namespaces, now, may_deploy, alerts, cut)


def chosen(documents: Iterable[Document], wanted: str, number: str) -> tuple[list[Document], Cut]:
    """Those on page `number` of the services that `wanted` fits, by name, namespace or address."""
    needle = wanted.strip().casefold()
    found = sorted(
        (one for one in documents if needle in _words(one)),
        key=lambda one: (namespace_of(one), name_of(one)),
    )
    cut = Cut(1, len(found), wanted.strip())
    asked = int(number) if number.isdecimal() else 1
    cut = replace(cut, number=min(max(asked, 1), cut.last))
    return found[cut.first_row : cut.first_row + PER_PAGE], cut


def _words(document: Document) -> str:
    url = dig(document, "status", "url", default="")
    return f"{name_of(document)} {namespace_of(document)} {url}".casefold()


def row(document: Document, doing: Mapping[Key, Doing]) -> Row:
    """One service's row."""
    key = Key(namespace_of(document), name_of(document))
    return Row(
        namespace=key.namespace,
        name=key.name,
        url=dig(document, "status", "url", default=""),
        state=state_of(document),
        shares=shares(document),
        created=parse_rfc3339(document["metadata"]["creationTimestamp"]),
        doing=doing.get(key, Doing()),
    )


def shares(document: Document) -> tuple[Share, ...]:
    """Who gets how much of the traffic now, the largest first; then tags."""
    targets: list[Document] = dig(document, "status", "traffic", default=[])
    found = [
        Share(one.get("revisionName") or "", one.get("percent") or 0, one.get("tag") or "")
        for one in targets
    ]
    return tuple(sorted(found, key=lambda share: (-share.percent, share.revision, share.tag)))


def doing(series: Sequence[Mapping[int, Point]], pods: Sequence[PodsNow], second: int) -> Doing:
    """What a service does at `second`: of the points and the pods of each of its revisions."""
    latest = [
        point
        for points in series
        for time, point in points.items()
        if second - OVER < time <= second
    ]
    counts = [_served(point) for point in latest]
    requests = sum(counts)
    last = [points[second] for points in series if second in points]
    slow = sum(point.p95 * count for point, count in zip(latest, counts, strict=True))
    return Doing(
        rate=round(requests / OVER, 1),
        p95=round(slow / requests / (TENTHS / 1000), 1) if requests else None,
        failing=round(sum(point.s5 for point in latest) / requests, 3) if requests else 0.0,
        in_flight=sum(point.in_flight for point in last),
        waiting=sum(point.waiting for point in last),
        pods=PodsNow(*(sum(column) for column in zip(*pods, strict=True))) if pods else NO_PODS,
        line=line(series, second),
    )


def line(series: Sequence[Mapping[int, Point]], second: int) -> str:
    """The points of an SVG polyline: requests of the last minute; "" where there were none."""
    steps = [0] * (SHOWN // 2)
    end = second - (second + 1) % 2  # whole steps only: half a one would look like a fall
    start = end - SHOWN + 1
    for points in series:
        for time, point in points.items():
            if start <= time <= end:
                steps[(time - start) // 2] += _served(point)
    most = max(steps)
    if not most:
        return ""
    return " ".join(
        f"{index},{_HEIGHT - 1 - value / most * (_HEIGHT - 2):.0f}"
        for index, value in enumerate(steps)
    )


def _served(point: Point) -> int:
    return point.s1 + point.s2 + point.s3 + point.s4 + point.s5 + point.left
