"""Deployment → ReplicaSets → Pods, row by row (`spec/reconcilers.md` §4.3 reads what comes out)."""

from collections.abc import Awaitable, Callable

import pytest

from utsuwa.cluster.errors import ForbiddenError
from utsuwa.cluster.port import Key
from utsuwa.controllers.framework import BlockedError, Context
from utsuwa.controllers.workloads.deployment import DeploymentReconciler
from utsuwa.controllers.workloads.replicas import replica_set_of
from utsuwa.kit.documents import Document
from utsuwa.model.children.pod import pod_of
from utsuwa.model.kinds import DEPLOYMENT, POD
from utsuwa.testing.resilience import survive
from utsuwa.testing.tables import Failure, Row, Stage, check

pytestmark = pytest.mark.looptime

NOW = "2023-11-14T22:13:20Z"
READY = {"phase": "Running", "conditions": [
    {"type": "Ready", "status": "True", "lastTransitionTime": NOW}
]}  # fmt: skip


def make(context: Context, stage: Stage) -> DeploymentReconciler:
    return DeploymentReconciler(context)


def a_deployment(replicas: int = 1, image: str = "app:1", **spec: object) -> Document:
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": image}]},
    }
    whole = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, **spec}
    return DEPLOYMENT.document("default", "hello", spec={**whole, "template": template})


OLD = replica_set_of(a_deployment(), 1, 1)["metadata"]["name"]
NEW = replica_set_of(a_deployment(image="app:2"), 1, 1)["metadata"]["name"]


def shape(
    document: Document, *, pods: int = 0, ready: int = 0
) -> Callable[[Stage], Awaitable[None]]:
    """A Deployment whose ReplicaSet of image app:1 has so many Pods."""

    async def given(stage: Stage) -> None:
        deployment = await stage.put(document)
        former = {**a_deployment(), "metadata": deployment["metadata"]}
        replica_set = await stage.put(replica_set_of(former, pods, 1))
        for number in range(pods):
            pod = pod_of(replica_set)
            pod["metadata"]["name"] = f"pod-{number}"
            del pod["metadata"]["generateName"]
            await stage.put(pod, READY if number < ready else {"phase": "Pending"})

    return given


async def new(stage: Stage) -> None:
    await stage.put(a_deployment(2))


async def foreign(stage: Stage) -> None:
    deployment = await stage.put(a_deployment())
    taken = replica_set_of(deployment, 1, 1)
    del taken["metadata"]["ownerReferences"]
    await stage.put(taken)


async def deleted(stage: Stage) -> None:
    document = a_deployment()
    document["metadata"]["finalizers"] = ["example.com/wait"]
    await stage.put(document)
    await stage.cluster.delete(DEPLOYMENT, Key("default", "hello"))


async def nothing(stage: Stage) -> None:
    return


LACKING = (
    "status Deployment hello Available=False(MinimumReplicasUnavailable) "
    "Progressing=True(NewReplicaSetCreated)"
)
ENOUGH = (
    "status Deployment hello Available=True(MinimumReplicasAvailable) "
    "Progressing=True(NewReplicaSetCreated)"
)
COMPLETE = (
    "status Deployment hello Available=True(MinimumReplicasAvailable) "
    "Progressing=True(NewReplicaSetAvailable)"
)

ROWS = [
    Row(
        "a new Deployment gets its ReplicaSet and its Pods in one pass",
        new,
        writes=[f"create ReplicaSet {OLD}", "create Pod", "create Pod", LACKING],
        again=600.0,
    ),
    Row(
        "with its Pods available it is complete",
        shape(a_deployment(1), pods=1, ready=1),
        writes=[COMPLETE],
    ),
    Row(
        "more replicas: the ReplicaSet is scaled and the Pod made at the same time",
        shape(a_deployment(2), pods=1, ready=1),
        writes=[f'merge ReplicaSet {OLD} {{"spec":{{"replicas":2}}}}', "create Pod", LACKING],
        again=600.0,
    ),
    Row(
        "at zero its Pods go",
        shape(a_deployment(0), pods=1, ready=1),
        writes=[
            f'merge ReplicaSet {OLD} {{"spec":{{"replicas":0}}}}',
            "delete Pod pod-0",
            COMPLETE,
        ],
    ),
    Row(
        "a changed template adds before it takes away",
        shape(a_deployment(1, "app:2"), pods=1, ready=1),
        writes=[f"create ReplicaSet {NEW}", "create Pod", ENOUGH],
        again=600.0,
    ),
    Row(
        "a paused one is scaled, and not moved on",
        shape(a_deployment(1, "app:2", paused=True), pods=1, ready=1),
        writes=[f"create ReplicaSet {NEW}", "create Pod", ENOUGH],
        again=600.0,
    ),
    Row(
        "an empty ReplicaSet beyond the history goes",
        shape(a_deployment(1, "app:2", revisionHistoryLimit=0)),
        writes=[f"create ReplicaSet {NEW}", "create Pod", f"delete ReplicaSet {OLD}", LACKING],
        again=600.0,
    ),
    Row(
        "a Pod that the cluster refuses is told as ReplicaFailure and tried again",
        shape(a_deployment(1)),
        failures=(Failure("create", POD, ForbiddenError("exceeded quota: pods")),),
        writes=[
            f'merge ReplicaSet {OLD} {{"spec":{{"replicas":1}}}}',
            "create Pod",
            f"{LACKING} ReplicaFailure=True(FailedCreate)",
        ],
        events=["Warning FailedCreate"],
        again=1.0,
    ),
    Row(
        "a ReplicaSet of the name that is somebody else's blocks it",
        foreign,
        writes=[f"create ReplicaSet {OLD}"],
        raises=BlockedError,
    ),
    Row("one that is being deleted is left alone", deleted),
    Row("one that is gone is no failure", nothing),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.rule)
async def test_deployment_rows(row: Row) -> None:
    await check(row, make)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.rule)
async def test_deployment_survives_each_failure_of_each_write(row: Row) -> None:
    await survive(row, make)
