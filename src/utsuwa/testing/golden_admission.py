"""Runs recorded admission cases of the original against our defaulting and validation.

A case holds `kind`, `object`, for an update `old`, data of operator maps (`defaults`, `features`,
`autoscaler`), and `expect`: `errors` (the lines of the refusal), `warnings`, and `defaulted` where
it was recorded. The original ran without pruning, so members outside the schema reach validation.
"""

from typing import Any

from utsuwa.kit.documents import copy
from utsuwa.model import kinds
from utsuwa.model.defaults import default
from utsuwa.model.kinds import Kind
from utsuwa.model.names import child_name
from utsuwa.model.settings import Settings
from utsuwa.model.validation import validate

Case = dict[str, Any]

KINDS = ("admission",)
USER = "alice"
"""Who wrote in every recorded case."""

_SERVED: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        kinds.SERVICE,
        kinds.CONFIGURATION,
        kinds.ROUTE,
        kinds.REVISION,
        kinds.DOMAIN_MAPPING,
        kinds.POD_AUTOSCALER,
    )
}
_MAPS = ("defaults", "features", "autoscaler")
_DIFFERENCES = ("Immutable fields changed", "Saw the following changes")
"""Problems whose details are a difference, of which the text is free."""


def run(kind: str, case: Case) -> list[str]:
    """What our admission answers differently from the recorded `case`.

    Raises:
        ValueError: `kind` is none of :data:`KINDS`.
    """
    if kind not in KINDS:
        raise ValueError(f"golden kind {kind!r}: expected one of {', '.join(KINDS)}")
    served = _SERVED[case["kind"]]
    settings = Settings.parse({f"config-{name}": case.get(name) or {} for name in _MAPS})
    old = _document(served, case["old"]) if case.get("old") else None
    document = default(
        _document(served, case["object"]),
        settings,
        operation="UPDATE" if old else "CREATE",
        old=old,
        user=USER,
    )
    before = default(old, settings, operation=None) if old else None
    problems = validate(document, settings, kind=served, old=before)
    errors = "\n".join(str(problem) for problem in problems if not problem.warning)
    warnings = [str(problem).strip() for problem in problems if problem.warning]
    expected = case["expect"]
    return [
        *_compare("errors", _errors(expected["errors"]), _lines(errors)),
        *_compare("warnings", _warnings(expected["warnings"]), sorted(warnings)),
        *_defaulted(served, expected.get("defaulted"), document),
        *_child_names(expected["errors"]),
    ]


def _document(kind: Kind, given: dict[str, Any]) -> dict[str, Any]:
    return {**copy(given), "apiVersion": kind.api_version, "kind": kind.name}


def _errors(recorded: list[str]) -> list[str]:
    """The recorded lines without the prefix of the first, and without what another part of the
    recording printed in between (:func:`_child_names`)."""
    kept = [line for line in recorded if not line.startswith("ChildName ")]
    return _lines("\n".join(kept).removeprefix("validation failed: "))


def _warnings(recorded: list[str]) -> list[str]:
    """The recorded warnings without the mark that the recorder put before some of them."""
    return sorted(line.removeprefix("WARN: ") for line in recorded)


def _lines(text: str) -> list[str]:
    """The lines of a refusal, blanks at their ends and the details of differences left out."""
    for message in _DIFFERENCES:
        if message in text:
            start = text.index("\n", text.index(message)) if "\n" in text else len(text)
            text = text[:start]
    return [line.rstrip() for line in text.split("\n") if line.strip()]


def _defaulted(kind: Kind, expected: dict[str, Any] | None, found: dict[str, Any]) -> list[str]:
    if expected is None:
        return []
    return _compare("defaulted", _document(kind, expected), found)


def _child_names(recorded: list[str]) -> list[str]:
    """`ChildName PARENT SUFFIX RESULT` lines, which one recording carries."""
    mismatches: list[str] = []
    for line in recorded:
        if line.startswith("ChildName "):
            _, parent, suffix, expected = line.split(" ")
            mismatches += _compare(f"ChildName {parent}", expected, child_name(parent, suffix))
    return mismatches


def _compare(what: str, expected: Any, found: Any) -> list[str]:
    return [] if expected == found else [f"{what}: expected {expected!r}, found {found!r}"]
