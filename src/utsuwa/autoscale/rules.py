"""What each rule of the autoscaler has done to the number of pods, one sentence per rule.

Reads decisions as the API tells them (`podautoscalers/NAME/decisions`), so that the command line,
the console and whoever else asks say it in the same words. A :class:`Reason` says what was found;
the sentence here says what came of it: woken by, capped by, not scaling down because.
"""

import math
from collections.abc import Callable
from enum import Enum

import msgspec

from utsuwa.kit.clock import parse_rfc3339
from utsuwa.kit.documents import Document

Shown = Callable[[float], str]
"""How a point in time (Unix seconds) is written."""


class Role(Enum):
    """What a rule does."""

    LOAD = "load"
    """Says how many pods the load needs."""
    WOKEN = "woken"
    """Set the decision off."""
    CAPPED = "capped"
    """Why not more."""
    HELD = "held"
    """Why not fewer."""
    PANIC = "panic"
    """Panic began, or is over."""
    GONE = "gone"
    """The last pod goes."""
    STATE = "state"
    """Goes on as before: no event of its own."""


class Rule(msgspec.Struct, frozen=True):
    """What to say when a rule has fired; numbers of the reason go into the braces."""

    role: Role
    words: str


_NEEDS = "average {metric} {average} over {window} s needs {pods} ({target} per pod)"
RULES: dict[str, Rule] = {
    "woken": Rule(Role.WOKEN, "woken by {method} {path} from {client}"),
    "load-at-zero": Rule(Role.WOKEN, "woken by load that a gateway told of"),
    "starved": Rule(
        Role.LOAD,
        "decided at once because {waiting} requests waited and no pod was on its way",
    ),
    "stable-load": Rule(Role.LOAD, _NEEDS),
    "panic-load": Rule(Role.LOAD, _NEEDS),
    "use": Rule(
        Role.LOAD,
        "{ready} ready pods use {percent} % of the target of {metric}, which needs {pods}",
    ),
    "idle": Rule(Role.LOAD, "nothing arrived in the last {window} s"),
    "still-needed": Rule(
        Role.HELD,
        "not scaling down because the last {window} s still average {average} {metric}, "
        "which needs {pods}",
    ),
    "rate-up": Rule(
        Role.CAPPED,
        "capped by max-scale-up-rate: wanted {wanted}, at most {cap} at once "
        "({rate} times the {ready} ready)",
    ),
    "max-scale": Rule(Role.CAPPED, "capped by max-scale: wanted {wanted}, at most {cap}"),
    "step": Rule(Role.CAPPED, "capped by the size of a step: wanted {wanted}, at most {cap} now"),
    "rate-down": Rule(
        Role.HELD,
        "not scaling down further because max-scale-down-rate keeps {cap} for now "
        "(1/{rate} of the {ready} ready): wanted {wanted}",
    ),
    "activation-scale": Rule(
        Role.HELD,
        "not scaling down because activation-scale keeps {floor} while there is load: "
        "wanted {wanted}",
    ),
    "delayed": Rule(
        Role.HELD, "not scaling down because scale-down-delay keeps {kept}: wanted {wanted}"
    ),
    "panic-kept": Rule(
        Role.HELD,
        "not scaling down because of panic since {since}, which keeps {kept}: wanted {wanted}",
    ),
    "panic-restart": Rule(
        Role.HELD,
        "not scaling down because control has just started: the {ready} pods that were ready "
        "stay until there is data",
    ),
    "use-unknown": Rule(Role.HELD, "not scaling because {metric} of no pod could be measured"),
    "unknown": Rule(Role.STATE, "not scaling because there is no data yet"),
    "min-scale": Rule(Role.HELD, "not scaling down because min-scale is {floor}"),
    "initial-scale": Rule(
        Role.HELD,
        "not scaling down because the initial scale of {floor} has not been reached yet",
    ),
    "panic-entered": Rule(
        Role.PANIC,
        "panic since {since}: the last {window} s need {pods}, {ratio} times the {ready} ready",
    ),
    "panic-extended": Rule(
        Role.STATE, "panic goes on: the last {window} s need {pods} for {ready} ready"
    ),
    "panic-left": Rule(Role.PANIC, "panic is over: {window} s have passed since the last surge"),
    "scale-to-zero-disabled": Rule(
        Role.HELD, "last pod kept because enable-scale-to-zero is false"
    ),
    "activating": Rule(
        Role.STATE, "waiting for the first pod, which has up to {timeout} s to become ready"
    ),
    "activation-timed-out": Rule(Role.GONE, "given up because no pod became ready in {timeout} s"),
    "active-window": Rule(
        Role.HELD, "last pod kept because it has not been active for {window} s yet"
    ),
    "deactivated": Rule(
        Role.HELD, "last pod kept because requests are held only from now on: a little longer"
    ),
    "not-proxied": Rule(Role.HELD, "last pod kept because the gateway does not answer for it yet"),
    "retention": Rule(
        Role.HELD,
        "last pod kept because scale-to-zero-pod-retention-period keeps it {retention} s",
    ),
    "grace": Rule(
        Role.HELD,
        "last pod kept because requests have not been held for {grace} s yet "
        "(scale-to-zero-grace-period)",
    ),
    "to-zero": Rule(Role.GONE, "scaled to zero because nothing came and requests are held"),
}
"""Every code of :data:`utsuwa.autoscale.reasons.SENTENCES`, and `still-needed`, which is ours."""


class Told(msgspec.Struct, frozen=True):
    """One rule that fired in one decision."""

    code: str
    role: Role
    sentence: str


def tell(decision: Document, shown: Shown, parameters: Document | None = None) -> list[Told]:
    """What each rule did in `decision`, in the order in which they fired."""
    since = decision.get("panicSince")
    extra = {"since": "the last surge" if since is None else shown(parse_rfc3339(since))}
    reasons = [*decision.get("reasons", ()), *decision.get("scaleReasons", ())]
    told = [
        _told(one["code"], {**extra, **one.get("numbers", {})}, one)
        for one in reasons
        if one.get("numbers", {}).get("floor") != 0  # no floor: nothing is known yet
    ]
    numbers = _still_needed(decision, parameters or {})
    if numbers is not None and not any(one.role is Role.HELD for one in told):
        told.append(_told("still-needed", numbers, {}))
    return told


def _told(code: str, numbers: Document, reason: Document) -> Told:
    rule = RULES.get(code)
    if rule is None:  # told by a newer control
        return Told(code, Role.STATE, str(reason.get("sentence", code)))
    try:
        words = rule.words.format(**{key: _number(value) for key, value in numbers.items()})
    except KeyError:  # told by an older one
        words = str(reason.get("sentence", code))
    return Told(code, rule.role, words)


def _still_needed(decision: Document, parameters: Document) -> Document | None:
    """The numbers of the stable window, where it alone keeps the pods."""
    target, stable = decision.get("target"), decision.get("stable")
    if not target or not stable or decision.get("mode") != "stable":
        return None
    needed, recent = math.ceil(stable / target), math.ceil(decision.get("panic", 0.0) / target)
    if recent >= needed or needed != decision.get("desired"):
        return None
    return {
        "window": parameters.get("stableWindow", "stable"),
        "average": stable,
        "metric": decision.get("metric", "load"),
        "pods": needed,
    }


def _number(value: object) -> str:
    if isinstance(value, float):
        return f"{round(value, 2) or float(f'{value:.1g}'):g}"
    return str(value)
