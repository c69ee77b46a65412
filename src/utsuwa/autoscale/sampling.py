"""How many pods to ask for their statistics, where pods count for themselves.

`spec/autoscaling.md` §2.5. On one machine nothing is sampled: the gateway sees every request.
Kept for cluster mode.
"""

import math

_CRITICAL_VALUE = 1.96
_MARGIN_OF_ERROR = 5.0
_VARIANCE = 100.0
_UNBOUNDED = _CRITICAL_VALUE**2 * _VARIANCE / _MARGIN_OF_ERROR**2


def sample_size(pods: int) -> int:
    """Pods to ask of `pods` for a mean within 5 at 95 % confidence: all up to 3, 14 of 100."""
    if pods <= 3:
        return max(pods, 0)
    return math.ceil(pods * _UNBOUNDED / (pods + _UNBOUNDED - 1))
