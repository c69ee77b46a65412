"""Why a revision has so many pods, what would change that, and what has happened to it.

Made from what the API tells of a PodAutoscaler (`podautoscalers/NAME/decisions`) and the time; the
sentences of each rule are :mod:`utsuwa.autoscale.rules`. The result is a document, for programs;
:mod:`utsuwa.cli.explained` lays it out for people.
"""

from collections.abc import Iterable, Sequence

from utsuwa.autoscale.rules import Role, Shown, Told, tell
from utsuwa.kit.clock import parse_rfc3339, rfc3339_micro
from utsuwa.kit.documents import Document

_ONCE_A_COUNT = frozenset({"still-needed"})
"""What comes and goes with every change of the load is told once for a number of pods."""

_TOGETHER = 1.0
"""Seconds between two requests that waited for one cold start."""


def explain(answer: Document, *, now: float, shown: Shown) -> Document:
    """What `answer` says, at `now`; points in time within sentences are written by `shown`."""
    items: Sequence[Document] = answer.get("items") or ()
    current: Document = answer.get("current") or (items[-1] if items else {})
    parameters: Document | None = answer.get("parameters")
    starts: Sequence[Document] = answer.get("coldStarts") or ()
    events = sorted(
        [*events_of(items, shown, parameters), *cold_start_events(starts)],
        key=lambda event: str(event["time"]),
    )
    wanted = _wanted_now(items, current)
    metadata = answer.get("metadata") or {}
    return {
        "revision": metadata.get("name", ""),
        "namespace": metadata.get("namespace", ""),
        "class": current.get("class", ""),
        "pods": answer.get("pods") or {},
        "wanted": wanted,
        "mode": current.get("mode", "unknown"),
        "panicSince": current.get("panicSince"),
        "inputs": _inputs(current, parameters),
        "limits": parameters or {},
        "why": [_document(one) for one in tell(current, shown, parameters)],
        "next": {
            "more": _more(current, parameters, wanted),
            "fewer": _fewer(current, parameters, wanted, now=now, shown=shown),
            "fewerAt": _fewer_at(current, parameters, wanted, now),
        },
        "coldStarts": list(starts),
        "events": events,
    }


def cold_start_events(starts: Iterable[Document]) -> list[Document]:
    """One event for requests that waited together, with the receipt of the one that waited
    longest."""
    groups: list[list[Document]] = []
    for start in sorted(starts, key=lambda one: str(one["time"])):
        at = parse_rfc3339(start["time"])
        if groups and at - parse_rfc3339(groups[-1][-1]["time"]) <= _TOGETHER:
            groups[-1].append(start)
        else:
            groups.append([start])
    return [_cold_start(group) for group in groups]


def _cold_start(group: Sequence[Document]) -> Document:
    longest = max(group, key=lambda one: float(one["total"]))
    parts = ", ".join(f"{name} {value:.0f}" for name, value in longest["phases"].items())
    head = f"{longest['method']} {longest['path']} waited"
    if len(group) > 1:
        head = f"{len(group)} requests waited, the longest"
    what = "thawed" if "thaw" in longest["phases"] else "cold start"
    sentence = f"{what}: {head} {longest['total']:.0f} ms ({parts})"
    reason = {"code": "cold-start", "role": "cold", "sentence": sentence}
    return {
        "time": group[0]["time"], "what": "cold-start", "from": None, "to": None,
        "reasons": [reason],
    }  # fmt: skip


def events_of(
    items: Iterable[Document], shown: Shown, parameters: Document | None = None
) -> list[Document]:
    """What happened, oldest first: each change of the number of pods with the reasons, and each
    rule that began to hold it where it is."""
    events: list[Document] = []
    before: int | None = None
    standing: set[str] = set()
    told_once: set[str] = set()
    decided = ""
    for item in items:
        told = tell(item, shown, parameters)
        before = item.get("ready") if before is None else before
        after = _target(item, before)
        fresh = [one for one in told if one.code not in standing | told_once]
        if item.get("decidedAt") != decided:  # what sets a decision off happens each time anew
            fresh = [one for one in told if one in fresh or one.role is Role.WOKEN]
        changed = after != before and after is not None
        worth = [one for one in fresh if one.role not in {Role.LOAD, Role.STATE}]
        if changed and told:
            told_once.clear()
            reasons = [one for one in told if one.role is not Role.STATE] or told
            events.append(_event(item, before, after, reasons))
        elif worth:
            events.append(_event(item, before, after, worth))
        before, standing, decided = after, {one.code for one in told}, item.get("decidedAt") or ""
        told_once |= standing & _ONCE_A_COUNT
    return events


def _event(
    item: Document, before: int | None, after: int | None, reasons: Sequence[Told]
) -> Document:
    if before == after or before is None or after is None:
        what = reasons[0].role.value
    else:
        what = "scaled-up" if after > before else "scaled-down"
    return {
        "time": item["time"],
        "what": what,
        "from": before,
        "to": after,
        "reasons": [_document(one) for one in reasons],
    }


def _document(one: Told) -> Document:
    return {"code": one.code, "role": one.role.value, "sentence": one.sentence}


def _target(item: Document, before: int | None) -> int | None:
    """The number of pods that was set after `item`, `before` it was `before`."""
    want = item.get("want")
    return int(want) if item.get("applied") and want is not None and want >= 0 else before


def _wanted_now(items: Sequence[Document], current: Document) -> int | None:
    wanted: int | None = None
    for item in (*items, current):
        wanted = _target(item, wanted)
    return wanted


# --- what would change it ---------------------------------------------------------------------


def _inputs(current: Document, parameters: Document | None) -> Document:
    found = {name: current[name] for name in ("metric", "stable", "panic", "target", "ratio")
             if current.get(name) is not None}  # fmt: skip
    if parameters:
        found["stableWindow"] = parameters["stableWindow"]
        found["panicWindow"] = parameters["panicWindow"]
    return found


def _more(current: Document, parameters: Document | None, wanted: int | None) -> str:
    """What gets it another pod."""
    if parameters is None or wanted is None:
        return "more pods with more use" if current else "nothing has been decided yet"
    most = parameters["maxScale"]
    if most and wanted >= most:
        return f"no more pods: max-scale is {most}"
    if not wanted:
        return "a pod as soon as a request comes"
    target, metric = parameters["target"], parameters["metric"]
    return (
        f"more pods when {metric} averages more than {target * wanted:g} "
        f"over {parameters['stableWindow']:g} s, or {_surge(parameters, current):g} "
        f"over {parameters['panicWindow']:g} s"
    )


def _surge(parameters: Document, current: Document) -> float:
    """The load over the panic window from which on panic begins (and more pods are wanted)."""
    ready = max(1, int(current.get("ready") or 0))
    pods = parameters["panicThreshold"] * ready
    if current.get("mode") == "panic":
        pods = max(ready, int(current.get("desired") or 0))
    return float(parameters["target"] * pods)


def _fewer(
    current: Document,
    parameters: Document | None,
    wanted: int | None,
    *,
    now: float,
    shown: Shown,
) -> str:
    """What takes a pod away, and when at the earliest."""
    if not wanted:
        return ""
    floor = _floor(parameters)
    if wanted <= floor:
        return f"no fewer pods: at least {floor}"
    at = current.get("changesAt")
    if at is None:
        return "fewer pods with less load"
    due = parse_rfc3339(at)
    if due <= now:
        return "fewer pods with the next decision that needs fewer"
    return f"fewer pods at {shown(due)} at the earliest, in {due - now:.0f} s, if no load comes"


def _fewer_at(
    current: Document, parameters: Document | None, wanted: int | None, now: float
) -> str | None:
    if not wanted or wanted <= _floor(parameters):
        return None
    at = current.get("changesAt")
    return rfc3339_micro(max(now, parse_rfc3339(at))) if at else None


def _floor(parameters: Document | None) -> int:
    if not parameters:
        return 1
    return max(int(parameters["minScale"]), 0 if parameters["scaleToZero"] else 1)
