"""How much of what costs us more than it costs the client one connection may do."""


class Budget:
    """A bucket of permissions that fills again with time.

    Mutable state: `_left` and `_at`, the time at which that was so (monotonic seconds).
    """

    __slots__ = ("_at", "_left", "_rate", "_size")

    def __init__(self, size: float, rate: float, now: float) -> None:
        self._size = size
        self._rate = rate
        self._left = size
        self._at = now

    def __repr__(self) -> str:
        return f"<Budget {self._left:.0f} of {self._size:.0f}>"

    def spend(self, now: float) -> bool:
        """Take one; False when there is none."""
        self._left = min(self._size, self._left + (now - self._at) * self._rate) - 1.0
        self._at = now
        return self._left >= 0.0
