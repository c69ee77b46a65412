"""One request of one user, and what a handler answers: data, not HTML."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from utsuwa.apiserver import User
from utsuwa.console.acting import Acting
from utsuwa.console.ports import Live, Tools
from utsuwa.console.sight import Sight


@dataclass(frozen=True, slots=True)
class Visit:
    """A request: who asks for what. `sight` is what he may see (in memory), `api` acts as he."""

    user: User
    sight: Sight
    api: Acting
    live: Live
    tools: Tools
    now: float
    path: str = "/"
    parts: Mapping[str, str] = field(default_factory=dict)
    """Of the path, as the route names them."""
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)
    """What a POST sent."""


@dataclass(frozen=True, slots=True)
class Page:
    """A whole page, or a part of one where htmx asked for it: `template` is given `model`."""

    template: str
    model: Any
    title: str = ""
    status: int = 200
    here: str = ""
    """Which entry of the navigation it belongs to."""
    live: str = ""
    """Where its stream of events is, if it has one."""


@dataclass(frozen=True, slots=True)
class Part:
    """HTML that goes into a page: no frame around it."""

    template: str
    model: Any
    status: int = 200
    trigger: str = ""
    """An event that the browser raises with it."""


@dataclass(frozen=True, slots=True)
class Redirect:
    """Go there; after a POST too."""

    to: str
    notice: str = ""
    """Told on the page where it leads."""


@dataclass(frozen=True, slots=True)
class Data:
    """A document as JSON."""

    document: Any


@dataclass(frozen=True, slots=True)
class Download:
    """A file."""

    body: bytes
    name: str
    content_type: str = "text/plain"


@dataclass(frozen=True, slots=True)
class Flow:
    """What is sent as it comes, for as long as somebody reads it."""

    parts: AsyncGenerator[bytes, None]
    content_type: str = "text/plain; charset=utf-8"
    name: str = ""
    """Of the file, where it is a download."""


Kept = Page | Part | Redirect | Data | Download
"""An answer that is whole before it is sent."""
Answer = Kept | Flow


class Piece(NamedTuple):
    """Part of a live page: sent when `value` is another than the last time.

    With a `macro` ("services.rate": `rate` in `templates/parts/services.html`) it is an element of
    id `name`, which the macro makes of (name, value), the id as its first attribute. Without one it is an event `name` with the
    value as JSON, for a script of the page.
    """

    name: str
    macro: str
    value: Any
