"""The labeler, row by row (`spec/reconcilers.md` §7)."""

import pytest

from utsuwa.cluster.port import Key
from utsuwa.controllers.framework import Context
from utsuwa.controllers.labeler.controller import FINALIZER, Labeler
from utsuwa.controllers.tracker import Tracker
from utsuwa.kit.documents import Document, copy
from utsuwa.model.kinds import ROUTE
from utsuwa.testing.resilience import survive
from utsuwa.testing.serving_objects import (
    a_service,
    put_configuration,
    put_revision,
    put_route,
    works,
)
from utsuwa.testing.tables import Row, Stage, check

pytestmark = pytest.mark.looptime


def make(context: Context, stage: Stage) -> Labeler:
    return Labeler(context, Tracker())


def finalized(route: Document) -> Document:
    return {**route, "metadata": {**route["metadata"], "finalizers": [FINALIZER]}}


async def fresh(stage: Stage) -> None:
    service = await stage.put(a_service())
    configuration = await put_configuration(stage, service, created="hello-00001")
    await put_revision(stage, configuration)
    await put_route(stage, service)


async def moved(stage: Stage) -> None:
    """Traffic has moved from the first to the second Revision."""
    service = await stage.put(a_service())
    configuration = await put_configuration(
        stage, service, created="hello-00002", ready="hello-00002"
    )
    await put_revision(stage, configuration, works)
    changed = copy(configuration)
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = "ex.io/app:2"
    await put_revision(stage, await stage.cluster.update(changed), works)
    route = await put_route(stage, service, "hello-00002")
    await stage.cluster.update(finalized(route))


async def moving(stage: Stage) -> None:
    """As :func:`moved`, but the Route has not been looked at since its spec changed."""
    await moved(stage)
    route = copy(await stage.get(ROUTE, "hello"))
    route["spec"]["traffic"].append({"revisionName": "hello-00002", "percent": 0, "tag": "new"})
    await stage.cluster.update(route)


async def deleted(stage: Stage) -> None:
    await moved(stage)
    await stage.cluster.delete(ROUTE, Key("default", "hello"))


async def in_reserve(stage: Stage) -> None:
    """A Revision without any mark, to which a Route has just been turned."""
    service = await stage.put(a_service())
    configuration = await put_configuration(
        stage, service, created="hello-00001", ready="hello-00001"
    )
    revision = copy(await put_revision(stage, configuration, works, state="reserve"))
    del revision["metadata"]["annotations"]["serving.knative.dev/routes"]
    await stage.cluster.update(revision)
    await stage.cluster.update(finalized(await put_route(stage, service, "hello-00001")))


NOW = "2023-11-14T22:13:20Z"
TO_RESERVE = (
    'merge Revision hello-00001 {"metadata":{"labels":{"serving.knative.dev/routingState":'
    '"reserve"},"annotations":{"serving.knative.dev/routes":null,'
    f'"serving.knative.dev/routingStateModified":"{NOW}"}}}}}}'
)
TO_ACTIVE = (
    'merge Revision hello-00001 {"metadata":{"labels":{"serving.knative.dev/routingState":'
    '"active"},"annotations":{"serving.knative.dev/routes":"hello",'
    f'"serving.knative.dev/routingStateModified":"{NOW}"}}}}}}'
)

UNMARKED = (
    'merge Configuration hello {"metadata":{"annotations":{"serving.knative.dev/routes":null}}}'
)

ROWS = [
    Row(
        "a new Route gets the finalizer; what it leads to is marked already by its makers",
        fresh,
        writes=[f'merge Route hello {{"metadata":{{"finalizers":["{FINALIZER}"]}}}}'],
        events=["Normal FinalizerUpdate"],
    ),
    Row(
        "a Revision that a Route is turned to becomes active",
        in_reserve,
        writes=[TO_ACTIVE],
    ),
    Row(
        "a Revision that nothing leads to any more goes into reserve",
        moved,
        writes=[TO_RESERVE],
    ),
    Row(
        "nothing is taken away while the Route is still on its way",
        moving,
        writes=[],
    ),
    Row(
        "a Route that is deleted takes its marks along, then its finalizer",
        deleted,
        writes=[
            UNMARKED,
            TO_RESERVE,
            TO_RESERVE.replace("00001", "00002"),
            'merge Route hello {"metadata":{"finalizers":[]}}',
        ],
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.rule)
async def test_labeler_rows(row: Row) -> None:
    await check(row, make)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.rule)
async def test_labeler_survives_each_failure_of_each_write(row: Row) -> None:
    await survive(row, make)
