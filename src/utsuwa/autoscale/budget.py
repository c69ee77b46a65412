"""How many pods each Revision of a Configuration may have while traffic moves between them. Pure.

With a budget, all of them together never have more than `need + surge`:

* The **need** is what was wanted when the rollout began, or the minimum if that is more. It grows
  when one Revision alone wants more, or the newest more than its share of it; it does not shrink
  before the rollout is over.
* An older Revision keeps as many pods as its share of the traffic needs, and no more.
* The newest gets what they leave, up to the need; its share of the traffic grows no further than
  its ready pods can carry.

Worked example, need 4, surge 1. The old one has 4 pods, so the new one gets 1, which can carry
25 %. At 25 % the old one needs 3; when its fourth pod is gone the new one gets a second, which
carries up to 50 %, and so on: never more than 5.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from utsuwa.autoscale.parameters import Parameters

WHOLE = 100


@dataclass(frozen=True, slots=True)
class Holder:
    """A Revision as the budget sees it."""

    share: int
    """Percent of the traffic."""
    pods: int
    """Those it has or was promised, whichever is more; pods that are about to end count."""
    wanted: int
    """By the load alone; below 0 while unknown."""
    newest: bool = False


@dataclass(frozen=True, slots=True)
class Bounds:
    """Pods, at least and at most."""

    low: int
    high: int


def needed(
    holders: Iterable[Holder], before: int | None, *, minimum: int, maximum: int, surge: int
) -> int:
    """The need; `before` is what it was, None when the rollout begins or nobody remembers:
    then what is there, less the surge, counts, too. `maximum` of 0 is none."""
    known = list(holders)
    need = max([1, minimum, *(holder.wanted for holder in known)])
    need = max(need, sum(one.pods for one in known) - surge if before is None else before)
    for holder in known:
        if holder.newest and holder.share:
            need += max(0, holder.wanted - carrying(holder.share, need))
    return min(need, maximum) if maximum else need


def carrying(share: int, need: int) -> int:
    """Pods that `share` percent take.

    >>> [carrying(share, 4) for share in (0, 1, 25, 26, 100)]
    [0, 1, 1, 2, 4]
    """
    return -(-share * need // WHOLE)


def room(ready: int, need: int) -> int:
    """Percent of the traffic that so many ready pods carry; rounded up, or one of three pods
    could never take over from another.

    >>> [room(ready, 3) for ready in (0, 1, 2, 3, 4)]
    [0, 34, 67, 100, 100]
    """
    return min(WHOLE, -(-WHOLE * ready // need))


def bounds(own: Holder, others: Iterable[Holder], *, need: int, surge: int) -> Bounds:
    """What `own` may have beside `others`. A Revision that is asked for keeps one pod."""
    left = need + surge - sum(other.pods for other in others)
    if own.newest:
        high = max(1, left)
        return Bounds(min(need, high), high)
    high = max(1, min(carrying(own.share, need), max(left, own.pods)))
    return Bounds(0, high)


def within(parameters: Parameters, limits: Bounds) -> Parameters:
    """`parameters` that keep to `limits`; a Revision that is unreachable has no minimum."""
    low = min(max(parameters.min_scale, limits.low), limits.high) if parameters.reachable else 0
    high = min(limits.high, parameters.max_scale or limits.high)
    initial = min(parameters.initial_scale, limits.high)
    activation = min(parameters.activation_scale, limits.high)
    return msgspec.structs.replace(
        parameters,
        min_scale=min(low, high),
        max_scale=high,
        initial_scale=initial,
        activation_scale=activation,
    )
