"""Windows: what was measured lately, in one bucket a second (`spec/autoscaling.md` §3.1-§3.4).

Times are Unix seconds; a bucket is a whole second (or a few: `granularity`), and a window of N
seconds is a ring of N buckets. Values recorded into the same second add up. Written for many windows: one record or one
average costs about a microsecond.
"""

import math
from typing import Protocol

WEIGHT_PRECISION = 0.9999
SMALLEST_COEFFICIENT = 0.2
DELAY_SLOT = 2
"""Seconds of one slot of a delay window: one decision tick."""


class Window(Protocol):
    """Averages what was recorded over the last seconds."""

    def record(self, time: float, value: float) -> None:
        """Add `value` to the bucket of `time`; dropped when older than the window."""
        ...

    def fill(self, since: float, until: float) -> None:
        """Zeros were measured in every second from `since` to `until`."""
        ...

    def average(self, now: float) -> float:
        """The average as of `now`, 0 when nothing is left in the window."""
        ...

    def empty(self, now: float) -> bool:
        """Whether nothing was recorded for longer than the window."""
        ...

    def resize(self, seconds: float, now: float) -> None:
        """Change the length, keeping the newest buckets that fit."""
        ...


class LinearWindow:
    """Every second of the window weighs the same.

    Worked example, 6 s: 10, 20, 30 recorded at 0, 1, 2. At 2: 60 / 3 = 20. At 4, with nothing
    newer: still 60 / 3, for time without data is not averaged in. At 7 the first two have aged
    out: 30 / 1. At 8: 0.

    Mutable state: the ring `_buckets`, its sum `_total`, and `_first` and `_last`, the numbers
    (Unix seconds over granularity) of the first and the newest bucket written (None before).
    """

    __slots__ = ("_buckets", "_first", "_granularity", "_last", "_span", "_total", "window")

    def __init__(self, seconds: float, granularity: int = 1) -> None:
        self.window = seconds
        self._granularity = granularity
        self._span = seconds / granularity
        self._buckets = [0.0] * math.ceil(self._span)
        self._total = 0.0
        self._first: int | None = None
        self._last: int | None = None

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self.window:g}s: total {self._total:g}, "
            f"written {self._first}..{self._last}>"
        )

    def record(self, time: float, value: float) -> None:
        """Add `value` to the bucket of `time`."""
        bucket = math.floor(time) // self._granularity
        if bucket != self._last:
            if self._last is not None and bucket + self._span <= self._last:
                return
            if self._first is None or self._first > bucket:
                self._first = bucket
            if self._last is None or bucket > self._last:
                self._advance(bucket)
        self._buckets[bucket % len(self._buckets)] += value
        self._total += value

    def fill(self, since: float, until: float) -> None:
        """Zeros were measured in every second from `since` to `until`: at most two writes, for
        seconds skipped within the window count as zeros anyway."""
        last = math.floor(until) // self._granularity
        if last == self._last:
            return  # somebody spoke of that very second
        if self._last is None or last - self._last >= self._span:
            oldest = (last - len(self._buckets) + 1) * self._granularity
            self.record(max(since, oldest), 0.0)
        self.record(until, 0.0)

    def _advance(self, bucket: int) -> None:
        """Make `bucket` the newest; the seconds that were skipped count as zeros."""
        buckets = self._buckets
        if self._last is None or bucket - self._last >= self._span:
            self._first = bucket
            buckets[:] = [0.0] * len(buckets)
            self._total = 0.0
        else:
            for skipped in range(self._last + 1, bucket + 1):
                index = skipped % len(buckets)
                self._total -= buckets[index]
                buckets[index] = 0.0
        self._last = bucket

    def average(self, now: float) -> float:
        """The mean over the seconds that exist, rounded to 6 decimals."""
        first, last = self._first, self._last
        if last is None or first is None:
            return 0.0
        buckets = self._buckets
        size, total = len(buckets), self._total
        age = math.floor(now) // self._granularity - last
        if age > 0:
            if age >= self._span:
                return 0.0
            for aged in range(last + 1, last + age + 1):
                total -= buckets[aged % size]
            size -= age
        return _round6(total / min(last - first + 1, size)) if total else 0.0

    def empty(self, now: float) -> bool:
        """Strictly longer than the window without data; at equality the average is 0 already."""
        return self._last is None or self._age(now, self._last) > self._span

    def _age(self, now: float, last: int) -> int:
        return math.floor(now) // self._granularity - last

    def resize(self, seconds: float, now: float) -> None:
        """Keep the newest buckets. The divisor then behaves as if the old window was full."""
        if seconds == self.window:
            return
        old = self._buckets
        fresh = [0.0] * math.ceil(seconds / self._granularity)
        self._total = 0.0
        if self._last is not None and self._age(now, self._last) <= self._span:
            for bucket in range(self._last, self._last - min(len(old), len(fresh)), -1):
                value = old[bucket % len(old)]
                fresh[bucket % len(fresh)] = value
                self._total += value
            self._first = self._last - (len(old) - 1)
        else:
            self._first = None
        self._buckets = fresh
        self.window = seconds
        self._span = seconds / self._granularity


class WeightedWindow(LinearWindow):
    """The newer a second, the more it weighs: exponentially.

    The weights add up to 1 only over a full history, so a young series is under-estimated.
    """

    __slots__ = ("_coefficient",)

    def __init__(self, seconds: float, granularity: int = 1) -> None:
        super().__init__(seconds, granularity)
        self._coefficient = smoothing_coefficient(len(self._buckets))

    def average(self, now: float) -> float:
        """The weighted sum, not rounded; seconds since the newest data weigh like zeros."""
        if self.empty(now) or self._last is None:
            return 0.0
        size = len(self._buckets)
        weight, count = self._coefficient, size
        age = self._age(now, self._last)
        if age > 0:
            weight *= math.pow(1 - self._coefficient, age)
            count -= age
        result = 0.0
        for back in range(count):
            result += self._buckets[(self._last - back) % size] * weight
            weight *= 1 - self._coefficient
        return result

    def resize(self, seconds: float, now: float) -> None:
        """As the linear window does, with the weights of the new length."""
        super().resize(seconds, now)
        self._coefficient = smoothing_coefficient(len(self._buckets))


def smoothing_coefficient(buckets: int) -> float:
    """The weight of the newest bucket: such that all of them weigh 0.9999, but at least 0.2."""
    return max(SMALLEST_COEFFICIENT, 1 - math.pow(1 - WEIGHT_PRECISION, 1 / buckets))


class DelayWindow:
    """The largest value of the last `seconds`, in slots of 2 s (`spec/autoscaling.md` §3.4).

    Mutable state: `_maxima`, (slot, value) with falling values; the first is the answer.
    """

    __slots__ = ("_granularity", "_maxima", "_slots")

    def __init__(self, seconds: float, granularity: int = DELAY_SLOT) -> None:
        self._granularity = granularity
        self._slots = math.ceil(seconds / granularity)
        self._maxima: list[tuple[int, int]] = []

    def __repr__(self) -> str:
        return f"<DelayWindow {self._slots * self._granularity}s: {self._maxima}>"

    def record(self, now: float, value: int) -> None:
        """Note that `value` was wanted at `now`; within one slot the largest counts."""
        slot = math.floor(now) // self._granularity
        maxima = self._maxima
        while maxima and maxima[-1][1] <= value:
            maxima.pop()
        while maxima and slot - maxima[0][0] >= self._slots:
            maxima.pop(0)
        if not maxima or maxima[-1][0] != slot:
            maxima.append((slot, value))

    @property
    def current(self) -> int:
        """The largest value as of the last record; 0 before the first."""
        return self._maxima[0][1] if self._maxima else 0

    @property
    def until(self) -> float:
        """Unix seconds at which the largest value leaves the window; 0 before the first."""
        if not self._maxima:
            return 0.0
        return float((self._maxima[0][0] + self._slots) * self._granularity)


def make_window(algorithm: str, seconds: float, granularity: int = 1) -> Window:
    """A window of `seconds`; `algorithm` is `linear` or `weighted-exponential`."""
    kind = WeightedWindow if algorithm == "weighted-exponential" else LinearWindow
    return kind(seconds, granularity)


def _round6(value: float) -> float:
    """Half away from zero, at the sixth decimal."""
    scaled = value * 1e6
    whole = math.trunc(scaled)
    if abs(scaled - whole) >= 0.5:
        whole += 1 if scaled > 0 else -1
    return whole / 1e6
