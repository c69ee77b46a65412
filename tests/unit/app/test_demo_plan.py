"""The demo's numbers, its verdict and what it prints."""

from dataclasses import replace

import pytest

from utsuwa.app.demo.plan import DemoOptions, Figures, Outcome, complaints, service
from utsuwa.app.demo.screen import LIVE_HEAD, Live, comparison, introduction, live_line

GOOD = [
    Outcome(80, Figures(requests=12_000, rate=490.0, slowest=1.4, errors=0, pods=7), 7, 7),
    Outcome(40, Figures(requests=12_000, rate=488.0, slowest=1.5, errors=0, pods=13), 13, 13),
]


@pytest.mark.parametrize(
    ("percent", "concurrency", "pods"), [(100, 80, 7), (100, 40, 13), (70, 80, 9), (70, 40, 18)]
)
def test_the_algorithm_asks_for_so_many_pods(percent: int, concurrency: int, pods: int) -> None:
    """500 in flight over the target per pod, rounded up (`spec/autoscaling.md` §1.2)."""
    assert DemoOptions(percent=percent).pods(concurrency) == pods


def test_all_is_well_when_nothing_failed_and_the_pods_are_right() -> None:
    """Exit code 0."""
    assert complaints(DemoOptions(), GOOD) == []


@pytest.mark.parametrize(
    ("outcome", "complaint"),
    [
        (replace(GOOD[0], desired=8), "concurrency 80: 8 pods were desired, expected 7"),
        (replace(GOOD[0], ready=6), "concurrency 80: 6 pods were ready, expected 7"),
        (
            replace(GOOD[0], figures=replace(GOOD[0].figures, errors=1200)),
            "concurrency 80: 1,200 requests failed, expected none",
        ),
    ],
)
def test_what_is_not_right_is_named(outcome: Outcome, complaint: str) -> None:
    """Each in its own words."""
    assert complaints(DemoOptions(), [outcome, GOOD[1]]) == [complaint]


def test_the_full_length_is_that_of_the_article() -> None:
    """150,000 requests, 60 s."""
    assert DemoOptions(full=True).requests == 150_000
    assert DemoOptions(full=True).settings["stable-window"] == "60s"
    assert "All 150,000 requests" in introduction(DemoOptions(full=True))


def test_the_short_length_says_that_it_is_short() -> None:
    """Nobody shall compare the windows by mistake."""
    text = introduction(DemoOptions(percent=70))
    assert "12,000 of 150,000 requests a run" in text
    assert (
        "stable window of 20 s\nin place of 60 s and a grace period of 6 s in place of 30 s" in text
    )
    assert "Target percentage 70: the autoscaler should come to 9 and 18 pods." in text


def test_the_service_has_the_concurrency_and_the_articles_image() -> None:
    """Nothing else is set."""
    spec = service(40)["spec"]["template"]["spec"]
    assert spec["containerConcurrency"] == 40
    assert spec["containers"] == [{"image": "gcr.io/knative-samples/autoscale-go:0.1"}]


def test_requests_beyond_what_the_ready_pods_take_are_waiting() -> None:
    """Two pods of 80 hold 160 of 500."""
    live = Live(second=3, answered=0, outstanding=500, desired=7, ready=2, concurrency=80)
    assert (live.in_flight, live.waiting) == (160, 340)
    assert live_line(live).split() == ["3s", "0", "160", "340", "7", "2"]


def test_a_live_line_stands_below_its_head() -> None:
    """Column by column, also where numbers are long."""
    live = Live(second=300, answered=1500, outstanding=500, desired=18, ready=18, concurrency=40)
    assert len(live_line(live)) == len(LIVE_HEAD)


def test_the_comparison_has_both_runs_beside_the_article() -> None:
    """Row by row."""
    lines = [line.split() for line in comparison(GOOD).splitlines()]
    assert lines == [
        ["concurrency", "80", "concurrency", "40"],
        ["article", "this", "run", "article", "this", "run"],
        ["requests", "150,000", "12,000", "150,000", "12,000"],
        ["requests/s", "414.7", "490.0", "295.9", "488.0"],
        ["slowest", "6.9", "s", "1.4", "s", "20.0", "s", "1.5", "s"],
        ["errors", "0", "0", "4,920", "0"],
        ["pods", "7", "7", "13", "13"],
    ]
