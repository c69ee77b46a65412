"""Windows, by the examples of `spec/autoscaling.md` §3.1, §3.2 and §3.4."""

import pytest

from utsuwa.autoscale.windows import (
    DelayWindow,
    LinearWindow,
    WeightedWindow,
    make_window,
    smoothing_coefficient,
)


def filled(seconds: float = 6.0) -> LinearWindow:
    window = LinearWindow(seconds)
    for second, value in enumerate((10, 20, 30)):
        window.record(second, value)
    return window


@pytest.mark.parametrize(("now", "average"), [(2, 20), (4, 20), (7, 30), (8, 0), (100, 0)])
def test_the_worked_example(now: float, average: float) -> None:
    """Trailing silence is not averaged in; what ages out leaves sum and divisor alike."""
    assert filled().average(now) == average


def test_a_young_series_averages_over_the_seconds_that_exist() -> None:
    """500 in the first second is 500, not 500 / 60."""
    window = LinearWindow(60)
    window.record(1000.9, 500)
    assert window.average(1000.95) == 500


def test_values_of_one_second_add_up() -> None:
    """Several gateways tell of the same second."""
    window = LinearWindow(60)
    window.record(10.1, 3)
    window.record(10.9, 4)
    assert window.average(10.9) == 7


def test_a_late_value_lands_in_its_own_second() -> None:
    """And reaches back to before the first write."""
    window = LinearWindow(6)
    window.record(10, 6)
    window.record(8, 3)
    assert window.average(10) == 3


def test_a_value_older_than_the_window_is_dropped() -> None:
    """It must not land in a bucket that stands for a newer second."""
    window = LinearWindow(6)
    window.record(10, 6)
    window.record(4, 100)
    assert window.average(10) == 6


def test_a_gap_as_long_as_the_window_starts_a_new_series() -> None:
    """Then the average is over the new seconds alone."""
    window = filled()
    window.record(8, 12)
    assert window.average(8) == 12


def test_emptiness_is_strict_while_the_average_is_not() -> None:
    """At exactly one window after the last write: average 0, but not empty yet."""
    window = filled()
    assert (window.average(8), window.empty(8), window.empty(9)) == (0, False, True)
    assert LinearWindow(6).empty(0)


def test_averages_are_rounded_to_six_decimals_away_from_zero() -> None:
    """The decider takes a ceiling of them: digits beyond would move pods."""
    window = LinearWindow(6)
    window.record(0, 1)
    window.record(2, 0)
    assert window.average(2) == 0.333333
    window.record(2, 0.0000015)
    assert window.average(2) == 0.333334


def test_shrinking_keeps_the_newest_seconds() -> None:
    """6 s to 2 s: 20 and 30 remain."""
    window = filled()
    window.resize(2, 2)
    assert (window.window, window.average(2)) == (2, 25)


def test_growing_divides_as_if_the_old_window_had_been_full() -> None:
    """(10 + 20 + 30) / 6."""
    window = filled()
    window.resize(12, 2)
    assert window.average(2) == 10


def test_resizing_stale_data_forgets_it() -> None:
    """Older than the old window: nothing is carried over."""
    window = filled()
    window.resize(60, 20)
    window.record(21, 5)
    assert window.average(21) == 5


def test_filling_gives_a_long_silence_a_full_history_of_zeros() -> None:
    """An idle pod that was measured all along dilutes the first request: 6 / 6."""
    window = filled()
    window.fill(2, 1000)
    window.record(1001, 6)
    assert window.average(1001) == 1


def test_filling_from_lately_gives_a_short_history() -> None:
    """Zeros only from the second on in which the pod was there."""
    window = LinearWindow(60)
    window.fill(100, 102)
    window.record(103, 8)
    assert window.average(103) == 2


def test_filling_leaves_what_was_recorded() -> None:
    """Zeros add nothing to seconds that have a value."""
    window = filled()
    window.fill(0, 3)
    assert window.average(3) == 15


def test_weights_fall_to_a_floor() -> None:
    """N = 6 weighs the newest by 0.78; long windows by at least 0.2."""
    assert smoothing_coefficient(6) == pytest.approx(0.78456, abs=1e-5)
    assert smoothing_coefficient(60) == 0.2


def test_the_weighted_average_prefers_the_new() -> None:
    """And underestimates a young series: 10 alone weighs 0.2."""
    window = make_window("weighted-exponential", 60)
    assert isinstance(window, WeightedWindow)
    window.record(0, 10)
    assert window.average(0) == pytest.approx(2.0)
    assert window.average(1) == pytest.approx(1.6)
    window.record(1, 20)
    assert window.average(1) == pytest.approx(20 * 0.2 + 10 * 0.16)


def test_resizing_a_weighted_window_changes_its_weights() -> None:
    """From the floor of 0.2 to the weight for six buckets."""
    window = WeightedWindow(60)
    window.record(0, 10)
    window.resize(6, 0)
    assert window.average(0) == pytest.approx(7.8456, abs=1e-3)


def test_a_delay_window_holds_the_largest_value() -> None:
    """10 s are five slots of 2 s; the surge leaves when its slot does."""
    window = DelayWindow(10)
    window.record(100, 7)
    for now in (102, 104, 106, 108):
        window.record(now, 2)
        assert window.current == 7
    assert window.until == 110
    window.record(110, 2)
    assert window.current == 2


def test_within_one_slot_the_largest_counts() -> None:
    """Two ticks may fall into one slot."""
    window = DelayWindow(2)
    window.record(100, 3)
    window.record(101.5, 1)
    assert window.current == 3
    assert DelayWindow(2).current == 0


def test_windows_say_what_they_hold() -> None:
    """For whoever debugs."""
    assert repr(filled()) == "<LinearWindow 6s: total 60, written 0..2>"
    assert "10s" in repr(DelayWindow(10))
