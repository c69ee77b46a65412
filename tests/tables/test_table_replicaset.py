"""ReplicaSet → Pods where no Deployment owns it, and the status of all, row by row."""

from collections.abc import Awaitable, Callable

import pytest

from utsuwa.cluster.errors import ForbiddenError
from utsuwa.controllers.framework import Context
from utsuwa.controllers.workloads.replicaset import ReplicaSetReconciler
from utsuwa.kit.documents import Document
from utsuwa.model.children.pod import pod_of
from utsuwa.model.kinds import DEPLOYMENT, POD, REPLICA_SET
from utsuwa.model.meta import owner_reference
from utsuwa.testing.resilience import survive
from utsuwa.testing.tables import Failure, Row, Stage, check

pytestmark = pytest.mark.looptime

NOW = "2023-11-14T22:13:20Z"
READY = {"phase": "Running", "conditions": [
    {"type": "Ready", "status": "True", "lastTransitionTime": NOW}
]}  # fmt: skip
TOLD = "status ReplicaSet hello"


def make(context: Context, stage: Stage) -> ReplicaSetReconciler:
    return ReplicaSetReconciler(context)


def shape(
    replicas: int, *phases: Document, owned: bool = False
) -> Callable[[Stage], Awaitable[None]]:
    """A ReplicaSet with a Pod of each status in `phases`."""

    async def given(stage: Stage) -> None:
        template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": []}}
        spec = {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": template,
        }
        document = REPLICA_SET.document("default", "hello", spec=spec)
        if owned:
            owner = await stage.put(DEPLOYMENT.document("default", "web", spec=spec))
            document["metadata"]["ownerReferences"] = [owner_reference(owner)]
        replica_set = await stage.put(document)
        for number, status in enumerate(phases):
            pod = pod_of(replica_set)
            pod["metadata"]["name"] = f"pod-{number}"
            del pod["metadata"]["generateName"]
            await stage.put(pod, status)

    return given


async def nothing(stage: Stage) -> None:
    return


ROWS = [
    Row("missing Pods are made", shape(2, READY), writes=["create Pod", TOLD]),
    Row(
        "of too many those that are not ready go first",
        shape(1, READY, {"phase": "Pending"}),
        writes=["delete Pod pod-1", TOLD],
    ),
    Row("a Pod that has ended is replaced", shape(1, {"phase": "Failed"}), writes=["create Pod", TOLD]),
    Row(
        "the Pods of a Deployment's ReplicaSet are the Deployment's business",
        shape(2, READY, owned=True),
        writes=[TOLD],
    ),
    Row(
        "a Pod that the cluster refuses is told, and tried again",
        shape(1),
        failures=(Failure("create", POD, ForbiddenError("exceeded quota: pods")),),
        writes=["create Pod", TOLD],
        events=["Warning FailedCreate"],
        again=1.0,
    ),
    Row("one that is gone is no failure", nothing),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.rule)
async def test_replicaset_rows(row: Row) -> None:
    await check(row, make)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.rule)
async def test_replicaset_survives_each_failure_of_each_write(row: Row) -> None:
    await survive(row, make)
