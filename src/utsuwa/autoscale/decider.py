"""The decider: from averaged load to a number of pods (`spec/autoscaling.md` §3.3).

It holds the panic state and the delay window of one revision and touches nothing else. Bounds
and the way to zero are not known here; see :mod:`utsuwa.autoscale.scaling`.
"""

import math

import msgspec

from utsuwa.autoscale.burst import excess_burst_capacity, int32
from utsuwa.autoscale.collector import Collector, Load
from utsuwa.autoscale.parameters import Parameters
from utsuwa.autoscale.reasons import Reason
from utsuwa.autoscale.windows import DelayWindow

TICK = 2.0
"""Seconds between two decisions on an active revision."""


class Decision(msgspec.Struct, frozen=True, gc=False):
    """One decision: what went in, which rules fired, what came out, when it can change. Made by
    the thousand and never part of a cycle: the collector of cycles need not know it."""

    time: float
    """Unix seconds."""
    metric: str
    stable: float
    """Average over the stable window, in the unit of `metric`."""
    panic: float
    """Average over the panic window."""
    target: float
    ready: int
    desired: int
    excess_burst_capacity: int
    panicking: bool
    max_panic_pods: int
    panic_since: float | None
    """Time of the last surge, None when not in panic."""
    changes_at: float | None
    """Unix seconds before which the result cannot fall, were the load to end now; None when
    nothing but new load can change it."""
    reasons: tuple[Reason, ...]


class Decider:
    """The decisions on one revision.

    Mutable state: `_panic_since` and `max_panic_pods` (panic), `_delay` (values of the last
    `scale_down_delay` seconds, there from the start or never).
    """

    __slots__ = ("_delay", "_panic_since", "_restarted", "max_panic_pods", "parameters")

    def __init__(self, parameters: Parameters, *, now: float, ready: int) -> None:
        """With more than one pod ready the decider begins in panic: the history is lost (control
        was restarted), and the fleet must not shrink before there is a new one."""
        self.parameters = parameters
        delay = parameters.scale_down_delay
        self._delay = DelayWindow(delay) if delay > 0 else None
        self._panic_since = now if ready > 1 else None
        self._restarted = ready > 1
        self.max_panic_pods = ready

    def __repr__(self) -> str:
        mode = "stable" if self._panic_since is None else f"panic, at least {self.max_panic_pods}"
        return f"<Decider {mode}>"

    @property
    def panic_since(self) -> float | None:
        """Unix seconds of the last surge, or None when not in panic."""
        return self._panic_since

    def tick(
        self,
        collector: Collector,
        *,
        now: float,
        ready: int,
        measured_until: float | None = None,
        trigger: Reason | None = None,
    ) -> Decision | None:
        """Decide from what `collector` holds; None while there is no data.

        `measured_until` is the time as of which averages are taken, where that lies behind `now`.
        """
        parameters = self.parameters
        as_of = now if measured_until is None else measured_until
        if parameters.scraped and collector.empty(parameters.metric, as_of):
            return None
        load = collector.load(parameters.metric, as_of)
        first = () if trigger is None else (trigger,)
        return self.decide(load, now=now, ready=ready, last_load=collector.last_load, first=first)

    def decide(
        self,
        load: Load,
        *,
        now: float,
        ready: int,
        last_load: float | None = None,
        first: tuple[Reason, ...] = (),
    ) -> Decision:
        """Decide from averages. `last_load` (Unix seconds) only dates the next change; `first`
        are reasons known beforehand."""
        parameters = self.parameters
        reasons: list[Reason] = list(first)
        present = max(1, ready)
        stable_pods = math.ceil(load.stable / parameters.target)
        panic_pods = math.ceil(load.panic / parameters.target)
        stable = self._limited(stable_pods, present)
        panic = stable if panic_pods == stable_pods else self._limited(panic_pods, present)
        self._explain_load(reasons, load, stable_pods, panic_pods)
        self._watch_panic(reasons, panic_pods, present, now)
        want = stable
        if self._panic_since is not None:
            want = max(stable, panic)
            self._explain_limits(reasons, max(stable_pods, panic_pods), want, present)
            want = self._hold_panic(reasons, want)
        else:
            self._explain_limits(reasons, stable_pods, want, present)
        want = self._hold_delay(reasons, want, now)
        return Decision(
            now,
            parameters.metric,
            load.stable,
            load.panic,
            parameters.target,
            ready,
            want,
            excess_burst_capacity(parameters, ready, load.panic),
            self._panic_since is not None,
            self.max_panic_pods,
            self._panic_since,
            self._changes_at(want, now, load, last_load),
            tuple(reasons),
        )

    def _limited(self, pods: int, present: int) -> int:
        """`pods` within the rates of change, and at least the activation scale if any."""
        parameters = self.parameters
        most = math.ceil(parameters.max_scale_up_rate * present)
        least = math.floor(present / parameters.max_scale_down_rate) if parameters.reachable else 0
        limited = int32(min(max(pods, least), most))
        if pods > 0 and parameters.activation_scale > 1:
            return max(limited, parameters.activation_scale)
        return limited

    def _watch_panic(self, reasons: list[Reason], pods: int, present: int, now: float) -> None:
        parameters = self.parameters
        if pods / present >= parameters.panic_threshold:
            code = "panic-entered" if self._panic_since is None else "panic-extended"
            numbers = {"pods": pods, "ready": present, "ratio": pods / present}
            reasons.append(Reason(code, {**numbers, "window": parameters.panic_window}))
            self._panic_since = now
            self._restarted = False
        elif self._panic_since is not None and self._panic_since + parameters.stable_window < now:
            reasons.append(Reason("panic-left", {"window": parameters.stable_window}))
            self._panic_since = None
            self._restarted = False
            self.max_panic_pods = 0

    def _hold_panic(self, reasons: list[Reason], want: int) -> int:
        """In panic the number of pods only grows."""
        if want < self.max_panic_pods:
            if self._restarted:
                reasons.append(Reason("panic-restart", {"ready": self.max_panic_pods}))
            reasons.append(Reason("panic-kept", {"wanted": want, "kept": self.max_panic_pods}))
        self.max_panic_pods = max(self.max_panic_pods, want)
        return self.max_panic_pods

    def _hold_delay(self, reasons: list[Reason], want: int, now: float) -> int:
        if self._delay is None or not self.parameters.reachable:
            return want
        self._delay.record(now, want)
        kept = self._delay.current
        if kept != want:
            reasons.append(Reason("delayed", {"wanted": want, "kept": kept}))
        return kept

    def _explain_load(
        self, reasons: list[Reason], load: Load, stable_pods: int, panic_pods: int
    ) -> None:
        parameters = self.parameters
        if load.stable == 0 and load.panic == 0:
            reasons.append(Reason("idle", {"window": parameters.stable_window}))
            return
        common = {"metric": parameters.metric, "target": parameters.target}
        for code, average, window, pods in (
            ("stable-load", load.stable, parameters.stable_window, stable_pods),
            ("panic-load", load.panic, parameters.panic_window, panic_pods),
        ):
            if code == "stable-load" or self._panic_since is not None or pods != stable_pods:
                numbers = {**common, "average": average, "window": window, "pods": pods}
                reasons.append(Reason(code, numbers))

    def _explain_limits(
        self, reasons: list[Reason], wanted: int, limited: int, present: int
    ) -> None:
        parameters = self.parameters
        if limited < wanted:
            rate = parameters.max_scale_up_rate
            numbers = {"wanted": wanted, "cap": limited, "rate": rate, "ready": present}
            reasons.append(Reason("rate-up", numbers))
        elif limited > wanted:
            floor = parameters.activation_scale
            if wanted > 0 and limited == floor:
                reasons.append(Reason("activation-scale", {"wanted": wanted, "floor": floor}))
            else:
                rate = parameters.max_scale_down_rate
                numbers = {"wanted": wanted, "cap": limited, "rate": rate, "ready": present}
                reasons.append(Reason("rate-down", numbers))

    def _changes_at(
        self, want: int, now: float, load: Load, last_load: float | None
    ) -> float | None:
        """When the result could fall at the earliest: never before each hold has ended."""
        parameters = self.parameters
        if want == 0:
            return None
        times = [now + TICK]
        if self._panic_since is not None and want == self.max_panic_pods:
            times.append(self._panic_since + parameters.stable_window)
        if self._delay is not None and parameters.reachable:
            times.append(self._delay.until)
        if want == 1 and load.stable > 0 and last_load is not None:
            times.append(last_load + parameters.stable_window)
        return max(times)
