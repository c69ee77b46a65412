"""Who gets how much of a service's traffic, and who should. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from utsuwa.console.pages.conditions import Told, told
from utsuwa.console.pages.service import Head, RevisionRow, revisions
from utsuwa.kit.documents import Document
from utsuwa.model.splitting import LATEST, MOST, Plan, Shown, SplitError, plan_of, previous, shown
from utsuwa.model.validation.names import dns_1035_label

SHARE = "share."
"""Before the name of a revision: the field that has its percent."""


@dataclass(frozen=True, slots=True)
class TargetRow:
    """One that may get traffic: a revision, or whatever is the latest ready one."""

    name: str
    percent: int
    now: int
    row: RevisionRow | None = None
    conditions: tuple[Told, ...] = ()
    latest: bool = False
    """Whether LATEST stands for it."""


@dataclass(frozen=True, slots=True)
class TagRow:
    """One tag."""

    tag: str
    revision: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class TrafficPage:
    """The page; `asked` identifies what was asked for when it was made."""

    head: Head
    targets: tuple[TargetRow, ...]
    tags: tuple[TagRow, ...]
    asked: str
    back: str = ""
    """The revision to which a rollback would lead."""
    no_way_back: str = ""
    wrong: str = ""
    wrong_tag: str = ""
    now: float = 0.0


def page(
    service: Document,
    documents: Sequence[Document],
    head: Head,
    *,
    now: float,
    shares: Mapping[str, int] | None = None,
    wrong: str = "",
    wrong_tag: str = "",
) -> TrafficPage:
    """The page of `service`; `shares` are those that a person asked for and did not get."""
    plan = plan_of(service)
    current = {one.revision: one for one in shown(service)}
    asked = plan.shares if shares is None else shares
    latest = (service.get("status") or {}).get("latestReadyRevisionName") or ""
    by_name = {one["metadata"]["name"]: one for one in documents}
    rows = [
        TargetRow(
            row.name,
            asked.get(row.name, 0),
            current[row.name].percent if row.name in current else 0,
            row,
            told(by_name[row.name]),
            row.name == latest,
        )
        for row in revisions(documents, service, {})
    ]
    back, no_way_back = _back(service, documents)
    return TrafficPage(
        head=head,
        targets=(TargetRow(LATEST, asked.get(LATEST, 0), 0), *rows),
        tags=_tags(plan, current.values()),
        asked=fingerprint(plan),
        back=back,
        no_way_back=no_way_back,
        wrong=wrong,
        wrong_tag=wrong_tag,
        now=now,
    )


def fingerprint(plan: Plan) -> str:
    """What tells one plan from another."""
    shares = ",".join(f"{name}={percent}" for name, percent in sorted(plan.shares.items()))
    return f"{shares};{','.join(f'{tag}={name}' for tag, name in sorted(plan.tags.items()))}"


def shares_of(form: Mapping[str, str]) -> dict[str, int]:
    """The percents of a form.

    Raises:
        SplitError: one is no percent, or all do not add up to 100.
    """
    found = percents_of(form)
    total = sum(found.values())
    if total != MOST:
        raise SplitError(f"Expected percents that add up to 100, found {total}.")
    return {name: percent for name, percent in found.items() if percent}


def percents_of(form: Mapping[str, str]) -> dict[str, int]:
    """The percents of a form, whatever they add up to.

    Raises:
        SplitError: one is no percent.
    """
    found = {}
    for name, value in form.items():
        if not name.startswith(SHARE):
            continue
        if not (value.isascii() and value.isdecimal()) or int(value) > MOST:
            revision = name.removeprefix(SHARE)
            raise SplitError(f"{revision}: expected a percent from 0 to 100, found {value!r}.")
        found[name.removeprefix(SHARE)] = int(value)
    return found


def tagged(plan: Plan, tag: str, revision: str, known: Iterable[str]) -> Plan:
    """`plan` with `tag` on `revision`.

    Raises:
        SplitError: no tag can be named so, or there is no such revision.
    """
    if dns_1035_label(tag):
        raise SplitError(
            f"Expected at most 63 lower-case letters, digits and '-', beginning with a letter; "
            f"found {tag or 'nothing'}."
        )
    if revision not in {LATEST, *known}:
        raise SplitError(f"There is no revision {revision}.")
    return Plan(plan.shares, {**plan.tags, tag: revision})


def _tags(plan: Plan, current: Iterable[Shown]) -> tuple[TagRow, ...]:
    urls = {tag: url for one in current for tag, url in one.tags.items()}
    return tuple(TagRow(tag, name, urls.get(tag, "")) for tag, name in sorted(plan.tags.items()))


def _back(service: Document, documents: Sequence[Document]) -> tuple[str, str]:
    try:
        return previous(service, documents), ""
    except SplitError as error:
        return "", str(error)
