"""What a service wrote: lines, and what of them is wanted. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from utsuwa.console.pages.service import Head
from utsuwa.kit.clock import parse_rfc3339, rfc3339_micro
from utsuwa.kit.documents import Document
from utsuwa.logs.lines import DEFAULT, SEVERITIES, rank
from utsuwa.logs.reading import REQUESTS, Line, Source, Wish

TAIL = 300
"""Lines of the past that a page begins with."""
LEVELS = tuple(name for name in SEVERITIES if name in {"DEBUG", "INFO", "WARNING", "ERROR"})
KINDS = (("output", "Output"), ("requests", "Requests"), ("both", "Both"))


@dataclass(frozen=True, slots=True)
class PodChoice:
    """A pod that wrote something, gone or not."""

    name: str
    revision: str
    alive: bool
    bytes: int
    restarts: int


@dataclass(frozen=True, slots=True)
class LogsPage:
    """The page: what can be chosen, and what is."""

    head: Head
    pods: tuple[PodChoice, ...]
    revisions: tuple[str, ...]
    query: Mapping[str, str]
    levels: tuple[str, ...] = LEVELS
    kinds: tuple[tuple[str, str], ...] = KINDS
    may_read: bool = True


def choices(sources: Iterable[Source]) -> tuple[PodChoice, ...]:
    """The pods of these files: those that are there first, then the latest to write."""
    found: dict[str, list[Source]] = {}
    for one in sources:
        if one.kind != REQUESTS:
            found.setdefault(one.pod, []).append(one)
    ordered = sorted(
        found.items(),
        key=lambda item: (
            not any(one.alive for one in item[1]),
            -max(one.changed for one in item[1]),
        ),
    )
    return tuple(
        PodChoice(
            name,
            files[0].revision,
            any(one.alive for one in files),
            sum(one.bytes for one in files),
            max(one.restart for one in files),
        )
        for name, files in ordered
    )


def wish(query: Mapping[str, str], *, follow: bool = False) -> Wish:
    """What a query asks for; what makes no sense in it counts for nothing."""
    kind = query.get("kind", "")
    level = query.get("level", DEFAULT).upper()
    since = None
    if query.get("since"):
        try:
            since = parse_rfc3339(query["since"])
        except ValueError:
            since = None
    tail = query.get("tail", "")
    return Wish(
        revision=query.get("revision", ""),
        pod=query.get("pod", ""),
        since=since,
        level=level if level in SEVERITIES else DEFAULT,
        request_id=query.get("request", "").strip(),
        search=query.get("search", "").strip(),
        tail=int(tail) if tail.isascii() and tail.isdecimal() else None,
        follow=follow,
        output=kind != "requests",
        requests=kind in {"requests", "both"},
    )


def shown(line: Line) -> Document:
    """One line as the page's script shows it."""
    entry, request = line.entry, line.entry.request
    found: Document = {
        "time": rfc3339_micro(line.time),
        "received": rfc3339_micro(line.received),
        "level": entry.severity,
        "rank": rank(entry.severity),
        "text": told(line),
        "pod": line.source.pod,
        "revision": line.source.revision,
        "kind": line.source.kind,
        "trace": entry.trace,
        "more": line.text if entry.structured else "",
        "status": request.get("status") or 0,
    }
    return {name: value for name, value in found.items() if value or name == "text"}


def told(line: Line) -> str:
    """The message; of a request, what was asked and what came of it."""
    request = line.entry.request
    if not request:
        return line.entry.message or line.text
    message = "" if line.entry.message == line.text else line.entry.message
    parts = (
        request.get("requestMethod"), request.get("requestUrl"), request.get("status"),
        request.get("latency"), message,
    )  # fmt: skip
    return " ".join(str(part) for part in parts if part)
