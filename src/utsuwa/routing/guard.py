"""Whether a rollout goes wrong: figures of the new Revision against the limits of its Route. Pure.

Gateways tell each second how many answers ended, how many of them with 5xx, and their p95. What is
judged is the last window of seconds, and none before the rollout began:

* errors: 5xx among all answers (those whose client left are none). The gateway's own 502, 503 and
  504 count: a pod that dies is the new Revision's fault.
* p95: the median of the seconds' p95, each weighted by its answers. So the limit is passed when
  half of the answers come from seconds that pass it; one slow second, such as that of the cold
  start, is not enough.

Worked example, at most 5 % errors, at least 20 requests: 3 of 19 answers say nothing yet, 1 of 20
is 5 % and within the limit, 2 of 20 take the rollout back.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from utsuwa.model import labels
from utsuwa.model.rollout_limits import LONGEST_WINDOW, Limits
from utsuwa.routing.messages import RevisionName, RevisionStats, Stats, Wake

_SERVER_ERRORS, _CLIENT_LEFT = 4, 5
"""Places in the status of a RevisionStats."""
_FORGOTTEN = 60
"""Seconds after which figures that nobody asks for are dropped."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What one gateway told of one second."""

    second: int
    answers: int
    errors: int
    own: int
    """Errors that the gateway itself answered."""
    p95: float

    @classmethod
    def of(cls, second: int, figures: RevisionStats) -> "Sample":
        """From the gateway's words."""
        return cls(
            second,
            figures.completed - figures.status[_CLIENT_LEFT],
            figures.status[_SERVER_ERRORS],
            figures.platform_errors,
            figures.latency[1],
        )


@dataclass(frozen=True, slots=True)
class Measured:
    """Figures of a window."""

    answers: int = 0
    errors: int = 0
    own: int = 0
    p95: float = 0.0


def measure(samples: Iterable[Sample]) -> Measured:
    """`samples` as one."""
    known = [sample for sample in samples if sample.answers > 0]
    return Measured(
        sum(sample.answers for sample in known),
        sum(sample.errors for sample in known),
        sum(sample.own for sample in known),
        _median(known),
    )


def _median(samples: list[Sample]) -> float:
    """The p95 of the second in which the middle one of all answers lies."""
    half = sum(sample.answers for sample in samples) / 2
    seen = 0
    for sample in sorted(samples, key=lambda sample: sample.p95):
        seen += sample.answers
        if seen >= half:
            return sample.p95
    return 0.0


def verdict(limits: Limits, measured: Measured) -> str:
    """Why the rollout is to be taken back; "" while it is not."""
    if measured.answers < limits.requests or not measured.answers:
        return ""
    share = 100 * measured.errors / measured.answers
    if limits.errors is not None and share > limits.errors:
        return (
            f"{share:.3g} % of {measured.answers} answers in {limits.window} s were 5xx "
            f"({measured.errors}, of which {measured.own} made by the gateway), "
            f"{labels.ROLLOUT_MAX_ERROR_RATE} is {limits.errors:g} %"
        )
    if limits.p95 is not None and measured.p95 > limits.p95:
        return (
            f"p95 of {measured.answers} answers in {limits.window} s was {_seconds(measured.p95)}, "
            f"{labels.ROLLOUT_MAX_P95} is {_seconds(limits.p95)}"
        )
    return ""


def _seconds(value: float) -> str:
    return f"{value:.3g} s" if value >= 1 else f"{value * 1000:.3g} ms"


class Figures:
    """What gateways told of the Revisions that are asked for.

    Mutable state: `_samples` by Revision, from the first question on; `_asked`, the second of the
    last question. Changed synchronously; takes its time from its callers.
    """

    def __init__(self) -> None:
        self._samples: dict[RevisionName, deque[Sample]] = {}
        self._asked: dict[RevisionName, float] = {}

    def __repr__(self) -> str:
        return f"<Figures of {len(self._samples)} revisions>"

    def measured(
        self, revision: RevisionName, *, now: float, since: float, window: int
    ) -> Measured:
        """Figures of `revision` in the last `window` seconds, and not before `since`. They are
        kept from the first question on, and as long as there are questions."""
        self._asked[revision] = now
        samples = self._samples.setdefault(revision, deque())
        oldest = max(now - window, since)
        return measure(sample for sample in samples if sample.second + 1 > oldest)

    def wake(self, message: Wake) -> None:
        """A first request came; its answer is counted in the second in which it ends."""

    def stats(self, gateway: str, message: Stats) -> None:
        """One gateway's figures of one second."""
        del gateway  # those of several are samples like others
        for figures in message.revisions:
            samples = self._samples.get(figures.revision)
            if samples is None:
                continue
            if figures.completed:
                samples.append(Sample.of(message.second, figures))
            while samples and samples[0].second < message.second - LONGEST_WINDOW:
                samples.popleft()
        for revision, asked in list(self._asked.items()):
            if asked < message.second - _FORGOTTEN:
                del self._asked[revision], self._samples[revision]
