"""Which page is where: one table. A handler is given a :class:`Visit` and answers data."""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from utsuwa.console.views import (
    deploy,
    events,
    logs,
    removal,
    service,
    services,
    settings,
    traffic,
    yaml,
)
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
    Route("GET", "/deploy", deploy.page),
    Route("POST", "/deploy", deploy.create),
    Route("GET", "/deploy/progress/{build}", deploy.progress),
    Route("GET", "/services/{namespace}/{name}/deploy", deploy.of_service),
    Route("POST", "/services/{namespace}/{name}/deploy", deploy.update),
    Route("GET", "/services/{namespace}/{name}", service.page),
    Route("GET", "/services/{namespace}/{name}/series", service.series),
    Route("GET", "/services/{namespace}/{name}/revisions", service.revisions),
    Route("GET", "/services/{namespace}/{name}/revisions/{revision}", yaml.of_revision),
    Route("GET", "/services/{namespace}/{name}/traffic", traffic.page),
    Route("POST", "/services/{namespace}/{name}/traffic", traffic.split),
    Route("POST", "/services/{namespace}/{name}/tag", traffic.tag),
    Route("POST", "/services/{namespace}/{name}/untag", traffic.untag),
    Route("POST", "/services/{namespace}/{name}/rollback", traffic.rollback),
    Route("GET", "/services/{namespace}/{name}/logs", logs.page),
    Route("GET", "/services/{namespace}/{name}/logs/tail", logs.tail),
    Route("GET", "/services/{namespace}/{name}/logs/download", logs.download),
    Route("GET", "/services/{namespace}/{name}/events", events.of_service),
    Route("GET", "/services/{namespace}/{name}/yaml", yaml.page),
    Route("POST", "/services/{namespace}/{name}/yaml", yaml.write),
    Route("GET", "/services/{namespace}/{name}/delete", removal.page),
    Route("POST", "/services/{namespace}/{name}/delete", removal.delete),
    Route("GET", "/events", events.page),
    Route("GET", "/settings", settings.page),
    Route("GET", "/settings/{map}", settings.page),
    Route("POST", "/settings/{map}", settings.write),
)

STREAMS = (
    Live("/live/services", services.look),
    Live("/live/services/{namespace}/{name}", service.look),
    Live("/live/events", events.look),
    Live("/live/events/{namespace}/{name}", events.look_at_service),
)

NAVIGATION = (
    Entry("services", "/services", "Services"),
    Entry("events", "/events", "Events"),
    Entry("settings", "/settings", "Settings"),
)
