"""When a pod is frozen, and in which words that is said."""

import pytest

from utsuwa.model.config_autoscaler import AutoscalerConfig
from utsuwa.model.freezing import (
    freeze_after,
    frozen_condition,
    is_frozen,
    validate_freeze_after,
)

KEY = "utsuwa.dev/freeze-after"
LEAST = "autoscaling.knative.dev/min-scale"


@pytest.mark.parametrize(
    ("annotations", "setting", "expected"),
    [
        ({}, 0.0, 0.0),
        ({}, 30.0, 30.0),
        ({KEY: "1m30s"}, 0.0, 90.0),
        ({KEY: "0s"}, 30.0, 0.0),
        ({KEY: "soon"}, 30.0, 30.0),
        ({KEY: "10ms"}, 30.0, 30.0),
        ({LEAST: "1"}, 30.0, 0.0),
        ({LEAST: "0"}, 30.0, 30.0),
        ({LEAST: "1", KEY: "10s"}, 0.0, 10.0),
    ],
)
def test_the_annotation_then_the_setting(
    annotations: dict[str, str], setting: float, expected: float
) -> None:
    """The cluster's setting leaves alone whoever has a minimum of pods."""
    assert freeze_after(annotations, AutoscalerConfig(freeze_after=setting)) == expected


def test_a_minimum_of_the_whole_cluster_counts_as_well() -> None:
    config = AutoscalerConfig(freeze_after=30.0, min_scale=1)
    assert freeze_after({}, config) == 0.0
    assert freeze_after({LEAST: "0"}, config) == 30.0


@pytest.mark.parametrize("text", ["0", "0s", "1s", "90s", "24h"])
def test_good_values(text: str) -> None:
    assert validate_freeze_after({KEY: text}) == []


@pytest.mark.parametrize("text", ["", "-1s", "999ms", "10", "soon"])
def test_bad_values_name_key_and_expectation(text: str) -> None:
    (problem,) = validate_freeze_after({KEY: text})
    assert problem.paths == (KEY,)
    assert problem.message == f"invalid value: {text}"
    assert "expected 0s (never) or a duration of at least 1s" in problem.details


def test_nothing_is_wrong_with_nothing() -> None:
    assert validate_freeze_after({}) == []


@pytest.mark.parametrize("text", ["500ms", "-5s"])
def test_the_setting_is_held_to_the_same(text: str) -> None:
    with pytest.raises(ValueError, match=r"freeze-after: expected 0s \(never\) or at least 1s"):
        AutoscalerConfig.parse({"freeze-after": text})


@pytest.mark.parametrize("frozen", [True, False])
def test_a_condition_says_whether_it_is(frozen: bool) -> None:
    pod = {"status": {"conditions": [frozen_condition(frozen, 30.0)]}}
    assert is_frozen(pod) is frozen
    assert not is_frozen({})
