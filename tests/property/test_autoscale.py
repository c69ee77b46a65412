"""What must hold of the autoscaler for any input."""

import math
from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from utsuwa.autoscale.autoscaler import Autoscaler
from utsuwa.autoscale.collector import Load
from utsuwa.autoscale.decider import Decider
from utsuwa.autoscale.parameters import Parameters
from utsuwa.autoscale.scaling import Active, Activity, Situation, bounded, scale
from utsuwa.autoscale.windows import DelayWindow, LinearWindow

STEPS = st.lists(
    st.tuples(st.integers(0, 9), st.integers(-8, 0), st.integers(0, 1000)), max_size=60
)
LOADS = st.floats(0, 10_000, allow_nan=False).map(lambda value: round(value, 6))


class BruteWindow:
    """Every value kept; sums made anew each time."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.values: dict[int, float] = defaultdict(float)
        self.first: int | None = None
        self.last: int | None = None

    def record(self, second: int, value: float) -> None:
        if self.last is None or second - self.last >= self.size:
            self.values.clear()
            self.first = self.last = second
        if second <= self.last - self.size:
            return
        assert self.first is not None
        self.first, self.last = min(self.first, second), max(self.last, second)
        self.values[second] += value

    def average(self, now: int) -> float:
        if self.last is None or self.first is None or now - self.last >= self.size:
            return 0.0
        newest = max(now, self.last)
        inside = [v for second, v in self.values.items() if second > newest - self.size]
        age = max(0, now - self.last)
        return sum(inside) / min(self.last - self.first + 1, self.size - age)


@given(st.integers(1, 12), STEPS)
def test_the_average_equals_brute_force(size: int, steps: list[tuple[int, int, int]]) -> None:
    """For any order of late and timely values, at any time."""
    fast, brute, now = LinearWindow(size), BruteWindow(size), 1000
    for ahead, late, value in steps:
        now += ahead
        fast.record(now + late, value)
        brute.record(now + late, value)
        assert math.isclose(fast.average(now), brute.average(now), abs_tol=1e-5)


@given(st.integers(1, 40), st.lists(st.tuples(st.integers(0, 9), st.integers(0, 50)), min_size=1))
def test_the_delay_window_holds_the_maximum(seconds: int, steps: list[tuple[int, int]]) -> None:
    """Of all slots that are still inside."""
    window, slots = DelayWindow(seconds), math.ceil(seconds / 2)
    history: list[tuple[int, int]] = []
    now = 1000
    for ahead, value in steps:
        now += ahead
        window.record(now, value)
        history.append((now // 2, value))
        expected = max(v for slot, v in history if now // 2 - slot < slots)
        assert window.current == expected


@given(
    st.lists(st.tuples(LOADS, LOADS, st.integers(0, 200)), min_size=1, max_size=40),
    st.floats(0.5, 200),
    st.floats(1.01, 10),
    st.floats(1.01, 10),
    st.booleans(),
)
def test_every_decision_lies_within_its_rates(
    ticks: list[tuple[float, float, int]], target: float, up: float, down: float, reachable: bool
) -> None:
    """Never more than the rate allows or panic remembers, never fewer than the rate allows; and
    every reason can be told."""
    parameters = Parameters(
        target=target, max_scale_up_rate=up, max_scale_down_rate=down, reachable=reachable
    )
    decider = Decider(parameters, now=0, ready=0)
    kept = 0
    for number, (stable, panic, ready) in enumerate(ticks):
        decision = decider.decide(Load(stable, panic), now=number * 2.0, ready=ready)
        present = max(1, ready)
        most = math.ceil(up * present)
        assert decision.desired <= max(most, kept)
        if reachable:
            assert decision.desired >= math.floor(present / down)
        if not decision.panicking:
            wanted = math.ceil(stable / target)
            assert decision.desired == min(max(wanted, _least(present, parameters)), most)
        else:
            assert decision.desired >= kept
        kept = decision.max_panic_pods if decision.panicking else 0
        assert all(reason.sentence for reason in decision.reasons)


def _least(present: int, parameters: Parameters) -> int:
    return math.floor(present / parameters.max_scale_down_rate) if parameters.reachable else 0


@given(
    st.integers(-1, 100),
    st.integers(0, 20),
    st.integers(0, 30),
    st.sampled_from(Active),
    st.floats(0, 1000),
    st.floats(0, 1000),
    st.booleans(),
)
def test_what_is_applied_lies_within_the_bounds(
    desired: int, low: int, high: int, active: Active, since: float, proxied: float, zero: bool
) -> None:
    """And zero is only ever applied where it is allowed and no longer active."""
    parameters = Parameters(min_scale=low, max_scale=high, enable_scale_to_zero=zero)
    situation = Situation(
        now=1000.0,
        desired=desired,
        activity=Activity(active, "", 1000.0 - since),
        initialized=True,
        proxied_for=proxied,
    )
    result = scale(parameters, situation)
    if result.apply:
        assert result.want >= (low if high == 0 else min(low, high))
        assert high == 0 or result.want <= max(high, low)
    if result.apply and result.want == 0:
        assert zero
        assert active is not Active.TRUE
        assert bounded(parameters, desired, initialized=True)[0] == 0
    assert all(reason.sentence for reason in result.reasons)


@given(
    st.lists(st.tuples(st.integers(1, 200), st.integers(0, 300)), min_size=1, max_size=8),
    st.integers(0, 3),
)
def test_resting_changes_no_decision(bursts: list[tuple[int, int]], ready: int) -> None:
    """A revision that is ticked only when it asks for it wants at all times what one wants that
    is ticked always."""
    parameters = Parameters(target=10.0, total=10.0, stable_window=20.0, panic_window=2.0)
    start = 1_700_000_000
    lazy = Autoscaler(parameters, now=start, ready=ready)
    busy = Autoscaler(parameters, now=start, ready=ready)
    now = start
    for silence, load in bursts:
        for _ in range(silence):
            now += 2
            busy.tick(now=now + 0.25, ready=ready)
            if not lazy.resting:
                lazy.tick(now=now + 0.25, ready=ready)
            assert (lazy.desired, lazy.excess) == (busy.desired, busy.excess)
        for autoscaler in (lazy, busy):
            autoscaler.record(now, load, load)
