"""PodAutoscaler → ServerlessService, scale, conditions, row by row (`spec/reconcilers.md` §6).

What is wanted in the course of time is for `tests/unit/controllers/test_podautoscaler.py`.
"""

from collections.abc import Awaitable, Callable, Mapping

import pytest

from utsuwa.autoscale.burst import Mode
from utsuwa.autoscale.parameters import MIN_ACTIVATORS
from utsuwa.cluster.errors import ForbiddenError
from utsuwa.controllers.framework import Context
from utsuwa.controllers.passes import NotOwnedError
from utsuwa.controllers.podautoscaler import Scaler
from utsuwa.controllers.podautoscaler.children import serverless_service_of
from utsuwa.controllers.podautoscaler.hpa import HorizontalReconciler, NothingMeasured
from utsuwa.controllers.podautoscaler.reconciler import PodAutoscalerReconciler
from utsuwa.kit.documents import Document
from utsuwa.model import labels
from utsuwa.model.kinds import DEPLOYMENT, POD, POD_AUTOSCALER, SERVERLESS_SERVICE
from utsuwa.model.lifecycle import podautoscaler as lifecycle
from utsuwa.model.lifecycle import serverlessservice as sks_lifecycle
from utsuwa.testing.resilience import survive
from utsuwa.testing.serving_objects import Marks, a_status
from utsuwa.testing.tables import Failure, Row, Stage, check

pytestmark = pytest.mark.looptime

READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}


def make(context: Context, stage: Stage) -> PodAutoscalerReconciler:
    scaler = Scaler(context)
    scaler.start(stage.tasks)
    return PodAutoscalerReconciler(context, scaler)


def make_horizontal(context: Context, stage: Stage) -> HorizontalReconciler:
    return HorizontalReconciler(context, NothingMeasured())


def populated(status: Document) -> None:
    """A ServerlessService with names and endpoints."""
    status.update(serviceName="hello", privateServiceName="hello-private")
    sks_lifecycle.mark_endpoints_ready(status)
    sks_lifecycle.mark_activator_endpoints_populated(status)


def waiting(status: Document) -> None:
    """A ServerlessService with names and no endpoint."""
    status.update(serviceName="hello", privateServiceName="hello-private")
    sks_lifecycle.mark_endpoints_not_ready(status)


def taken(status: Document) -> None:
    """A ServerlessService one of whose names is somebody else's."""
    sks_lifecycle.mark_endpoints_not_owned(status, "Service", "hello-private")


def shape(
    sks: Marks | None = None,
    *marks: Marks,
    pods: int = 0,
    replicas: int = 1,
    mode: Mode = Mode.PROXY,
    annotations: Mapping[str, str] | None = None,
    foreign: bool = False,
    reachability: str = "Reachable",
) -> Callable[[Stage], Awaitable[None]]:
    """A PodAutoscaler with status of `marks`, its ServerlessService with status of `sks`."""

    async def given(stage: Stage) -> None:
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "hello-deployment"}
        spec = {"scaleTargetRef": target, "protocolType": "http1", "reachability": reachability}
        document = POD_AUTOSCALER.document("default", "hello", spec=spec)
        full = {f"autoscaling.knative.dev/{key}": text for key, text in (annotations or {}).items()}
        document["metadata"]["annotations"] = full
        autoscaler = await stage.put(document)
        if marks:
            status = a_status(lifecycle.CONDITIONS, autoscaler, *marks)
            await stage.cluster.update_status({**autoscaler, "status": status})
        await stage.put(
            DEPLOYMENT.document("default", "hello-deployment", spec={"replicas": replicas})
        )
        for number in range(pods):
            pod = POD.document("default", f"pod-{number}", spec={"containers": []})
            pod["metadata"]["labels"] = {labels.REVISION: "hello"}
            await stage.put(pod, READY)
        if sks is not None or foreign:
            number = MIN_ACTIVATORS if sks is taken else 3 + pods
            made = serverless_service_of(autoscaler, mode, number if mode is Mode.PROXY else 0)
            if foreign:
                del made["metadata"]["ownerReferences"]
            stored = await stage.put(made)
            if sks is not None:
                status = a_status(sks_lifecycle.CONDITIONS, stored, sks)
                await stage.cluster.update_status({**stored, "status": status})

    return given


async def nothing(stage: Stage) -> None:
    return


def initialised(status: Document) -> None:
    """Its pods were ready once."""
    status.update(serviceName="hello", desiredScale=1, actualScale=1)
    lifecycle.mark_scale_target_initialised(status)
    lifecycle.mark_sks_ready(status)
    lifecycle.mark_active(status)


def told(active: str, ready: str, sks: str, target: str) -> str:
    return (
        f"status PodAutoscaler hello Active={active} Ready={ready} SKSReady={sks} "
        f"ScaleTargetInitialized={target}"
    )


QUEUED = "Unknown(Queued)"
NOT_READY = "Unknown(NotReady)"
GIVE_UP = 630.0
"""Seconds: the progress deadline and 30 more."""

ROWS = [
    Row(
        "a new one gets its ServerlessService",
        shape(),
        writes=["create ServerlessService hello", told(QUEUED, QUEUED, NOT_READY, "Unknown")],
        events=["Normal Created"],
    ),
    Row(
        "while no pod is ready requests are queued",
        shape(waiting),
        writes=[told(QUEUED, QUEUED, NOT_READY, "Unknown")],
        again=GIVE_UP,
    ),
    Row(
        "with its first pod ready it is ready",
        shape(populated, pods=1),
        writes=[told("True", "True", "True", "True")],
        again=GIVE_UP,
    ),
    Row(
        "fewer pods than its minimum: requests are queued; pods wait for the first figures",
        shape(populated, initialised, pods=1, annotations={"min-scale": "3"}),
        writes=[told(QUEUED, QUEUED, "True", "True")],
    ),
    Row(
        "the minimum of one that nothing leads to does not count",
        shape(
            populated, initialised, pods=1, annotations={"min-scale": "3"},
            reachability="Unreachable",
        ),
        writes=[told("True", "True", "True", "True")],
    ),
    Row(
        "a first scale is set before anything else",
        shape(waiting, annotations={"initial-scale": "2"}),
        writes=[
            'merge Deployment hello-deployment {"spec":{"replicas":2}}',
            told(QUEUED, QUEUED, NOT_READY, "Unknown"),
        ],
    ),
    Row(
        "a ServerlessService that cannot have its names is said with the reason",
        shape(taken),
        writes=[told(QUEUED, "False(NotOwned)", "False(NotOwned)", "Unknown")],
    ),
    Row(
        "a ServerlessService of the name that is somebody else's is said",
        shape(foreign=True),
        writes=[told("False(NotOwned)", "False(NotOwned)", "Unknown", "Unknown")],
        events=["Warning InternalError"],
        raises=NotOwnedError,
    ),
    Row("one that is gone is no failure", nothing),
]  # fmt: skip

HPA = {"class": "hpa.autoscaling.knative.dev", "metric": "cpu"}
HORIZONTAL = [
    Row(
        "one of class HPA gets a ServerlessService that leads to its pods",
        shape(annotations=HPA),
        writes=["create ServerlessService hello", told("True", NOT_READY, NOT_READY, "Unknown")],
        events=["Normal Created"],
        again=15.0,
    ),
    Row(
        "it is ready with its first pod",
        shape(populated, pods=1, mode=Mode.SERVE, annotations=HPA),
        writes=[told("True", "True", "True", "True")],
        again=15.0,
    ),
    Row(
        "its minimum lifts the Deployment",
        shape(
            populated, initialised, pods=1, mode=Mode.SERVE, annotations={**HPA, "min-scale": "3"}
        ),
        writes=[
            'merge Deployment hello-deployment {"spec":{"replicas":3}}',
            told("True", "True", "True", "True"),
        ],
        again=15.0,
    ),
    Row(
        "a ServerlessService that the cluster refuses is said",
        shape(annotations=HPA),
        failures=(Failure("create", SERVERLESS_SERVICE, ForbiddenError("exceeded quota")),),
        writes=[
            "create ServerlessService hello",
            told("False(FailedCreate)", "False(FailedCreate)", "Unknown", "Unknown"),
        ],
        events=["Warning CreationFailed", "Warning InternalError"],
        raises=ForbiddenError,
    ),
    Row(
        "a ServerlessService of the name that is somebody else's stops it",
        shape(foreign=True, annotations=HPA),
        writes=[told("False(NotOwned)", "False(NotOwned)", "Unknown", "Unknown")],
        events=["Warning InternalError"],
        raises=NotOwnedError,
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.rule)
async def test_podautoscaler_rows(row: Row) -> None:
    await check(row, make)


@pytest.mark.parametrize("row", HORIZONTAL, ids=lambda row: row.rule)
async def test_horizontal_rows(row: Row) -> None:
    await check(row, make_horizontal)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.rule)
async def test_podautoscaler_survives_each_failure_of_each_write(row: Row) -> None:
    await survive(row, make)


@pytest.mark.parametrize("row", HORIZONTAL, ids=lambda row: row.rule)
async def test_horizontal_survives_each_failure_of_each_write(row: Row) -> None:
    await survive(row, make_horizontal)
