"""The page of one service: what it says of revisions, pods, conditions and reasons."""

from typing import Any

import pytest

from utsuwa.cluster.port import Key
from utsuwa.console.pages import service as pages
from utsuwa.console.pages.conditions import told
from utsuwa.console.pages.services import Doing
from utsuwa.console.pages.state import Tone
from utsuwa.console.pages.why import why
from utsuwa.kit.documents import Document
from utsuwa.model import labels
from utsuwa.model.kinds import POD, REVISION, SERVICE
from utsuwa.testing.console import Browsing

MADE = "2026-01-01T00:00:0{}Z"


def an_object(kind: Any, name: str, second: int = 0, **members: Any) -> Document:
    document: Document = kind.document("default", name, **members)
    document["metadata"]["creationTimestamp"] = MADE.format(second)
    return document


def test_revisions_come_newest_first_with_their_part_of_the_traffic() -> None:
    traffic = [
        {"revisionName": "a-1", "percent": 80},
        {"revisionName": "a-1", "tag": "old"},
        {"revisionName": "a-2", "percent": 20},
    ]
    service = an_object(SERVICE, "a", status={"traffic": traffic})
    found = [an_object(REVISION, "a-1", 1), an_object(REVISION, "a-2", 2)]
    rows = pages.revisions(found, service, {"a-2": Doing(failing=0.5)})
    assert [(row.name, row.percent) for row in rows] == [("a-2", 20), ("a-1", 80)]
    assert [share.tag for share in rows[1].tags] == ["old"]
    assert rows[0].doing.failing == 0.5


@pytest.mark.parametrize(
    ("status", "word", "reason"),
    [
        ({}, "Starting", ""),
        ({"phase": "Running"}, "Not ready", ""),
        ({"phase": "Failed", "reason": "Evicted"}, "Ended", "Evicted"),
        ({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}, "Ready", ""),
        (
            {"containerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]},
            "Waiting", "CrashLoopBackOff",
        ),
        (
            {"containerStatuses": [{"state": {"terminated": {"reason": "Error", "exitCode": 3}}}]},
            "Ended", "Error, exit code 3",
        ),
        (
            {"containerStatuses": [{"state": {"waiting": {"reason": "ContainerCreating"}}}]},
            "Starting", "",
        ),
    ],
)  # fmt: skip
def test_a_pod_is_told_in_a_word(status: Document, word: str, reason: str) -> None:
    state = pages.pod_state(an_object(POD, "p", status=status))
    assert (state.word, state.reason) == (word, reason)


def test_a_revision_that_rests_is_no_trouble() -> None:
    conditions = [
        {"type": "Ready", "status": "True"},
        {"type": "Active", "status": "False", "severity": "Info", "reason": "NoTraffic"},
    ]
    state = pages.revision_state(an_object(REVISION, "a", status={"conditions": conditions}))
    assert (state.tone, state.word) == (Tone.QUIET, "At zero")


def test_conditions_are_told_in_plain_words_ready_first() -> None:
    conditions = [
        {
            "type": "ConfigurationsReady",
            "status": "False",
            "reason": "RevisionFailed",
            "message": "m",
        },
        {"type": "Ready", "status": "Unknown"},
    ]
    found = told(an_object(SERVICE, "a", status={"conditions": conditions}))
    assert [one.words for one in found] == ["Not there yet", "The newest revision is not ready"]
    assert found[1].message == "m"


def an_explanation(revision: str, **members: Any) -> Document:
    return {
        "revision": revision, "pods": {}, "wanted": 0, "mode": "stable", "panicSince": None,
        "inputs": {}, "limits": {}, "why": [], "next": {"more": "", "fewer": ""},
        "coldStarts": [], "events": [], **members,
    }  # fmt: skip


def test_events_of_all_revisions_come_newest_first() -> None:
    reasons = [{"sentence": "because"}]
    events = [
        {"time": MADE.format(number), "what": "scaled-up", "from": 0, "to": 1, "reasons": reasons}
        for number in (1, 3)
    ]
    held = {"time": MADE.format(2), "what": "held", "from": 1, "to": 1, "reasons": []}
    found = why([an_explanation("a", events=events), an_explanation("b", events=[held])], str)
    assert [(event.revision, event.after) for event in found.events] == [
        ("a", 1),
        ("b", None),
        ("a", 1),
    ]
    assert found.events[1].sentences == ("as it was set",)
    assert [event.tone for event in found.events] == ["up", "held", "up"]


def test_the_waterfall_of_a_cold_start_is_as_wide_as_it_was_long() -> None:
    starts = [
        {"time": MADE.format(1), "method": "GET", "path": "/", "total": 100.0,
         "phases": {"decide": 10.0, "listen": 90.0}},
        {"time": MADE.format(2), "method": "GET", "path": "/", "total": 200.0,
         "phases": {"decide": 50.0, "listen": 150.0}},
    ]  # fmt: skip
    found = why([an_explanation("a", coldStarts=starts)], str).starts
    assert [start.total for start in found] == [200.0, 100.0]
    assert [(bar.at, bar.width) for bar in found[0].bars] == [(0.0, 250.0), (250.0, 750.0)]
    assert [(bar.at, bar.width) for bar in found[1].bars] == [(0.0, 50.0), (50.0, 450.0)]
    assert found[0].costliest == "listen"


def test_a_service_that_never_ran_says_so_of_its_newest_revision() -> None:
    found = why([an_explanation("b"), an_explanation("a")], str)
    assert [one.revision for one in found.revisions] == ["b"]
    assert found.resting == ("a",)


async def test_a_service_that_is_not_there_is_told_plainly(open_console: Browsing) -> None:
    async with (
        await open_console.session() as browser,
        browser.get("/services/default/nobody") as answer,
    ):
        assert answer.status == 404
        assert "There is no service nobody in namespace default" in await answer.text()


async def test_names_of_a_service_cannot_become_markup(open_console: Browsing) -> None:
    conditions = [
        {"type": "Ready", "status": "False", "reason": "X", "message": "<script>x</script>"}
    ]
    document = an_object(SERVICE, "odd", status={"conditions": conditions})
    await open_console.api.cluster.create(document)
    await open_console.api.cluster.update_status(
        {**await open_console.api.cluster.get(SERVICE, Key("default", "odd")),
         "status": {"conditions": conditions}}
    )  # fmt: skip
    async with await open_console.session() as browser:
        text = ""
        while "&lt;script&gt;" not in text:
            async with browser.get("/services/default/odd") as answer:
                text = await answer.text()
        assert "<script>x" not in text


def test_labels_are_those_that_pods_carry() -> None:
    pod = an_object(POD, "p")
    pod["metadata"]["labels"] = {labels.REVISION: "a-1"}
    assert [row.revision for row in pages.pods([pod])] == ["a-1"]


def test_old_revisions_that_do_nothing_make_room() -> None:
    found = [an_object(REVISION, f"a-{number:02}", number % 10) for number in range(30)]
    traffic = [{"revisionName": "a-00", "percent": 100}]
    rows = pages.revisions(found, an_object(SERVICE, "a", status={"traffic": traffic}), {})
    kept = pages.worth(rows)
    assert len(kept) == pages.MOST_REVISIONS
    assert "a-00" in [row.name for row in kept]
    assert list(kept) == [row for row in rows if row in kept]
