"""Class HPA by the formula of Kubernetes (`spec/autoscaling.md` §7)."""

import pytest

from utsuwa.autoscale.horizontal import (
    HorizontalDecider,
    HorizontalParameters,
    Use,
    resolve_horizontal,
)
from utsuwa.model.autoscaling_annotations import GROUP
from utsuwa.model.config_autoscaler import AutoscalerConfig

AT_50 = HorizontalParameters(target=50.0)


def desired(
    uses: list[Use | None], *, replicas: int, parameters: HorizontalParameters = AT_50
) -> int:
    return HorizontalDecider(parameters).decide(now=0, replicas=replicas, uses=uses).desired


@pytest.mark.parametrize(("cores", "pods"), [(1.0, 4), (0.55, 2), (0.45, 2), (0.56, 3), (0.2, 1)])
def test_pods_follow_use_over_target_outside_the_tolerance(cores: float, pods: int) -> None:
    """Two pods of one core at a target of 50 %; within 10 % nothing moves."""
    assert desired([Use(cores), Use(cores)], replicas=2) == pods


def test_memory_is_an_average_per_pod() -> None:
    """Target 100 MiB, two pods of 150: three."""
    annotations = {
        f"{GROUP}/class": "hpa.autoscaling.knative.dev",
        f"{GROUP}/metric": "memory",
        f"{GROUP}/target": "100",
    }
    parameters = resolve_horizontal(annotations, AutoscalerConfig())
    assert parameters.target == 100 * 1024 * 1024
    used = Use(150.0 * 1024 * 1024)
    assert desired([used, used], replicas=2, parameters=parameters) == 3


def test_unknown_pods_count_for_the_side_that_changes_less() -> None:
    """Idle when growing: (2 + 0) / 2 pods at 100 % of target; on target when shrinking."""
    assert desired([Use(1.0), None], replicas=2) == 2
    assert desired([Use(0.1), None], replicas=2) == 2
    assert desired([None, None], replicas=2) == 2


def test_the_bounds_hold() -> None:
    """Never below one; min-scale and max-scale."""
    bounded = HorizontalParameters(target=50.0, min_scale=2, max_scale=3)
    assert desired([Use(9.0)], replicas=1, parameters=bounded) == 3
    assert desired([Use(0.0)] * 3, replicas=3, parameters=bounded) == 2
    assert desired([Use(0.0)], replicas=1) == 1


def test_growth_is_at_most_double_or_four_more_in_15_seconds() -> None:
    """Then again as much."""
    decider = HorizontalDecider(AT_50)
    hot = [Use(50.0)]
    assert decider.decide(now=0, replicas=1, uses=hot).desired == 5
    assert decider.decide(now=5, replicas=5, uses=hot * 5).desired == 5
    decision = decider.decide(now=15, replicas=5, uses=hot * 5)
    assert (decision.desired, decision.reasons[-1].code) == (10, "step")


def test_shrinking_waits_for_the_most_wanted_in_five_minutes() -> None:
    """A window annotation sets both directions."""
    decider = HorizontalDecider(AT_50)
    decider.decide(now=0, replicas=4, uses=[Use(0.5)] * 4)
    held = decider.decide(now=200, replicas=4, uses=[Use(0.1)] * 4)
    assert (held.desired, held.reasons[-1].code) == (4, "delayed")
    assert decider.decide(now=301, replicas=4, uses=[Use(0.1)] * 4).desired == 1
    annotations = {f"{GROUP}/window": "30s"}
    parameters = resolve_horizontal(annotations, AutoscalerConfig())
    assert (parameters.up_window, parameters.down_window) == (30, 30)


def test_without_a_target_the_processor_is_used_to_80_percent() -> None:
    """The default of Kubernetes; an unknown metric cannot be measured here."""
    annotations = {f"{GROUP}/class": "hpa.autoscaling.knative.dev"}
    assert resolve_horizontal(annotations, AutoscalerConfig()).target == 80
    custom = {**annotations, f"{GROUP}/metric": "queue", f"{GROUP}/target": "5"}
    parameters = resolve_horizontal(custom, AutoscalerConfig())
    assert parameters.target is None
    assert desired([Use(9.0)], replicas=2, parameters=parameters) == 2


def test_every_reason_of_it_can_be_told() -> None:
    """In plain words."""
    decision = HorizontalDecider(AT_50).decide(now=0, replicas=1, uses=[Use(50.0)])
    assert "ready pods use 10000 % of the target of cpu" in decision.reasons[0].sentence
