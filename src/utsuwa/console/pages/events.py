"""What was told of objects: Events, the latest first. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from utsuwa.cluster.port import Key
from utsuwa.console.pages.service import Head
from utsuwa.console.pages.state import Tone
from utsuwa.kit.clock import parse_rfc3339
from utsuwa.kit.documents import Document, dig
from utsuwa.model.meta import namespace_of, uid_of

MOST = 300
"""Rows on a page."""
_NAMED_AS_SERVICE = frozenset({"Service", "Configuration", "Route"})
WARNINGS = "warnings"


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event; `service` is that of the object, where that can be told."""

    id: str
    time: float
    tone: Tone
    word: str
    reason: str
    message: str
    count: int
    kind: str
    name: str
    namespace: str
    service: str = ""

    @property
    def path(self) -> str:
        """The page of its service."""
        return f"/services/{self.namespace}/{self.service}" if self.service else ""


@dataclass(frozen=True, slots=True)
class EventsPage:
    """The page; `head` is there on that of one service."""

    rows: tuple[EventRow, ...]
    only: str = ""
    head: Head | None = None
    more: int = 0
    """Older ones that are not shown."""


def rows(
    events: Iterable[Document], revisions: Mapping[Key, str], only: str = ""
) -> list[EventRow]:
    """Rows of `events`, the latest first; `revisions`: the service of each revision."""
    found = [_row(one, revisions) for one in events]
    if only == WARNINGS:
        found = [one for one in found if one.tone is Tone.BAD]
    return sorted(found, key=lambda one: (one.time, one.id), reverse=True)


def page(found: list[EventRow], only: str = "", head: Head | None = None) -> EventsPage:
    """The page of these rows; of those of one service where `head` is given."""
    if head is not None:
        found = [
            one for one in found if (one.namespace, one.service) == (head.namespace, head.name)
        ]
    return EventsPage(tuple(found[:MOST]), only, head, max(0, len(found) - MOST))


def service_of(kind: str, key: Key, revisions: Mapping[Key, str]) -> str:
    """The service to which an object belongs, by its name: what a revision owns is named after it.

    >>> service_of("Pod", Key("default", "a-00001-deployment-x"), {Key("default", "a-00001"): "a"})
    'a'
    """
    if kind in _NAMED_AS_SERVICE:
        return key.name
    parts = key.name.split("-")
    for end in range(len(parts), 0, -1):
        known = revisions.get(Key(key.namespace, "-".join(parts[:end])))
        if known:
            return known
    return ""


def _row(event: Document, revisions: Mapping[Key, str]) -> EventRow:
    about: Document = event.get("involvedObject") or {}
    kind, name = about.get("kind") or "", about.get("name") or ""
    namespace = about.get("namespace") or namespace_of(event)
    warns = event.get("type") == "Warning"
    created = dig(event, "metadata", "creationTimestamp")
    time = event.get("lastTimestamp") or event.get("eventTime") or created
    return EventRow(
        id=uid_of(event),
        time=parse_rfc3339(time),
        tone=Tone.BAD if warns else Tone.QUIET,
        word="Warning" if warns else "Normal",
        reason=event.get("reason") or "",
        message=(event.get("message") or "").strip(),
        count=event.get("count") or 1,
        kind=kind,
        name=name,
        namespace=namespace,
        service=service_of(kind, Key(namespace, name), revisions),
    )
