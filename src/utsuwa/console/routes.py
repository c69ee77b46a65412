"""Which page is where: one table. A handler is given a :class:`Visit` and answers data."""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from utsuwa.console.views import service, services
from utsuwa.console.visit import Answer, Piece, Visit

Handler = Callable[[Visit], Awaitable[Answer]]
Look = Callable[[Visit], Awaitable[Sequence[Piece]]]


class Route(NamedTuple):
    """A handler's place. A POST has been checked to come from a page of ours."""

    method: str
    path: str
    handler: Handler


class Live(NamedTuple):
    """A stream of events: `look` is asked once a second for as long as somebody follows it."""

    path: str
    look: Look


class Entry(NamedTuple):
    """An entry of the navigation."""

    name: str
    path: str
    title: str


ROUTES = (
    Route("GET", "/", services.home),
    Route("GET", "/services", services.page),
    Route("GET", "/services/{namespace}/{name}", service.page),
    Route("GET", "/services/{namespace}/{name}/series", service.series),
    Route("GET", "/services/{namespace}/{name}/revisions", service.revisions),
)

STREAMS = (
    Live("/live/services", services.look),
    Live("/live/services/{namespace}/{name}", service.look),
)

NAVIGATION = (Entry("services", "/services", "Services"),)
