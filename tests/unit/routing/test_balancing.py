"""Sharing and picking pods as the original's activators do."""

import pytest

from utsuwa.routing.balancing import Balancer, assign_slice, throttler_capacity


def picked(balancer: Balancer, times: int) -> list[str | None]:
    return [pick and pick.address for pick in (balancer.pick() for _ in range(times))]


def test_every_pod_belongs_to_exactly_one_activator_when_there_are_enough() -> None:
    """Those left over go one each to the first activators."""
    shares = [assign_slice(range(33), index, 4) for index in range(4)]
    assert sorted(pod for share in shares for pod in share) == list(range(33))
    assert [len(share) for share in shares] == [9, 8, 8, 8]


def test_more_activators_than_pods_share_them_in_turn() -> None:
    """Nobody is left without a pod."""
    assert [assign_slice(["a", "b"], index, 5) for index in range(3)] == [["a"], ["b"], ["a"]]
    assert assign_slice(["a", "b"], -1, 5) == ["a", "b"]


@pytest.mark.parametrize(("cc", "backends", "pods", "activators", "capacity"), [(10, 12, 21, 0, 210), (1, 21, 0, 5, 4), (0, 5, 8, 2, 2147483647), (10, 0, 0, 4, 0), (1, 1, 0, 9, 1)])  # fmt: skip
def test_capacity_of_one_activator(
    cc: int, backends: int, pods: int, activators: int, capacity: int
) -> None:
    """Own pods count in full, shared ones by share, but at least one."""
    found = throttler_capacity(cc, backends=backends, assigned_pods=pods, activators=activators)
    assert found == capacity


def test_low_limits_fill_one_pod_after_the_other() -> None:
    """Up to three requests each."""
    balancer = Balancer(2)
    balancer.set_pods(["b", "a"])
    assert picked(balancer, 5) == ["a", "a", "b", "b", None]


def test_higher_limits_go_round() -> None:
    """The next pod in turn that has a slot."""
    balancer = Balancer(4)
    balancer.set_pods(["a", "b", "c"])
    assert picked(balancer, 4) == ["a", "b", "c", "a"]


def test_a_pod_that_came_back_is_a_new_one() -> None:
    """Ending an old request frees nothing on it."""
    balancer = Balancer(1)
    balancer.set_pods(["a"])
    old = balancer.pick()
    assert old is not None
    balancer.set_pods([])
    balancer.set_pods(["a"])
    assert picked(balancer, 2) == ["a", None]
    balancer.done(old)
    assert balancer.pick() is None


def test_a_balancer_needs_a_hard_limit() -> None:
    """Without one the original picks at random."""
    with pytest.raises(ValueError, match="found 0"):
        Balancer(0)
