"""Arguments of `traffic`, and `spec.traffic`."""

from typing import Any

import pytest

from utsuwa.cli import splitting, waiting
from utsuwa.cli.splitting import Plan, SplitError

Document = dict[str, Any]


def revision(number: int, *, ready: str = "True") -> Document:
    return {
        "metadata": {
            "name": f"hello-{number:05}",
            "namespace": "default",
            "creationTimestamp": f"2023-11-14T22:13:{number:02}Z",
            "labels": {"serving.knative.dev/configurationGeneration": str(number)},
        },
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


def service(*status: Document, spec: list[Document] | None = None) -> Document:
    return {
        "metadata": {"name": "hello", "namespace": "default"},
        "spec": {} if spec is None else {"traffic": spec},
        "status": {"traffic": list(status)},
    }


@pytest.mark.parametrize(
    ("typed", "shares"),
    [
        (("a=30,LATEST=70",), {"a": 30, "LATEST": 70}),
        (("a=30", "latest=70%"), {"a": 30, "LATEST": 70}),
        (("a",), {"a": 100}),
        (("a=100,b=0",), {"a": 100}),
    ],
)
def test_shares_are_read_as_typed(typed: tuple[str, ...], shares: dict[str, int]) -> None:
    assert splitting.shares_of(typed) == shares


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("a=30,b=60", "add up to 100, found 90"),
        ("a=50,a=50", "a is there twice"),
        ("a=fifty,b=50", "'a=fifty': expected REVISION=PERCENT"),
        ("a=-1,b=101", "'a=-1': expected"),
        ("a,b", "'a': expected"),
        ("", "expected"),
    ],
)
def test_shares_that_are_none_are_refused(typed: str, why: str) -> None:
    with pytest.raises(SplitError, match=why):
        splitting.shares_of((typed,))


def test_tags_are_read_as_typed() -> None:
    assert splitting.tags_of(("v1=a,next=latest",)) == {"v1": "a", "next": "LATEST"}


@pytest.mark.parametrize(
    ("typed", "why"),
    [("v1", "expected TAG=REV"), ("V_1=a", "--tag 'V_1'"), ("t=a,t=b", "t is there twice")],
)
def test_tags_that_are_none_are_refused(typed: str, why: str) -> None:
    with pytest.raises(SplitError, match=why):
        splitting.tags_of((typed,))


def test_a_spec_without_traffic_gives_all_to_the_latest() -> None:
    assert splitting.plan_of(service()) == Plan({"LATEST": 100}, {})


def test_what_is_not_mentioned_stays() -> None:
    """Shares keep their tags, tags their shares."""
    spec: list[Document] = [
        {"revisionName": "a", "percent": 40, "tag": "old"},
        {"latestRevision": True, "percent": 60},
        {"revisionName": "b", "tag": "gone"},
    ]
    plan = splitting.plan_of(service(spec=spec))
    assert plan == Plan({"a": 40, "LATEST": 60}, {"old": "a", "gone": "b"})
    plan = splitting.changed(plan, shares={}, tags={"new": "LATEST"}, untag=("gone",))
    assert splitting.traffic_of(plan) == [
        {"revisionName": "a", "percent": 40},
        {"latestRevision": True, "percent": 60},
        {"revisionName": "a", "tag": "old"},
        {"latestRevision": True, "tag": "new"},
    ]


def test_a_tag_that_is_not_there_cannot_go() -> None:
    with pytest.raises(SplitError, match="no tag 'x'; there are: none"):
        splitting.changed(Plan({"a": 100}, {}), shares={}, tags={}, untag=("x",))


def test_an_unknown_revision_is_answered_with_those_that_exist() -> None:
    revisions = [revision(1), revision(2)]
    with pytest.raises(SplitError, match="'b'; there are: hello-00002, hello-00001, and LATEST"):
        splitting.check_known(Plan({"b": 100}, {}), revisions, "default/hello")
    splitting.check_known(Plan({"LATEST": 100}, {"t": "hello-00001"}), revisions, "default/hello")


@pytest.mark.parametrize(
    ("serving", "states", "expected"),
    [
        ({3: 100}, "True True True", 2),
        ({3: 100}, "True False True", 1),
        ({2: 99, 3: 1}, "True True True", 2),
        ({2: 100}, "True True True", 1),
    ],
)
def test_the_way_back_leads_to_the_ready_one_before(
    serving: dict[int, int], states: str, expected: int
) -> None:
    """Before the newest that has traffic: in the middle of a rollout that is the new one."""
    status = [{"revisionName": f"hello-{n:05}", "percent": p} for n, p in serving.items()]
    revisions = [revision(n, ready=state) for n, state in enumerate(states.split(), 1)]
    assert splitting.previous(service(*status), revisions) == f"hello-{expected:05}"


def test_the_way_back_leads_past_what_was_taken_back() -> None:
    revisions = [revision(1), revision(2), revision(3)]
    revisions[1]["metadata"]["annotations"] = {"utsuwa.dev/rollout-taken-back": "too slow"}
    serving = service({"revisionName": "hello-00003", "percent": 100})
    assert splitting.previous(serving, revisions) == "hello-00001"


@pytest.mark.parametrize(
    ("status", "reason", "outcome"),
    [
        ("True", "", True),
        ("Unknown", "RolloutInProgress", True),
        ("False", "RolloutTakenBack", True),
        ("False", "RevisionMissing", False),
        ("Unknown", "IngressNotConfigured", None),
    ],
)
def test_a_change_is_taken_up_whatever_becomes_of_a_rollout(
    status: str, reason: str, outcome: bool | None
) -> None:
    condition = {"type": "RoutesReady", "status": status, "reason": reason}
    document = {
        "metadata": {"generation": 1},
        "status": {"observedGeneration": 1, "conditions": [condition]},
    }
    assert waiting.taken_up(document).outcome is outcome


def test_there_may_be_no_way_back() -> None:
    with pytest.raises(SplitError, match="no ready revision is older than hello-00001"):
        splitting.previous(
            service({"revisionName": "hello-00001", "percent": 100}), [revision(1), revision(2)]
        )
    with pytest.raises(SplitError, match="no revision gets traffic"):
        splitting.previous(service(), [revision(1)])


def test_traffic_is_shown_by_revision() -> None:
    found = service(
        {"revisionName": "a", "percent": 10, "latestRevision": True},
        {"revisionName": "b", "percent": 90, "latestRevision": True},
        {"revisionName": "a", "tag": "old", "url": "http://old"},
    )
    found["status"]["latestReadyRevisionName"] = "b"
    table = splitting.listing(splitting.shown(found))
    assert table.rows == [("b", "90%", "yes", "", ""), ("a", "10%", "", "old", "http://old")]
