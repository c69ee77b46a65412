"""Burst capacity: how much more load the ready pods could take at once, and what follows.

`spec/autoscaling.md` §3.3 (excess burst capacity), §4.4 (mode, number of activators).
"""

import math
from enum import Enum

from utsuwa.autoscale.parameters import MIN_ACTIVATORS, Parameters
from utsuwa.model.go_values import MAX_INT32


class Mode(Enum):
    """Where a revision's traffic goes: through activators, or straight to its pods."""

    PROXY = "Proxy"
    SERVE = "Serve"


def excess_burst_capacity(parameters: Parameters, ready: int, panic_average: float) -> int:
    """Room of `ready` pods above the present load and the wanted burst; negative is a lack.

    Worked example: 7 pods of 80, burst 211, load 500: floor(560 - 211 - 500) = -151.
    """
    burst = parameters.target_burst_capacity
    if burst == 0:
        return 0
    if burst < 0:
        return -1
    return int32(math.floor(ready * parameters.total - burst - panic_average))


def initial_burst_capacity(parameters: Parameters) -> int:
    """The excess before the first decision, as if the initial scale stood ready; this one is
    truncated towards zero."""
    burst = parameters.target_burst_capacity
    if burst in (-1, 0):
        return int(burst)
    return int32(math.trunc(parameters.initial_scale * parameters.total - burst))


def activators(parameters: Parameters, ready: int) -> int:
    """How many activators the load and the wanted burst need; at least 2."""
    burst = parameters.target_burst_capacity
    if burst == 0:
        return MIN_ACTIVATORS
    cover = ready * parameters.total + max(burst, 0.0)
    return int32(max(MIN_ACTIVATORS, math.ceil(cover / parameters.activator_capacity)))


def mode_for(want: int, excess: int) -> Mode:
    """Serve only with pods wanted and room for the burst; unknown is Proxy."""
    return Mode.SERVE if want > 0 and excess >= 0 else Mode.PROXY


def same_sign(one: int, other: int) -> bool:
    """Whether both are negative or both are not: only a change of that informs the reconciler."""
    return (one < 0) == (other < 0)


def int32(value: float) -> int:
    """`value` as a pod count: whole, kept within 32 bits."""
    if -MAX_INT32 <= value <= MAX_INT32:
        return int(value)
    return int(min(max(value, -MAX_INT32 - 1), MAX_INT32))
