"""Time as a parameter.

Nothing else (but :mod:`utsuwa.kit.wall`, its loopless half) reads the machine's clock: whatever needs time takes a :class:`Clock`.
Tests pass a :class:`LoopClock` on a virtual event loop, the simulator a clock of its own, and a
window of a minute then passes in a millisecond.
"""

import asyncio
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol

from utsuwa.kit.wall import WallClock


class Clock(Protocol):
    """What a part of Utsuwa may know about time."""

    def now(self) -> float:
        """Seconds since the Unix epoch; may jump when the machine's clock is set."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never goes back. Use it for every interval."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait `seconds`; zero or less still lets other tasks run."""
        ...


class SystemClock(WallClock):
    """The machine's clock."""

    async def sleep(self, seconds: float) -> None:
        """Wait on the running loop."""
        await asyncio.sleep(max(0.0, seconds))


class LoopClock:
    """A clock that is the running loop's own time, shifted: virtual wherever the loop is."""

    def __init__(self, epoch: float = 1_700_000_000.0) -> None:
        self._epoch = epoch

    def now(self) -> float:
        """Seconds since the Unix epoch, beginning at `epoch` when the loop's time is 0."""
        return self._epoch + asyncio.get_running_loop().time()

    def monotonic(self) -> float:
        """The loop's time in seconds."""
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        """Wait on the running loop."""
        await asyncio.sleep(max(0.0, seconds))


def rfc3339(timestamp: float) -> str:
    """`timestamp` (Unix seconds) as Kubernetes writes times: UTC, whole seconds."""
    return _written(int(timestamp))


@lru_cache(maxsize=64)
def _written(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rfc3339_micro(timestamp: float) -> str:
    """`timestamp` (Unix seconds) as Kubernetes writes its `MicroTime`: UTC, six decimals."""
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_rfc3339(text: str) -> float:
    """Unix seconds of an RFC 3339 time.

    Raises:
        ValueError: `text` is not such a time.
    """
    return datetime.fromisoformat(text).timestamp()


def time_of_day(timestamp: float) -> str:
    """The time of day of `timestamp` (Unix seconds), where this machine is."""
    return datetime.fromtimestamp(timestamp).astimezone().strftime("%H:%M:%S")
