"""Bounds, the way to zero, the Active condition (`spec/autoscaling.md` §4)."""

import pytest

from utsuwa.autoscale.burst import Mode
from utsuwa.autoscale.parameters import Parameters
from utsuwa.autoscale.scaling import (
    Active,
    Activity,
    Scaling,
    Situation,
    active_threshold,
    bounded,
    judge,
    scale,
)

DEFAULTS = Parameters()


def situation(
    desired: int, active: Active = Active.TRUE, *, for_seconds: float = 100.0, proxied: float = 0.0
) -> Situation:
    return Situation(
        now=1000.0,
        desired=desired,
        activity=Activity(active, "", 1000.0 - for_seconds),
        initialized=True,
        proxied_for=proxied,
    )


def code(scaling: Scaling) -> str:
    return scaling.reasons[-1].code


@pytest.mark.parametrize(("desired", "want"), [(0, 2), (3, 3), (9, 5)])
def test_the_result_lies_within_the_bounds(desired: int, want: int) -> None:
    """min-scale 2, max-scale 5."""
    parameters = Parameters(min_scale=2, max_scale=5)
    assert bounded(parameters, desired, initialized=True)[0] == want


def test_a_minimum_above_the_maximum_wins() -> None:
    """The minimum is tested first."""
    assert bounded(Parameters(min_scale=4, max_scale=2), 3, initialized=True)[0] == 4


def test_the_initial_scale_is_a_minimum_until_it_was_reached_once() -> None:
    """Not for an unreachable revision."""
    parameters = Parameters(initial_scale=3)
    assert bounded(parameters, 1, initialized=False)[0] == 3
    assert bounded(parameters, 1, initialized=True)[0] == 1
    unreachable = Parameters(initial_scale=3, reachable=False)
    assert bounded(unreachable, 1, initialized=False)[0] == 1


def test_an_unknown_wish_leaves_the_pods_alone() -> None:
    """After a restart of control, until there is data."""
    result = scale(Parameters(min_scale=3), situation(-1))
    assert (result.want, result.apply, code(result)) == (-1, False, "unknown")


def test_while_activating_an_unknown_wish_is_bounded() -> None:
    """min-scale holds from the start."""
    result = scale(Parameters(min_scale=3), situation(-1, Active.UNKNOWN))
    assert (result.want, result.apply) == (3, True)


def test_the_first_pod_is_given_up_after_the_progress_deadline() -> None:
    """And 30 s more, strictly."""
    waiting = scale(DEFAULTS, situation(0, Active.UNKNOWN, for_seconds=630))
    assert (waiting.want, waiting.apply, waiting.again) == (-1, False, 630)
    given_up = scale(DEFAULTS, situation(0, Active.UNKNOWN, for_seconds=630.1))
    assert (given_up.want, given_up.apply, code(given_up)) == (0, True, "activation-timed-out")


def test_an_active_revision_keeps_one_pod_for_a_stable_window() -> None:
    """It may shrink to one meanwhile."""
    result = scale(DEFAULTS, situation(0, for_seconds=20))
    assert (result.want, result.apply, result.again, code(result)) == (1, True, 40, "active-window")


def test_then_it_turns_inactive_first_and_keeps_the_pod() -> None:
    """Requests are held from then on; in Proxy mode nothing else would wake us."""
    result = scale(DEFAULTS, situation(0, for_seconds=60))
    assert (result.want, result.apply, result.again, code(result)) == (0, False, 3, "deactivated")
    serving = Situation(1000.0, 0, Activity(Active.TRUE, "", 0.0), True, mode=Mode.SERVE)
    assert scale(DEFAULTS, serving).again is None


def test_the_last_pod_waits_for_the_grace_period_in_path() -> None:
    """30 s since requests are held, or since inactive."""
    early = scale(DEFAULTS, situation(0, Active.FALSE, for_seconds=5, proxied=10))
    assert (early.want, early.apply, early.again, code(early)) == (0, False, 20, "grace")
    proxied = scale(DEFAULTS, situation(0, Active.FALSE, for_seconds=5, proxied=30))
    assert (proxied.apply, code(proxied)) == (True, "to-zero")
    assert scale(DEFAULTS, situation(0, Active.FALSE, for_seconds=30)).apply


def test_the_last_pod_stays_for_its_retention() -> None:
    """However long requests have been held."""
    parameters = Parameters(pod_retention=300.0)
    held = scale(parameters, situation(0, Active.FALSE, for_seconds=100, proxied=1000))
    assert (held.apply, held.again, code(held)) == (False, 200, "retention")
    assert scale(parameters, situation(0, Active.FALSE, for_seconds=300)).apply


def test_without_an_answer_of_the_activator_the_pod_stays() -> None:
    """Only asked for when burst capacity is limited."""
    lost = Situation(
        1000.0, 0, Activity(Active.FALSE, "", 0.0), initialized=True, activator_answers=False
    )
    result = scale(DEFAULTS, lost)
    assert (result.apply, result.probed, result.watch_probe) == (False, True, True)
    unlimited = scale(Parameters(target_burst_capacity=-1), lost)
    assert (unlimited.apply, unlimited.probed) == (True, False)


def test_zero_can_be_forbidden() -> None:
    """enable-scale-to-zero."""
    result = scale(Parameters(enable_scale_to_zero=False), situation(0))
    assert (result.want, result.apply) == (1, True)


@pytest.mark.parametrize(
    ("want", "ready", "before", "after"),
    [
        (0, 1, Active.TRUE, (Active.FALSE, "NoTraffic")),
        (0, 0, Active.UNKNOWN, (Active.FALSE, "TimedOut")),
        (1, 0, Active.FALSE, (Active.UNKNOWN, "Queued")),
        (-1, 0, Active.FALSE, (Active.FALSE, "NoTraffic")),
        (-1, 0, Active.TRUE, (Active.UNKNOWN, "Queued")),
        (1, 1, Active.UNKNOWN, (Active.TRUE, "")),
        (-1, 1, Active.UNKNOWN, (Active.TRUE, "")),
        (-1, 1, Active.FALSE, None),
    ],
)
def test_active_follows_the_table(
    want: int, ready: int, before: Active, after: tuple[Active, str] | None
) -> None:
    """`spec/autoscaling.md` §4.5."""
    verdict = judge(DEFAULTS, want=want, ready=ready, active=before, initialized=True)
    assert verdict.active == after


def test_an_initial_scale_of_zero_is_inactive_and_initialized_at_once() -> None:
    """No pod until somebody asks."""
    parameters = Parameters(initial_scale=0)
    verdict = judge(parameters, want=-1, ready=0, active=Active.UNKNOWN, initialized=False)
    assert verdict.initialized
    assert verdict.active == (Active.FALSE, "NoTraffic")


def test_the_threshold_is_the_initial_scale_until_reached() -> None:
    """Afterwards one pod, or min-scale."""
    parameters = Parameters(initial_scale=4, min_scale=2)
    assert active_threshold(parameters, initialized=False) == 4
    assert active_threshold(parameters, initialized=True) == 2


def test_without_an_address_nothing_is_initialized() -> None:
    """The public Service's name must be known."""
    verdict = judge(
        DEFAULTS, want=1, ready=1, active=Active.UNKNOWN, initialized=False, addressed=False
    )
    assert not verdict.initialized
