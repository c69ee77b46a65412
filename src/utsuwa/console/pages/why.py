"""Why there are so many pods: the explanation of a service, laid out for a page. Pure.

The words are those of `utsuwa explain` (:mod:`utsuwa.autoscale`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from utsuwa.autoscale.rules import Shown
from utsuwa.autoscale.sentences import headline, is_busy, limits, measured
from utsuwa.kit.clock import parse_rfc3339
from utsuwa.kit.documents import Document

MOST_EVENTS = 60
MOST_STARTS = 8


@dataclass(frozen=True, slots=True)
class Explained:
    """One revision: its pods, why, what would change that."""

    revision: str
    headline: str
    panic: bool
    why: tuple[str, ...]
    more: str
    fewer: str
    measured: str
    limits: str


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to the number of pods. `after` is None where it stayed."""

    time: float
    revision: str
    what: str
    before: int | None
    after: int | None
    sentences: tuple[str, ...]

    @property
    def tone(self) -> str:
        """How it is marked: up, down, cold, panic or held."""
        named = {"scaled-up": "up", "scaled-down": "down", "gone": "down", "cold-start": "cold"}
        return named.get(self.what, self.what if self.what in {"panic", "woken"} else "held")


@dataclass(frozen=True, slots=True)
class Bar:
    """One phase of a cold start: where it begins and how long it is, in thousandths of the longest
    start shown."""

    name: str
    milliseconds: float
    at: float
    width: float


@dataclass(frozen=True, slots=True)
class Start:
    """One cold start."""

    time: float
    revision: str
    request: str
    total: float
    bars: tuple[Bar, ...]

    @property
    def costliest(self) -> str:
        """The phase that took the longest."""
        return max(self.bars, key=lambda bar: bar.milliseconds).name if self.bars else ""


@dataclass(frozen=True, slots=True)
class Why:
    """A service: its revisions that do something, those that rest, what happened, newest first."""

    revisions: tuple[Explained, ...]
    resting: tuple[str, ...]
    events: tuple[Event, ...]
    starts: tuple[Start, ...]


def why(explanations: Sequence[Document], shown: Shown) -> Why:
    """The page's part, of the explanations of its revisions, the newest revision first."""
    busy = [one for one in explanations if is_busy(one)] or list(explanations[:1])
    events = sorted(
        (_event(one["revision"], event) for one in explanations for event in one["events"]),
        key=lambda event: -event.time,
    )
    starts = sorted(
        ((one["revision"], start) for one in explanations for start in one["coldStarts"]),
        key=lambda pair: str(pair[1]["time"]),
        reverse=True,
    )[:MOST_STARTS]
    longest = max((float(start["total"]) for _, start in starts), default=0.0)
    return Why(
        revisions=tuple(_explained(one, shown) for one in busy),
        resting=tuple(one["revision"] for one in explanations if one not in busy),
        events=tuple(events[:MOST_EVENTS]),
        starts=tuple(_start(revision, start, longest) for revision, start in starts),
    )


def _explained(one: Document, shown: Shown) -> Explained:
    return Explained(
        revision=one["revision"],
        headline=headline(one, shown),
        panic=one["mode"] == "panic",
        why=tuple(reason["sentence"] for reason in one["why"]),
        more=one["next"]["more"],
        fewer=one["next"]["fewer"],
        measured=measured(one["inputs"]) if one["inputs"].get("metric") else "",
        limits=limits(one["limits"]) if one["limits"] else "",
    )


def _event(revision: str, event: Document) -> Event:
    sentences = tuple(reason["sentence"] for reason in event["reasons"]) or ("as it was set",)
    changed = event["from"] != event["to"]
    return Event(
        parse_rfc3339(event["time"]),
        revision,
        event["what"],
        event["from"] if changed else None,
        event["to"] if changed else None,
        sentences,
    )


def _start(revision: str, start: Document, longest: float) -> Start:
    bars, at = [], 0.0
    scale = 1000 / longest if longest else 0.0
    for name, milliseconds in start["phases"].items():
        bars.append(Bar(name, milliseconds, round(at, 1), round(milliseconds * scale, 1)))
        at += milliseconds * scale
    request = f"{start.get('method') or '?'} {start.get('path') or '?'}"
    return Start(parse_rfc3339(start["time"]), revision, request, start["total"], tuple(bars))
