"""Who gets how much of a Service's traffic: what is asked for, what is, and the way back. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from utsuwa.kit.clock import parse_rfc3339
from utsuwa.kit.documents import Document
from utsuwa.model import labels
from utsuwa.model.meta import annotations_of

LATEST = "LATEST"
"""Whatever revision is the latest ready one."""
MOST = 100


class SplitError(ValueError):
    """The traffic cannot be split so; the message says why."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Who gets how many percent, and who answers to which tag: names of revisions, or LATEST."""

    shares: dict[str, int]
    tags: dict[str, str]

    def names(self) -> set[str]:
        """Every revision that is named."""
        return {name for name in (*self.shares, *self.tags.values()) if name != LATEST}


def plan_of(service: Mapping[str, Any]) -> Plan:
    """What the spec of `service` asks for."""
    shares: dict[str, int] = {}
    tags: dict[str, str] = {}
    entries = service["spec"].get("traffic") or [{"latestRevision": True, "percent": MOST}]
    for entry in entries:
        name = entry.get("revisionName") or LATEST
        if percent := entry.get("percent") or 0:
            shares[name] = shares.get(name, 0) + percent
        if entry.get("tag"):
            tags[entry["tag"]] = name
    return Plan(shares, tags)


def changed(
    plan: Plan, *, shares: Mapping[str, int], tags: Mapping[str, str], untag: Iterable[str]
) -> Plan:
    """`plan` with other shares (none: as they are), more tags and fewer.

    Raises:
        SplitError: a tag that is to go is not there.
    """
    kept = dict(plan.tags)
    for tag in untag:
        if tag not in kept:
            there = ", ".join(sorted(kept)) or "none"
            raise SplitError(f"--untag: there is no tag {tag!r}; there are: {there}")
        del kept[tag]
    return Plan(dict(shares or plan.shares), {**kept, **tags})


def traffic_of(plan: Plan) -> list[Document]:
    """`plan` as `spec.traffic`."""
    return [
        *({**_target(name), "percent": percent} for name, percent in plan.shares.items()),
        *({**_target(name), "tag": tag} for tag, name in plan.tags.items()),
    ]


def previous(service: Mapping[str, Any], revisions: Sequence[Document]) -> str:
    """The newest ready revision that is older than the newest one with traffic, and from which a
    rollout has not been taken back.

    Raises:
        SplitError: there is none.
    """
    metadata = service["metadata"]
    name = f"{metadata['namespace']}/{metadata['name']}"
    shares = {entry.revision for entry in shown(service) if entry.percent}
    ordered = sorted(revisions, key=_order)
    at = [number for number, one in enumerate(ordered) if one["metadata"]["name"] in shares]
    if not at:
        raise SplitError(f"service {name}: no revision gets traffic, so there is no way back")
    older = [one for one in ordered[: max(at)] if _is_good(one)]
    if not older:
        newest = ordered[max(at)]["metadata"]["name"]
        raise SplitError(f"service {name}: no ready revision is older than {newest}")
    return str(older[-1]["metadata"]["name"])


@dataclass(frozen=True, slots=True)
class Shown:
    """What one revision gets now."""

    revision: str
    percent: int
    latest: bool
    tags: dict[str, str]
    """By tag, its URL."""

    def document(self) -> Document:
        """As JSON shows it."""
        return {
            "revision": self.revision,
            "percent": self.percent,
            "latest": self.latest,
            "tags": self.tags,
        }


def shown(service: Mapping[str, Any]) -> list[Shown]:
    """What each revision gets, as the status of `service` says: most traffic first."""
    found: dict[str, Shown] = {}
    status = service.get("status") or {}
    newest = status.get("latestReadyRevisionName")
    for entry in status.get("traffic") or ():
        name = str(entry.get("revisionName") or "")
        known = found.get(name, Shown(name, 0, latest=False, tags={}))
        tag = {entry["tag"]: str(entry.get("url") or "")} if entry.get("tag") else {}
        found[name] = Shown(
            name,
            known.percent + int(entry.get("percent") or 0),
            # In a rollout the share of the one before follows the latest, too, on its way out.
            latest=known.latest or (bool(entry.get("latestRevision")) and name == newest),
            tags={**known.tags, **tag},
        )
    return sorted(found.values(), key=lambda one: -one.percent)


def _is_good(revision: Document) -> bool:
    conditions = (revision.get("status") or {}).get("conditions") or ()
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
    return ready and not annotations_of(revision).get(labels.ROLLOUT_TAKEN_BACK)


def _target(name: str) -> Document:
    return {"latestRevision": True} if name == LATEST else {"revisionName": name}


def _order(revision: Document) -> tuple[float, int, str]:
    """From the oldest to the newest."""
    metadata = revision["metadata"]
    created = metadata.get("creationTimestamp")
    generation = (metadata.get("labels") or {}).get(labels.CONFIGURATION_GENERATION, "")
    number = int(generation) if generation.isdecimal() else 0
    return parse_rfc3339(created) if created else 0.0, number, metadata["name"]
