import pytest

from utsuwa.autoscale.onset import Onset


def test_the_end_of_a_partial_second_counts_for_more_than_its_average() -> None:
    """500 clients that have just connected: the average of the part is 260, 500 are there."""
    onset = Onset(100)
    assert onset.within(259.0, 500) == 499.0
    assert onset.after(500.0) == 0.0


def test_a_quiet_end_leaves_the_average_as_it_is() -> None:
    assert Onset(100).within(3.5, 0) == 3.5


def test_the_first_whole_second_lifts_the_partial_one_to_itself() -> None:
    """120 of 500 had connected when the second ended."""
    onset = Onset(100)
    onset.within(60.0, 120)
    assert onset.after(500.0) == pytest.approx(380.0)
    assert repr(onset) == "<Onset at 100: 500.0, then 500.0>"


def test_a_second_that_falls_off_lifts_nothing() -> None:
    onset = Onset(100)
    onset.within(60.0, 60)
    assert onset.after(10.0) == 0.0


def test_what_several_gateways_saw_adds_up_before_it_lifts() -> None:
    onset = Onset(100)
    onset.within(0.0, 51)
    onset.within(0.0, 51)
    assert onset.after(100.0) == 0.0
    assert onset.after(100.0) == pytest.approx(99.0)


def test_two_gateways_that_are_woken_in_one_second_are_two_requests() -> None:
    onset = Onset(100)
    onset.again()
    onset.within(0.0, 11)
    assert onset.after(20.0) == pytest.approx(8.0)
