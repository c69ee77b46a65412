"""From targets to revisions (`spec/reconcilers.md` §5.2)."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utsuwa.kit.documents import Document
from utsuwa.model.kinds import CONFIGURATION, REVISION, ROUTE
from utsuwa.routing.traffic import DEFAULT, Cause, Target, Traffic, resolve


def route(*targets: Document, service: str = "") -> Document:
    document = ROUTE.document("default", "hello", spec={"traffic": list(targets)})
    if service:
        document["metadata"]["labels"] = {"serving.knative.dev/service": service}
    return document


def with_ready(document: Document, value: str, **status: str) -> Document:
    document["metadata"]["generation"] = 1
    document["status"] = {
        "observedGeneration": 1,
        "conditions": [{"type": "Ready", "status": value}],
        **status,
    }
    return document


def revision(name: str, ready: str = "True", service: str = "", port: str = "") -> Document:
    ports = [{"name": port, "containerPort": 8080}] if port else []
    spec = {"containers": [{"name": "app", "ports": ports}]}
    document = REVISION.document("default", name, spec=spec)
    document["metadata"]["labels"] = {"serving.knative.dev/configuration": "hello"}
    if service:
        document["metadata"]["labels"]["serving.knative.dev/service"] = service
    return with_ready(document, ready)


def configuration(latest: str = "", ready: str = "Unknown") -> Document:
    names = {"latestReadyRevisionName": latest} if latest else {}
    return with_ready(CONFIGURATION.document("default", "hello"), ready, **names)


def pinned(name: str, percent: int, tag: str = "") -> Document:
    target = {"revisionName": name, "latestRevision": False, "percent": percent}
    return {**target, "tag": tag} if tag else target


def latest(percent: int, tag: str = "") -> Document:
    target = {"configurationName": "hello", "latestRevision": True, "percent": percent}
    return {**target, "tag": tag} if tag else target


def resolved(document: Document, *objects: Document) -> Traffic:
    found = {(one["kind"], one["metadata"]["name"]): one for one in objects}
    return resolve(
        document,
        lambda name: found.get(("Configuration", name)),
        lambda name: found.get(("Revision", name)),
    )


def shares(targets: Iterable[Target]) -> list[tuple[str, int]]:
    return [(target.revision, target.percent) for target in targets]


def test_the_latest_ready_revision_gets_what_follows_the_configuration() -> None:
    """A target with configurationName is served by latestReadyRevisionName."""
    traffic = resolved(route(latest(100)), configuration("hello-2"), revision("hello-2"))
    assert traffic.trouble is None
    assert traffic.targets == (Target("hello-2", 100, configuration="hello", latest=True),)
    assert traffic.tags == (DEFAULT,)


def test_equal_targets_are_merged_by_adding_percents() -> None:
    """Equal (tag, revision, latest) are one entry; pinned and latest stay apart in the status."""
    traffic = resolved(
        route(pinned("a", 30), pinned("a", 20), latest(50)), configuration("a"), revision("a")
    )
    assert shares(traffic.targets) == [("a", 50), ("a", 50)]
    assert shares(traffic.hosts[DEFAULT]) == [("a", 100)]


def test_a_tags_host_gets_its_target_alone_even_at_zero_percent() -> None:
    """Each tag host leads to exactly its target; the default host skips 0 %."""
    traffic = resolved(
        route(pinned("a", 100), pinned("b", 0, tag="preview")), revision("a"), revision("b")
    )
    assert shares(traffic.hosts[DEFAULT]) == [("a", 100)]
    assert shares(traffic.hosts["preview"]) == [("b", 100)]
    assert shares(traffic.targets) == [("a", 100), ("b", 0)]


def test_a_port_named_h2c_is_spoken_to_in_http2() -> None:
    """The protocol is the serving port's name."""
    traffic = resolved(route(pinned("a", 100)), revision("a", port="h2c"))
    assert traffic.targets[0].protocol == "h2c"


@pytest.mark.parametrize(
    ("objects", "cause"),
    [
        ([], Cause.CONFIGURATION_MISSING),
        ([configuration()], Cause.CONFIGURATION_NOT_READY),
        ([configuration(ready="False")], Cause.CONFIGURATION_FAILED),
        ([configuration("a")], Cause.REVISION_MISSING),
        ([configuration("a"), revision("a", "Unknown")], Cause.REVISION_NOT_READY),
        ([configuration("a"), revision("a", "False")], Cause.REVISION_FAILED),
    ],
)
def test_trouble_of_a_target_that_follows(objects: list[Document], cause: Cause) -> None:
    """The table of §5.2, configurationName."""
    traffic = resolved(route(latest(100)), *objects)
    assert traffic.trouble is not None
    assert traffic.trouble.cause is cause
    assert traffic.targets == ()


@pytest.mark.parametrize(
    ("objects", "cause"),
    [
        ([], Cause.REVISION_MISSING),
        ([revision("a", service="other")], Cause.REVISION_NOT_OWNED),
        ([revision("a")], Cause.REVISION_NOT_OWNED),
        ([revision("a", "Unknown", "hello")], Cause.REVISION_NOT_READY),
        ([revision("a", "False", "hello")], Cause.REVISION_FAILED),
    ],
)
def test_trouble_of_a_pinned_target(objects: list[Document], cause: Cause) -> None:
    """The table of §5.2, revisionName, on a Route that belongs to a Service."""
    traffic = resolved(route(pinned("a", 100), service="hello"), *objects)
    assert traffic.trouble is not None
    assert traffic.trouble.cause is cause


def test_a_revision_that_has_changed_since_is_not_ready_yet() -> None:
    """Ready counts for the generation that was looked at."""
    stale = revision("a")
    stale["metadata"]["generation"] = 2
    traffic = resolved(route(pinned("a", 100)), stale)
    assert traffic.trouble is not None
    assert traffic.trouble.cause is Cause.REVISION_NOT_READY


def test_a_definite_trouble_is_told_before_one_that_may_pass() -> None:
    """And every reference is known all the same, so that it can be watched."""
    traffic = resolved(
        route(pinned("waits", 50), pinned("gone", 50), latest(0)),
        revision("waits", "Unknown"),
    )
    assert traffic.trouble is not None
    assert not traffic.trouble.passing
    assert traffic.references == {
        (REVISION, "waits"),
        (REVISION, "gone"),
        (CONFIGURATION, "hello"),
    }


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 100)), min_size=1, max_size=8))
def test_no_percent_is_lost_on_the_default_host(targets: list[tuple[str, int]]) -> None:
    """However targets are merged, their percents add up to what was asked for."""
    asked = [pinned(name, percent) for name, percent in targets]
    traffic = resolved(route(*asked), *(revision(name) for name in "abc"))
    total = sum(percent for _, percent in targets)
    assert sum(target.percent for target in traffic.hosts[DEFAULT]) == total
    assert sum(target.percent for target in traffic.targets) == total
    names = [target.revision for target in traffic.hosts[DEFAULT]]
    assert len(names) == len(set(names))
