"""Exponential back-off, pure: how long to wait after the n-th failure in a row."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays that double from `first` to `most` seconds."""

    first: float = 0.005
    most: float = 30.0

    def delay(self, failures: int) -> float:
        """Seconds to wait after `failures` failures in a row (at least 1)."""
        if failures < 1:
            return 0.0
        return min(self.most, self.first * 2.0 ** min(failures - 1, 60))
