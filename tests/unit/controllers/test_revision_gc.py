"""Which old Revisions go (`spec/reconcilers.md` §8)."""

from typing import Any

from utsuwa.controllers.revision_gc import judge
from utsuwa.kit.clock import rfc3339
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import CONFIGURATION, REVISION
from utsuwa.model.settings import GarbageCollection

HOUR = 3600.0
NOW = 1_700_000_000.0
CONFIGURED: Document = {
    **CONFIGURATION.document("default", "hello"),
    "status": {"latestReadyRevisionName": "latest"},
}


def revision(
    name: str, *, hours: float = 100, idle: float = 100, state: str = "reserve", **annotations: str
) -> Document:
    """A Revision created `hours` ago that nothing has led to for `idle` hours."""
    document = REVISION.document("default", name)
    document["metadata"].update(
        creationTimestamp=rfc3339(NOW - hours * HOUR),
        labels={"serving.knative.dev/routingState": state},
        annotations={
            "serving.knative.dev/routingStateModified": rfc3339(NOW - idle * HOUR),
            **{f"serving.knative.dev/{key.replace('_', '-')}": v for key, v in annotations.items()},
        },
    )
    return document


def doomed(*revisions: Document, **settings: Any) -> list[str]:
    values = {"min_non_active_revisions": 0, **settings}
    verdict = judge(CONFIGURED, revisions, GarbageCollection(**values), NOW)
    return [one["metadata"]["name"] for one in verdict.doomed]


def test_stale_revisions_go_and_fresh_ones_stay() -> None:
    """Every check that is on must have expired: created 48 h ago, last active 15 h ago."""
    found = doomed(
        revision("old"), revision("young", hours=47, idle=40), revision("lately", idle=14)
    )
    assert found == ["old"]


def test_what_is_in_use_never_goes() -> None:
    """Active, pending, the latest ready one, and what is marked to be kept."""
    assert (
        doomed(
            revision("active", state="active"),
            revision("pending", state="pending"),
            revision("latest"),
            revision("kept", no_gc="true"),
        )
        == []
    )


def test_the_fewest_are_always_left_and_the_longest_unused_go_first() -> None:
    """With four stale ones and two to be left, the two that were used last stay."""
    found = doomed(
        revision("b", idle=90),
        revision("d", idle=70),
        revision("a", idle=100),
        revision("c", idle=80),
        min_non_active_revisions=2,
    )
    assert found == ["a", "b"]


def test_more_than_the_most_are_deleted_even_if_fresh() -> None:
    """The oldest beyond the maximum go."""
    fresh = [
        revision(name, hours=1, idle=idle) for name, idle in (("a", 0.9), ("b", 0.5), ("c", 0.1))
    ]
    assert doomed(*fresh, max_non_active_revisions=1) == ["a", "b"]


def test_immediate_collection_takes_all() -> None:
    """Fewest 0, most 0, both times off: as the original's own test sets it."""
    fresh = [revision("a", hours=1, idle=1), revision("b", hours=1, idle=0)]
    settings = {"retain_since_create_time": None, "retain_since_last_active_time": None}
    assert doomed(*fresh, max_non_active_revisions=0, **settings) == ["a", "b"]


def test_with_everything_off_nothing_goes() -> None:
    """No maximum and no times: no collection."""
    settings = {"retain_since_create_time": None, "retain_since_last_active_time": None}
    assert doomed(revision("a"), max_non_active_revisions=None, **settings) == []


def test_it_looks_again_when_the_next_one_becomes_stale() -> None:
    """One of 47 h that has been idle for long is stale in an hour."""
    verdict = judge(
        CONFIGURED,
        [revision("soon", hours=47, idle=47), revision("later", hours=10, idle=10)],
        GarbageCollection(min_non_active_revisions=0),
        NOW,
    )
    assert verdict.doomed == ()
    assert verdict.look_again == HOUR


def test_a_routing_time_that_is_no_time_falls_back_to_creation() -> None:
    """Annotations can be edited by hand."""
    broken = revision("a", hours=100)
    broken["metadata"]["annotations"]["serving.knative.dev/routingStateModified"] = "yesterday"
    assert doomed(broken) == ["a"]
