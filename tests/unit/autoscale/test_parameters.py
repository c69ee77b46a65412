"""From settings and annotations to parameters (`spec/autoscaling.md` §1.2, §1.3)."""

import pytest

from utsuwa.autoscale.parameters import Parameters, Reachability, resolve
from utsuwa.model.autoscaling_annotations import GROUP
from utsuwa.model.config_autoscaler import AutoscalerConfig


def resolved(
    annotations: dict[str, str] | None = None, concurrency: int = 0, **config: str
) -> Parameters:
    """Parameters; annotation keys without prefix, config keys with `_` for `-`."""
    data = {key.replace("_", "-"): value for key, value in config.items()}
    full = {f"{GROUP}/{key}": value for key, value in (annotations or {}).items()}
    return resolve(full, AutoscalerConfig.parse(data), container_concurrency=concurrency)


@pytest.mark.parametrize(
    ("annotations", "concurrency", "target", "total"),
    [
        ({}, 80, 56, 80),
        ({}, 0, 70, 100),
        ({"target": "50"}, 10, 7, 10),
        ({"target": "50"}, 0, 35, 50),
        ({"metric": "rps"}, 0, 140, 200),
        ({"metric": "rps", "target": "10"}, 5, 7, 10),
        ({"target": "0.01"}, 0, 0.01, 0.01),
        ({"target-utilization-percentage": "100"}, 80, 80, 80),
    ],
)
def test_target_and_total_by_the_examples(
    annotations: dict[str, str], concurrency: int, target: float, total: float
) -> None:
    """The hard limit bounds a target of concurrency, not one of requests per second."""
    parameters = resolved(annotations, concurrency)
    assert parameters.target == pytest.approx(target)
    assert parameters.total == total


@pytest.mark.parametrize(("window", "percentage", "panic"), [("60s", "10", 6), ("60s", "51", 31), ("45s", "10", 5), ("6s", "10", 1)])  # fmt: skip
def test_the_panic_window_is_whole_seconds_and_at_least_one(
    window: str, percentage: str, panic: float
) -> None:
    """Half a second is rounded up."""
    parameters = resolved({"window": window, "panic-window-percentage": percentage})
    assert parameters.panic_window == panic


def test_a_value_that_does_not_parse_counts_as_absent() -> None:
    """The setting applies then."""
    assert resolved({"min-scale": "many", "window": "60"}, min_scale="2").min_scale == 2


def test_an_unreachable_revision_has_no_minimum_and_no_retention() -> None:
    """It is to go as soon as nobody asks."""
    config = AutoscalerConfig.parse({"scale-to-zero-pod-retention-period": "1m"})
    annotations = {f"{GROUP}/min-scale": "3"}
    gone = resolve(annotations, config, reachability=Reachability.UNREACHABLE)
    kept = resolve(annotations, config, reachability=Reachability.UNKNOWN)
    assert (gone.min_scale, gone.pod_retention, gone.reachable) == (0, 0, False)
    assert (kept.min_scale, kept.pod_retention, kept.reachable) == (3, 60, True)


def test_a_forbidden_initial_scale_of_zero_falls_back() -> None:
    """Only allowed by the operator."""
    assert resolved({"initial-scale": "0"}, initial_scale="2").initial_scale == 2
    allowed = resolved({"initial-scale": "0"}, allow_zero_initial_scale="true")
    assert allowed.initial_scale == 0


def test_both_spellings_of_the_weighted_algorithm_mean_it() -> None:
    """Anything else is linear."""
    key = "metric-aggregation-algorithm"
    assert resolved({key: "weightedExponential"}).algorithm == "weighted-exponential"
    assert resolved({key: "none"}).algorithm == "linear"


def test_reachability_is_read_from_the_spec() -> None:
    """An unheard-of word is unknown, which counts as reachable."""
    assert Reachability.of("Unreachable") is Reachability.UNREACHABLE
    assert Reachability.of(None) is Reachability.UNKNOWN
    assert Reachability.of("Sideways") is Reachability.UNKNOWN


@pytest.mark.parametrize("name", ["progress-deadline", "progressDeadline"])
def test_both_spellings_of_the_progress_deadline_count(name: str) -> None:
    """The Deployment goes by both; so must whoever gives up after it."""
    annotations = {f"serving.knative.dev/{name}": "30s"}
    assert resolve(annotations, AutoscalerConfig.parse({})).progress_deadline == 30.0
