"""Metrics as text, in the format that Prometheus reads (text format 0.0.4). Pure.

(prometheus-client does this and much more; its import costs 100 ms and 9 MiB in a process that
only ever has to print what it knows anyway.)
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = tuple[str, ...]
"""Values, in the order of the metric's label names."""


@dataclass(frozen=True, slots=True)
class Metric:
    """What a metric is: its name, `counter`, `gauge` or `histogram`, what it means, its labels,
    and the upper bounds of a histogram's buckets."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()

    @property
    def series(self) -> tuple[str, ...]:
        """The names of its time series."""
        if self.kind != "histogram":
            return (self.name,)
        return (f"{self.name}_bucket", f"{self.name}_sum", f"{self.name}_count")


@dataclass(slots=True)
class Buckets:
    """A histogram's content. Mutable state: `counts`, one more than there are bounds, each its own
    (not added up), and `total`, the sum of what was observed."""

    counts: list[int]
    total: float = 0.0

    @classmethod
    def of(cls, metric: Metric) -> "Buckets":
        """An empty one."""
        return cls([0] * (len(metric.bounds) + 1))

    def add(self, counts: Sequence[int], total: float) -> None:
        """Count what somebody else has counted."""
        for number, count in enumerate(counts):
            self.counts[number] += count
        self.total += total


@dataclass(slots=True)
class Page:
    """Text as it grows. Mutable state: `_lines`."""

    _lines: list[str] = field(default_factory=list)

    def numbers(self, metric: Metric, samples: Mapping[Labels, float]) -> None:
        """A counter or a gauge; nothing where there are no samples."""
        if samples:
            self._head(metric)
            for labels, value in samples.items():
                self._sample(metric.name, metric.labels, labels, value)

    def histograms(self, metric: Metric, samples: Mapping[Labels, Buckets]) -> None:
        """A histogram; nothing where there are no samples."""
        if samples:
            self._head(metric)
        names = (*metric.labels, "le")
        edges = [*(f"{bound:g}" for bound in metric.bounds), "+Inf"]
        for labels, buckets in samples.items():
            sofar = 0
            for edge, count in zip(edges, buckets.counts, strict=True):
                sofar += count
                self._sample(f"{metric.name}_bucket", names, (*labels, edge), sofar)
            self._sample(f"{metric.name}_sum", metric.labels, labels, buckets.total)
            self._sample(f"{metric.name}_count", metric.labels, labels, sofar)

    def text(self) -> str:
        """All of it."""
        return "\n".join([*self._lines, ""])

    def _head(self, metric: Metric) -> None:
        self._lines.append(f"# HELP {metric.name} {_escaped(metric.help)}")
        self._lines.append(f"# TYPE {metric.name} {metric.kind}")

    def _sample(self, name: str, names: Iterable[str], values: Iterable[str], value: float) -> None:
        pairs = ",".join(
            f'{key}="{_quoted(text)}"' for key, text in zip(names, values, strict=True)
        )
        self._lines.append(f"{name}{{{pairs}}} {value}" if pairs else f"{name} {value}")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _quoted(text: str) -> str:
    return _escaped(text).replace('"', '\\"')
