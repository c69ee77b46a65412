"""What is done, with which numbers, and what must come of it. Pure."""

from dataclasses import dataclass
from math import ceil
from typing import Any

IMAGE = "gcr.io/knative-samples/autoscale-go:0.1"
NAME = "autoscale-go"
NAMESPACE = "default"
DOMAIN = "example.com"
CONNECTIONS = 500
SLEEP_MS = 1000
CONCURRENCIES = (80, 40)

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """`percent` is the target percentage of the concurrency, 100 or 70."""

    percent: int = 100
    full: bool = False
    keep: bool = False

    @property
    def requests(self) -> int:
        """Requests of one run."""
        return 150_000 if self.full else 12_000

    @property
    def stable_window(self) -> int:
        """Seconds."""
        return 60 if self.full else 20

    @property
    def grace(self) -> int:
        """Seconds for which the gateway must hold new requests before the last pod may go."""
        return 30 if self.full else 6

    @property
    def settings(self) -> dict[str, str]:
        """What is set in config-autoscaler."""
        return {
            "container-concurrency-target-percentage": str(self.percent),
            "stable-window": f"{self.stable_window}s",
            "scale-to-zero-grace-period": f"{self.grace}s",
        }

    def pods(self, concurrency: int) -> int:
        """Pods that the algorithm asks for: 500 in flight, so many of them per pod.

        At 80 and 100 %: 500 / 80 = 6.25, so 7. At 40 and 70 %: 500 / 28 = 17.9, so 18.
        """
        return ceil(CONNECTIONS * 100 / (concurrency * self.percent))


@dataclass(frozen=True, slots=True)
class Figures:
    """What came out of one run; seconds where they are times."""

    requests: int
    rate: float
    slowest: float
    errors: int
    pods: int


ARTICLE = {
    80: Figures(requests=150_000, rate=414.7, slowest=6.9, errors=0, pods=7),
    40: Figures(requests=150_000, rate=295.9, slowest=20.0, errors=4_920, pods=13),
}
"""Measured by the article's author in 2019: three machines of four cores, Kubernetes 1.12,
Knative 0.5."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run of ours: the figures, and the most pods that were desired and ready at a time."""

    concurrency: int
    figures: Figures
    desired: int
    ready: int


def complaints(options: DemoOptions, outcomes: list[Outcome]) -> list[str]:
    """What is not as it must be; empty when the demo has succeeded."""
    found = []
    for outcome in outcomes:
        run = f"concurrency {outcome.concurrency}"
        expected = options.pods(outcome.concurrency)
        if outcome.figures.errors:
            found.append(f"{run}: {outcome.figures.errors:,} requests failed, expected none")
        if outcome.desired != expected:
            found.append(f"{run}: {outcome.desired} pods were desired, expected {expected}")
        if outcome.ready != expected:
            found.append(f"{run}: {outcome.ready} pods were ready, expected {expected}")
    return found


def service(concurrency: int) -> Document:
    """The Service under load."""
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {
            "template": {
                "spec": {"containerConcurrency": concurrency, "containers": [{"image": IMAGE}]}
            }
        },
    }
