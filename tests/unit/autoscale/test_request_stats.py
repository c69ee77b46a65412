"""Time-weighted request statistics (`spec/autoscaling.md` §2.2, §2.3)."""

from utsuwa.autoscale.request_stats import ActivatorStats, RequestStats, Stat


def test_two_half_second_requests_in_a_row_average_one() -> None:
    """And a quarter of a second averages a quarter."""
    stats = RequestStats(0.0)
    for start in (0.0, 0.5):
        stats.arrive(start)
        stats.leave(start + 0.5)
    assert stats.report(1.0)[:3] == (1.0, 0.0, 2.0)
    stats.arrive(1.0)
    stats.leave(1.25)
    assert stats.report(2.0).concurrency == 0.25


def test_an_open_request_counts_on_but_arrived_only_once() -> None:
    """Across a report."""
    stats = RequestStats(0.0)
    stats.arrive(0.0, proxied=True)
    assert stats.report(1.0) == (1.0, 1.0, 1.0, 1.0)
    assert stats.report(2.0) == (1.0, 1.0, 0.0, 0.0)
    stats.leave(2.5, proxied=True)
    assert stats.report(3.0) == (0.5, 0.5, 0.0, 0.0)


def test_a_clock_that_steps_back_adds_no_time() -> None:
    """Negative steps are ignored."""
    stats = RequestStats(10.0)
    stats.arrive(10.0)
    stats.leave(9.0)
    assert stats.report(10.0).concurrency == 0.0


def test_the_first_request_is_told_at_once_and_deducted_once() -> None:
    """It wakes a revision at zero without waiting for the end of the second."""
    stats = ActivatorStats()
    ticket, told = stats.arrive("web", 0.0)
    assert told == Stat("web", 1.0, 1.0)
    assert stats.report(1.0) == [Stat("web", 0.0, 0.0)]
    assert stats.report(2.0) == [Stat("web", 1.0, 0.0)]
    stats.leave(ticket, 2.0)
    assert stats.report(3.0) == [Stat("web", 0.0, 0.0)]
    assert stats.report(4.0) == []


def test_after_a_silent_second_the_next_request_is_a_first_one_again() -> None:
    """The entry was removed with the zero report."""
    stats = ActivatorStats()
    ticket, _ = stats.arrive("web", 0.0)
    assert stats.arrive("web", 0.5)[1] is None
    stats.leave(ticket, 0.5)
    stats.leave(ticket, 0.6)
    stats.report(1.0)
    stats.report(2.0)
    assert stats.arrive("web", 2.5)[1] == Stat("web", 1.0, 1.0)
