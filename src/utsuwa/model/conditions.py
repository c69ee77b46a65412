"""The conditions in an object's status, and the one rule by which `Ready` follows from them.

`spec/reconcilers.md` §1.2. A status is a plain dict that the caller owns and builds during one
pass: begin with :meth:`ConditionSet.begin`, change it through the named verbs of
:mod:`utsuwa.model.lifecycle`, end with :func:`groom`. Between the two a condition that changed
carries a placeholder (`~0001`, `~0002`, …) for its time: only the order matters then, and one
"now" replaces all of them at the end.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from utsuwa.kit.documents import Document
from utsuwa.model.meta import generation_of, observed_generation_of

READY = "Ready"
TRUE = "True"
FALSE = "False"
UNKNOWN = "Unknown"
NEW_GENERATION = "NewObservedGenFailure"
"""Reason of `Ready` while a pass over a new generation has not said anything yet."""

_TIME = "lastTransitionTime"
_PENDING = "~"

Condition = dict[str, Any]


def conditions_of(status: Mapping[str, Any] | None) -> list[Condition]:
    """The conditions of a status; not to be changed."""
    found: list[Condition] = (status or {}).get("conditions") or []
    return found


def condition(status: Mapping[str, Any] | None, type_: str) -> Condition | None:
    """The condition `type_` of a status, or None; not to be changed."""
    return next((c for c in conditions_of(status) if c.get("type") == type_), None)


def status_of(status: Mapping[str, Any] | None, type_: str) -> str | None:
    """`True`, `False` or `Unknown`, or None where there is no such condition."""
    found = condition(status, type_)
    return found.get("status") if found else None


def is_ready(document: Mapping[str, Any]) -> bool:
    """Whether `Ready` is True for the generation that the object has now."""
    return observed_generation_of(document) == generation_of(document) and (
        status_of(document.get("status"), READY) == TRUE
    )


def is_failed(document: Mapping[str, Any]) -> bool:
    """Whether `Ready` is False for the generation that the object has now."""
    return observed_generation_of(document) == generation_of(document) and (
        status_of(document.get("status"), READY) == FALSE
    )


def explanation(document: Mapping[str, Any], *, with_reason: bool = True) -> str:
    """Why `Ready` is as it is, in its own words: `ExitCode3: Container failed with: …`."""
    ready = condition(document.get("status"), READY) or {}
    said = (ready.get("reason") if with_reason else "", ready.get("message"))
    return ": ".join(part for part in said if part)


@dataclass(frozen=True, slots=True)
class ConditionSet:
    """The conditions on which one kind's `Ready` depends; every other condition only informs."""

    dependents: tuple[str, ...] = ()
    happy: str = READY
    _terminal: frozenset[str] = field(init=False, repr=False, default=frozenset())

    def __post_init__(self) -> None:
        object.__setattr__(self, "_terminal", frozenset((*self.dependents, self.happy)))

    def initialise(self, status: Document) -> None:
        """Add what is missing: Unknown, or True for dependents of a `Ready` that is True."""
        ready = condition(status, self.happy)
        if ready is None:
            self._set(status, self.happy, UNKNOWN)
        value = TRUE if ready is not None and ready["status"] == TRUE else UNKNOWN
        for type_ in self.dependents:
            if condition(status, type_) is None:
                self._set(status, type_, value)

    def begin(self, status: Document, generation: int) -> None:
        """Start a pass: initialise, and doubt `Ready` where the generation is a new one."""
        self.initialise(status)
        if (status.get("observedGeneration") or 0) != generation:
            self.mark_unknown(
                status, self.happy, NEW_GENERATION, "The latest change has not been looked at yet."
            )

    def mark_true(self, status: Document, type_: str, reason: str = "", message: str = "") -> None:
        """`type_` holds; `Ready` follows the newest dependent that does not, or becomes True."""
        self._set(status, type_, TRUE, reason, message)
        unhappy = self._unhappy(status)
        if unhappy is not None:
            self._set(
                status,
                self.happy,
                unhappy["status"],
                unhappy.get("reason", ""),
                unhappy.get("message", ""),
            )
        elif type_ != self.happy:
            self._set(status, self.happy, TRUE)

    def mark_unknown(
        self, status: Document, type_: str, reason: str = "", message: str = ""
    ) -> None:
        """`type_` is not known; so is `Ready`, unless a dependent is False already."""
        self._set(status, type_, UNKNOWN, reason, message)
        if any(status_of(status, dependent) == FALSE for dependent in self.dependents):
            if status_of(status, self.happy) != FALSE:
                self._set(status, self.happy, FALSE, reason, message)
        elif type_ in self.dependents:
            self._set(status, self.happy, UNKNOWN, reason, message)

    def mark_false(self, status: Document, type_: str, reason: str, message: str) -> None:
        """`type_` does not hold; nor does `Ready`, if it depends on it."""
        self._set(status, type_, FALSE, reason, message)
        if type_ in self.dependents:
            self._set(status, self.happy, FALSE, reason, message)

    def copy(self, status: Document, type_: str, source: Mapping[str, Any]) -> None:
        """Give `type_` the status, reason and message of a child's condition `source`; the
        reason of a condition that is True is dropped."""
        if source["status"] == TRUE:
            self.mark_true(status, type_)
        elif source["status"] == FALSE:
            self.mark_false(status, type_, source.get("reason") or "", source.get("message") or "")
        else:
            self.mark_unknown(
                status, type_, source.get("reason") or "", source.get("message") or ""
            )

    def note(self, status: Document, type_: str, value: str, reason: str, message: str) -> None:
        """Set a condition that only informs, without a thought for `Ready`."""
        self._set(status, type_, value, reason, message)

    def _set(
        self, status: Document, type_: str, value: str, reason: str = "", message: str = ""
    ) -> None:
        fresh: Condition = {"type": type_, "status": value}
        if type_ not in self._terminal:
            fresh["severity"] = "Info"
        if reason:
            fresh["reason"] = reason
        if message:
            fresh["message"] = message
        known = conditions_of(status)
        others = [c for c in known if c["type"] != type_]
        if any(c["type"] == type_ and _same(c, fresh) for c in known):
            return
        fresh[_TIME] = _next_placeholder(known)
        status["conditions"] = sorted([*others, fresh], key=lambda c: str(c["type"]))

    def _unhappy(self, status: Document) -> Condition | None:
        """The dependent that `Ready` must report: the one that changed last, False first."""
        present = [c for c in conditions_of(status) if c["type"] in self.dependents]
        newest_first = sorted(present, key=lambda c: str(c.get(_TIME, "")), reverse=True)
        for value in (FALSE, UNKNOWN):
            for candidate in newest_first:
                if candidate["status"] == value:
                    return candidate
        if len(present) < len(self.dependents):
            return {"status": UNKNOWN}
        return None


def groom(old: Iterable[Condition], new: Iterable[Condition], now: str) -> list[Condition]:
    """`new` with times filled in: that of its equal in `old`, else `now` (RFC 3339); sorted by
    type. Any difference in status, severity, reason or message counts as a transition."""
    known = {c["type"]: c for c in old}
    result: list[Condition] = []
    for fresh in new:
        before = known.get(fresh["type"])
        unchanged = before is not None and _same(before, fresh) and before.get(_TIME)
        result.append({**fresh, _TIME: before[_TIME] if unchanged and before else now})
    return sorted(result, key=lambda c: str(c["type"]))


def finish(old: Mapping[str, Any] | None, status: Document, *, generation: int, now: str) -> None:
    """End a pass: note the generation it looked at and fill in the times of `status`, whether
    the pass went well or not (`spec/reconcilers.md` §1.1)."""
    status["observedGeneration"] = generation
    status["conditions"] = groom(conditions_of(old), conditions_of(status), now)


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(
        (one.get(key) or "") == (other.get(key) or "")
        for key in ("type", "status", "severity", "reason", "message")
    )


def _next_placeholder(known: Iterable[Condition]) -> str:
    used = [str(c.get(_TIME, "")) for c in known]
    last = max((int(text[1:]) for text in used if text.startswith(_PENDING)), default=0)
    return f"{_PENDING}{last + 1:04d}"
