"""Series of a service on an even grid."""

import pytest

from utsuwa.console.pages.series import WINDOWS, grid, point, served
from utsuwa.kit.documents import Document
from utsuwa.series import COLUMNS, Point, shown

NOW = 1_700_000_000


def a_history(points: dict[int, Point], until: int = NOW, **more: object) -> Document:
    return {
        "until": until,
        "columns": list(COLUMNS),
        "series": shown(list(points.items())),
        "marks": [],
        **more,
    }


def test_seconds_of_which_nothing_is_known_are_empty_ones() -> None:
    told = grid(a_history({NOW - 1: Point(s2=4, p95=120)}), WINDOWS["5m"], NOW - 3)
    assert told["start"] == NOW - 3
    assert told["columns"]["2xx"] == [0, 0, 4, 0]
    assert told["columns"]["p95"] == [None, None, 12.0, None]
    assert told["columns"]["ready"] == [0, 0, 0, 0]


def test_a_wider_grid_adds_requests_and_keeps_the_highest_of_the_rest() -> None:
    points = {NOW: Point(s2=10, p99=500, ready=1), NOW + 2: Point(s2=15, p99=900, ready=3, total=4)}
    told = grid(a_history(points, NOW + 4), WINDOWS["1h"], NOW)
    assert told["columns"]["2xx"] == [5.0]  # 25 in five seconds
    assert told["columns"]["p99"] == [90.0]
    assert told["columns"]["ready"] == [3]
    assert told["columns"]["cold"] == [1]


def test_a_week_is_told_in_few_points() -> None:
    week = WINDOWS["1w"]
    told = grid(a_history({}), week, NOW - week.seconds)
    assert len(told["columns"]["ready"]) <= 700


def test_marks_before_the_window_are_left_out() -> None:
    marks = [[NOW - 400, "deploy", "a", ""], [NOW - 1, "panic", "a", ""]]
    told = grid(a_history({}, marks=marks), WINDOWS["5m"], NOW - 299)
    assert [mark[1] for mark in told["marks"]] == ["panic"]


def test_a_second_of_several_revisions_is_one_point() -> None:
    told = point(
        [Point(s2=3, ready=1, total=2, p95=100), Point(s5=1, ready=2, total=2, p95=300)], 9
    )
    assert (told["2xx"], told["5xx"], told["ready"], told["cold"]) == (3, 1, 3, 1)
    assert told["p95"] == pytest.approx(30.0)


def test_without_requests_a_second_has_no_latency() -> None:
    assert point([Point(ready=1, p95=70)], 9)["p95"] is None


def test_answers_of_each_revision_are_counted() -> None:
    revisions = {"a": shown([(NOW, Point(s2=2)), (NOW + 60, Point(s2=1, s5=4))]), "b": shown([])}
    told = served(a_history({}, revisions=revisions))
    assert (told["a"]["2xx"], told["a"]["5xx"], told["b"]["5xx"]) == (3, 4, 0)


def test_while_control_was_away_there_is_a_gap_and_no_zero() -> None:
    history = a_history(
        {NOW: Point(s2=4), NOW + 5: Point(s2=2)}, NOW + 6, away=[[NOW + 1, NOW + 3]]
    )
    told = grid(history, WINDOWS["5m"], NOW)["columns"]
    assert told["2xx"] == [4, None, None, None, 0, 2, 0]
    assert told["ready"] == [0, None, None, None, 0, 0, 0]


def test_of_a_wider_grid_only_what_is_wholly_unknown_is_a_gap() -> None:
    history = a_history({NOW: Point(s2=5)}, NOW + 19, away=[[NOW + 3, NOW + 16]])
    told = grid(history, WINDOWS["1h"], NOW)["columns"]
    assert told["2xx"] == [1.0, None, None, 0]
    assert told["memory"] == [0, None, None, 0]
