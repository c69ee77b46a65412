"""One revision's autoscaler: lag, silence of ready pods, rest (`spec/autoscaling.md` §2.4, §8.3)."""

import math

from utsuwa.autoscale.autoscaler import Autoscaler, informs
from utsuwa.autoscale.parameters import Parameters

AT_80 = Parameters(target=80.0, total=80.0)
START = 1_700_000_000.0


def test_the_running_second_is_not_averaged_in() -> None:
    """Its figures are not there yet: 500 at 12.25 s is 500, not 500 / 2."""
    autoscaler = Autoscaler(AT_80, now=START, ready=0)
    autoscaler.record(START + 10, 500, 500)
    autoscaler.record(START + 11, 500, 500)
    decision = autoscaler.tick(now=START + 12.25, ready=1)
    assert decision is not None
    assert (decision.stable, decision.desired) == (500, 7)


def test_a_wake_up_counts_at_once() -> None:
    """Though its second is the running one."""
    autoscaler = Autoscaler(AT_80, now=START, ready=0)
    autoscaler.record(math.floor(START + 0.3), 1, 1)
    decision = autoscaler.tick(now=START + 0.3, ready=0)
    assert decision is not None
    assert decision.desired == 1


def test_ready_pods_nobody_speaks_of_are_idle() -> None:
    """A new revision without traffic: desired becomes 0, which starts its way to zero."""
    autoscaler = Autoscaler(AT_80, now=START, ready=0)
    assert autoscaler.tick(now=START + 1, ready=0) is None
    assert autoscaler.resting
    autoscaler.disturb(START + 4.0, 1)
    assert not autoscaler.resting
    decision = autoscaler.tick(now=START + 6.25, ready=1)
    assert decision is not None
    assert (decision.desired, autoscaler.resting) == (0, True)


def test_silence_means_nothing_while_gateways_may_still_be_dialling() -> None:
    """After a restart of control: no decision before `idle_from`."""
    autoscaler = Autoscaler(AT_80, now=START, ready=1, idle_from=START + 5)
    assert autoscaler.tick(now=START + 2.25, ready=1) is None
    assert not autoscaler.resting
    assert autoscaler.tick(now=START + 6.25, ready=1) is not None


def test_a_rested_revision_with_a_pod_remembers_its_idleness() -> None:
    """60 s of silence before the load dilute it, as measuring all the time would have."""
    autoscaler = Autoscaler(AT_80, now=START, ready=1)
    autoscaler.tick(now=START + 2.25, ready=1)
    assert autoscaler.resting
    autoscaler.record(START + 3600, 600, 600)
    decision = autoscaler.tick(now=START + 3601.25, ready=1)
    assert decision is not None
    assert (decision.stable, decision.panic) == (10, 100)


def test_a_rested_revision_without_a_pod_begins_anew() -> None:
    """Nothing was measured while there was no pod: the first second counts in full."""
    autoscaler = Autoscaler(AT_80, now=START, ready=0)
    autoscaler.tick(now=START + 2.25, ready=0)
    autoscaler.record(START + 3600, 600, 600)
    decision = autoscaler.tick(now=START + 3601.25, ready=0)
    assert decision is not None
    assert decision.stable == 600


def test_it_does_not_rest_in_panic_or_under_load() -> None:
    """Only when the same input would give the same result for ever."""
    autoscaler = Autoscaler(AT_80, now=START, ready=1)
    autoscaler.record(START + 1, 500, 500)
    autoscaler.tick(now=START + 2.25, ready=1)
    assert not autoscaler.resting
    rested_at = 0
    for second in range(4, 200, 2):
        autoscaler.tick(now=START + second + 0.25, ready=1)
        if autoscaler.resting:
            rested_at = second
            break
    assert 62 <= rested_at <= 70


def test_it_does_not_rest_while_a_delay_holds_pods() -> None:
    """The delay ends by time alone."""
    parameters = Parameters(target=1.0, scale_down_delay=100.0, panic_threshold=1e9)
    autoscaler = Autoscaler(parameters, now=START, ready=1)
    autoscaler.record(START + 1, 3, 3)
    desired = []
    for second in range(2, 200, 2):
        autoscaler.tick(now=START + second + 0.25, ready=1)
        desired.append(autoscaler.desired)
        if autoscaler.resting:
            break
    assert desired[:50] == [3] * 50
    assert (autoscaler.desired, autoscaler.resting) == (0, True)


def test_changed_parameters_take_effect_and_end_the_rest() -> None:
    """Settings and annotations are live."""
    autoscaler = Autoscaler(AT_80, now=START, ready=0)
    autoscaler.record(START + 1, 80, 80)
    autoscaler.tick(now=START + 2.25, ready=0)
    assert autoscaler.desired == 1
    autoscaler.resting = True
    autoscaler.update(Parameters(target=40.0, total=40.0), START + 3)
    assert not autoscaler.resting
    decision = autoscaler.tick(now=START + 3.25, ready=0)
    assert decision is not None
    assert decision.desired == 2


def test_unlimited_burst_measures_load_only() -> None:
    """Then silence is zero without any pod being asked."""
    parameters = Parameters(target=80.0, target_burst_capacity=-1)
    autoscaler = Autoscaler(parameters, now=START, ready=1)
    decision = autoscaler.tick(now=START + 2.25, ready=1)
    assert decision is not None
    assert (decision.desired, autoscaler.resting) == (0, True)


def test_only_a_changed_wish_or_sign_informs() -> None:
    """`spec/autoscaling.md` §3.5."""
    assert informs((1, 5), (2, 5))
    assert informs((1, 5), (1, -5))
    assert not informs((1, 5), (1, 0))


def test_a_load_that_comes_back_after_zero_is_not_held_down_by_the_zeros_before_it() -> None:
    """60 idle seconds with a pod, zero, and 500 requests at once: 7 pods, not 1 of 500/6/80."""
    autoscaler = Autoscaler(AT_80, now=START, ready=1)
    for second in range(60):
        autoscaler.record(START + second, 0, 0)
    idle = autoscaler.tick(now=START + 61.25, ready=1)
    assert idle is not None
    assert idle.desired == 0
    autoscaler.disturb(START + 61.5, 0)
    autoscaler.wake(math.floor(START + 62))
    autoscaler.record(START + 62, 499, 499)
    decision = autoscaler.tick(now=START + 63.25, ready=1)
    assert decision is not None
    assert (decision.panic, decision.desired) == (500, 7)


def test_a_wake_up_of_a_revision_that_still_wants_pods_forgets_nothing() -> None:
    autoscaler = Autoscaler(AT_80, now=START, ready=1)
    autoscaler.record(START, 300, 300)
    assert autoscaler.tick(now=START + 1.25, ready=1) is not None
    autoscaler.wake(math.floor(START + 1))
    decision = autoscaler.tick(now=START + 2.25, ready=1)
    assert decision is not None
    assert decision.stable == 150.5
