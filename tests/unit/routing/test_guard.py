"""The guard of a rollout: what is measured, and what is too much."""

import pytest

from utsuwa.model.rollout_limits import Limits
from utsuwa.routing.guard import Figures, Measured, Sample, measure, verdict
from utsuwa.routing.messages import RevisionStats, Stats, Wake

NAME = "default/hello-00002"


def told(second: int, good: int, bad: int = 0, *, left: int = 0, p95: float = 0.1) -> Stats:
    return Stats(
        second,
        (
            RevisionStats(
                NAME,
                1.0,
                float(good + bad),
                completed=good + bad + left,
                status=(0, good, 0, 0, bad, left),
                platform_errors=bad,
                latency=(0.0, p95, p95),
            ),
        ),
    )


@pytest.mark.parametrize(
    ("answers", "errors", "taken_back"),
    [(19, 19, False), (20, 1, False), (20, 2, True), (1000, 50, False), (1000, 51, True)],
)
def test_errors_count_from_enough_answers_on(answers: int, errors: int, taken_back: bool) -> None:
    """At most 5 %, at least 20 requests: the limit itself is allowed."""
    why = verdict(Limits(errors=5.0), Measured(answers, errors))
    assert bool(why) is taken_back


def test_the_reason_has_figures_and_limits() -> None:
    why = verdict(Limits(errors=5.0, window=10), Measured(48, 6, 2, 0.1))
    assert why == (
        "12.5 % of 48 answers in 10 s were 5xx (6, of which 2 made by the gateway), "
        "utsuwa.dev/rollout-max-error-rate is 5 %"
    )
    why = verdict(Limits(p95=0.5), Measured(48, 6, 2, 1.25))
    assert why == "p95 of 48 answers in 30 s was 1.25 s, utsuwa.dev/rollout-max-p95 is 500 ms"


def test_without_answers_there_is_nothing_to_say() -> None:
    assert verdict(Limits(errors=0.0, requests=0), Measured()) == ""
    assert measure([]) == Measured()


def test_one_slow_second_is_not_enough() -> None:
    """The median of the seconds, by answers."""
    assert measure([Sample(1, 10, 0, 0, 9.0), Sample(2, 30, 0, 0, 0.1)]).p95 == 0.1
    assert measure([Sample(1, 31, 0, 0, 9.0), Sample(2, 30, 0, 0, 0.1)]).p95 == 9.0


def test_figures_are_kept_from_the_first_question_on() -> None:
    figures = Figures()
    figures.stats("g", told(9, 5))
    assert figures.measured(NAME, now=10, since=0, window=30) == Measured()
    figures.stats("g", told(10, 5, 1))
    figures.stats("other", told(10, 4))
    assert figures.measured(NAME, now=11, since=0, window=30) == Measured(10, 1, 1, 0.1)
    assert repr(figures) == "<Figures of 1 revisions>"


def test_clients_that_left_are_no_answers() -> None:
    figures = Figures()
    figures.measured(NAME, now=10, since=0, window=30)
    figures.stats("g", told(10, 5, left=7))
    assert figures.measured(NAME, now=11, since=0, window=30).answers == 5


def test_what_is_older_than_the_window_or_the_rollout_does_not_count() -> None:
    """So a Revision that is tried again begins without its past."""
    figures = Figures()
    figures.measured(NAME, now=0, since=0, window=30)
    for second in range(1, 21):
        figures.stats("g", told(second, 1))
    assert figures.measured(NAME, now=21, since=0, window=5).answers == 5
    assert figures.measured(NAME, now=21, since=19, window=5).answers == 2


def test_figures_that_nobody_asks_for_are_dropped() -> None:
    figures = Figures()
    figures.measured(NAME, now=0, since=0, window=30)
    figures.stats("g", told(61, 1))
    figures.wake(Wake(NAME, 62.0))
    assert repr(figures) == "<Figures of 0 revisions>"


def test_old_figures_go() -> None:
    figures = Figures()
    for second in (1, 700):
        figures.measured(NAME, now=second, since=0, window=30)
        figures.stats("g", told(second, 1))
    assert figures.measured(NAME, now=700, since=0, window=10_000).answers == 1
