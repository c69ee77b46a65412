"""The operator's settings of the autoscaler: ConfigMap `config-autoscaler`.

Keys, defaults and ranges: `spec/config.md` §4, `spec/autoscaling.md` §1. All times in seconds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from utsuwa.kit.units import format_duration
from utsuwa.model.go_values import parse_bool, parse_float, parse_int, parse_seconds

KPA_CLASS = "kpa.autoscaling.knative.dev"
HPA_CLASS = "hpa.autoscaling.knative.dev"

TARGET_MIN = 0.01
WINDOW_MIN = 6.0
WINDOW_MAX = 3600.0
PANIC_WINDOW_PERCENTAGE_MIN = 1.0
PANIC_WINDOW_PERCENTAGE_MAX = 100.0
PANIC_THRESHOLD_PERCENTAGE_MIN = 110.0
PANIC_THRESHOLD_PERCENTAGE_MAX = 1000.0
FREEZE_MIN = 1.0
"""Less than a second without a request is no idleness."""

RPS_TARGET_UTILIZATION = 0.7
"""Share of the rps target that is aimed at; a constant, not a key."""


@dataclass(frozen=True, slots=True)
class AutoscalerConfig:
    """`config-autoscaler`, parsed. Fields are the keys in snake_case; see :meth:`parse`."""

    pod_autoscaler_class: str = KPA_CLASS
    enable_scale_to_zero: bool = True
    allow_zero_initial_scale: bool = False
    initial_scale: int = 1
    min_scale: int = 0
    max_scale: int = 0
    """0 is no limit."""
    max_scale_limit: int = 0
    container_concurrency_target_fraction: float = 0.7
    """Key `container-concurrency-target-percentage`, as a fraction in (0, 1]."""
    container_concurrency_target_default: float = 100.0
    requests_per_second_target_default: float = 200.0
    target_burst_capacity: float = 211.0
    """Requests; -1 is unlimited, 0 none."""
    activator_capacity: float = 100.0
    stable_window: float = 60.0
    panic_window_percentage: float = 10.0
    panic_threshold_percentage: float = 200.0
    max_scale_up_rate: float = 1000.0
    max_scale_down_rate: float = 2.0
    scale_to_zero_grace_period: float = 30.0
    scale_to_zero_pod_retention_period: float = 0.0
    scale_down_delay: float = 0.0
    freeze_after: float = 0.0
    """0 is never. Not the original's."""

    @classmethod
    def parse(cls, data: Mapping[str, str]) -> "AutoscalerConfig":
        """The settings of `data`; missing keys mean defaults, unknown ones are ignored.

        Worked example: `container-concurrency-target-percentage` 70 and 0.7 are both 70 %,
        1.0 is 100 %: values above 1 are percents.

        Raises:
            ValueError: a key's value is refused; the message names key, expected and found.
        """
        values: dict[str, Any] = {}
        for key, parse in _KEYS.items():
            if key in data:
                try:
                    values[_field(key)] = parse(data[key])
                except ValueError as error:
                    raise ValueError(f"{key}: {error}") from error
        config = cls(**values)
        for key, expected, holds in _RULES:
            if not holds(config):
                found = data.get(key, _shown(getattr(config, _field(key))))
                raise ValueError(f"{key}: expected {expected}, found {found}")
        return config


def _fraction(text: str) -> float:
    value = parse_float(text)
    return value / 100 if value > 1 else value


_KEYS: dict[str, Callable[[str], Any]] = {
    "pod-autoscaler-class": str.strip,
    "enable-scale-to-zero": parse_bool,
    "allow-zero-initial-scale": parse_bool,
    "max-scale-up-rate": parse_float,
    "max-scale-down-rate": parse_float,
    "container-concurrency-target-percentage": _fraction,
    "container-concurrency-target-default": parse_float,
    "requests-per-second-target-default": parse_float,
    "target-burst-capacity": parse_float,
    "panic-window-percentage": parse_float,
    "activator-capacity": parse_float,
    "panic-threshold-percentage": parse_float,
    "initial-scale": parse_int,
    "min-scale": parse_int,
    "max-scale": parse_int,
    "max-scale-limit": parse_int,
    "stable-window": parse_seconds,
    "scale-down-delay": parse_seconds,
    "freeze-after": parse_seconds,
    "scale-to-zero-grace-period": parse_seconds,
    "scale-to-zero-pod-retention-period": parse_seconds,
}


def _field(key: str) -> str:
    if key == "container-concurrency-target-percentage":
        return "container_concurrency_target_fraction"
    return key.replace("-", "_")


def _shown(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _whole(seconds: float) -> bool:
    return seconds == round(seconds)


def _max_scale_allowed(config: AutoscalerConfig) -> bool:
    if config.max_scale_limit > 0:
        return 1 <= config.max_scale <= config.max_scale_limit
    return config.max_scale >= 0


_Rule = tuple[str, str, Callable[[AutoscalerConfig], bool]]
_RULES: tuple[_Rule, ...] = (
    ("scale-to-zero-grace-period", "more than 0s", lambda c: c.scale_to_zero_grace_period > 0),
    (
        "scale-down-delay",
        "0s or more, in whole seconds",
        lambda c: c.scale_down_delay >= 0 and _whole(c.scale_down_delay),
    ),
    (
        "freeze-after",
        f"0s (never) or at least {format_duration(FREEZE_MIN)}",
        lambda c: c.freeze_after == 0 or c.freeze_after >= FREEZE_MIN,
    ),
    (
        "scale-to-zero-pod-retention-period",
        "0s or more",
        lambda c: c.scale_to_zero_pod_retention_period >= 0,
    ),
    (
        "target-burst-capacity",
        "0 or more, or -1 for unlimited",
        lambda c: c.target_burst_capacity >= 0 or c.target_burst_capacity == -1,
    ),
    (
        "container-concurrency-target-percentage",
        "more than 0 and at most 100 (or a fraction up to 1)",
        lambda c: 0 < c.container_concurrency_target_fraction <= 1,
    ),
    (
        "container-concurrency-target-default",
        f"a target of at least {TARGET_MIN} after container-concurrency-target-percentage",
        lambda c: (
            c.container_concurrency_target_fraction * c.container_concurrency_target_default
            >= TARGET_MIN
        ),
    ),
    (
        "requests-per-second-target-default",
        f"at least {TARGET_MIN}",
        lambda c: c.requests_per_second_target_default >= TARGET_MIN,
    ),
    ("activator-capacity", "at least 1", lambda c: c.activator_capacity >= 1),
    ("max-scale-up-rate", "more than 1", lambda c: c.max_scale_up_rate > 1),
    ("max-scale-down-rate", "more than 1", lambda c: c.max_scale_down_rate > 1),
    (
        "stable-window",
        f"{format_duration(WINDOW_MIN)} to {format_duration(WINDOW_MAX)}, in whole seconds",
        lambda c: WINDOW_MIN <= c.stable_window <= WINDOW_MAX and _whole(c.stable_window),
    ),
    (
        "panic-window-percentage",
        "1 to 100",
        lambda c: (
            PANIC_WINDOW_PERCENTAGE_MIN <= c.panic_window_percentage <= PANIC_WINDOW_PERCENTAGE_MAX
        ),
    ),
    (
        "initial-scale",
        "at least 1 (or 0 when allow-zero-initial-scale is true)",
        lambda c: c.initial_scale > 0 or (c.initial_scale == 0 and c.allow_zero_initial_scale),
    ),
    ("min-scale", "0 or more", lambda c: c.min_scale >= 0),
    (
        "max-scale",
        "0 or more (with a max-scale-limit: 1 up to that limit)",
        _max_scale_allowed,
    ),
    ("max-scale-limit", "0 or more", lambda c: c.max_scale_limit >= 0),
    (
        "min-scale",
        "at most max-scale",
        lambda c: c.max_scale <= 0 or c.min_scale <= c.max_scale,
    ),
)
