"""An explanation (:mod:`utsuwa.autoscale.explanation`) of one revision in sentences: the same on the
command line and in the console. Pure."""

from utsuwa.autoscale.rules import Shown
from utsuwa.kit.clock import parse_rfc3339
from utsuwa.kit.documents import Document


def is_busy(one: Document) -> bool:
    """Whether there is anything to tell of it."""
    pods = one["pods"]
    return bool(one["wanted"] or one["events"] or pods.get("ready") or pods.get("notReady"))


def headline(one: Document, shown: Shown) -> str:
    """Its pods now, and whether it is in panic."""
    pods = one["pods"]
    ready, starting = pods.get("ready", 0), pods.get("pending", 0)
    frozen = pods.get("frozen", 0)
    parts = [f"{ready} ready" + (f" ({frozen} frozen: the next request thaws)" if frozen else "")]
    if starting:
        parts.append(f"{starting} starting")
    if pods.get("terminating"):
        parts.append(f"{pods['terminating']} ending")
    if one["wanted"] is not None:
        parts.append(f"{one['wanted']} wanted")
    if one["mode"] == "panic":
        since = one["panicSince"]
        parts.append("panic" + (f" since {shown(parse_rfc3339(since))}" if since else ""))
    return ", ".join(parts)


def measured(inputs: Document) -> str:
    """What the decision rests on."""
    if "ratio" in inputs:
        return f"{inputs['metric']} at {inputs['ratio'] * 100:.0f} % of its target"
    if "stable" not in inputs:
        return f"{inputs['metric']}: nothing yet"
    windows = (("stable", "stableWindow"), ("panic", "panicWindow"))
    averages = " and ".join(
        f"{inputs[value]:.2f} over {inputs[window]:g} s"
        for value, window in windows
        if window in inputs
    )
    return f"average {inputs['metric']} {averages}; {inputs['target']:g} per pod are aimed at"


def limits(limits: Document) -> str:
    """What bounds it."""
    most = limits["maxScale"] or "none"
    parts = [f"min-scale {limits['minScale']}", f"max-scale {most}"]
    parts.append(f"panic from {limits['panicThreshold']:g} times the ready pods on")
    if limits["scaleDownDelay"]:
        parts.append(f"scale-down-delay {limits['scaleDownDelay']:g} s")
    if not limits["scaleToZero"]:
        parts.append("never to zero")
    elif not limits["minScale"]:
        parts.append(f"to zero {limits['stableWindow']:g} s after the last request at the earliest")
    if not limits["reachable"]:
        parts.append("no route leads to it")
    return ", ".join(parts)
