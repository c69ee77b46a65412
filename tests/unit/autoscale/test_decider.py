"""The decider, rule by rule (`spec/autoscaling.md` §3.3); whole traces are in tests/golden."""

from utsuwa.autoscale.collector import Collector, Load
from utsuwa.autoscale.decider import Decider, Decision
from utsuwa.autoscale.parameters import Parameters

AT_80 = Parameters(target=80.0, total=80.0)


def decided(
    load: tuple[float, float], *, ready: int = 1, parameters: Parameters = AT_80
) -> Decision:
    """The first decision of a new decider that saw one pod at most."""
    decider = Decider(parameters, now=0, ready=min(ready, 1))
    return decider.decide(Load(*load), now=100, ready=ready)


def codes(decision: Decision) -> list[str]:
    return [reason.code for reason in decision.reasons]


def with_rates(up: float = 1000.0, down: float = 2.0) -> Parameters:
    return Parameters(
        target=1.0, total=1.0, max_scale_up_rate=up, max_scale_down_rate=down, panic_threshold=1e9
    )


def test_load_over_target_is_rounded_up() -> None:
    """500 at 80 a pod are 7 pods; half a request more would be 7 still."""
    assert decided((500, 0), ready=7).desired == 7
    assert decided((560.000001, 0), ready=7).desired == 8


def test_growth_is_capped_by_rate_but_never_stuck() -> None:
    """2 ready at 1.1: ceil(2.2) = 3."""
    decision = decided((5, 5), ready=2, parameters=with_rates(up=1.1))
    assert decision.desired == 3
    assert "rate-up" in codes(decision)


def test_shrinking_is_capped_by_rate_and_one_pod_may_go() -> None:
    """3 ready at 2: 1 stays; 1 ready: floor(0.5) = 0."""
    held = decided((0, 0), ready=3, parameters=with_rates())
    assert (held.desired, codes(held)) == (1, ["idle", "rate-down"])
    assert decided((0, 0), ready=1, parameters=with_rates()).desired == 0


def test_an_unreachable_revision_shrinks_at_once() -> None:
    """No rate limit downwards."""
    parameters = Parameters(target=1.0, reachable=False)
    assert decided((0, 0), ready=9, parameters=parameters).desired == 0


def test_activation_scale_is_a_floor_for_load_only() -> None:
    """With no load at all it does not hold pods."""
    parameters = Parameters(target=80.0, activation_scale=5)
    decision = decided((1, 1), parameters=parameters)
    assert (decision.desired, "activation-scale" in codes(decision)) == (5, True)
    assert decided((0, 0), parameters=parameters).desired == 0


def test_panic_begins_at_the_threshold_and_takes_the_larger_value() -> None:
    """Two pods needed for one ready is twice as many: panic."""
    decision = decided((1, 160))
    assert (decision.desired, decision.panicking, decision.max_panic_pods) == (2, True, 2)
    assert "panic-entered" in codes(decision)
    assert not decided((1, 80)).panicking


def test_in_panic_the_number_never_falls() -> None:
    """Until a stable window after the last surge has passed, strictly."""
    decider = Decider(AT_80, now=0, ready=1)
    decider.decide(Load(500, 500), now=100, ready=1)
    held = decider.decide(Load(1, 0), now=160, ready=7)
    assert (held.desired, held.panicking, held.changes_at) == (7, True, 162)
    assert codes(held)[-1] == "panic-kept"
    left = decider.decide(Load(240, 0), now=160.001, ready=7)
    assert (left.desired, left.panicking, left.max_panic_pods) == (3, False, 0)
    assert "panic-left" in codes(left)


def test_a_surge_extends_the_panic() -> None:
    """Its clock starts anew."""
    decider = Decider(AT_80, now=0, ready=1)
    decider.decide(Load(500, 500), now=100, ready=1)
    again = decider.decide(Load(500, 1200), now=150, ready=7)
    assert (again.panic_since, again.desired, again.changes_at) == (150, 15, 210)


def test_a_fleet_found_at_the_start_is_kept() -> None:
    """After a restart of control history is lost; with more than one pod ready we panic."""
    decider = Decider(AT_80, now=0, ready=7)
    kept = decider.decide(Load(0, 0), now=2, ready=7)
    assert (kept.desired, kept.panicking, "panic-restart" in codes(kept)) == (7, True, True)
    assert not Decider(AT_80, now=0, ready=1).decide(Load(0, 0), now=2, ready=1).panicking


def test_the_scale_down_delay_keeps_the_largest_of_late() -> None:
    """Not for an unreachable revision."""
    parameters = Parameters(target=1.0, scale_down_delay=10.0, panic_threshold=1e9)
    decider = Decider(parameters, now=100, ready=1)
    decider.decide(Load(5, 5), now=100, ready=5)
    held = decider.decide(Load(3, 3), now=104, ready=5)
    assert (held.desired, codes(held)[-1], held.changes_at) == (5, "delayed", 110)
    assert decider.decide(Load(3, 3), now=110, ready=5).desired == 3


def test_excess_burst_capacity_uses_real_ready_pods_and_floors() -> None:
    """7 pods of 80 under 500: floor(560 - 211 - 500)."""
    assert decided((500, 500), ready=7).excess_burst_capacity == -151
    assert decided((500, 250), ready=7).excess_burst_capacity == 99
    assert decided((0, 0.5), ready=0).excess_burst_capacity == -212


def test_there_is_no_decision_without_data_where_pods_are_measured() -> None:
    """With unlimited burst nothing is measured but load, and silence is zero."""
    silent = Collector(AT_80)
    assert Decider(AT_80, now=0, ready=1).tick(silent, now=100, ready=1) is None
    unlimited = Parameters(target=80.0, target_burst_capacity=-1)
    decision = Decider(unlimited, now=0, ready=1).tick(Collector(unlimited), now=100, ready=1)
    assert decision is not None
    assert (decision.desired, decision.excess_burst_capacity) == (0, -1)


def test_the_last_pod_can_go_a_window_after_the_last_load() -> None:
    """The earliest change of a decision for one pod."""
    collector = Collector(AT_80)
    collector.record(90, 8.0, 3.0)
    decision = Decider(AT_80, now=0, ready=1).tick(collector, now=100, ready=1)
    assert decision is not None
    assert (decision.desired, decision.changes_at) == (1, 150)


def test_requests_per_second_are_scaled_on_when_asked_for() -> None:
    """The other pair of windows."""
    parameters = Parameters(metric="rps", target=140.0, total=200.0)
    collector = Collector(parameters)
    collector.record(10, 1.0, 300.0)
    decision = Decider(parameters, now=0, ready=1).tick(collector, now=10, ready=1)
    assert decision is not None
    assert (decision.stable, decision.desired) == (300, 3)
