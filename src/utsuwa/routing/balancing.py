"""How the original's activators share pods and pick one, for cluster mode.

`spec/dataplane.md` on the activator. The gateway of one machine knows every request and every
pod, so it picks the least loaded instead; these rules are kept for gateways that each see a part.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

T = TypeVar("T")

MAX_CAPACITY = 2**31 - 1
FIRST_AVAILABLE_UP_TO = 3
"""Hard limits up to this fill pods one after the other; higher ones go round."""


def assign_slice(pods: Sequence[T], self_index: int, activators: int) -> list[T]:
    """The pods (sorted by address) that activator `self_index` of `activators` may use.

    Worked example: 33 pods, 4 activators: 8 each in order, the one left over to activator 0.
    An unknown index (-1) means all.
    """
    if self_index == -1 or len(pods) <= 1 or activators == 1:
        return list(pods)
    if activators > len(pods):
        return [pods[self_index % len(pods)]]
    size, left_over = divmod(len(pods), activators)
    own = list(pods[self_index * size : (self_index + 1) * size])
    if self_index < left_over:
        own.append(pods[len(pods) - left_over + self_index])
    return own


def throttler_capacity(
    concurrency: int, *, backends: int, assigned_pods: int, activators: int
) -> int:
    """Requests that one activator may have in flight; `assigned_pods` 0: pods are not addressed
    one by one, so the capacity of all `backends` is shared."""
    if assigned_pods > 0:
        capacity = concurrency * assigned_pods
    else:
        capacity = concurrency * backends
        if capacity > 0:
            capacity = max(1, capacity // max(1, activators))
    if backends > 0 and (concurrency == 0 or capacity > MAX_CAPACITY):
        return MAX_CAPACITY
    return capacity


class _Pod:
    __slots__ = ("address", "in_flight")

    def __init__(self, address: str) -> None:
        self.address = address
        self.in_flight = 0


class Pick(NamedTuple):
    """A slot taken on a pod: give it back to :meth:`Balancer.done`."""

    address: str
    pod: _Pod


class Balancer:
    """Picks a pod with a free slot: the first such for low limits, else the next in turn.

    Mutable state: `_pods` in order of address, each with its requests in flight; `_next`, where
    the next turn begins. A pod that left and came back is a new one.
    """

    def __init__(self, concurrency: int) -> None:
        if concurrency < 1:
            raise ValueError(
                f"concurrency: expected a hard limit of 1 or more, found {concurrency}"
            )
        self._limit = concurrency
        self._pods: list[_Pod] = []
        self._next = 0

    def __repr__(self) -> str:
        busy = sum(pod.in_flight for pod in self._pods)
        return f"<Balancer {busy} of {self._limit * len(self._pods)} slots taken>"

    def set_pods(self, addresses: Iterable[str]) -> None:
        """These pods exist now; those that stay keep their count."""
        known = {pod.address: pod for pod in self._pods}
        self._pods = [known.get(address) or _Pod(address) for address in sorted(set(addresses))]

    def pick(self) -> Pick | None:
        """Take a slot, or None when every pod is full."""
        turning = self._limit > FIRST_AVAILABLE_UP_TO
        count = len(self._pods)
        if not turning or self._next >= count:
            self._next = 0
        start = self._next
        for step in range(count):
            position = (start + step) % count
            pod = self._pods[position]
            if pod.in_flight < self._limit:
                pod.in_flight += 1
                self._next = position + 1
                return Pick(pod.address, pod)
        return None

    def done(self, pick: Pick) -> None:
        """Give a slot back."""
        pick.pod.in_flight -= 1
