"""Limits of a guarded rollout, as annotations."""

import pytest

from utsuwa.model.admission import Denied, Request, admit
from utsuwa.model.kinds import SERVICE
from utsuwa.model.rollout_limits import LimitError, Limits, limits_of, surge_of
from utsuwa.model.settings import Settings

KEY = "utsuwa.dev/rollout-"


def test_nothing_said_is_no_guard() -> None:
    assert limits_of({}) is None
    assert limits_of({f"{KEY}window": "10s"}) is None


def test_all_that_can_be_said() -> None:
    annotations = {
        f"{KEY}max-error-rate": "2.5%",
        f"{KEY}max-p95": "500ms",
        f"{KEY}window": "1m",
        f"{KEY}min-requests": "5",
        f"{KEY}max-surge": "2",
    }
    assert surge_of(annotations) == 2
    assert limits_of(annotations) == Limits(2.5, 0.5, 60, 5)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("max-error-rate", "many", "a percent from 0"),
        ("max-error-rate", "100", "below 100"),
        ("max-error-rate", "nan", "a percent"),
        ("max-p95", "500", "a duration above zero"),
        ("max-p95", "-1s", "a duration above zero"),
        ("window", "1500ms", "whole seconds, from 1s to 10m"),
        ("window", "11m", "whole seconds"),
        ("window", "soon", "a duration"),
        ("min-requests", "0", "a whole number from 1"),
        ("max-surge", "0", "a whole number from 1"),
    ],
)
def test_what_is_no_limit_is_refused_by_admission(key: str, value: str, expected: str) -> None:
    """The message names the annotation, the value, and what was expected."""
    annotations = {f"{KEY}{key}": value}
    with pytest.raises(LimitError, match=expected):
        (limits_of(annotations), surge_of(annotations))
    service = {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": "hello", "namespace": "default", "annotations": annotations},
        "spec": {"template": {"spec": {"containers": [{"image": "i"}]}}},
    }
    with pytest.raises(Denied) as denied:
        admit(Request(SERVICE, "CREATE", service), Settings())
    assert f"metadata.annotations.{KEY}{key}" in str(denied.value)
    assert f"invalid value: {value}: expected" in str(denied.value)
