"""The first step down from a running pod: frozen while nobody needs it. When, and in which words. Pure.

running → frozen (`freeze-after`) → stopped (scale to zero: its window, grace and retention). A
frozen pod keeps its memory, uses no processor, and counts as the ready pod that it is.
"""

from collections.abc import Mapping

from utsuwa.kit.documents import Document, dig
from utsuwa.kit.units import format_duration
from utsuwa.model import labels
from utsuwa.model.autoscaling_annotations import MIN_SCALE
from utsuwa.model.config_autoscaler import FREEZE_MIN, AutoscalerConfig
from utsuwa.model.go_values import parse_int, parse_seconds
from utsuwa.model.problems import Problem

FROZEN = "utsuwa.dev/Frozen"
"""The condition of a Pod that was frozen at least once."""
IDLE = "Idle"
"""Its reason while that holds."""
REQUESTED = "Requested"
"""Its reason once the Pod has been thawed."""


def freeze_after(annotations: Mapping[str, str], config: AutoscalerConfig) -> float:
    """Seconds without a request after which a Revision's pods are frozen; 0 is never.

    The cluster's setting leaves alone who has a minimum of pods, which are there to answer at once;
    its own annotation does not. What does not parse counts as absent.
    """
    text = annotations.get(labels.FREEZE_AFTER)
    if text is not None:
        try:
            return _allowed(parse_seconds(text))
        except ValueError:
            pass
    least = MIN_SCALE.read(annotations, parse_int)
    return 0.0 if (config.min_scale if least is None else least) > 0 else config.freeze_after


def _allowed(seconds: float) -> float:
    if seconds != 0 and seconds < FREEZE_MIN:
        raise ValueError(f"expected 0s or at least {format_duration(FREEZE_MIN)}")
    return seconds


def validate_freeze_after(annotations: Mapping[str, str]) -> list[Problem]:
    """What admission finds wrong with a template's annotations."""
    text = annotations.get(labels.FREEZE_AFTER)
    if text is None:
        return []
    try:
        _allowed(parse_seconds(text))
    except ValueError:
        least = format_duration(FREEZE_MIN)
        message = f"invalid value: {text}"
        details = f"expected 0s (never) or a duration of at least {least}, such as 30s"
        return [Problem(message, (labels.FREEZE_AFTER,), details)]
    return []


def frozen_condition(frozen: bool, idle: float) -> Document:
    """Whether a Pod is frozen that had no request for `idle` seconds (0 is unknown)."""
    if frozen:
        since = f" for {format_duration(idle)}" if idle else ""
        message = f"no request{since}; the next one thaws it"
        return {"type": FROZEN, "status": "True", "reason": IDLE, "message": message}
    return {"type": FROZEN, "status": "False", "reason": REQUESTED}


def is_frozen(pod: Document) -> bool:
    """Whether the Pod says that it is frozen."""
    return _said(pod).get("status") == "True"


def was_frozen(pod: Document) -> bool:
    """Whether the Pod says that it is frozen, or was."""
    return bool(_said(pod))


def _said(pod: Document) -> Document:
    conditions = dig(pod, "status", "conditions", default=())
    return next((one for one in conditions if one.get("type") == FROZEN), {})
