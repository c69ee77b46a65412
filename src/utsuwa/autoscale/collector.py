"""What is measured of one revision: concurrency and requests, over both windows.

`spec/autoscaling.md` §2.4. Whatever carries the same second adds up: several gateways, and the
one early request told by a wake-up.
"""

import math
from typing import NamedTuple

from utsuwa.autoscale.parameters import RPS, Parameters
from utsuwa.autoscale.windows import Window, make_window


class Load(NamedTuple):
    """Averages of the metric that is scaled on, over the stable and the panic window."""

    stable: float
    panic: float


class Collector:
    """The four windows of one revision.

    Mutable state: the windows, and `last_load`, the newest second with any concurrency in it.
    """

    __slots__ = (
        "_algorithm",
        "_concurrency",
        "_panic_concurrency",
        "_panic_rps",
        "_rps",
        "last_load",
    )

    def __init__(self, parameters: Parameters) -> None:
        self._algorithm = parameters.algorithm
        self._concurrency = self._window(parameters.stable_window)
        self._panic_concurrency = self._window(parameters.panic_window)
        self._rps = self._window(parameters.stable_window)
        self._panic_rps = self._window(parameters.panic_window)
        self.last_load: int | None = None

    def __repr__(self) -> str:
        return f"<Collector concurrency {self._concurrency!r} rps {self._rps!r}>"

    def record(self, time: float, concurrency: float, requests: float) -> None:
        """Add one statistic of the second `time`; proxied shares are deducted by the caller."""
        self._concurrency.record(time, concurrency)
        self._panic_concurrency.record(time, concurrency)
        self._rps.record(time, requests)
        self._panic_rps.record(time, requests)
        if concurrency > 0 and (self.last_load is None or time >= self.last_load):
            self.last_load = math.floor(time)

    def fill(self, since: float, until: float) -> None:
        """Ready pods were seen idle in every second from `since` to `until`: windows drain. What
        was recorded of those seconds stays."""
        self._concurrency.fill(since, until)
        self._panic_concurrency.fill(since, until)
        self._rps.fill(since, until)
        self._panic_rps.fill(since, until)

    def load(self, metric: str, now: float) -> Load:
        """The averages of `metric` as of `now`."""
        if metric == RPS:
            return Load(self._rps.average(now), self._panic_rps.average(now))
        return Load(self._concurrency.average(now), self._panic_concurrency.average(now))

    def empty(self, metric: str, now: float) -> bool:
        """Whether the stable window of `metric` has had no data for longer than its length."""
        return (self._rps if metric == RPS else self._concurrency).empty(now)

    def resize(self, parameters: Parameters, now: float) -> None:
        """Follow a change of the windows' lengths. The algorithm stays that of the start."""
        self._concurrency.resize(parameters.stable_window, now)
        self._panic_concurrency.resize(parameters.panic_window, now)
        self._rps.resize(parameters.stable_window, now)
        self._panic_rps.resize(parameters.panic_window, now)

    def _window(self, seconds: float) -> Window:
        return make_window(self._algorithm, seconds)
