"""Exact figures per second."""

import pytest

from utsuwa.gateway.accounting import Accounts, Usage, percentiles


class Wall:
    """A wall clock that runs `offset` ahead of the monotonic one."""

    def __init__(self, offset: float) -> None:
        self.now = 0.0
        self.offset = offset

    def __call__(self) -> float:
        return self.now + self.offset


def opened(accounts: Accounts, now: float, waiting: int = 0) -> Usage:
    return accounts.open("default/a", now, waiting=lambda: waiting, forgotten=lambda: None)


def test_concurrency_is_weighted_by_time() -> None:
    """Two requests for half a second each, one after the other, are a concurrency of 1."""
    usage = Usage("default/a", 0.0)
    usage.deduct = False
    for start in (0.0, 0.5):
        usage.enter(start)
        usage.leave(start + 0.5, 200, 0.5)
    figures, forget = usage.close(1.0, 0)
    assert (figures.concurrency, figures.requests, forget) == (1.0, 2, False)


def test_an_entry_made_within_the_second_is_averaged_over_the_time_since() -> None:
    usage = Usage("default/a", 0.75)
    usage.deduct = False
    usage.enter(0.75)
    assert usage.close(1.0, 0)[0].concurrency == 1.0


def test_the_request_that_woke_the_revision_is_deducted_once() -> None:
    usage = Usage("default/a", 0.0)
    usage.enter(0.0)
    usage.enter(0.5)
    first, _ = usage.close(1.0, 0)
    second, _ = usage.close(2.0, 0)
    assert (first.concurrency, first.requests) == (0.5, 1)
    assert (second.concurrency, second.requests) == (2.0, 0)


def test_an_idle_revision_is_told_once_and_forgotten() -> None:
    accounts = Accounts(Wall(0.0), 0.0)
    usage = opened(accounts, 0.0)
    usage.enter(0.0)
    usage.leave(0.1, 200, 0.1)
    assert len(accounts.close(1.0)) == 1
    (idle,) = accounts.close(2.0)
    assert (idle.concurrency, idle.requests) == (0.0, 0)
    assert accounts.close(3.0) == ()


def test_answers_are_counted_by_class_and_clients_that_left_apart() -> None:
    usage = Usage("default/a", 0.0)
    for status in (200, 204, 301, 404, 502, 499, 101):
        usage.enter(0.0)
        usage.leave(0.0, status, 0.001)
    assert usage.close(1.0, 0)[0].status == (1, 2, 1, 1, 1, 1)


def test_in_flight_and_waiting_are_told_apart() -> None:
    usage = Usage("default/a", 0.0)
    for _ in range(5):
        usage.enter(0.0)
    figures, _ = usage.close(1.0, 3)
    assert (figures.in_flight, figures.waiting) == (2, 3)


def test_a_second_ends_exactly_at_its_end_even_when_nobody_looks() -> None:
    """What happens 0.2 s after the boundary belongs to the next second."""
    wall = Wall(1000.25)
    accounts = Accounts(wall, 0.0)
    assert accounts.second == 1000
    assert accounts.boundary == pytest.approx(0.75)
    usage = opened(accounts, 0.0)
    usage.enter(0.0)
    wall.now = 0.95
    accounts.roll(0.95)
    usage.leave(0.95, 200, 0.95)
    ((second, (figures,)),) = accounts.take_closed()
    assert (second, figures.completed) == (1000, 0)
    assert accounts.second == 1001
    assert accounts.boundary == pytest.approx(1.75)
    wall.now = 1.8
    accounts.roll(1.8)
    ((second, (figures,)),) = accounts.take_closed()
    assert (second, figures.completed) == (1001, 1)
    assert figures.concurrency == pytest.approx(0.2)


def test_seconds_that_passed_unseen_are_told_one_by_one() -> None:
    wall = Wall(50.0)
    accounts = Accounts(wall, 0.0)
    opened(accounts, 0.0).enter(0.0)
    wall.now = 3.5
    accounts.roll(3.5)
    assert [second for second, _ in accounts.take_closed()] == [50, 51, 52]


def test_after_a_long_sleep_of_the_machine_the_books_go_on() -> None:
    wall = Wall(50.0)
    accounts = Accounts(wall, 0.0)
    opened(accounts, 0.0).enter(0.0)
    wall.now = 5000.5
    accounts.roll(5000.5)
    assert accounts.second == 5050
    assert accounts.boundary == pytest.approx(5001.0)


def test_a_clock_that_drifts_makes_no_second_twice() -> None:
    """Each boundary is met a little early by the wall clock: still one report per second."""
    wall = Wall(10.0)
    accounts = Accounts(wall, 0.0)
    opened(accounts, 0.0).enter(0.0)
    for n in range(1, 6):
        wall.offset -= 0.0004
        wall.now = n + 0.01
        accounts.roll(n + 0.01)
    seconds = [second for second, _ in accounts.take_closed()]
    assert seconds == [10, 11, 12, 13, 14]


@pytest.mark.parametrize("latency", [0.00001, 0.0004, 0.003, 0.25, 1.0, 7.3, 299.0])
def test_percentiles_are_within_four_percent(latency: float) -> None:
    usage = Usage("default/a", 0.0)
    for _ in range(100):
        usage.enter(0.0)
        usage.leave(0.0, 200, latency)
    for percentile in usage.close(1.0, 0)[0].latency:
        assert percentile == pytest.approx(latency, rel=0.04)


def test_percentiles_tell_the_tail_apart() -> None:
    usage = Usage("default/a", 0.0)
    for n in range(100):
        usage.enter(0.0)
        usage.leave(0.0, 200, 0.01 if n < 90 else 1.0 if n < 98 else 5.0)
    p50, p95, p99 = usage.close(1.0, 0)[0].latency
    assert p50 == pytest.approx(0.01, rel=0.04)
    assert p95 == pytest.approx(1.0, rel=0.04)
    assert p99 == pytest.approx(5.0, rel=0.04)


def test_no_answers_have_no_percentiles() -> None:
    assert percentiles({}, 0) == (0.0, 0.0, 0.0)


def test_a_latency_of_nothing_is_no_error() -> None:
    usage = Usage("default/a", 0.0)
    usage.enter(0.0)
    usage.leave(0.0, 200, 0.0)
    assert usage.close(1.0, 0)[0].latency[0] < 1e-6
