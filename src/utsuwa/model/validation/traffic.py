"""Checks of traffic targets (`spec/resources.md` §5.5)."""

from collections.abc import Mapping
from typing import Any

from utsuwa.model.problems import Problem, under
from utsuwa.model.validation.names import dns_1035_label, listed, qualified_name
from utsuwa.model.validation.wording import (
    both,
    disallowed,
    invalid,
    invalid_key,
    neither,
    out_of_bounds,
    quoted,
    shown,
)

Target = Mapping[str, Any]


def traffic_problems(targets: list[Target], *, of_service: bool) -> list[Problem]:
    """Problems of `spec.traffic`, paths below it. In a Service, targets belong to its one
    Configuration and must not name another."""
    problems: list[Problem] = []
    first: dict[str, int] = {}
    for index, target in enumerate(targets):
        problems += under(f"[{index}]", _target_problems(target, of_service=of_service))
        tag = target.get("tag") or ""
        if not tag:
            continue
        wrong = dns_1035_label(tag)
        if wrong:
            # The original attaches the index to the tag, not to the list.
            problems.append(invalid(f"not a DNS 1035 label: {listed(wrong)}", f"tag[{index}]"))
        if tag in first:
            paths = (f"[{index}].tag", f"[{first[tag]}].tag")
            problems.append(Problem(f"Multiple definitions for {quoted(tag)}", paths))
        else:
            first[tag] = index
    total = sum(target.get("percent") or 0 for target in targets)
    if total != 100:
        problems.append(Problem(f"Traffic targets sum to {total}, want 100", ("",)))
    return problems


def _target_problems(target: Target, *, of_service: bool) -> list[Problem]:
    problems: list[Problem] = []
    revision, latest = target.get("revisionName") or "", target.get("latestRevision")
    if latest is not None and bool(revision) == latest:
        text = f"may not set revisionName {quoted(revision)} when latestRevision is {shown(latest)}"
        problems.append(Problem(text, ("latestRevision",)))
    problems += _reference_problems(target, of_service=of_service)
    percent = target.get("percent")
    if percent is not None and not 0 <= percent <= 100:
        problems.append(out_of_bounds(percent, 0, 100, "percent"))
    if target.get("url"):
        problems.append(disallowed("url"))
    return problems


def _reference_problems(target: Target, *, of_service: bool) -> list[Problem]:
    revision = target.get("revisionName") or ""
    configuration = target.get("configurationName") or ""
    if of_service and configuration:
        return [disallowed("configurationName")]
    if revision and configuration:
        return [both("revisionName", "configurationName")]
    if not revision and not configuration:
        return [] if of_service else [neither("revisionName", "configurationName")]
    field = "revisionName" if revision else "configurationName"
    wrong = qualified_name(revision or configuration)
    return [invalid_key(revision or configuration, field, ", ".join(wrong))] if wrong else []
