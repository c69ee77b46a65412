"""Burst capacity (`spec/autoscaling.md` §3.3, §4.4)."""

import pytest

from utsuwa.autoscale.burst import (
    Mode,
    activators,
    initial_burst_capacity,
    int32,
    mode_for,
    same_sign,
)
from utsuwa.autoscale.parameters import Parameters


def test_the_initial_excess_is_truncated_towards_zero() -> None:
    """cc 80, one pod: trunc(80 - 211) = -131; half a request does not floor to -132."""
    assert initial_burst_capacity(Parameters(total=80.0)) == -131
    assert initial_burst_capacity(Parameters(total=79.5)) == -131
    assert initial_burst_capacity(Parameters(target_burst_capacity=-1)) == -1
    assert initial_burst_capacity(Parameters(target_burst_capacity=0)) == 0


@pytest.mark.parametrize(("burst", "ready", "number"), [(211.0, 7, 8), (0.0, 500, 2), (-1.0, 7, 6), (211.0, 0, 3)])  # fmt: skip
def test_activators_cover_load_and_burst(burst: float, ready: int, number: int) -> None:
    """cc 80, 7 ready, burst 211: ceil(771 / 100) = 8; at least 2."""
    assert activators(Parameters(total=80.0, target_burst_capacity=burst), ready) == number


@pytest.mark.parametrize(("want", "excess", "mode"), [(1, 0, Mode.SERVE), (1, -1, Mode.PROXY), (0, 9, Mode.PROXY), (-1, 9, Mode.PROXY)])  # fmt: skip
def test_serving_directly_needs_pods_and_room(want: int, excess: int, mode: Mode) -> None:
    """Unknown is Proxy."""
    assert mode_for(want, excess) is mode


def test_zero_counts_as_room() -> None:
    """Only a change between negative and not informs."""
    assert same_sign(0, 5)
    assert not same_sign(-1, 0)


def test_counts_stay_within_32_bits() -> None:
    """As in the objects."""
    assert int32(1e12) == 2147483647
    assert int32(-1e12) == -2147483648
