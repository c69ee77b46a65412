"""Checks of an object's own metadata (`spec/resources.md` §5.1)."""

from collections.abc import Mapping
from typing import Any

from utsuwa.kit.units import parse_duration
from utsuwa.model import labels
from utsuwa.model.autoscaling_annotations import validate_annotations
from utsuwa.model.freezing import validate_freeze_after
from utsuwa.model.labels import Spellings
from utsuwa.model.meta import annotations_of, is_owned_as, labels_of
from utsuwa.model.normal_form import same
from utsuwa.model.problems import Problem, under
from utsuwa.model.rollout_limits import LimitError, limits_of, surge_of
from utsuwa.model.settings import Settings
from utsuwa.model.validation.names import dns_1035_label, dns_1035_prefix, listed
from utsuwa.model.validation.wording import invalid, invalid_key, missing

Document = Mapping[str, Any]


def metadata_problems(document: Document, settings: Settings, *, scaled: bool) -> list[Problem]:
    """Problems of the name, and of autoscaling annotations: checked by value where the object
    itself is `scaled` (Revision, PodAutoscaler), refused elsewhere. Paths below `metadata`."""
    annotations = annotations_of(document)
    if scaled:
        found = [
            *validate_annotations(annotations, settings.autoscaler),
            *validate_freeze_after(annotations),
        ]
    else:
        hint = 'autoscaling annotations must be put under "spec.template.metadata.annotations"'
        found = [
            invalid_key(key, "", f"{hint} to work")
            for key in annotations
            if key.startswith(labels.AUTOSCALING_GROUP)
        ]
    return [*_name_problems(document.get("metadata") or {}), *under("annotations", found)]


def _name_problems(metadata: Mapping[str, Any]) -> list[Problem]:
    name, prefix = metadata.get("name") or "", metadata.get("generateName") or ""
    wrong = dns_1035_prefix(prefix) if prefix else []
    if wrong:
        return [Problem(f"not a DNS 1035 label prefix: {listed(wrong)}", ("generateName",))]
    wrong = dns_1035_label(name) if name else []
    if wrong:
        return [Problem(f"not a DNS 1035 label: {listed(wrong)}", ("name",))]
    if not name and not prefix:
        return [Problem("name or generateName is required", ("name",))]
    return []


def owner_problems(document: Document, label: str, kind: str) -> list[Problem]:
    """A label that names an owner needs that owner among the references; path below `metadata`."""
    value = labels_of(document).get(label)
    if value is None or is_owned_as(document, kind, value):
        return []
    return [missing(f"labels.{label}")]


def duration_problems(
    annotations: Mapping[str, str], spellings: Spellings, what: str
) -> list[Problem]:
    """A duration in whole seconds, at least zero; the path is the bare key."""
    key, value = spellings.find(annotations) or ("", "")
    if not value:
        return []
    try:
        seconds = parse_duration(value)
    except ValueError:
        return [invalid(value, key)]
    if seconds != int(seconds):
        return [Problem(f"{what}={value} is not at second precision", (key,))]
    if seconds < 0:
        return [Problem(f"{what}={value} must be positive", (key,))]
    return []


def rollout_problems(annotations: Mapping[str, str]) -> list[Problem]:
    """The duration of a rollout and the limits it is to keep to; paths are the bare keys."""
    problems = duration_problems(annotations, labels.ROLLOUT_DURATION, "rollout-duration")
    for read in (limits_of, surge_of):
        try:
            read(annotations)
        except LimitError as error:
            what = f"invalid value: {error.value}: expected {error.expected}"
            problems.append(Problem(what, (error.key,)))
    return problems


def user_problems(old: Document, new: Document) -> list[Problem]:
    """The creator stays; the last modifier changes only with the spec. Paths are bare keys."""
    before, after = annotations_of(old), annotations_of(new)
    problems: list[Problem] = []
    if (before.get(labels.CREATOR) or "") != (after.get(labels.CREATOR) or ""):
        problems.append(Problem("annotation value is immutable", (labels.CREATOR,)))
    modifier = after.get(labels.LAST_MODIFIER) or ""
    if modifier != (before.get(labels.LAST_MODIFIER) or "") and same(
        old.get("spec"), new.get("spec")
    ):
        problems.append(invalid(modifier, labels.LAST_MODIFIER))
    return problems
