"""What a guarded rollout must keep to, as annotations of a Service or Route say. Pure.

A rollout is guarded when one of the two limits is there; the window and the minimum of requests
say how it is measured.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from utsuwa.kit.units import parse_duration
from utsuwa.model import labels

DEFAULT_WINDOW = 30
DEFAULT_REQUESTS = 20
LONGEST_WINDOW = 600
KEYS = (
    labels.ROLLOUT_MAX_ERROR_RATE,
    labels.ROLLOUT_MAX_P95,
    labels.ROLLOUT_WINDOW,
    labels.ROLLOUT_MIN_REQUESTS,
    labels.ROLLOUT_MAX_SURGE,
)
"""Annotations that a user sets."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`errors` in percent of the answers, `p95` in seconds; None does not count."""

    errors: float | None = None
    p95: float | None = None
    window: int = DEFAULT_WINDOW
    """Seconds that are looked back upon."""
    requests: int = DEFAULT_REQUESTS
    """Fewer than so many answers in the window say nothing."""


class LimitError(ValueError):
    """An annotation is none of what it may be: its `key`, the `value`, and what was expected."""

    def __init__(self, key: str, value: str, expected: str) -> None:
        super().__init__(f"annotation {key}: expected {expected}, found {value!r}")
        self.key = key
        self.value = value
        self.expected = expected


def limits_of(annotations: Mapping[str, str]) -> Limits | None:
    """The limits; None where there is none.

    >>> limits_of({"utsuwa.dev/rollout-max-error-rate": "5%"})
    Limits(errors=5.0, p95=None, window=30, requests=20)

    Raises:
        LimitError: an annotation is no such thing.
    """
    errors = annotations.get(labels.ROLLOUT_MAX_ERROR_RATE)
    p95 = annotations.get(labels.ROLLOUT_MAX_P95)
    window = _window(annotations)
    requests = _whole(annotations, labels.ROLLOUT_MIN_REQUESTS, DEFAULT_REQUESTS)
    if errors is None and p95 is None:
        return None
    return Limits(
        None if errors is None else _percent(errors),
        None if p95 is None else _duration(labels.ROLLOUT_MAX_P95, p95),
        window,
        requests,
    )


def surge_of(annotations: Mapping[str, str]) -> int:
    """How many pods a rollout may have beyond what is needed anyway; 0 where nothing is said.

    Raises:
        LimitError: the annotation is no such number.
    """
    return _whole(annotations, labels.ROLLOUT_MAX_SURGE, 0)


def _percent(text: str) -> float:
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        value = -1.0
    if not 0 <= value < 100:
        raise LimitError(labels.ROLLOUT_MAX_ERROR_RATE, text, "a percent from 0, below 100")
    return value


def _duration(key: str, text: str) -> float:
    try:
        value = parse_duration(text)
    except ValueError:
        value = 0.0
    if value <= 0:
        raise LimitError(key, text, "a duration above zero, such as 500ms")
    return value


def _window(annotations: Mapping[str, str]) -> int:
    text = annotations.get(labels.ROLLOUT_WINDOW)
    if text is None:
        return DEFAULT_WINDOW
    value = _duration(labels.ROLLOUT_WINDOW, text)
    if value != int(value) or value > LONGEST_WINDOW:
        raise LimitError(labels.ROLLOUT_WINDOW, text, "whole seconds, from 1s to 10m")
    return int(value)


def _whole(annotations: Mapping[str, str], key: str, default: int) -> int:
    text = annotations.get(key)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise LimitError(key, text, "a whole number from 1")
    return int(text)
