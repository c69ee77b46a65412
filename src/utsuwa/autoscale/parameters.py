"""From settings and annotations to the numbers that the decider works with.

`spec/autoscaling.md` §1.2, §1.3. An annotation that does not parse counts as absent here:
admission refuses such ones, but objects may be older than the rule.
"""

import math
from collections.abc import Mapping
from enum import Enum
from typing import TypeVar

import msgspec

from utsuwa.model import autoscaling_annotations as ann
from utsuwa.model.config_autoscaler import (
    HPA_CLASS,
    KPA_CLASS,
    RPS_TARGET_UTILIZATION,
    TARGET_MIN,
    AutoscalerConfig,
)
from utsuwa.model.go_values import parse_float, parse_int, parse_seconds

T = TypeVar("T", int, float)

CONCURRENCY = "concurrency"
RPS = "rps"
LINEAR = "linear"
WEIGHTED_EXPONENTIAL = "weighted-exponential"
MIN_ACTIVATORS = 2
UNKNOWN_SCALE = -1
"""Desired pods before the first decision."""


class Reachability(Enum):
    """Whether a route refers to the revision; unknown counts as reachable."""

    REACHABLE = "Reachable"
    UNREACHABLE = "Unreachable"
    UNKNOWN = ""

    @classmethod
    def of(cls, text: str | None) -> "Reachability":
        """The value of `spec.reachability`; anything unheard of is unknown."""
        return next((member for member in cls if member.value == text), cls.UNKNOWN)


class Parameters(msgspec.Struct, frozen=True):
    """What steers one revision. Times in seconds; values in the unit of `metric`."""

    metric: str = CONCURRENCY
    target: float = 70.0
    """Aimed at per pod."""
    total: float = 100.0
    """What one pod can take."""
    target_burst_capacity: float = 211.0
    activator_capacity: float = 100.0
    panic_threshold: float = 2.0
    """Ratio of pods needed to pods ready at which panic begins."""
    max_scale_up_rate: float = 1000.0
    max_scale_down_rate: float = 2.0
    stable_window: float = 60.0
    panic_window: float = 6.0
    algorithm: str = LINEAR
    scale_down_delay: float = 0.0
    reachable: bool = True
    activation_scale: int = 0
    initial_scale: int = 1
    min_scale: int = 0
    """0 for an unreachable revision."""
    max_scale: int = 0
    """0 is no limit."""
    pod_retention: float = 0.0
    """How long the last pod stays after it became idle; 0 for an unreachable revision."""
    grace_period: float = 30.0
    enable_scale_to_zero: bool = True
    progress_deadline: float = 600.0

    @property
    def scraped(self) -> bool:
        """Whether ready pods count as a source of (zero) data; not with unlimited burst."""
        return self.target_burst_capacity != -1


def scaler_class(annotations: Mapping[str, str]) -> str:
    """Which autoscaler looks after a PodAutoscaler with `annotations`."""
    return annotations.get(ann.CLASS.key, KPA_CLASS)


def metric_of(annotations: Mapping[str, str]) -> str:
    """The metric that is scaled on: annotated, or the default of the class."""
    default = "cpu" if scaler_class(annotations) == HPA_CLASS else CONCURRENCY
    return annotations.get(ann.METRIC.key, default)


def resolve(
    annotations: Mapping[str, str],
    config: AutoscalerConfig,
    *,
    container_concurrency: int = 0,
    reachability: Reachability = Reachability.UNKNOWN,
    progress_deadline: float = 600.0,
) -> Parameters:
    """The parameters of a revision; `progress_deadline` (s) is the default of the deployment."""
    target, total = resolve_target(annotations, config, container_concurrency)
    window = _first(ann.WINDOW.read(annotations, parse_seconds), config.stable_window)
    panic = _first(ann.PANIC_WINDOW.read(annotations, parse_float), config.panic_window_percentage)
    threshold = _first(
        ann.PANIC_THRESHOLD.read(annotations, parse_float), config.panic_threshold_percentage
    )
    reachable = reachability is not Reachability.UNREACHABLE
    low = _first(ann.MIN_SCALE.read(annotations, parse_int), config.min_scale)
    retention = _first(
        ann.POD_RETENTION.read(annotations, parse_seconds),
        config.scale_to_zero_pod_retention_period,
    )
    return Parameters(
        metric=metric_of(annotations),
        target=target,
        total=total,
        target_burst_capacity=_first(
            ann.TARGET_BURST_CAPACITY.read(annotations, parse_float), config.target_burst_capacity
        ),
        activator_capacity=config.activator_capacity,
        panic_threshold=threshold / 100.0,
        max_scale_up_rate=config.max_scale_up_rate,
        max_scale_down_rate=config.max_scale_down_rate,
        stable_window=window,
        panic_window=max(1.0, math.floor(window * panic / 100.0 + 0.5)),
        algorithm=_algorithm(annotations),
        scale_down_delay=_first(
            ann.SCALE_DOWN_DELAY.read(annotations, parse_seconds), config.scale_down_delay
        ),
        reachable=reachable,
        activation_scale=_first(ann.ACTIVATION_SCALE.read(annotations, parse_int), 0),
        initial_scale=_initial_scale(annotations, config),
        min_scale=low if reachable else 0,
        max_scale=_first(ann.MAX_SCALE.read(annotations, parse_int), config.max_scale),
        pod_retention=retention if reachable else 0.0,
        grace_period=config.scale_to_zero_grace_period,
        enable_scale_to_zero=config.enable_scale_to_zero,
        progress_deadline=_first(
            ann.PROGRESS_DEADLINE.read(annotations, parse_seconds), progress_deadline
        ),
    )


def resolve_target(
    annotations: Mapping[str, str], config: AutoscalerConfig, container_concurrency: int
) -> tuple[float, float]:
    """(aimed at, possible) per pod.

    Worked examples: containerConcurrency 80 → (56, 80); 0 → (70, 100); 10 with target 50 →
    (7, 10), for no pod takes more than its hard limit; rps → (140, 200).
    """
    metric = metric_of(annotations)
    if metric == RPS:
        total, utilization = config.requests_per_second_target_default, RPS_TARGET_UTILIZATION
    else:
        total = float(container_concurrency) or config.container_concurrency_target_default
        utilization = config.container_concurrency_target_fraction
    annotated = ann.TARGET.read(annotations, parse_float)
    if annotated is not None:
        total = annotated
        if metric == CONCURRENCY and container_concurrency != 0:
            total = min(annotated, float(container_concurrency))
    percentage = ann.TARGET_UTILIZATION.read(annotations, parse_float)
    if percentage is not None:
        utilization = percentage / 100
    return max(TARGET_MIN, total * utilization), total


def _initial_scale(annotations: Mapping[str, str], config: AutoscalerConfig) -> int:
    annotated = ann.INITIAL_SCALE.read(annotations, parse_int)
    if annotated is None or (annotated == 0 and not config.allow_zero_initial_scale):
        return config.initial_scale
    return annotated


def _algorithm(annotations: Mapping[str, str]) -> str:
    found = ann.ALGORITHM.find(annotations)
    weighted = found is not None and found[1] in ann.WEIGHTED_ALGORITHMS
    return WEIGHTED_EXPONENTIAL if weighted else LINEAR


def _first(value: T | None, default: T) -> T:
    return default if value is None else value
