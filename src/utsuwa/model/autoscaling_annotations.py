"""Annotations that steer the autoscaler of one revision (`autoscaling.knative.dev/…`).

Names and older spellings, reading at run time (a value that does not parse counts as absent) and
validation at admission with the original's messages (`spec/resources.md` §5.4,
`spec/autoscaling.md` §1.1).
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

from utsuwa.kit.units import format_duration
from utsuwa.model import labels
from utsuwa.model.config_autoscaler import (
    HPA_CLASS,
    KPA_CLASS,
    PANIC_THRESHOLD_PERCENTAGE_MAX,
    PANIC_THRESHOLD_PERCENTAGE_MIN,
    PANIC_WINDOW_PERCENTAGE_MAX,
    PANIC_WINDOW_PERCENTAGE_MIN,
    TARGET_MIN,
    WINDOW_MAX,
    WINDOW_MIN,
    AutoscalerConfig,
)
from utsuwa.model.go_values import (
    MAX_INT32,
    OutOfRangeError,
    parse_float,
    parse_int,
    parse_seconds,
)
from utsuwa.model.problems import Problem

GROUP = "autoscaling.knative.dev"

Annotations = Mapping[str, str]
T = TypeVar("T")


class Annotation(NamedTuple):
    """One annotation and its spellings, the preferred one first."""

    keys: tuple[str, ...]

    @property
    def key(self) -> str:
        """The preferred spelling."""
        return self.keys[0]

    def find(self, annotations: Annotations) -> tuple[str, str] | None:
        """The spelling that is used and its value, or None."""
        for key in self.keys:
            if key in annotations:
                return key, annotations[key]
        return None

    def read(self, annotations: Annotations, parse: Callable[[str], T]) -> T | None:
        """The parsed value, or None where it is absent or does not parse."""
        found = self.find(annotations)
        if found is None:
            return None
        try:
            return parse(found[1])
        except ValueError:
            return None


def _annotation(*names: str) -> Annotation:
    return Annotation(tuple(f"{GROUP}/{name}" for name in names))


CLASS = _annotation("class")
METRIC = _annotation("metric")
ALGORITHM = _annotation("metric-aggregation-algorithm", "metricAggregationAlgorithm")
TARGET = _annotation("target")
TARGET_UTILIZATION = _annotation("target-utilization-percentage", "targetUtilizationPercentage")
TARGET_BURST_CAPACITY = _annotation("target-burst-capacity", "targetBurstCapacity")
WINDOW = _annotation("window")
PANIC_WINDOW = _annotation("panic-window-percentage", "panicWindowPercentage")
PANIC_THRESHOLD = _annotation("panic-threshold-percentage", "panicThresholdPercentage")
MIN_SCALE = _annotation("min-scale", "minScale")
MAX_SCALE = _annotation("max-scale", "maxScale")
INITIAL_SCALE = _annotation("initial-scale", "initialScale")
ACTIVATION_SCALE = _annotation("activation-scale")
SCALE_DOWN_DELAY = _annotation("scale-down-delay", "scaleDownDelay")
POD_RETENTION = _annotation("scale-to-zero-pod-retention-period", "scaleToZeroPodRetentionPeriod")
PROGRESS_DEADLINE = Annotation(labels.PROGRESS_DEADLINE.keys)

WEIGHTED_ALGORITHMS = frozenset({"weighted-exponential", "weightedExponential"})
_ALGORITHMS = WEIGHTED_ALGORITHMS | {"", "linear"}
_WHOLE_SECONDS = "must be specified with at most second precision"


def validate_annotations(annotations: Annotations, config: AutoscalerConfig) -> list[Problem]:
    """What admission finds wrong; paths are full annotation keys (put them under
    `metadata.annotations` with :func:`utsuwa.model.problems.under`)."""
    return [
        *_check_class(annotations),
        *_check_scales(annotations, config),
        *_check_floats(annotations),
        *_check_duration(annotations, WINDOW, WINDOW_MIN, whole=True),
        *_check_duration(annotations, POD_RETENTION, 0.0, whole=False),
        *_check_duration(annotations, SCALE_DOWN_DELAY, 0.0, whole=True),
        *_check_metric(annotations, config),
        *_check_algorithm(annotations),
        *_check_initial_scale(annotations, config),
    ]


def _invalid(value: str, path: str) -> Problem:
    return Problem(f"invalid value: {value}", (path,))


def _bounds(value: str, low: str, high: str, path: str) -> Problem:
    return Problem(f"expected {low} <= {value} <= {high}", (path,))


def _check_class(annotations: Annotations) -> list[Problem]:
    value = annotations.get(CLASS.key, "")
    known = not value.endswith(".knative.dev") or value in (KPA_CLASS, HPA_CLASS)
    return [] if known else [_invalid(value, CLASS.key)]


def _count(annotations: Annotations, annotation: Annotation) -> tuple[int, list[Problem]]:
    """An integer from 0 up; 0 with a problem where it is none."""
    found = annotation.find(annotations)
    if found is None:
        return 0, []
    key, text = found
    try:
        value = parse_int(text)
    except OutOfRangeError:
        value = -1
    except ValueError:
        return 0, [_invalid(text, key)]
    if value < 0:
        return 0, [_bounds(text, "0", str(MAX_INT32), key)]
    return value, []


def _check_scales(annotations: Annotations, config: AutoscalerConfig) -> list[Problem]:
    low, problems = _count(annotations, MIN_SCALE)
    high, more = _count(annotations, MAX_SCALE)
    problems += more
    if high != 0 and high < low:
        message = f"max-scale={high} is less than min-scale={low}"
        problems.append(Problem(message, (MAX_SCALE.key, MIN_SCALE.key)))
    found = MAX_SCALE.find(annotations)
    limit = config.max_scale_limit
    if found is not None and limit != 0:
        if high > limit:
            problems.append(_bounds(str(high), "1", str(limit), found[0]))
        if high == 0:
            message = f"max-scale=0 (unlimited), must be less than {limit}"
            problems.append(Problem(message, (found[0],)))
    return problems + _check_activation(annotations, low, high)


def _check_activation(annotations: Annotations, low: int, high: int) -> list[Problem]:
    key, text = ACTIVATION_SCALE.key, annotations.get(ACTIVATION_SCALE.key)
    if text is None:
        return []
    try:
        value = parse_int(text)
    except ValueError:
        return [_invalid(text, key)]
    if low > value:
        return [Problem(f"min-scale={low} is greater than activation-scale={value}", (key,))]
    if value > high != 0:
        return [Problem(f"max-scale={high} is less than activation-scale={value}", (key,))]
    if value < 2:
        return [Problem(f"activation-scale={value} must be greater than 1", (key,))]
    return []


def _check_floats(annotations: Annotations) -> list[Problem]:
    return [
        *_check_range(
            annotations, PANIC_WINDOW, PANIC_WINDOW_PERCENTAGE_MIN, PANIC_WINDOW_PERCENTAGE_MAX
        ),
        *_check_range(
            annotations,
            PANIC_THRESHOLD,
            PANIC_THRESHOLD_PERCENTAGE_MIN,
            PANIC_THRESHOLD_PERCENTAGE_MAX,
        ),
        *_check_target(annotations),
        *_check_range(annotations, TARGET_UTILIZATION, 1.0, 100.0),
        *_check_burst_capacity(annotations),
    ]


def _check_range(
    annotations: Annotations, annotation: Annotation, low: float, high: float
) -> list[Problem]:
    found = annotation.find(annotations)
    if found is None:
        return []
    key, text = found
    value = _float(text)
    if value is None:
        return [_invalid(text, key)]
    return [] if low <= value <= high else [_bounds(text, f"{low:g}", f"{high:g}", key)]


def _float(text: str) -> float | None:
    try:
        return parse_float(text)
    except ValueError:
        return None


def _check_target(annotations: Annotations) -> list[Problem]:
    text = annotations.get(TARGET.key)
    if text is None:
        return []
    value = _float(text)
    if value is None:
        return [_invalid(text, TARGET.key)]
    message = f"target {text} should be at least {TARGET_MIN:g}"
    return [] if value >= TARGET_MIN else [Problem(message, (TARGET.key,))]


def _check_burst_capacity(annotations: Annotations) -> list[Problem]:
    found = TARGET_BURST_CAPACITY.find(annotations)
    if found is None:
        return []
    value = TARGET_BURST_CAPACITY.read(annotations, parse_float)
    fine = value is not None and (value >= 0 or value == -1)
    return [] if fine else [_invalid(found[1], found[0])]


def _check_duration(
    annotations: Annotations, annotation: Annotation, low: float, *, whole: bool
) -> list[Problem]:
    """A duration from `low` to the longest window; `whole`: in whole seconds."""
    found = annotation.find(annotations)
    if found is None:
        return []
    key, text = found
    try:
        seconds = parse_seconds(text)
    except ValueError:
        return [_invalid(text, key)]
    if not low <= seconds <= WINDOW_MAX:
        return [_bounds(text, format_duration(low), format_duration(WINDOW_MAX), key)]
    if whole and seconds != round(seconds):
        return [Problem(_WHOLE_SECONDS, (key,))]
    return []


def _check_metric(annotations: Annotations, config: AutoscalerConfig) -> list[Problem]:
    metric = annotations.get(METRIC.key)
    if metric is None:
        return []
    allowed = {
        KPA_CLASS: metric in ("concurrency", "rps"),
        HPA_CLASS: metric != "",
    }
    scaler = annotations.get(CLASS.key, config.pod_autoscaler_class)
    return [] if allowed.get(scaler, True) else [_invalid(metric, METRIC.key)]


def _check_algorithm(annotations: Annotations) -> list[Problem]:
    found = ALGORITHM.find(annotations)
    if annotations.get(CLASS.key) != KPA_CLASS or found is None or found[1] in _ALGORITHMS:
        return []
    return [_invalid(found[1], found[0])]


def _check_initial_scale(annotations: Annotations, config: AutoscalerConfig) -> list[Problem]:
    found = INITIAL_SCALE.find(annotations)
    if found is None:
        return []
    key, text = found
    try:
        value = parse_int(text, bits=64)
    except ValueError:
        return [_invalid(text, key)]
    if value < 0:
        return [_invalid(text, f"{key} must be greater than 0")]
    if value == 0 and not config.allow_zero_initial_scale:
        return [_invalid(text, f"{key}=0 not allowed by cluster")]
    return []
