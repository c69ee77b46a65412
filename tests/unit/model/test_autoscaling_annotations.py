"""Autoscaling annotations: reading, and the original's words for bad ones."""

import pytest

from utsuwa.model import autoscaling_annotations as ann
from utsuwa.model.config_autoscaler import AutoscalerConfig
from utsuwa.model.go_values import parse_int
from utsuwa.model.problems import merged, under

DEFAULTS = AutoscalerConfig()


def problems(annotations: dict[str, str], config: AutoscalerConfig = DEFAULTS) -> list[str]:
    """What validation prints; keys without prefix."""
    full = {f"{ann.GROUP}/{key}": value for key, value in annotations.items()}
    found = ann.validate_annotations(full, config)
    return [str(one) for one in merged(under("metadata.annotations", found))]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("min-scale", "-1", "expected 0 <= -1 <= 2147483647"),
        ("min-scale", "2147483648", "expected 0 <= 2147483648 <= 2147483647"),
        ("min-scale", " 1", "invalid value:  1"),
        ("window", "1s", "expected 6s <= 1s <= 1h0m0s"),
        ("window", "7.5s", "must be specified with at most second precision"),
        ("scale-to-zero-pod-retention-period", "2h", "expected 0s <= 2h <= 1h0m0s"),
        ("metric", "bogus", "invalid value: bogus"),
        ("target", "0", "target 0 should be at least 0.01"),
        ("target", "NaN", "invalid value: NaN"),
        ("target-utilization-percentage", "0", "expected 1 <= 0 <= 100"),
        ("target-burst-capacity", "-2", "invalid value: -2"),
        ("panic-threshold-percentage", "100", "expected 110 <= 100 <= 1000"),
        ("activation-scale", "1", "activation-scale=1 must be greater than 1"),
        ("class", "foo.knative.dev", "invalid value: foo.knative.dev"),
    ],
)
def test_a_bad_value_is_told_in_the_words_of_the_original(
    key: str, value: str, message: str
) -> None:
    """`spec/resources.md` §5.4."""
    path = f"metadata.annotations.autoscaling.knative.dev/{key}"
    assert problems({key: value}) == [f"{message}: {path}"]


def test_a_maximum_below_the_minimum_names_both() -> None:
    """Both keys are paths, sorted."""
    prefix = "metadata.annotations.autoscaling.knative.dev/"
    assert problems({"min-scale": "5", "max-scale": "2"}) == [
        f"max-scale=2 is less than min-scale=5: {prefix}max-scale, {prefix}min-scale"
    ]


def test_the_limit_forbids_more_and_forbids_none() -> None:
    """`max-scale-limit`; 0 would mean no limit at all."""
    limited = AutoscalerConfig.parse({"max-scale": "3", "max-scale-limit": "5"})
    path = "metadata.annotations.autoscaling.knative.dev/max-scale"
    assert problems({"max-scale": "50"}, limited) == [f"expected 1 <= 50 <= 5: {path}"]
    assert problems({"max-scale": "0"}, limited) == [
        f"max-scale=0 (unlimited), must be less than 5: {path}"
    ]
    assert problems({"max-scale": "5"}, limited) == []


def test_an_activation_scale_lies_between_the_bounds() -> None:
    """Checked against the minimum first."""
    path = "metadata.annotations.autoscaling.knative.dev/activation-scale"
    assert problems({"min-scale": "5", "activation-scale": "2"}) == [
        f"min-scale=5 is greater than activation-scale=2: {path}"
    ]
    assert problems({"max-scale": "3", "activation-scale": "4"}) == [
        f"max-scale=3 is less than activation-scale=4: {path}"
    ]


def test_an_initial_scale_of_zero_needs_permission() -> None:
    """The reason comes after the path, as the original prints it."""
    path = "metadata.annotations.autoscaling.knative.dev/initial-scale"
    assert problems({"initial-scale": "0"}) == [
        f"invalid value: 0: {path}=0 not allowed by cluster"
    ]
    allowed = AutoscalerConfig.parse({"allow-zero-initial-scale": "true"})
    assert problems({"initial-scale": "0"}, allowed) == []


def test_other_classes_may_use_other_metrics() -> None:
    """Only the two known classes are checked."""
    assert problems({"class": "mine.example.com", "metric": "queue-length"}) == []
    assert problems({"class": "hpa.autoscaling.knative.dev", "metric": "memory"}) == []


def test_the_kebab_spelling_wins_over_the_camel_one() -> None:
    """Both may be present."""
    both = {f"{ann.GROUP}/minScale": "3", f"{ann.GROUP}/min-scale": "2"}
    assert ann.MIN_SCALE.read(both, parse_int) == 2
    assert ann.MIN_SCALE.read({f"{ann.GROUP}/minScale": "3"}, parse_int) == 3


def test_a_value_that_does_not_parse_counts_as_absent_at_run_time() -> None:
    """Objects may be older than the rule."""
    assert ann.MIN_SCALE.read({f"{ann.GROUP}/min-scale": "many"}, parse_int) is None
