"""Which alerts stand, since when, and when to tell of each again."""

from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple

from utsuwa.alerts.alert import Alert, Subject

CALM = 60.0
"""Seconds without it after which an alert is over: what loops is well for a moment each time."""
FIRST_AGAIN = 300.0
"""Seconds after the first word on an alert until the second; then twice as long each time."""
MOST_AGAIN = 3600.0


class Announcement(Enum):
    """What there is to tell."""

    BEGINS = "begins"
    GOES_ON = "goes on"
    OVER = "over"


class Standing(NamedTuple):
    """An alert that stands."""

    alert: Alert
    since: float
    """Unix seconds."""


class _Entry:
    """Mutable state: all of it."""

    __slots__ = ("again", "alert", "due", "seen", "since")

    def __init__(self, alert: Alert, now: float) -> None:
        self.alert = alert
        self.since = self.seen = now
        self.again = FIRST_AGAIN
        self.due = now + FIRST_AGAIN


class Book:
    """Mutable state: `_entries` by the identity of their alert."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, Subject, str], _Entry] = {}

    def __repr__(self) -> str:
        return f"<Book of {len(self._entries)} alerts>"

    def update(self, now: float, found: Iterable[Alert]) -> list[tuple[Announcement, Alert]]:
        """These are all that hold `now`. Answers what to tell: an alert that begins, one that goes
        on and was not told of for a while, one that is over."""
        told: list[tuple[Announcement, Alert]] = []
        for alert in found:
            entry = self._entries.get(alert.identity)
            if entry is None:
                self._entries[alert.identity] = _Entry(alert, now)
                told.append((Announcement.BEGINS, alert))
                continue
            entry.alert, entry.seen = alert, now
            if now >= entry.due:
                entry.again = min(entry.again * 2, MOST_AGAIN)
                entry.due = now + entry.again
                told.append((Announcement.GOES_ON, alert))
        for identity, entry in list(self._entries.items()):
            if now - entry.seen >= CALM:
                del self._entries[identity]
                told.append((Announcement.OVER, entry.alert))
        return told

    def standing(self, subject: Subject | None = None) -> list[Standing]:
        """What stands, on `subject` or on all: the most urgent first, then the oldest."""
        found = [
            Standing(entry.alert, entry.since)
            for entry in self._entries.values()
            if subject is None or entry.alert.subject == subject
        ]
        return sorted(found, key=lambda one: (one.alert.severity != "critical", one.since))
