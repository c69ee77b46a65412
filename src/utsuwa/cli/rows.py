"""Rows of the lists: one object, one row of text. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from utsuwa.kit.clock import parse_rfc3339
from utsuwa.kit.units import format_age

Document = Mapping[str, Any]

SERVICE_LABEL = "serving.knative.dev/service"
TAKEN_BACK = "utsuwa.dev/rollout-taken-back"
_LONGEST = 160
"""Letters of a message in a row; `-o yaml` has all."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A table: heads and rows."""

    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]


def services(items: Sequence[Document], now: float, *, wide: bool, namespaces: bool) -> Listing:
    """One row a Service. `now` is in Unix seconds; `namespaces` adds their column."""
    columns = ("NAME", "URL", "LATEST", "READY", "REASON", "AGE")
    more = ("CREATED", "CONCURRENCY", "IMAGE")
    rows: list[tuple[str, ...]] = []
    for item in items:
        status = item.get("status") or {}
        ready, reason = readiness(item)
        row = (
            item["metadata"]["name"],
            status.get("url") or "",
            status.get("latestReadyRevisionName") or "",
            ready,
            reason,
            age(item, now),
        )
        template = item["spec"]["template"]
        created = status.get("latestCreatedRevisionName") or ""
        rows.append((*row, created, *_template_cells(template["spec"])) if wide else row)
    return _listing(columns + more if wide else columns, rows, items, namespaces=namespaces)


def tokens(facts: Sequence[Document], now: float) -> Listing:
    """One row a bearer token."""
    columns = ("ID", "USER", "GROUPS", "ROLE", "EXPIRES", "AGE")
    rows: list[tuple[str, ...]] = [
        (
            fact["id"],
            fact["user"],
            ",".join(fact["groups"]),
            _role(fact),
            _left(fact["expires"], now),
            format_age(now - parse_rfc3339(fact["created"])) if fact["created"] else "",
        )
        for fact in facts
    ]
    return Listing(columns, rows)


def _role(fact: Document) -> str:
    where = f" in {fact['namespace']}" if fact["namespace"] else ""
    return f"{fact['role']}{where}" if fact["role"] else ""


def _left(expires: str | None, now: float) -> str:
    if not expires:
        return "never"
    left = parse_rfc3339(expires) - now
    return f"in {format_age(left)}" if left > 0 else "expired"


def revisions(
    items: Sequence[Document],
    traffic: Mapping[tuple[str, str], "Traffic"],
    now: float,
    *,
    wide: bool,
    namespaces: bool,
) -> Listing:
    """One row a Revision, with its share of the traffic by (namespace, name)."""
    columns = ("NAME", "SERVICE", "TRAFFIC", "TAGS", "READY", "REASON", "PODS", "AGE")
    more = ("CONCURRENCY", "IMAGE")
    rows: list[tuple[str, ...]] = []
    for item in items:
        metadata = item["metadata"]
        ready, reason = readiness(item)
        share = traffic.get((metadata["namespace"], metadata["name"]), Traffic())
        row = (
            metadata["name"],
            (metadata.get("labels") or {}).get(SERVICE_LABEL, ""),
            f"{share.percent}%" if share.percent else "",
            ",".join(share.tags),
            ready,
            reason,
            str((item.get("status") or {}).get("actualReplicas") or 0),
            age(item, now),
        )
        cells = _template_cells(item["spec"]) if wide else ()
        rows.append((*row, *cells, trouble(item)))
    columns = (*columns, *(more if wide else ()), "WHY")
    return _listing(columns, rows, items, namespaces=namespaces)


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a revision gets: its percent, and the tags that lead to it."""

    percent: int = 0
    tags: tuple[str, ...] = ()


def traffic_of(items: Iterable[Document]) -> dict[tuple[str, str], Traffic]:
    """By (namespace, revision), from the status of Services."""
    result: dict[tuple[str, str], Traffic] = {}
    for item in items:
        for target in (item.get("status") or {}).get("traffic") or ():
            key = (item["metadata"]["namespace"], str(target.get("revisionName") or ""))
            so_far = result.get(key, Traffic())
            tags = (*so_far.tags, target["tag"]) if target.get("tag") else so_far.tags
            result[key] = Traffic(so_far.percent + int(target.get("percent") or 0), tags)
    return result


def readiness(item: Document) -> tuple[str, str]:
    """Status and reason of the Ready condition; Unknown where there is none yet."""
    for condition in (item.get("status") or {}).get("conditions") or ():
        if condition["type"] == "Ready":
            return condition["status"], condition.get("reason") or ""
    return "Unknown", ""


def trouble(item: Document) -> str:
    """Why a Revision is not ready, or why traffic was taken back from it; in one line."""
    for condition in (item.get("status") or {}).get("conditions") or ():
        if condition["type"] == "Ready" and condition["status"] != "True":
            return _line(condition.get("message") or "")
    taken_back = (item["metadata"].get("annotations") or {}).get(TAKEN_BACK)
    return f"traffic was taken back: {_line(taken_back)}" if taken_back else ""


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def age(item: Document, now: float) -> str:
    """How long ago it was created, as kubectl says it."""
    created = item["metadata"].get("creationTimestamp")
    return format_age(now - parse_rfc3339(created)) if created else ""


def newest_first(items: Iterable[Document]) -> list[Document]:
    """By service, the newest revision on top."""

    def order(item: Document) -> tuple[str, str, float, str]:
        metadata = item["metadata"]
        created = metadata.get("creationTimestamp")
        service = (metadata.get("labels") or {}).get(SERVICE_LABEL, "")
        when = -parse_rfc3339(created) if created else 0.0
        return metadata["namespace"], service, when, _reversed(metadata["name"])

    return sorted(items, key=order)


def _reversed(name: str) -> str:
    return "".join(chr(0x10FFFF - ord(character)) for character in name)


def _template_cells(spec: Document) -> tuple[str, str]:
    concurrency = spec.get("containerConcurrency")
    containers = spec.get("containers") or [{}]
    return str(concurrency) if concurrency else "unlimited", containers[0].get("image") or ""


def _listing(
    columns: tuple[str, ...],
    rows: list[tuple[str, ...]],
    items: Sequence[Document],
    *,
    namespaces: bool,
) -> Listing:
    if not namespaces:
        return Listing(columns, rows)
    with_namespace = [
        (item["metadata"]["namespace"], *row) for item, row in zip(items, rows, strict=True)
    ]
    return Listing(("NAMESPACE", *columns), with_namespace)
