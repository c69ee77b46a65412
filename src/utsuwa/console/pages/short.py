"""A service in short: how many pods and why, when there will be fewer, what the last cold start
cost, which revision fails. Pure: the details stand further down on the same page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from utsuwa.autoscale.rules import Shown
from utsuwa.autoscale.sentences import is_busy
from utsuwa.console.pages.words import ms
from utsuwa.kit.clock import parse_rfc3339
from utsuwa.kit.documents import Document


@dataclass(frozen=True, slots=True)
class Answer:
    """What one asks, the answer at a glance, the sentence behind it; `where`: of the details."""

    question: str
    figure: str
    words: str
    where: str
    tone: str = ""


_MEASURED = frozenset({"stable-load", "panic-load", "use"})
"""Reasons that say what the load is: the first to be told."""
UNKNOWN = tuple(
    Answer(question, "…", "", where)
    for question, where in (
        ("Pods now", "why-title"), ("Fewer pods", "why-title"), ("Last cold start", "starts-title"),
    )
)  # fmt: skip
UNKNOWN_ERRORS = Answer("5xx, last hour", "…", "", "revisions-title")


def short(explanations: Sequence[Document], *, now: float, shown: Shown) -> tuple[Answer, ...]:
    """Of the explanations of its revisions, the newest revision first."""
    busy = [one for one in explanations if is_busy(one)]
    return (_pods(busy), _fewer(busy, now, shown), _start(explanations, shown))


def _pods(busy: Sequence[Document]) -> Answer:
    counts = {
        name: sum(one["pods"].get(name, 0) for one in busy)
        for name in ("ready", "pending", "terminating")
    }
    wanted = sum(one["wanted"] or 0 for one in busy)
    parts = [f"{counts['ready']} ready"]
    parts += [f"{counts['pending']} starting"] if counts["pending"] else []
    parts += [f"{counts['terminating']} ending"] if counts["terminating"] else []
    parts += [f"{wanted} wanted"] if wanted != counts["ready"] else []
    because = [_because(one, several=len(busy) > 1) for one in busy if one["why"]]
    words = "because " + "; ".join(because) if because else "no load: the next request wakes one"
    return Answer("Pods now", ", ".join(parts), words, "why-title")


def _because(one: Document, *, several: bool) -> str:
    reasons = sorted(one["why"], key=lambda reason: reason.get("code") not in _MEASURED)
    told = "; ".join(reason["sentence"] for reason in reasons)
    return f"{one['revision']}: {told}" if several else told


def _fewer(busy: Sequence[Document], now: float, shown: Shown) -> Answer:
    question, where = "Fewer pods", "why-title"
    scaled = [one for one in busy if one["wanted"]]
    if not scaled:
        rests = not any(one["pods"].get("notReady") for one in busy)
        words = "it rests at zero" if rests else "no pod is ready yet"
        return Answer(question, "None to lose", words, where)
    due = [parse_rfc3339(one["next"]["fewerAt"]) for one in scaled if one["next"]["fewerAt"]]
    later = [one for one in due if one > now]
    if later:
        first = min(later)
        figure = f"in {first - now:.0f} s at the earliest"
        return Answer(question, figure, f"at {shown(first)}, if no load comes until then", where)
    told = "; ".join(_named(one, one["next"]["fewer"], several=len(scaled) > 1) for one in scaled)
    return Answer(question, "when the load falls" if due else "not now", told, where)


def _named(one: Document, words: str, *, several: bool) -> str:
    return f"{one['revision']}: {words}" if several else words


def _start(explanations: Sequence[Document], shown: Shown) -> Answer:
    question, where = "Last cold start", "starts-title"
    starts = [start for one in explanations for start in one["coldStarts"]]
    if not starts:
        return Answer(question, "None so far", "no request has had to wait for a pod", where)
    last = max(starts, key=lambda start: str(start["time"]))
    phases: dict[str, float] = last["phases"]
    most = max(phases, key=lambda name: phases[name], default="")
    told = ", ".join(f"{name} {ms(value)}" for name, value in phases.items())
    words = f"at {shown(parse_rfc3339(last['time']))}; most of it: {most}. {told}"
    return Answer(question, ms(last["total"]), words, where)


def errors(served: Mapping[str, Mapping[str, int]]) -> Answer:
    """Who answered with 5xx in the last hour: the worst revision first."""
    question, where = UNKNOWN_ERRORS.question, UNKNOWN_ERRORS.where
    asked = {name: sum(counts.values()) for name, counts in served.items()}
    failed = {name: counts["5xx"] for name, counts in served.items()}
    bad = sorted((name for name in failed if failed[name]), key=lambda name: -failed[name])
    if not bad:
        total = sum(asked.values())
        words = f"of {total:,} requests" if total else "no request counted yet"
        return Answer(question, "None", words, where)
    worst = bad[0]
    figure = f"{worst}: {failed[worst]:,}"
    share = failed[worst] / asked[worst] * 100
    words = f"{share:.0f} % of its {asked[worst]:,} requests; " + (
        ", ".join(f"{name} {failed[name]:,}" for name in bad[1:]) or "no other revision has any"
    )
    return Answer(question, figure, words, where, "bad")
