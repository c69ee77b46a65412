"""Revision → images, Deployment, PodAutoscaler, row by row (`spec/reconcilers.md` §4, §11)."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

import pytest

from utsuwa.cluster.port import Key
from utsuwa.controllers.framework import Context
from utsuwa.controllers.passes import NotOwnedError
from utsuwa.controllers.revision.controller import RevisionReconciler
from utsuwa.controllers.revision.digests import Digests
from utsuwa.kit.documents import Document, copy
from utsuwa.model.children.revision import deployment_of, pod_autoscaler_of
from utsuwa.model.kinds import DEPLOYMENT, POD, REVISION
from utsuwa.model.lifecycle import podautoscaler as autoscaler
from utsuwa.model.settings import Settings
from utsuwa.testing.resilience import survive
from utsuwa.testing.serving import FakeImages
from utsuwa.testing.serving_objects import (
    a_service,
    a_status,
    put_configuration,
    put_revision,
    works,
)
from utsuwa.testing.tables import Row, Stage, check, until

pytestmark = pytest.mark.looptime

NAME = "hello-00001"
DEPLOYMENT_NAME = f"{NAME}-deployment"


def make(context: Context, stage: Stage) -> RevisionReconciler:
    digests = Digests(FakeImages(), context.clock, lambda key: None)
    digests.start(stage.tasks)
    return RevisionReconciler(context, digests)


def deploying(status: Document) -> None:
    """A Revision whose images are known and that has just been deployed."""
    status["containerStatuses"] = [{"name": "user-container", "imageDigest": "ex.io/app@sha256:1"}]


def shape(
    *marks: Callable[[Document], None],
    replicas: int = 1,
    ready: int = 0,
    progressing: tuple[str, str] = ("True", "ReplicaSetUpdated"),
    pod: Document | None = None,
    before: Callable[[Document], None] = deploying,
    name: str = "user-container",
) -> Callable[[Stage], Awaitable[None]]:
    """A Revision with Deployment and PodAutoscaler; `marks` make the latter's status."""

    async def given(stage: Stage) -> None:
        configuration = await put_configuration(stage, await stage.put(a_service()))
        revision = await put_revision(stage, configuration, before)
        deployment = deployment_of(revision, Settings())
        deployment["spec"]["replicas"] = replicas
        value, reason = progressing
        status = {
            "replicas": replicas,
            "readyReplicas": ready,
            "availableReplicas": ready,
            "conditions": [
                {"type": "Progressing", "status": value, "reason": reason, "message": "too slow"}
            ],
        }
        stored = await stage.put(deployment, status)
        scaled = await stage.put(pod_autoscaler_of(revision, Settings(), stored))
        if marks:
            status = a_status(autoscaler.CONDITIONS, scaled, *marks)
            await stage.cluster.update_status({**scaled, "status": status})
        if pod is not None:
            document = POD.document("default", "hello-pod", spec={"containers": []})
            document["metadata"]["labels"] = dict(
                deployment["spec"]["template"]["metadata"]["labels"]
            )
            await stage.put(document, pod)

    return given


def scaled(desired: int, actual: int) -> Callable[[Document], None]:
    def mark(status: Document) -> None:
        status.update(serviceName=NAME, desiredScale=desired, actualScale=actual)

    return mark


def container(**state: Document) -> Document:
    return {"containerStatuses": [{"name": "user-container", **state}]}


async def new(stage: Stage) -> None:
    configuration = await put_configuration(stage, await stage.put(a_service()))
    await put_revision(stage, configuration)


async def resolved(stage: Stage) -> None:
    configuration = await put_configuration(stage, await stage.put(a_service()))
    await put_revision(stage, configuration, deploying)


async def foreign_deployment(stage: Stage) -> None:
    await resolved(stage)
    document = deployment_of(await stage.get(REVISION, NAME), Settings())
    del document["metadata"]["ownerReferences"]
    await stage.put(document)


async def old_deployment(stage: Stage) -> None:
    await shape(autoscaler.mark_queued)(stage)
    changed = copy(await stage.get(DEPLOYMENT, DEPLOYMENT_NAME))
    changed["metadata"]["labels"]["serving.knative.dev/deployment-hash"] = "old"
    changed["metadata"]["labels"]["team"] = "blue"
    changed["spec"]["replicas"] = 7
    await stage.cluster.update(changed)


def status(active: str, healthy: str, ready: str, resources: str) -> str:
    shown = [
        ("Active", active),
        ("ContainerHealthy", healthy),
        ("Ready", ready),
        ("ResourcesAvailable", resources),
    ]
    return f"status Revision {NAME} " + " ".join(f"{t}={v}" for t, v in shown if v)


DEPLOYING = "Unknown(Deploying)"
QUEUED = "Unknown(Queued)"

ROWS = [
    Row(
        "images are looked up in the background",
        new,
        writes=[status("", "Unknown", "Unknown(ResolvingDigests)", "Unknown(ResolvingDigests)")],
    ),
    Row(
        "with its images known a Revision is deployed",
        resolved,
        writes=[
            f"create Deployment {DEPLOYMENT_NAME}",
            f"create PodAutoscaler {NAME}",
            status(DEPLOYING, DEPLOYING, DEPLOYING, DEPLOYING),
        ],
        events=["Normal Created", "Normal Created"],
    ),
    Row(
        "while pods come up it waits",
        shape(scaled(1, 0), autoscaler.mark_queued),
        writes=[status(QUEUED, DEPLOYING, DEPLOYING, DEPLOYING)],
    ),
    Row(
        "with its initial pods ready it is ready",
        shape(
            scaled(1, 1),
            autoscaler.mark_active,
            autoscaler.mark_scale_target_initialised,
            autoscaler.mark_sks_ready,
            ready=1,
        ),
        writes=[status("True", "True", "True", "True")],
        events=["Normal RevisionReady"],
    ),
    Row(
        "at zero it is ready and not active",
        shape(
            scaled(0, 0),
            autoscaler.mark_scale_target_initialised,
            autoscaler.mark_no_traffic,
            replicas=0,
            before=works,
        ),
        writes=[status("False(NoTraffic)", "True", "True", "True")],
    ),
    Row(
        "an app that ends is told with its exit code",
        shape(
            scaled(1, 0),
            autoscaler.mark_queued,
            pod=container(lastState={"terminated": {"exitCode": 3, "message": "no database"}}),
        ),
        writes=[
            f"update PodAutoscaler {NAME}",
            status(QUEUED, "False(ExitCode3)", "False(ExitCode3)", DEPLOYING),
        ],
    ),
    Row(
        "also before it is started again",
        shape(
            scaled(1, 0),
            autoscaler.mark_queued,
            pod=container(state={"terminated": {"exitCode": 1, "message": ""}}),
        ),
        writes=[
            f"update PodAutoscaler {NAME}",
            status(QUEUED, "False(ExitCode1)", "False(ExitCode1)", DEPLOYING),
        ],
    ),
    Row(
        "an image that cannot be pulled is told at once, not after the deadline",
        shape(
            scaled(1, 0),
            autoscaler.mark_queued,
            autoscaler.mark_scale_target_initialised,
            before=works,
            pod=container(state={"waiting": {"reason": "ImagePullBackOff", "message": "gone"}}),
        ),
        writes=[
            f"update PodAutoscaler {NAME}",
            status(QUEUED, "True", "False(ImagePullBackOff)", "False(ImagePullBackOff)"),
        ],
    ),
    Row(
        "a container that waits for something else has until the deadline",
        shape(
            scaled(1, 0),
            autoscaler.mark_queued,
            pod=container(state={"waiting": {"reason": "ContainerCreating"}}),
        ),
        writes=[status(QUEUED, DEPLOYING, DEPLOYING, DEPLOYING)],
    ),
    Row(
        "a pod that cannot be placed is told at once",
        shape(
            scaled(1, 0),
            autoscaler.mark_queued,
            pod={
                "conditions": [
                    {
                        "type": "PodScheduled",
                        "status": "False",
                        "reason": "Unschedulable",
                        "message": "Insufficient cpu",
                    }
                ]
            },
        ),
        writes=[
            f"update PodAutoscaler {NAME}",
            status(QUEUED, DEPLOYING, "False(Unschedulable)", "False(Unschedulable)"),
        ],
    ),
    Row(
        "past the deadline it has failed",
        shape(
            scaled(1, 0),
            autoscaler.mark_queued,
            progressing=("False", "ProgressDeadlineExceeded"),
            pod={
                "conditions": [
                    {
                        "type": "ContainersReady",
                        "status": "False",
                        "reason": "ReadinessProbeFailed",
                        "message": "tcp connect to 127.0.0.1:20000: connection refused",
                    }
                ]
            },
        ),
        writes=[
            f"update PodAutoscaler {NAME}",
            status(
                QUEUED,
                DEPLOYING,
                "False(ProgressDeadlineExceeded)",
                "False(ProgressDeadlineExceeded)",
            ),
        ],
    ),
    Row(
        "pods that never came up and were given up have failed",
        shape(scaled(0, 0), autoscaler.mark_timed_out, replicas=0),
        writes=[
            status(
                "False(TimedOut)",
                DEPLOYING,
                "False(ProgressDeadlineExceeded)",
                "False(ProgressDeadlineExceeded)",
            )
        ],
    ),
    Row(
        "a Deployment of the name under another owner stops the pass",
        foreign_deployment,
        writes=[status("", "Unknown", "False(NotOwned)", "False(NotOwned)")],
        events=["Warning InternalError"],
        raises=NotOwnedError,
    ),
    Row(
        "a Deployment made by older rules is brought up to date",
        old_deployment,
        writes=[
            f"update Deployment {DEPLOYMENT_NAME}",
            status(QUEUED, DEPLOYING, DEPLOYING, DEPLOYING),
        ],
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.rule)
async def test_revision_rows(row: Row) -> None:
    await check(_named(row), make)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.rule)
async def test_revision_survives_each_failure_of_each_write(row: Row) -> None:
    await survive(_named(row), make)


async def test_the_deadlines_message_carries_the_probes_last_result() -> None:
    """Why a pod is not ready is what the user needs to read."""
    outcome = await check(_named(_row("past the deadline it has failed")), make)
    document = _status_of(outcome.objects)
    messages = {c["type"]: c.get("message", "") for c in document["status"]["conditions"]}
    assert "connection refused" in messages["Ready"]


async def test_the_exit_message_carries_the_last_line() -> None:
    """`Container failed with: ` and what it said last."""
    outcome = await check(_named(_row("an app that ends is told with its exit code")), make)
    document = _status_of(outcome.objects)
    messages = {c["type"]: c.get("message", "") for c in document["status"]["conditions"]}
    assert messages["Ready"] == "Container failed with: no database"


async def test_an_updated_deployment_keeps_replicas_and_foreign_labels() -> None:
    """The autoscaler owns the replicas, and what others label is theirs."""
    outcome = await check(
        _named(_row("a Deployment made by older rules is brought up to date")), make
    )
    document = outcome.objects[f"update Deployment {DEPLOYMENT_NAME}"]
    assert document["spec"]["replicas"] == 7
    assert document["metadata"]["labels"]["team"] == "blue"


async def test_a_failing_image_is_told_and_retried_after_its_back_off() -> None:
    """ContainerMissing at once, another look after a second, then two, then four."""
    images = FakeImages()
    images.missing.add("ex.io/app:1")
    asked: list[float | None] = []

    def failing(context: Context, stage: Stage) -> "Repeated":
        digests = Digests(images, context.clock, lambda key: None)
        digests.start(stage.tasks)
        return Repeated(RevisionReconciler(context, digests), images, asked)

    row = Row(
        "a missing image",
        new,
        writes=[
            status("", "Unknown", "Unknown(ResolvingDigests)", "Unknown(ResolvingDigests)"),
            status(
                "",
                "False(ContainerMissing)",
                "False(ContainerMissing)",
                "Unknown(ResolvingDigests)",
            ),
        ],
    )
    await check(_named(row), failing)
    assert asked == pytest.approx([1.0, 2.0, 4.0])


class Repeated:
    """Looks, waits until the image has been asked for, and looks again, three times over."""

    def __init__(
        self, reconciler: RevisionReconciler, images: FakeImages, asked: list[float | None]
    ) -> None:
        self._reconciler = reconciler
        self._images = images
        self._asked = asked

    async def reconcile(self, key: Key) -> float | None:
        await self._reconciler.reconcile(key)
        for number in range(1, 4):
            await until(partial(self._has_been_asked, number))
            again = await self._reconciler.reconcile(key)
            self._asked.append(again)
            await self._reconciler.context.clock.sleep(again or 0.0)
            await self._reconciler.reconcile(key)
        return None

    def _has_been_asked(self, times: int) -> bool:
        return len(self._images.asked) == times


def _row(rule: str) -> Row:
    return next(row for row in ROWS if row.rule == rule)


def _named(row: Row) -> Row:
    return replace(row, name=NAME)


def _status_of(objects: dict[str, Document]) -> Document:
    return next(found for line, found in objects.items() if line.startswith("status"))
