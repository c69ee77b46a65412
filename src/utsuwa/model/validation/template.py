"""Checks of revision templates and specifications (`spec/resources.md` §5.2, §5.4)."""

from collections.abc import Mapping
from typing import Any

from utsuwa.kit.units import parse_quantity
from utsuwa.model import labels
from utsuwa.model.autoscaling_annotations import validate_annotations
from utsuwa.model.freezing import validate_freeze_after
from utsuwa.model.go_values import parse_float
from utsuwa.model.meta import annotations_of
from utsuwa.model.problems import Problem, under
from utsuwa.model.settings import Settings
from utsuwa.model.validation.metadata import duration_problems
from utsuwa.model.validation.names import dns_1035_label, dns_1035_prefix, listed
from utsuwa.model.validation.pod_spec import pod_spec_problems
from utsuwa.model.validation.wording import (
    disallowed,
    invalid,
    invalid_key,
    out_of_bounds,
    quoted,
)

_DEPRECATED_PERCENTAGE = (
    "Queue proxy resource percentage annotation is deprecated. "
    "Please use the available annotations to explicitly set resource values per service"
)
_CHOICES = {labels.WARM_PARENT: labels.WARM_PARENTS, labels.ISOLATION: labels.ISOLATIONS}
"""Annotations that have one of a few values, the default first."""

Spec = Mapping[str, Any]


def template_problems(template: Spec, parent: Spec, settings: Settings) -> list[Problem]:
    """Problems of a template below an object with metadata `parent`, paths below the template."""
    annotations = annotations_of(template)
    found = [
        *validate_annotations(annotations, settings.autoscaler),
        *validate_freeze_after(annotations),
        *_network_problems(annotations),
        *_queue_problems(annotations),
        *_choice_problems(annotations),
        *duration_problems(annotations, labels.PROGRESS_DEADLINE, "progress-deadline"),
    ]
    return [
        *under("spec", revision_spec_problems(template.get("spec") or {}, settings)),
        *under("metadata.annotations", found),
        *_name_problems(template.get("metadata") or {}, parent),
    ]


def revision_spec_problems(spec: Spec, settings: Settings) -> list[Problem]:
    """Problems of a revision's specification, paths below it."""
    problems = pod_spec_problems(spec, settings.features)
    timeout, most = spec.get("timeoutSeconds") or 0, settings.defaults.max_revision_timeout_seconds
    if not 0 <= timeout <= most:
        problems.append(out_of_bounds(timeout, 0, most, "timeoutSeconds"))
    return [*problems, *concurrency_problems(spec.get("containerConcurrency"), settings)]


def concurrency_problems(value: int | None, settings: Settings) -> list[Problem]:
    """Problems of containerConcurrency; None is no problem."""
    low = 0 if settings.defaults.allow_container_concurrency_zero else 1
    high = settings.defaults.container_concurrency_max_limit
    if value is None or low <= value <= high:
        return []
    return [out_of_bounds(value, low, high, "containerConcurrency")]


def _name_problems(metadata: Spec, parent: Spec) -> list[Problem]:
    name, prefix = metadata.get("name") or "", metadata.get("generateName") or ""
    wrong = dns_1035_prefix(prefix) if prefix else []
    if wrong:
        text = f"not a DNS 1035 label prefix: {listed(wrong)}"
        return [invalid(text, "metadata.generateName")]
    if not name:
        return []
    wrong = dns_1035_label(name)
    if wrong:
        return [invalid(f"not a DNS 1035 label: {listed(wrong)}", "metadata.name")]
    if not parent.get("name") and parent.get("generateName"):
        # Who shall it be called after? The parent's own name is not known yet.
        return [disallowed("metadata.name")]
    needed = f"{parent.get('name') or ''}-"
    if not name.startswith(needed):
        text = f"{quoted(name)} must have prefix {quoted(needed)}"
        return [invalid(text, "metadata.name")]
    return []


def _network_problems(annotations: Mapping[str, str]) -> list[Problem]:
    return [
        invalid_key(key, "")
        for key in annotations
        if key.startswith(labels.NETWORKING_GROUP) and key not in labels.NETWORKING_ANNOTATIONS
    ]


def _choice_problems(annotations: Mapping[str, str]) -> list[Problem]:
    problems = []
    for name, choices in _CHOICES.items():
        value = annotations.get(name, choices[0])
        if value not in choices:
            text = f"invalid value: {value}: expected one of {', '.join(choices)}"
            problems.append(Problem(text, (name,)))
    return problems


def _queue_problems(annotations: Mapping[str, str]) -> list[Problem]:
    problems: list[Problem] = []
    key, value = labels.QUEUE_RESOURCE_PERCENTAGE.find(annotations) or ("", "")
    if key:
        problems.append(Problem(_DEPRECATED_PERCENTAGE, warning=True))
        problems += _percentage_problems(value, f"[{key}]")
    for spellings in labels.QUEUE_RESOURCES:
        key, value = spellings.find(annotations) or ("", "")
        try:
            parse_quantity(value if key else "0")
        except ValueError:
            problems.append(invalid(value, f"[{key}]"))
    return problems


def _percentage_problems(value: str, path: str) -> list[Problem]:
    try:
        percentage = parse_float(value)
    except ValueError:
        return [invalid(value, path)]
    if not 0.1 <= percentage <= 100:
        return [out_of_bounds(percentage, 0.1, 100, path)]
    return []
