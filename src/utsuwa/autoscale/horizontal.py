"""The horizontal pod autoscaler: class HPA, on processor or memory use (`spec/autoscaling.md` §7).

The formula is that of Kubernetes: pods x (average use / target), left alone within 10 %, pods
whose use is unknown taken for the side that changes less, held by stabilisation windows, at most
doubled (or four more) each 15 s. No scale to zero, no panic. Times in seconds.
"""

import math
from collections import deque
from collections.abc import Mapping, Sequence

import msgspec

from utsuwa.autoscale.parameters import metric_of
from utsuwa.autoscale.reasons import Reason, because
from utsuwa.model import autoscaling_annotations as ann
from utsuwa.model.config_autoscaler import AutoscalerConfig
from utsuwa.model.go_values import MAX_INT32, parse_float, parse_int, parse_seconds

PERIOD = 15.0
"""Seconds between two decisions, and of one step of growth."""
TOLERANCE = 0.1
DOWN_STABILISATION = 300.0
DEFAULT_UTILISATION = 80.0
"""Percent of the requested processor, when no target is annotated."""
STEP_PODS = 4
CPU = "cpu"
MEMORY = "memory"
_MIB = 1024 * 1024


class HorizontalParameters(msgspec.Struct, frozen=True):
    """What steers one revision of class HPA."""

    metric: str = CPU
    target: float | None = DEFAULT_UTILISATION
    """cpu: percent of what is requested; memory: bytes per pod; None: not measurable here."""
    min_scale: int = 1
    max_scale: int = MAX_INT32
    up_window: float = 0.0
    down_window: float = DOWN_STABILISATION


class Use(msgspec.Struct, frozen=True):
    """What one ready pod uses, in the unit of its capacity."""

    used: float
    capacity: float = 1.0
    """cpu: cores requested. memory: ignored."""


class HorizontalDecision(msgspec.Struct, frozen=True):
    """One decision of class HPA."""

    time: float
    metric: str
    ratio: float | None
    """Average use over target; None when nothing could be measured."""
    ready: int
    desired: int
    reasons: tuple[Reason, ...]


def resolve_horizontal(
    annotations: Mapping[str, str], config: AutoscalerConfig, *, reachable: bool = True
) -> HorizontalParameters:
    """The parameters of a revision of class HPA; a target of memory is in MiB."""
    low = ann.MIN_SCALE.read(annotations, parse_int)
    low = config.min_scale if low is None else low
    high = ann.MAX_SCALE.read(annotations, parse_int)
    high = config.max_scale if high is None else high
    window = ann.WINDOW.read(annotations, parse_seconds)
    metric = metric_of(annotations)
    target = ann.TARGET.read(annotations, parse_float)
    return HorizontalParameters(
        metric=CPU if target is None else metric,
        target=_target(metric, target),
        min_scale=max(1, low) if reachable else 1,
        max_scale=high or MAX_INT32,
        up_window=0.0 if window is None else window,
        down_window=DOWN_STABILISATION if window is None else window,
    )


def _target(metric: str, annotated: float | None) -> float | None:
    if annotated is None:
        return DEFAULT_UTILISATION
    if metric == CPU:
        return float(math.ceil(annotated))
    return float(int(annotated) * _MIB) if metric == MEMORY else None


def _tolerable(ratio: float) -> bool:
    return 1 - TOLERANCE <= ratio <= 1 + TOLERANCE


class HorizontalDecider:
    """The decisions on one revision of class HPA.

    Mutable state: `_wishes`, (time, pods) of the longer stabilisation window, and `_grown`, (time,
    pods added) of the last period.
    """

    __slots__ = ("_grown", "_wishes", "parameters")

    def __init__(self, parameters: HorizontalParameters) -> None:
        self.parameters = parameters
        self._wishes: deque[tuple[float, int]] = deque()
        self._grown: deque[tuple[float, int]] = deque()

    def __repr__(self) -> str:
        return f"<HorizontalDecider on {self.parameters.metric}, {len(self._wishes)} wishes>"

    def decide(
        self, *, now: float, replicas: int, uses: Sequence[Use | None]
    ) -> HorizontalDecision:
        """How many pods there should be; `uses` of the ready pods, None where it is unknown."""
        parameters = self.parameters
        reasons: list[Reason] = []
        ratio = self._ratio(uses)
        wish = replicas
        if ratio is not None:
            wish = self._wish(ratio, replicas, uses)
            numbers = {"metric": parameters.metric, "percent": ratio * 100, "pods": wish}
            reasons.append(Reason("use", {**numbers, "ready": len(uses)}))
        else:
            reasons.append(because("use-unknown", metric=parameters.metric))
        wish = min(max(wish, parameters.min_scale), parameters.max_scale)
        held = self._stabilised(now, replicas, wish)
        if held != wish:
            reasons.append(because("delayed", wanted=wish, kept=held))
        desired = min(held, self._most(now, replicas))
        if desired < held:
            reasons.append(because("step", wanted=held, cap=desired))
        desired = min(max(desired, parameters.min_scale), parameters.max_scale)
        if desired > replicas:
            self._grown.append((now, desired - replicas))
        return HorizontalDecision(now, parameters.metric, ratio, len(uses), desired, tuple(reasons))

    def _ratio(self, uses: Sequence[Use | None]) -> float | None:
        known = [use for use in uses if use is not None]
        target = self.parameters.target
        if not known or target is None:
            return None
        used = sum(use.used for use in known)
        if self.parameters.metric == MEMORY:
            return used / len(known) / target
        capacity = sum(use.capacity for use in known)
        # Whole percents, as Kubernetes counts them.
        return int(round(used * 100.0 / capacity, 6)) / target if capacity > 0 else None

    def _wish(self, ratio: float, replicas: int, uses: Sequence[Use | None]) -> int:
        """Pods times ratio, left alone within the tolerance; a pod of which nothing is known
        counts as idle when growing and as exactly on target when shrinking."""
        if _tolerable(ratio):
            return replicas
        known = sum(use is not None for use in uses)
        unknown = len(uses) - known
        assumed = 0.0 if ratio > 1 else 1.0
        whole = (ratio * known + assumed * unknown) / len(uses)
        if _tolerable(whole) or (whole > 1) != (ratio > 1):
            return replicas
        wish = math.ceil(whole * len(uses))
        return max(wish, replicas) if ratio > 1 else min(wish, replicas)

    def _stabilised(self, now: float, replicas: int, wish: int) -> int:
        """Grow to what was wanted all along, shrink to the most that was wanted lately."""
        parameters = self.parameters
        longest = max(parameters.up_window, parameters.down_window)
        while self._wishes and self._wishes[0][0] < now - longest:
            self._wishes.popleft()
        self._wishes.append((now, wish))
        up = min(pods for time, pods in self._wishes if time >= now - parameters.up_window)
        down = max(pods for time, pods in self._wishes if time >= now - parameters.down_window)
        return min(max(replicas, up), down)

    def _most(self, now: float, replicas: int) -> int:
        """Double, or four more, than there were a period ago."""
        while self._grown and self._grown[0][0] <= now - PERIOD:
            self._grown.popleft()
        start = replicas - sum(pods for _, pods in self._grown)
        return max(2 * start, start + STEP_PODS)
