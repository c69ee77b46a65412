"""From what the decider wants to what is done: bounds, the way to zero, the Active condition.

`spec/autoscaling.md` §4.1, §4.2, §4.5. All times in seconds, points in time as Unix seconds.
"""

from enum import Enum

import msgspec

from utsuwa.autoscale.burst import Mode
from utsuwa.autoscale.parameters import UNKNOWN_SCALE, Parameters
from utsuwa.autoscale.reasons import Reason, because

ACTIVATION_BUFFER = 30.0
"""Added to the progress deadline, so that the failure is diagnosed before the pods go."""
DEACTIVATION_RECHECK = 3.0
"""When to look again after Active became False with the activator in path already."""


class Active(Enum):
    """Status of the condition Active: not serving, about to, or serving."""

    UNKNOWN = "Unknown"
    TRUE = "True"
    FALSE = "False"


class Activity(msgspec.Struct, frozen=True):
    """The condition Active, and since when it has been exactly so."""

    status: Active
    reason: str
    since: float


class Situation(msgspec.Struct, frozen=True):
    """What one pass over a PodAutoscaler sees."""

    now: float
    desired: int
    """What the decider wants; -1 is unknown."""
    activity: Activity
    initialized: bool
    """Whether the initial scale was reached once."""
    mode: Mode = Mode.PROXY
    """The mode in the ServerlessService's spec."""
    proxied_for: float = 0.0
    """How long the activator has been in path."""
    activator_answers: bool = True
    """What a probe of the revision's public address would say."""


class Scaling(msgspec.Struct, frozen=True, gc=False):
    """What to do: `want` pods, to be set only if `apply`; look again after `again` seconds."""

    want: int
    apply: bool
    reasons: tuple[Reason, ...] = ()
    again: float | None = None
    probed: bool = False
    """Whether the answer of the activator's probe was asked for."""
    watch_probe: bool = False
    """Probe on until the activator answers."""


def activation_timeout(parameters: Parameters) -> float:
    """How long the first pod may take before the revision is given up."""
    return parameters.progress_deadline + ACTIVATION_BUFFER


def scale(parameters: Parameters, situation: Situation) -> Scaling:
    """Bound what is wanted, and slow down the step to zero."""
    if situation.desired < 0 and situation.activity.status is not Active.UNKNOWN:
        return Scaling(situation.desired, apply=False, reasons=(because("unknown"),))
    want, reasons = bounded(parameters, situation.desired, initialized=situation.initialized)
    if want != 0:
        return Scaling(want, apply=True, reasons=reasons)
    step = _to_zero(parameters, situation)
    return msgspec.structs.replace(step, reasons=(*reasons, *step.reasons))


def bounded(
    parameters: Parameters, desired: int, *, initialized: bool
) -> tuple[int, tuple[Reason, ...]]:
    """`desired` within the bounds; a minimum above the maximum wins."""
    low, code = parameters.min_scale, "min-scale"
    if parameters.initial_scale > 1 and not initialized and parameters.reachable:
        if parameters.initial_scale > low:
            code = "initial-scale"
        low = max(low, parameters.initial_scale)
    if desired < low:
        return low, (because(code, floor=low),)
    if parameters.max_scale != 0 and desired > parameters.max_scale:
        return parameters.max_scale, (
            because("max-scale", wanted=desired, cap=parameters.max_scale),
        )
    return desired, ()


def _to_zero(parameters: Parameters, situation: Situation) -> Scaling:
    if not parameters.enable_scale_to_zero:
        return Scaling(1, apply=True, reasons=(because("scale-to-zero-disabled"),))
    if situation.activity.status is Active.UNKNOWN:
        return _while_activating(parameters, situation)
    if situation.activity.status is Active.TRUE:
        return _while_active(parameters, situation)
    return _while_inactive(parameters, situation)


def _while_activating(parameters: Parameters, situation: Situation) -> Scaling:
    timeout = activation_timeout(parameters)
    if situation.now - situation.activity.since > timeout:
        return Scaling(0, apply=True, reasons=(because("activation-timed-out", timeout=timeout),))
    reasons = (because("activating", timeout=timeout),)
    return Scaling(UNKNOWN_SCALE, apply=False, reasons=reasons, again=timeout)


def _while_active(parameters: Parameters, situation: Situation) -> Scaling:
    """Turn inactive first, which puts the activator in path; the pods stay meanwhile."""
    window = parameters.stable_window
    active_for = situation.now - situation.activity.since
    if active_for < window:
        reasons = (because("active-window", window=window),)
        return Scaling(1, apply=True, reasons=reasons, again=window - active_for)
    again = DEACTIVATION_RECHECK if situation.mode is Mode.PROXY else None
    return Scaling(0, apply=False, reasons=(because("deactivated"),), again=again)


def _while_inactive(parameters: Parameters, situation: Situation) -> Scaling:
    """The last pod goes once every request is sure to be held."""
    probed = parameters.target_burst_capacity != -1
    if probed and not situation.activator_answers:
        reasons = (because("not-proxied"),)
        return Scaling(0, apply=False, reasons=reasons, probed=True, watch_probe=True)
    idle_for = situation.now - situation.activity.since
    grace, retention = parameters.grace_period, parameters.pod_retention
    gone = Scaling(0, apply=True, reasons=(because("to-zero"),), probed=probed)
    if idle_for >= max(grace, retention):
        return gone
    if retention > 0 and idle_for < retention:
        reasons = (because("retention", retention=retention),)
        left = retention - idle_for
        return Scaling(0, apply=False, reasons=reasons, again=left, probed=probed)
    if situation.proxied_for >= grace:
        return gone
    reasons = (because("grace", grace=grace),)
    left = grace - situation.proxied_for
    return Scaling(0, apply=False, reasons=reasons, again=left, probed=probed)


class Verdict(msgspec.Struct, frozen=True):
    """What one pass makes of the conditions Active and ScaleTargetInitialized."""

    initialized: bool
    active: tuple[Active, str] | None
    """Status and reason, or None to leave the condition as it is."""


def active_threshold(parameters: Parameters, *, initialized: bool) -> int:
    """Ready pods from which on the revision counts as active."""
    return max(parameters.min_scale, 1 if initialized else parameters.initial_scale)


def judge(
    parameters: Parameters,
    *,
    want: int,
    ready: int,
    active: Active,
    initialized: bool,
    addressed: bool = True,
) -> Verdict:
    """The conditions after a pass that wants `want` pods and sees `ready`; `addressed`: the name
    of the revision's public Service is known. The threshold is taken before it is reached."""
    threshold = active_threshold(parameters, initialized=initialized)
    reached = initialized or (ready >= threshold and addressed)
    return Verdict(reached, _active_after(want, ready, threshold, active))


def _active_after(
    want: int, ready: int, threshold: int, active: Active
) -> tuple[Active, str] | None:
    if want == 0 or threshold == 0:
        given_up = active is Active.UNKNOWN and threshold > 0
        return Active.FALSE, "TimedOut" if given_up else "NoTraffic"
    serving = want > 0 or active is not Active.FALSE
    if ready < threshold:
        return (Active.UNKNOWN, "Queued") if serving else (Active.FALSE, "NoTraffic")
    return (Active.TRUE, "") if serving else None
