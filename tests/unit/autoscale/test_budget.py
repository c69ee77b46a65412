"""The budget of pods during a rollout."""

import pytest

from utsuwa.autoscale.budget import Bounds, Holder, bounds, carrying, needed, room, within
from utsuwa.autoscale.parameters import Parameters


def test_the_worked_example() -> None:
    """Need 4, surge 1: one pod after another changes sides."""
    shares = [(0, 4, 0), (25, 4, 1), (25, 3, 1), (50, 3, 2), (50, 2, 2), (75, 2, 3), (75, 1, 3)]
    found = []
    for share, old, new in shares:
        older = Holder(100 - share, old, old)
        newest = Holder(share, new, 1, newest=True)
        mine = bounds(newest, [older], need=4, surge=1)
        theirs = bounds(older, [newest], need=4, surge=1)
        found.append((mine.high, room(new, 4), theirs.high))
    assert found == [
        (1, 0, 4), (1, 25, 3), (2, 25, 3), (2, 50, 2), (3, 50, 2), (3, 75, 1), (4, 75, 1),
    ]  # fmt: skip


@pytest.mark.parametrize("need", range(1, 30))
def test_what_the_ready_pods_carry_lets_as_many_old_ones_go(need: int) -> None:
    """Else a rollout could stand still: nobody had room to take the next step."""
    for ready in range(1, need + 1):
        assert carrying(100 - room(ready, need), need) <= need - ready


def test_the_need_is_that_of_the_beginning_and_only_grows() -> None:
    older, newest = Holder(100, 3, 3), Holder(0, 1, -1, newest=True)
    assert needed([older, newest], None, minimum=0, maximum=0, surge=1) == 3
    assert needed([Holder(50, 1, 1), newest], 3, minimum=0, maximum=0, surge=1) == 3
    assert needed([Holder(50, 1, 5), newest], 3, minimum=0, maximum=0, surge=1) == 5
    assert needed([older, newest], None, minimum=6, maximum=0, surge=1) == 6
    assert needed([older, newest], None, minimum=6, maximum=2, surge=1) == 2


def test_the_need_grows_when_the_newest_wants_more_than_its_share() -> None:
    newest = Holder(50, 2, 4, newest=True)
    assert needed([Holder(50, 2, 4), newest], 4, minimum=0, maximum=0, surge=1) == 6


def test_who_comes_late_counts_what_is_there() -> None:
    """After a restart in the middle, half of the pods are on each side."""
    halves = [Holder(50, 2, 2), Holder(50, 3, 2, newest=True)]
    assert needed(halves, None, minimum=0, maximum=0, surge=1) == 4


def test_parameters_keep_to_the_bounds() -> None:
    asked = Parameters(min_scale=5, initial_scale=3, activation_scale=4)
    found = within(asked, Bounds(1, 2))
    assert (found.min_scale, found.max_scale) == (2, 2)
    assert (found.initial_scale, found.activation_scale) == (2, 2)
    assert within(Parameters(max_scale=2), Bounds(3, 4)).max_scale == 2
    assert within(Parameters(reachable=False), Bounds(1, 2)).min_scale == 0
