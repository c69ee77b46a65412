"""What came back, and the figures made of it. Pure; times in seconds."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

PERCENTILES = (10, 25, 50, 75, 90, 95, 99)
BUCKETS = 10


class Bucket(NamedTuple):
    """`answers` took at most `upper` seconds, and more than the bucket before allows."""

    upper: float
    answers: int


@dataclass(slots=True)
class Results:
    """Filled while the load runs. A request ends up either in `latencies` and `statuses` (it was
    answered, whatever the status) or in `errors` (it was not), by the text that says why."""

    total: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    bytes: int = 0

    def answered(self, status: int, latency: float, size: int) -> None:
        """Count an answer; `size` is that of its body."""
        self.latencies.append(latency)
        self.statuses[status] += 1
        self.bytes += size

    def failed(self, why: str) -> None:
        """Count a request that got no answer."""
        self.errors[why] += 1

    @property
    def done(self) -> int:
        """Requests that have ended, well or not."""
        return len(self.latencies) + sum(self.errors.values())

    @property
    def failures(self) -> int:
        """Requests that got no answer, or another status than 2xx."""
        refused = sum(n for status, n in self.statuses.items() if not 200 <= status < 300)
        return refused + sum(self.errors.values())

    @property
    def rate(self) -> float:
        """Answers per second."""
        return len(self.latencies) / self.total if self.total > 0 else 0.0

    @property
    def average(self) -> float:
        """Mean time of an answer; 0 without answers."""
        return sum(self.latencies) / len(self.latencies) if self.latencies else 0.0

    @property
    def fastest(self) -> float:
        """Time of the fastest answer; 0 without answers."""
        return min(self.latencies, default=0.0)

    @property
    def slowest(self) -> float:
        """Time of the slowest answer; 0 without answers."""
        return max(self.latencies, default=0.0)

    def percentile(self, percent: int) -> float:
        """The time within which `percent` % were answered; 0 without answers."""
        return percentiles(self.latencies, (percent,))[percent]


def percentiles(
    latencies: Sequence[float], percents: Sequence[int] = PERCENTILES
) -> dict[int, float]:
    """For each percent the first of the sorted latencies at that rank.

    >>> percentiles([4.0, 1.0, 3.0, 2.0], (50, 99))
    {50: 3.0, 99: 4.0}
    """
    ranked = sorted(latencies)
    if not ranked:
        return dict.fromkeys(percents, 0.0)
    last = len(ranked) - 1
    return {p: ranked[min(last, -(-p * len(ranked) // 100))] for p in percents}


def histogram(latencies: Sequence[float]) -> list[Bucket]:
    """Eleven buckets: the fastest alone, then ten of equal width up to the slowest."""
    if not latencies:
        return []
    fastest, slowest = min(latencies), max(latencies)
    width = (slowest - fastest) / BUCKETS
    bounds = [fastest + width * i for i in range(BUCKETS)] + [slowest]
    counts = [0] * len(bounds)
    index = 0
    for latency in sorted(latencies):
        while latency > bounds[index]:
            index += 1
        counts[index] += 1
    return [Bucket(*pair) for pair in zip(bounds, counts, strict=True)]
