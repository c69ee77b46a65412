"""Service → Configuration and Route, row by row (`spec/reconcilers.md` §2)."""

import pytest

from utsuwa.cluster.errors import ForbiddenError
from utsuwa.cluster.port import Key
from utsuwa.controllers.framework import Reconciler
from utsuwa.controllers.passes import NotOwnedError
from utsuwa.controllers.service import ServiceReconciler
from utsuwa.kit.documents import copy
from utsuwa.model.children.service import configuration_of
from utsuwa.model.kinds import ROUTE, SERVICE
from utsuwa.testing.resilience import survive
from utsuwa.testing.serving_objects import (
    LATEST,
    a_service,
    put_configuration,
    put_revision,
    put_route,
    works,
)
from utsuwa.testing.tables import Failure, Row, Stage, check

pytestmark = pytest.mark.looptime

CREATED = "Normal Created"
OUT_OF_DATE = "Unknown(OutOfDate)"


def told(configurations: str, ready: str, routes: str) -> str:
    return (
        f"status Service hello ConfigurationsReady={configurations} Ready={ready} "
        f"RoutesReady={routes}"
    )


async def new(stage: Stage) -> None:
    await stage.put(a_service())


async def new_by_name(stage: Stage) -> None:
    await stage.put(a_service(revision="hello-one"))


async def settled(stage: Stage) -> None:
    service = await stage.put(a_service())
    await put_configuration(stage, service, created="hello-00001", ready="hello-00001")
    await put_route(stage, service, "hello-00001")


async def first_revision_failed(stage: Stage) -> None:
    service = await stage.put(a_service())
    await put_configuration(stage, service, created="hello-00001", failed="no database")
    await put_route(stage, service)


async def update_failed(stage: Stage) -> None:
    service = await stage.put(a_service())
    await put_configuration(
        stage, service, created="hello-00002", ready="hello-00001", failed="no database"
    )
    await put_route(stage, service, "hello-00001")


async def not_migrated(stage: Stage) -> None:
    service = await stage.put(a_service())
    await put_configuration(stage, service, created="hello-00002", ready="hello-00002")
    await put_route(stage, service, "hello-00001")


async def drifted(stage: Stage) -> None:
    service = await stage.put(a_service())
    configuration = await put_configuration(
        stage, service, created="hello-00001", ready="hello-00001"
    )
    route = await put_route(stage, service, "hello-00001")
    for child in (configuration, route):
        changed = copy(child)
        changed["metadata"]["labels"]["mine"] = "not"
        await stage.cluster.update(changed)


async def template_changed(stage: Stage) -> None:
    await settled(stage)
    changed = copy(await stage.get(SERVICE, "hello"))
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = "ex.io/app:2"
    await stage.cluster.update(changed)


async def foreign_configuration(stage: Stage) -> None:
    other = await stage.put(a_service("other"))
    configuration = configuration_of(other)
    configuration["metadata"]["name"] = "hello"
    await stage.put(configuration)
    await stage.put(a_service())


async def name_taken(stage: Stage) -> None:
    other = await stage.put(a_service("other"))
    await put_revision(stage, await put_configuration(stage, other), works, name="hello-one")
    service = await stage.put(a_service(revision="hello-one"))
    await put_configuration(stage, service, created="hello-one")
    await put_route(stage, service)


ROWS = [
    Row(
        "a new Service gets both children, Configuration first, and waits for them",
        new,
        writes=[
            "create Configuration hello",
            "create Route hello",
            told(OUT_OF_DATE, OUT_OF_DATE, OUT_OF_DATE),
        ],
        events=[CREATED, CREATED],
    ),
    Row(
        "with a name for its Revision the Route waits until the Configuration has settled",
        new_by_name,
        writes=[
            "create Configuration hello",
            told(OUT_OF_DATE, OUT_OF_DATE, "Unknown"),
        ],
        events=[CREATED],
    ),
    Row(
        "children that are ready make the Service ready",
        settled,
        writes=[told("True", "True", "True")],
    ),
    Row(
        "a first Revision that fails shows on ConfigurationsReady; the Route says so by itself",
        first_revision_failed,
        writes=[told("False(RevisionFailed)", "False(RevisionFailed)", OUT_OF_DATE)],
    ),
    Row(
        "an update that fails keeps the old Revision serving",
        update_failed,
        writes=[told("False(RevisionFailed)", "False(RevisionFailed)", "True")],
    ),
    Row(
        "a Route that is ready with yesterday's traffic is not enough",
        not_migrated,
        writes=[told("True", "Unknown(TrafficNotMigrated)", "Unknown(TrafficNotMigrated)")],
    ),
    Row(
        "what others label on the children is taken away again",
        drifted,
        writes=[
            "update Configuration hello",
            "update Route hello",
            told("True", "True", "True"),
        ],
    ),
    Row(
        "a changed template goes to the Configuration alone",
        template_changed,
        writes=[
            "update Configuration hello",
            told(OUT_OF_DATE, OUT_OF_DATE, "True"),
        ],
    ),
    Row(
        "a Configuration of the same name under another owner stops the pass",
        foreign_configuration,
        writes=[told("False(NotOwned)", "False(NotOwned)", "Unknown")],
        events=["Warning InternalError"],
        raises=NotOwnedError,
    ),
    Row(
        "a Revision name that another holds leaves the Route alone",
        name_taken,
        writes=[told("Unknown", "False(RevisionNameTaken)", "False(RevisionNameTaken)")],
    ),
    Row(
        "a Route that cannot be created is told by an event, and the state so far is noted",
        new,
        writes=[
            "create Configuration hello",
            "create Route hello",
            told(OUT_OF_DATE, OUT_OF_DATE, "Unknown"),
        ],
        events=[CREATED, "Warning CreationFailed", "Warning InternalError"],
        failures=(Failure("create", ROUTE, ForbiddenError("quota")),),
        raises=ForbiddenError,
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.rule)
async def test_service_rows(row: Row) -> None:
    await check(row, lambda context, stage: ServiceReconciler(context))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.rule)
async def test_service_survives_each_failure_of_each_write(row: Row) -> None:
    await survive(row, lambda context, stage: ServiceReconciler(context))


async def test_the_children_of_a_service_carry_what_the_original_gives_them() -> None:
    """`spec/reconcilers.md` §2.1."""
    outcome = await check(ROWS[0], lambda context, stage: ServiceReconciler(context))
    configuration = outcome.objects["create Configuration hello"]
    route = outcome.objects["create Route hello"]
    assert configuration["metadata"]["labels"]["serving.knative.dev/service"] == "hello"
    assert "serving.knative.dev/serviceUID" in configuration["metadata"]["labels"]
    assert configuration["metadata"]["annotations"]["serving.knative.dev/routes"] == "hello"
    assert route["metadata"]["labels"] == {"serving.knative.dev/service": "hello"}
    assert route["spec"]["traffic"] == [{**LATEST, "configurationName": "hello"}]


class Twice:
    """Two passes in a row."""

    def __init__(self, reconciler: Reconciler) -> None:
        self._reconciler = reconciler

    async def reconcile(self, key: Key) -> float | None:
        await self._reconciler.reconcile(key)
        return await self._reconciler.reconcile(key)


async def test_a_second_pass_writes_nothing() -> None:
    """Status is written only when it changed."""
    row = Row("once", settled, writes=ROWS[2].writes)
    outcome = await check(row, lambda context, stage: Twice(ServiceReconciler(context)))
    assert len(outcome.writes) == 1
