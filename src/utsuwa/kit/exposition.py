"""Metrics as text, in the format that Prometheus reads (text format 0.0.4). Pure.

(prometheus-client does this and much more; its import costs 100 ms and 9 MiB in a process that
only ever has to print what it knows anyway.)
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

PIECE = 400
"""Lines between two breaths of whoever writes a long page: about a millisecond."""

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


def numbers(metric: Metric, samples: Mapping[Labels, float]) -> Iterator[str]:
    """A counter or a gauge, in pieces; nothing where there are no samples."""
    lines = _head(metric) if samples else []
    for labels, value in samples.items():
        pairs = _pairs(metric.labels, labels)
        lines.append(f"{metric.name}{{{pairs}}} {value}" if pairs else f"{metric.name} {value}")
        if len(lines) >= PIECE:
            yield _joined(lines)
            lines = []
    yield _joined(lines)


def histograms(metric: Metric, samples: Mapping[Labels, Buckets]) -> Iterator[str]:
    """A histogram, in pieces; nothing where there are no samples."""
    lines = _head(metric) if samples else []
    edges = [*(f'le="{bound:g}"}}' for bound in metric.bounds), 'le="+Inf"}']
    for labels, buckets in samples.items():
        pairs = _pairs(metric.labels, labels)
        start = f"{metric.name}_bucket{{{pairs}," if pairs else f"{metric.name}_bucket{{"
        end = f"{{{pairs}}}" if pairs else ""
        sofar = 0
        for edge, count in zip(edges, buckets.counts, strict=True):
            sofar += count
            lines.append(f"{start}{edge} {sofar}")
        lines.append(f"{metric.name}_sum{end} {buckets.total}")
        lines.append(f"{metric.name}_count{end} {sofar}")
        if len(lines) >= PIECE:
            yield _joined(lines)
            lines = []
    yield _joined(lines)


def _joined(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _head(metric: Metric) -> list[str]:
    return [
        f"# HELP {metric.name} {_escaped(metric.help)}",
        f"# TYPE {metric.name} {metric.kind}",
    ]


def _pairs(names: Iterable[str], values: Iterable[str]) -> str:
    return ",".join(f'{key}="{_quoted(text)}"' for key, text in zip(names, values, strict=True))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _quoted(text: str) -> str:
    return _escaped(text).replace('"', '\\"')
