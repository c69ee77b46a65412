"""Route → placeholder Services and Ingress, row by row (`spec/reconcilers.md` §5)."""

from collections.abc import Awaitable, Callable

import pytest

from utsuwa.cluster.errors import ForbiddenError
from utsuwa.cluster.port import Key
from utsuwa.controllers.framework import Context, TerminalError
from utsuwa.controllers.passes import NotOwnedError
from utsuwa.controllers.route.controller import RouteReconciler
from utsuwa.controllers.tracker import Tracker
from utsuwa.kit.documents import Document, copy, encode
from utsuwa.model.kinds import CONFIGURATION, CORE_SERVICE, INGRESS, REVISION, ROUTE
from utsuwa.model.lifecycle import ingress as ingress_lifecycle
from utsuwa.routing.rollout import Course, Share, Steps, document_of
from utsuwa.testing.resilience import survive
from utsuwa.testing.serving_objects import (
    a_service,
    a_status,
    crashes,
    put_configuration,
    put_revision,
    put_route,
    works,
)
from utsuwa.testing.tables import Failure, Row, Stage, check

pytestmark = pytest.mark.looptime

DOMAIN = {"config-domain": {"example.com": ""}}
CREATED = "Normal Created"
NOT_CONFIGURED = "Unknown(IngressNotConfigured)"
TLS_OFF = "True(TLSNotEnabled)"
TAGGED: Document = {
    "revisionName": "hello-00001",
    "percent": 0,
    "latestRevision": False,
    "tag": "v1",
}
LATEST: Document = {"latestRevision": True, "percent": 100}


def make(context: Context, stage: Stage) -> RouteReconciler:
    return RouteReconciler(context, Tracker(), 80)


def told(traffic: str, certificate: str, ingress: str, ready: str) -> str:
    return (
        f"status Route hello AllTrafficAssigned={traffic} CertificateProvisioned={certificate} "
        f"IngressReady={ingress} Ready={ready}"
    )


async def routed(stage: Stage, *traffic: Document, label: str = "") -> Document:
    """A ready Configuration and Revision, and a Route that has never been looked at."""
    service = a_service(traffic=traffic or (LATEST,))
    if label:
        service["metadata"]["labels"] = {"networking.knative.dev/visibility": label}
    service = await stage.put(service)
    configuration = await put_configuration(
        stage, service, created="hello-00001", ready="hello-00001"
    )
    await put_revision(stage, configuration, works)
    return await put_route(stage, service)


async def ready_revision(stage: Stage) -> None:
    await routed(stage)


async def tagged(stage: Stage) -> None:
    await routed(stage, LATEST, TAGGED)


async def cluster_local(stage: Stage) -> None:
    await routed(stage, label="cluster-local")


async def no_configuration(stage: Stage) -> None:
    await put_route(stage, await stage.put(a_service()))


async def configuration_waits(stage: Stage) -> None:
    service = await stage.put(a_service())
    await put_configuration(stage, service, created="hello-00001")
    await put_route(stage, service)


async def configuration_failed(stage: Stage) -> None:
    service = await stage.put(a_service())
    configuration = await put_configuration(
        stage, service, created="hello-00001", failed="no database"
    )
    await put_revision(stage, configuration, crashes)
    await put_route(stage, service)


async def someone_elses_revision(stage: Stage) -> None:
    other = await stage.put(a_service("other"))
    await put_revision(stage, await put_configuration(stage, other), works)
    pinned = {"revisionName": "other-00001", "latestRevision": False, "percent": 100}
    service = await stage.put(a_service(traffic=(pinned,)))
    await put_route(stage, service)


def after_one_pass(
    *marks: Callable[[Document], None], route: Callable[[Stage], Awaitable[object]] = ready_revision
) -> Callable[[Stage], Awaitable[None]]:
    """What the first pass leaves, its Ingress with a status of `marks`."""

    async def given(stage: Stage) -> None:
        outcome = await check(
            Row("first", route, writes=FIRST, events=FIRST_EVENTS, settings=DOMAIN), make
        )
        await route(stage)
        for line in FIRST[:2]:
            await stage.put(_owned(outcome.objects[line], await stage.get(ROUTE, "hello")))
        stored = await stage.get(INGRESS, "hello")
        status = a_status(ingress_lifecycle.CONDITIONS, stored, *marks)
        await stage.cluster.update_status({**stored, "status": status})

    return given


def _owned(document: Document, route: Document) -> Document:
    document["metadata"]["ownerReferences"][0]["uid"] = route["metadata"]["uid"]
    return document


async def relabelled(stage: Stage) -> None:
    """Served at an address, with all there is to it; then its Route gets a label."""
    served = next(row for row in ROWS if row.rule.startswith("a gateway known by address"))
    outcome = await check(served, make)
    await served.given(stage)
    route = await stage.get(ROUTE, "hello")
    aimed = _owned(outcome.objects["update Service hello"], route)
    for member in ("uid", "resourceVersion"):
        aimed["metadata"].pop(member)
    await stage.cluster.update(aimed)
    await stage.put(_owned(outcome.objects["create Endpoints hello"], route))
    patch = {"metadata": {"labels": {"team": "red"}}}
    await stage.cluster.merge(ROUTE, Key("default", "hello"), patch)


def acknowledged(status: Document) -> None:
    ingress_lifecycle.mark_network_configured(status)
    balancer = {"domainInternal": "gateway.example"}
    ingress_lifecycle.mark_load_balancer_ready(status, [balancer], [balancer])


def acknowledged_at_address(status: Document) -> None:
    ingress_lifecycle.mark_network_configured(status)
    balancer = {"ip": "127.0.0.1"}
    ingress_lifecycle.mark_load_balancer_ready(status, [balancer], [balancer])


async def foreign_service(stage: Stage) -> None:
    await routed(stage)
    await stage.put(CORE_SERVICE.document("default", "hello", spec={"ports": [{"port": 80}]}))


async def forgotten_tag(stage: Stage) -> None:
    route = await routed(stage)
    service = CORE_SERVICE.document("default", "v1-hello", spec={"ports": [{"port": 80}]})
    service["metadata"]["ownerReferences"] = [
        {
            "apiVersion": "serving.knative.dev/v1",
            "kind": "Route",
            "name": "hello",
            "uid": route["metadata"]["uid"],
            "controller": True,
        }
    ]
    await stage.put(service)


async def impossible_option(stage: Stage) -> None:
    route = copy(await routed(stage))
    route["metadata"]["annotations"]["networking.knative.dev/http-protocol"] = "sometimes"
    await stage.cluster.update(route)


FIRST = [
    "create Service hello",
    "create Ingress hello",
    told("True", TLS_OFF, NOT_CONFIGURED, NOT_CONFIGURED),
]
FIRST_EVENTS = [CREATED, CREATED]

ROWS = [
    Row(
        "a ready Revision is served: names held, Ingress made, waiting for the gateway",
        ready_revision,
        writes=FIRST,
        events=FIRST_EVENTS,
        settings=DOMAIN,
    ),
    Row(
        "each tag gets a placeholder Service of its own",
        tagged,
        writes=["create Service hello", "create Service v1-hello", *FIRST[1:]],
        events=[CREATED, *FIRST_EVENTS],
        settings=DOMAIN,
    ),
    Row(
        "an Ingress that is ready makes the Route ready and leads the placeholder to the gateway",
        after_one_pass(acknowledged),
        writes=["update Service hello", told("True", TLS_OFF, "True", "True")],
        settings=DOMAIN,
    ),
    Row(
        "a gateway known by address gets a headless placeholder with Endpoints",
        after_one_pass(acknowledged_at_address),
        writes=[
            "update Service hello",
            "create Endpoints hello",
            told("True", TLS_OFF, "True", "True"),
        ],
        settings=DOMAIN,
    ),
    Row(
        "a label of the Route goes to all that it owns",
        relabelled,
        writes=[
            "update Ingress hello",
            "update Service hello",
            "update Endpoints hello",
            told("True", TLS_OFF, "True", "True"),
        ],
        settings=DOMAIN,
    ),
    Row(
        "an Ingress that waits makes the Route wait for the same reason",
        after_one_pass(lambda status: ingress_lifecycle.mark_network_pending(status, "busy")),
        writes=[
            told("True", TLS_OFF, "Unknown(Uninitialized)", "Unknown(Uninitialized)"),
        ],
        settings=DOMAIN,
    ),
    Row(
        "a Configuration that does not exist is definite",
        no_configuration,
        writes=[
            told(
                "False(ConfigurationMissing)",
                "Unknown",
                NOT_CONFIGURED,
                "False(ConfigurationMissing)",
            )
        ],
    ),
    Row(
        "a Configuration without a ready Revision may still get one",
        configuration_waits,
        writes=[
            told("Unknown(RevisionMissing)", "Unknown", NOT_CONFIGURED, "Unknown(RevisionMissing)")
        ],
    ),
    Row(
        "a Configuration that failed before is definite",
        configuration_failed,
        writes=[
            told("False(RevisionMissing)", "Unknown", NOT_CONFIGURED, "False(RevisionMissing)")
        ],
    ),
    Row(
        "a Revision of another Service is refused",
        someone_elses_revision,
        writes=[
            told("False(RevisionNotOwned)", "Unknown", NOT_CONFIGURED, "False(RevisionNotOwned)")
        ],
    ),
    Row(
        "a domain template without a host is told as the operator's error",
        ready_revision,
        writes=[told("False(ErrorConfig)", "Unknown", NOT_CONFIGURED, "False(ErrorConfig)")],
        settings={
            **DOMAIN,
            "config-network": {
                "domain-template": '{{.Name}}.{{index .Annotations "sub"}}.{{.Domain}}'
            },
        },
    ),
    Row(
        "a core Service of the name under another owner stops the pass",
        foreign_service,
        writes=[told("True", "Unknown", "False(NotOwned)", "False(NotOwned)")],
        events=["Warning InternalError"],
        raises=NotOwnedError,
        settings=DOMAIN,
    ),
    Row(
        "the placeholder of a tag that is no more goes",
        forgotten_tag,
        writes=[
            "create Service hello",
            "delete Service v1-hello",
            "delete Endpoints v1-hello",
            *FIRST[1:],
        ],
        events=FIRST_EVENTS,
        settings=DOMAIN,
    ),
    Row(
        "an HTTP option that does not exist is told and not tried again",
        impossible_option,
        writes=["create Service hello", told("True", TLS_OFF, NOT_CONFIGURED, NOT_CONFIGURED)],
        events=[CREATED, "Warning InternalError"],
        raises=TerminalError,
        settings=DOMAIN,
    ),
    Row(
        "an Ingress that the cluster refuses is told by an event",
        ready_revision,
        writes=FIRST,
        events=[CREATED, "Warning CreationFailed", "Warning InternalError"],
        failures=(Failure("create", INGRESS, ForbiddenError("no")),),
        raises=ForbiddenError,
        settings=DOMAIN,
    ),
]


SLOWLY = {**DOMAIN, "config-network": {"rollout-duration": "60"}}
IN_PROGRESS = "Unknown(RolloutInProgress)"


def rolled_out_to(*shares: tuple[str, int], start: int = 0) -> Callable[[Stage], Awaitable[None]]:
    """An Ingress in service whose traffic stands at `shares`."""

    async def given(stage: Stage) -> None:
        await after_one_pass(acknowledged)(stage)
        configuration = await stage.get(CONFIGURATION, "hello")
        for name, _ in shares:
            if name != "hello-00001":
                await put_revision(stage, configuration, works, name=name)
        ingress = copy(await stage.get(INGRESS, "hello"))
        course = Course("hello", "", 100, tuple(Share(*share) for share in shares), Steps(start))
        state = encode(document_of((course,))).decode()
        ingress["metadata"]["annotations"]["networking.internal.knative.dev/rollout"] = state
        await stage.cluster.update(ingress)

    return given


async def test_a_new_revision_gets_one_percent_first() -> None:
    """Where a rollout is to take time: the Ingress splits, and the status says so."""
    row = Row(
        "begin",
        rolled_out_to(("hello-00000", 100)),
        writes=[
            "update Ingress hello",
            "update Service hello",
            told("True", TLS_OFF, IN_PROGRESS, IN_PROGRESS),
        ],
        events=["Normal RolloutStarted", "Normal RolloutStarted"],
        settings=SLOWLY,
    )
    outcome = await check(row, make)
    rule = outcome.objects["update Ingress hello"]["spec"]["rules"][1]
    splits = rule["http"]["paths"][0]["splits"]
    assert [(s["serviceName"], s["percent"]) for s in splits] == [
        ("hello-00000", 99), ("hello-00001", 1),
    ]  # fmt: skip


async def test_once_the_first_percent_is_served_the_steps_are_planned() -> None:
    """The Route is looked at again when the next is due: here it took so long that there is but
    one, after the shortest time."""
    row = Row(
        "plan",
        rolled_out_to(("hello-00000", 99), ("hello-00001", 1), start=1),
        writes=[
            "update Ingress hello",
            "update Service hello",
            told("True", TLS_OFF, IN_PROGRESS, IN_PROGRESS),
        ],
        again=1.0,
        settings=SLOWLY,
    )
    await check(row, make)


TAKEN_BACK = "False(RolloutTakenBack)"
MARK: Document = {"metadata": {"annotations": {"utsuwa.dev/rollout-taken-back": "too slow"}}}


def marked(
    *shares: tuple[str, int], name: str = "hello-00001", gone: str = ""
) -> Callable[[Stage], Awaitable[None]]:
    """A rollout that stands at `shares`, and the Revision `name` was taken back."""

    async def given(stage: Stage) -> None:
        await rolled_out_to(*shares, start=1)(stage)
        await stage.cluster.merge(REVISION, Key("default", name), MARK)
        if gone:
            await stage.cluster.delete(REVISION, Key("default", gone))

    return given


async def splits_after(row: Row) -> list[tuple[str, int]]:
    outcome = await check(row, make)
    rule = outcome.objects["update Ingress hello"]["spec"]["rules"][1]
    shares = [(s["serviceName"], s["percent"]) for s in rule["http"]["paths"][0]["splits"]]
    status = outcome.objects["status Route hello"]["status"]
    assert [(t["revisionName"], t["percent"]) for t in status["traffic"]] == shares
    return shares


@pytest.mark.parametrize("settings", [SLOWLY, DOMAIN])
async def test_a_revision_that_was_taken_back_gets_nothing(
    settings: dict[str, dict[str, str]],
) -> None:
    """Whatever the duration is by now; the Route says why, and what to do."""
    row = Row(
        "taken back",
        marked(("hello-00000", 70), ("hello-00001", 30)),
        writes=[
            "update Ingress hello",
            "update Service hello",
            told("True", TLS_OFF, TAKEN_BACK, TAKEN_BACK),
        ],
        settings=settings,
    )
    assert await splits_after(row) == [("hello-00000", 100)]


async def test_a_revision_that_was_taken_back_serves_where_there_is_no_other() -> None:
    """The one before was deleted."""
    row = Row(
        "nowhere to go back to",
        marked(("hello-00000", 70), ("hello-00001", 30), gone="hello-00000"),
        writes=[
            "update Ingress hello",
            "update Service hello",
            told("True", TLS_OFF, "True", "True"),
        ],
        settings=SLOWLY,
    )
    assert await splits_after(row) == [("hello-00001", 100)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.rule)
async def test_route_rows(row: Row) -> None:
    await check(row, make)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.rule)
async def test_route_survives_each_failure_of_each_write(row: Row) -> None:
    await survive(row, make)


async def test_the_ingress_splits_and_names_as_the_original_does() -> None:
    """`spec/reconcilers.md` §5.6."""
    outcome = await check(ROWS[1], make)
    ingress = outcome.objects["create Ingress hello"]
    rules = ingress["spec"]["rules"]
    assert [(rule["visibility"], rule["hosts"]) for rule in rules] == [
        ("ClusterLocal", ["hello.default", "hello.default.svc", "hello.default.svc.cluster.local"]),
        ("ExternalIP", ["hello.default.example.com"]),
        (
            "ClusterLocal",
            ["v1-hello.default", "v1-hello.default.svc", "v1-hello.default.svc.cluster.local"],
        ),
        ("ExternalIP", ["v1-hello.default.example.com"]),
    ]
    assert rules[1]["http"]["paths"][0]["splits"] == [
        {
            "serviceName": "hello-00001",
            "serviceNamespace": "default",
            "servicePort": 80,
            "percent": 100,
            "appendHeaders": {
                "Knative-Serving-Revision": "hello-00001",
                "Knative-Serving-Namespace": "default",
            },
        }
    ]
    annotations = ingress["metadata"]["annotations"]
    assert annotations["networking.internal.knative.dev/tag-to-host"] == (
        '{"v1":["v1-hello.default.svc.cluster.local","v1-hello.default.example.com"]}'
    )
    assert annotations["networking.internal.knative.dev/rollout"] == (
        '{"configurations":[{"configurationName":"hello","percent":100,'
        '"revisions":[{"revisionName":"hello-00001","percent":100}],"stepParams":{}}]}'
    )


async def test_a_cluster_local_route_has_one_url_for_all() -> None:
    """`spec/reconcilers.md` §5.4: status.url equals status.address.url, and no external rule."""
    row = Row("local", cluster_local, writes=FIRST, events=FIRST_EVENTS, settings=DOMAIN)
    outcome = await check(row, make)
    status = outcome.objects["status Route hello"]["status"]
    assert status["url"] == status["address"]["url"] == "http://hello.default.svc.cluster.local"
    rules = outcome.objects["create Ingress hello"]["spec"]["rules"]
    assert [rule["visibility"] for rule in rules] == ["ClusterLocal"]


async def test_the_url_is_known_before_traffic_is() -> None:
    """`spec/reconcilers.md` §5.1: the URL is set even when traffic is bad."""
    row = next(row for row in ROWS if row.given is configuration_waits)
    outcome = await check(row, make)
    status = outcome.objects["status Route hello"]["status"]
    assert status["url"] == "http://hello.default.svc.cluster.local"
    assert "traffic" not in status


async def test_a_route_follows_what_it_refers_to_even_if_missing() -> None:
    """A Configuration that appears later is seen through the tracker."""
    tracker = Tracker()
    row = next(row for row in ROWS if row.given is no_configuration)
    await check(row, lambda context, stage: RouteReconciler(context, tracker, 80))
    appeared = CONFIGURATION.document("default", "hello")
    assert [key.name for key in tracker.followers_of(appeared)] == ["hello"]
