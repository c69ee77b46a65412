"""One revision's autoscaler: what is measured of it, what is decided, and when to rest.

Used by the control process and by the simulator alike. It adds to :class:`Decider` what the
original has in three processes:

* **Statistics lag a second.** A gateway tells the figures of a second just after it has ended, so
  averages are taken as of the last whole second that has passed.
* **Ready pods count as measured.** The gateway speaks of revisions in use only; a ready pod that
  it does not mention was idle, which the original learns by scraping it (zeros, §2.4, §2.5).
* **Resting.** Once nothing but new input can change the result the revision needs no ticks; an
  idle one costs nothing. What a scrape would have found meanwhile is filled in on waking.
"""

import math

from utsuwa.autoscale.burst import initial_burst_capacity, same_sign
from utsuwa.autoscale.collector import Collector
from utsuwa.autoscale.decider import Decider, Decision
from utsuwa.autoscale.parameters import UNKNOWN_SCALE, Parameters
from utsuwa.autoscale.reasons import Reason

STATISTICS_LAG = 1.0
"""Seconds by which measurement lies behind the clock."""


class Autoscaler:
    """Measures and decides for one revision. Times are Unix seconds.

    Mutable state: the windows, the decider, the last decision (`desired`, `excess`, `last`),
    `resting`, and `_ready_since`: from which second on ready pods were there to be idle.
    """

    __slots__ = (
        "_collector",
        "_decider",
        "_idle_from",
        "_parameters",
        "_ready_since",
        "desired",
        "excess",
        "last",
        "resting",
    )

    def __init__(
        self, parameters: Parameters, *, now: float, ready: int, idle_from: float = 0.0
    ) -> None:
        """`ready` pods are there now. Silence means idleness from second `idle_from` on: until
        then a gateway with news may not have found us again."""
        self._parameters = parameters
        self._collector = Collector(parameters)
        self._decider = Decider(parameters, now=now, ready=ready)
        self._idle_from = math.ceil(idle_from)
        self._ready_since: int | None = None
        self._note_ready(now, ready)
        self.desired = UNKNOWN_SCALE
        """Pods wanted by the last decision; -1 before the first."""
        self.excess = initial_burst_capacity(parameters)
        """Excess burst capacity of the last decision."""
        self.last: Decision | None = None
        self.resting = False
        """No tick is needed before new input."""

    def __repr__(self) -> str:
        state = "resting" if self.resting else "active"
        return f"<Autoscaler {state}, wants {self.desired}, {self._decider!r}>"

    @property
    def parameters(self) -> Parameters:
        """What steers it now."""
        return self._parameters

    def update(self, parameters: Parameters, now: float) -> None:
        """Follow changed settings or annotations; windows are resized, a delay window stays."""
        if parameters == self._parameters:
            return
        self._parameters = parameters
        self._decider.parameters = parameters
        self._collector.resize(parameters, now)
        self.resting = False

    def wake(self, second: int) -> None:
        """A first request came in `second` for a revision that was idle; it counts as 1 and 1.

        At zero, what lies before is idleness alone, and is forgotten: those seconds would hold
        the panic window's average down for as long as it is, and a load that comes back seconds
        after the last pod has gone would get one pod a second. A load that comes after a whole
        window has passed finds them forgotten anyway. An idle pod that is still there is a
        measurement, and dilutes as in the original.
        """
        if self.desired == 0 and self._ready_since is None:
            self._collector = Collector(self._parameters)
        self.record(second, 1.0, 1.0)

    def record(self, second: float, concurrency: float, requests: float) -> None:
        """Add one statistic of `second`."""
        if self.resting:
            self._measure_idle(math.floor(second) - 1)
            self.resting = False
        self._collector.record(second, concurrency, requests)

    def loaded_since(self, second: int) -> bool:
        """Whether any load has been recorded of `second` or later."""
        last = self._collector.last_load
        return last is not None and last >= second

    def disturb(self, now: float, ready: int) -> None:
        """The number of ready pods has become `ready`."""
        if self.resting:
            self._measure_idle(math.floor(now) - 1)
            self.resting = False
        self._note_ready(now, ready)

    def tick(self, *, now: float, ready: int, trigger: Reason | None = None) -> Decision | None:
        """Decide; None while there is no data, and then nothing changes."""
        measured = now - STATISTICS_LAG
        self._note_ready(now, ready)
        self._measure_idle(math.floor(measured))
        decision = self._decider.tick(
            self._collector, now=now, ready=ready, measured_until=measured, trigger=trigger
        )
        if decision is None:
            self.resting = self._ready_since is None
            return None
        self.desired = decision.desired
        self.excess = decision.excess_burst_capacity
        self.last = decision
        self.resting = _stationary(decision)
        return decision

    def _note_ready(self, now: float, ready: int) -> None:
        if ready <= 0:
            self._ready_since = None
        elif self._ready_since is None:
            self._ready_since = max(math.floor(now), self._idle_from)

    def _measure_idle(self, until: int) -> None:
        """Ready pods of which nobody spoke were idle up to second `until`."""
        since = self._ready_since
        if since is not None and since <= until and self._parameters.scraped:
            self._collector.fill(since, until)


def informs(before: tuple[int, int], after: tuple[int, int]) -> bool:
    """Whether a step from (desired, excess) `before` to `after` concerns the reconciler."""
    return before[0] != after[0] or not same_sign(before[1], after[1])


def _stationary(decision: Decision) -> bool:
    """Whether the same input would give the same result for ever."""
    return (
        decision.stable == 0
        and decision.panic == 0
        and not decision.panicking
        and all(reason.code != "delayed" for reason in decision.reasons)
    )
