"""The condition manager (`spec/reconcilers.md` §1.2)."""

from typing import Any

import pytest

from utsuwa.model.conditions import (
    ConditionSet,
    condition,
    conditions_of,
    finish,
    groom,
    is_failed,
    is_ready,
    status_of,
)

SET = ConditionSet(("A", "B"))


def begun(**marks: str) -> dict[str, Any]:
    """A status whose conditions have the given status (`Ready` follows)."""
    status: dict[str, Any] = {}
    SET.initialise(status)
    for type_, value in marks.items():
        if value == "True":
            SET.mark_true(status, type_)
        elif value == "False":
            SET.mark_false(status, type_, f"No{type_}", f"{type_} fails")
        else:
            SET.mark_unknown(status, type_, f"Waiting{type_}", f"{type_} waits")
    return status


def test_everything_is_unknown_at_first_and_sorted_by_type() -> None:
    """Initialise adds Ready and all dependents."""
    status = begun()
    assert [(c["type"], c["status"]) for c in conditions_of(status)] == [
        ("A", "Unknown"),
        ("B", "Unknown"),
        ("Ready", "Unknown"),
    ]


def test_a_dependent_added_later_is_true_where_ready_is_true() -> None:
    """Ready True implies that all dependents hold."""
    status = {"conditions": [{"type": "Ready", "status": "True"}]}
    SET.initialise(status)
    assert status_of(status, "A") == status_of(status, "B") == "True"


def test_ready_is_true_only_when_every_dependent_is() -> None:
    """The last one to become True makes Ready True."""
    assert status_of(begun(A="True"), "Ready") == "Unknown"
    assert status_of(begun(A="True", B="True"), "Ready") == "True"


def test_a_missing_dependent_keeps_ready_unknown_without_a_reason() -> None:
    """MarkTrue before Initialise."""
    status: dict[str, Any] = {}
    SET.mark_true(status, "A")
    assert condition(status, "Ready") == {
        "type": "Ready",
        "status": "Unknown",
        "lastTransitionTime": "~0002",
    }


def test_false_outweighs_unknown_when_ready_is_recomputed() -> None:
    """A recovers: Ready reports B, which fails, and not C, which waits and changed later."""
    three = ConditionSet(("A", "B", "C"))
    status: dict[str, Any] = {}
    three.initialise(status)
    three.mark_false(status, "B", "NoB", "b fails")
    three.mark_unknown(status, "C", "WaitingC", "c waits")
    three.mark_true(status, "A")
    ready = condition(status, "Ready") or {}
    assert (ready["status"], ready["reason"], ready["message"]) == ("False", "NoB", "b fails")


def test_the_newest_of_two_failures_is_reported() -> None:
    """Newest lastTransitionTime first."""
    three = ConditionSet(("A", "B", "C"))
    status: dict[str, Any] = {}
    three.initialise(status)
    three.mark_false(status, "B", "NoB", "")
    three.mark_false(status, "A", "NoA", "")
    three.mark_true(status, "C")
    assert (condition(status, "Ready") or {})["reason"] == "NoA"


def test_marking_unknown_does_not_hide_a_failure() -> None:
    """Ready stays False with the failure's reason."""
    status = begun(A="False", B="Unknown")
    ready = condition(status, "Ready") or {}
    assert (ready["status"], ready["reason"]) == ("False", "NoA")


def test_doubt_about_ready_itself_becomes_false_while_a_dependent_is_false() -> None:
    """MarkUnknown(Ready): False with the new reason."""
    status = begun(A="False")
    SET.mark_unknown(status, "Ready", "New", "n")
    ready = condition(status, "Ready") or {}
    assert (ready["status"], ready["reason"]) == ("False", "New")


def test_a_condition_that_is_no_dependent_informs_only() -> None:
    """Severity Info, and Ready does not care."""
    status = begun(A="True", B="True")
    SET.mark_false(status, "Active", "NoTraffic", "m")
    assert (condition(status, "Active") or {})["severity"] == "Info"
    assert "severity" not in (condition(status, "A") or {})
    assert status_of(status, "Ready") == "True"


def test_a_new_generation_is_doubted_until_the_pass_says_otherwise() -> None:
    """`spec/reconcilers.md` §1.1 step 3."""
    status: dict[str, Any] = {"observedGeneration": 1}
    SET.begin(status, 2)
    assert (condition(status, "Ready") or {})["reason"] == "NewObservedGenFailure"
    same: dict[str, Any] = {"observedGeneration": 2}
    SET.begin(same, 2)
    assert "reason" not in (condition(same, "Ready") or {})


def test_an_unchanged_condition_keeps_its_time_and_any_change_takes_now() -> None:
    """Status, severity, reason and message all count (`spec/reconcilers.md` §1.1 step 6)."""
    old = [
        {"type": "A", "status": "True", "lastTransitionTime": "t0"},
        {"type": "B", "status": "False", "reason": "r", "message": "m", "lastTransitionTime": "t0"},
    ]
    new = [
        {"type": "B", "status": "False", "reason": "r", "message": "other"},
        {"type": "A", "status": "True", "lastTransitionTime": "~0001"},
    ]
    groomed = groom(old, new, "now")
    assert [(c["type"], c["lastTransitionTime"]) for c in groomed] == [("A", "t0"), ("B", "now")]


def test_finishing_a_pass_notes_the_generation_and_leaves_no_placeholder() -> None:
    """The status is then fit to be stored."""
    status = begun(A="True")
    finish({}, status, generation=3, now="now")
    assert status["observedGeneration"] == 3
    assert {c["lastTransitionTime"] for c in conditions_of(status)} == {"now"}


def test_setting_what_is_already_so_changes_nothing() -> None:
    """Otherwise each pass would write."""
    stored = {
        "conditions": [
            {"type": t, "status": "True", "lastTransitionTime": "t0"} for t in ("A", "B", "Ready")
        ]
    }
    status = {"conditions": [dict(c) for c in stored["conditions"]]}
    SET.begin(status, 0)
    SET.mark_true(status, "A")
    SET.mark_true(status, "B")
    assert status == stored


@pytest.mark.parametrize(
    ("value", "observed", "ready", "failed"),
    [
        ("True", 2, True, False),
        ("True", 1, False, False),
        ("False", 2, False, True),
        ("False", 1, False, False),
        ("Unknown", 2, False, False),
    ],
)
def test_readiness_counts_only_for_the_present_generation(
    value: str, observed: int, ready: bool, failed: bool
) -> None:
    """A status about an older spec says nothing about this one."""
    document = {
        "metadata": {"generation": 2},
        "status": {
            "observedGeneration": observed,
            "conditions": [{"type": "Ready", "status": value}],
        },
    }
    assert (is_ready(document), is_failed(document)) == (ready, failed)
