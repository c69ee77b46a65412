"""From the arguments of `traffic` to `spec.traffic`, and what a Service's traffic is. Pure."""

from collections.abc import Iterable, Sequence
from typing import Any

from utsuwa.cli import names, rows
from utsuwa.model.splitting import (
    LATEST,
    MOST,
    Plan,
    Shown,
    SplitError,
    changed,
    plan_of,
    previous,
    shown,
    traffic_of,
)

__all__ = [
    "LATEST",
    "Plan",
    "Shown",
    "SplitError",
    "changed",
    "check_known",
    "listing",
    "plan_of",
    "previous",
    "shares_of",
    "shown",
    "tags_of",
    "traffic_of",
]

Document = dict[str, Any]


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
        return {_latest(parts[0]): MOST}
    shares: dict[str, int] = {}
    for part in parts:
        name, _, percent = part.partition("=")
        digits = percent.removesuffix("%")
        if not name or not (digits.isascii() and digits.isdecimal()) or int(digits) > MOST:
            raise SplitError(f"--to {part!r}: expected REVISION=PERCENT, a percent from 0 to 100")
        name = _latest(name)
        if name in shares:
            raise SplitError(f"--to: {name} is there twice")
        shares[name] = int(digits)
    total = sum(shares.values())
    if total != MOST:
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


def _latest(name: str) -> str:
    return LATEST if name.upper() == LATEST else name
