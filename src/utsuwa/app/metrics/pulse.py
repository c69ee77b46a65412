"""The pulse of the control process: how late its loop is. Whoever holds it up is late for all."""

from collections import deque

from utsuwa.kit.clock import Clock

BEAT = 1.0
"""Seconds between two beats."""
WINDOW = 60
"""Beats of which the latest is told."""


class Pulse:
    """Mutable state: `_late`, by how many seconds each of the last beats came late."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._late: deque[float] = deque(maxlen=WINDOW)

    def __repr__(self) -> str:
        return f"<Pulse late by {self.worst:.3f} s>"

    @property
    def worst(self) -> float:
        """Seconds by which the latest of the last minute's beats was late."""
        return max(self._late, default=0.0)

    async def run(self) -> None:
        """Beat, for ever."""
        while True:
            before = self._clock.monotonic()
            await self._clock.sleep(BEAT)
            self._late.append(max(0.0, self._clock.monotonic() - before - BEAT))
