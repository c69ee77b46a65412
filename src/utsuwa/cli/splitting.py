"""From the arguments of `traffic` to `spec.traffic`, and what a Service's traffic is. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from utsuwa.cli import names, rows
from utsuwa.kit.clock import parse_rfc3339

Document = dict[str, Any]

LATEST = "LATEST"
"""Whatever revision is the latest ready one."""
GENERATION_LABEL = "serving.knative.dev/configurationGeneration"
_MOST = 100


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


def shares_of(arguments: Iterable[str]) -> dict[str, int]:
    """`--to` as typed: REV=PERCENT with commas between; one REV alone gets everything.

    >>> shares_of(("hello-00001=30,LATEST=70",))
    {'hello-00001': 30, 'LATEST': 70}
    >>> shares_of(("LATEST",))
    {'LATEST': 100}

    Raises:
        SplitError: a part is no such thing, comes twice, or all do not add up to 100.
    """
    parts = [part.strip() for argument in arguments for part in argument.split(",")]
    if len(parts) == 1 and parts[0] and "=" not in parts[0]:
        return {_latest(parts[0]): _MOST}
    shares: dict[str, int] = {}
    for part in parts:
        name, _, percent = part.partition("=")
        digits = percent.removesuffix("%")
        if not name or not (digits.isascii() and digits.isdecimal()) or int(digits) > _MOST:
            raise SplitError(f"--to {part!r}: expected REVISION=PERCENT, a percent from 0 to 100")
        name = _latest(name)
        if name in shares:
            raise SplitError(f"--to: {name} is there twice")
        shares[name] = int(digits)
    total = sum(shares.values())
    if total != _MOST:
        raise SplitError(f"--to: expected percents that add up to 100, found {total}")
    return {name: percent for name, percent in shares.items() if percent}


def tags_of(arguments: Iterable[str]) -> dict[str, str]:
    """`--tag` as typed: TAG=REV, with commas between.

    Raises:
        SplitError: a part is no such thing, or comes twice.
    """
    tags: dict[str, str] = {}
    for part in (part.strip() for argument in arguments for part in argument.split(",")):
        tag, _, name = part.partition("=")
        if not tag or not name:
            raise SplitError(f"--tag {part!r}: expected TAG=REVISION")
        try:
            names.label(tag, "--tag")
        except ValueError as error:
            raise SplitError(str(error)) from error
        if tag in tags:
            raise SplitError(f"--tag: {tag} is there twice")
        tags[tag] = _latest(name)
    return tags


def plan_of(service: Mapping[str, Any]) -> Plan:
    """What the spec of `service` asks for."""
    shares: dict[str, int] = {}
    tags: dict[str, str] = {}
    entries = service["spec"].get("traffic") or [{"latestRevision": True, "percent": _MOST}]
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


def check_known(plan: Plan, revisions: Sequence[Document], service: str) -> None:
    """Make sure that each revision of `plan` is one of `revisions`.

    Raises:
        SplitError: one is not; the message lists those that exist.
    """
    known = [item["metadata"]["name"] for item in rows.newest_first(revisions)]
    if missing := sorted(plan.names() - set(known)):
        there = ", ".join([*known[:10], *(["…"] if len(known) > 10 else [])]) or "none"
        raise SplitError(
            f"service {service} has no revision {missing[0]!r}; there are: {there}, and LATEST"
        )


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


def listing(traffic: Sequence[Shown]) -> rows.Listing:
    """One row a revision."""
    return rows.Listing(
        ("REVISION", "TRAFFIC", "LATEST", "TAGS", "URLS"),
        [
            (
                one.revision,
                f"{one.percent}%",
                "yes" if one.latest else "",
                ",".join(one.tags),
                ",".join(url for url in one.tags.values() if url),
            )
            for one in traffic
        ],
    )


def _is_good(revision: Document) -> bool:
    marks = revision["metadata"].get("annotations") or {}
    return rows.readiness(revision)[0] == "True" and not marks.get(rows.TAKEN_BACK)


def _latest(name: str) -> str:
    return LATEST if name.upper() == LATEST else name


def _target(name: str) -> Document:
    return {"latestRevision": True} if name == LATEST else {"revisionName": name}


def _order(revision: Document) -> tuple[float, int, str]:
    """From the oldest to the newest."""
    metadata = revision["metadata"]
    created = metadata.get("creationTimestamp")
    generation = (metadata.get("labels") or {}).get(GENERATION_LABEL, "")
    number = int(generation) if generation.isdecimal() else 0
    return parse_rfc3339(created) if created else 0.0, number, metadata["name"]
