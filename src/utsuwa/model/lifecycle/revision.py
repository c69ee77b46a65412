"""The status of a Revision (`spec/reconcilers.md` §4): conditions derived from Deployment, pods
and PodAutoscaler."""

from typing import Any

from utsuwa.kit.documents import Document, dig
from utsuwa.model.conditions import (
    FALSE,
    READY,
    TRUE,
    UNKNOWN,
    ConditionSet,
    condition,
    conditions_of,
    status_of,
)
from utsuwa.model.endpoints import container_statuses
from utsuwa.model.lifecycle import podautoscaler

RESOURCES_AVAILABLE = "ResourcesAvailable"
CONTAINER_HEALTHY = "ContainerHealthy"
ACTIVE = "Active"
"""Informs only: a Revision at zero pods is Ready and not Active."""
CONDITIONS = ConditionSet((RESOURCES_AVAILABLE, CONTAINER_HEALTHY))

DEPLOYING = "Deploying"
PULLING_IMAGE = "PullingImage"
PROGRESS_DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"

_DEPLOYMENT = ConditionSet(("Progressing", "ReplicaSetReady"))


def mark_resolving_digests(status: Document) -> None:
    """The images' digests are being looked up."""
    message = "Looking up the digests of the images."
    CONDITIONS.mark_unknown(status, RESOURCES_AVAILABLE, "ResolvingDigests", message)


def mark_container_missing(status: Document, image: str, message: str) -> None:
    """An image does not exist."""
    CONDITIONS.mark_false(
        status,
        CONTAINER_HEALTHY,
        "ContainerMissing",
        f'Unable to fetch image "{image}": {message}',
    )


def mark_deploying(status: Document) -> None:
    """The Deployment was just created."""
    CONDITIONS.mark_unknown(status, RESOURCES_AVAILABLE, DEPLOYING)
    mark_container_deploying(status)


def mark_container_deploying(status: Document) -> None:
    """No container has been seen at work yet."""
    CONDITIONS.mark_unknown(status, CONTAINER_HEALTHY, DEPLOYING)


def mark_not_owned(status: Document, kind: str, name: str) -> None:
    """A child of our name belongs to someone else."""
    CONDITIONS.mark_false(
        status,
        RESOURCES_AVAILABLE,
        "NotOwned",
        f'A {kind} "{name}" exists that does not belong to this Revision: rename or delete it.',
    )


def mark_resources_unavailable(status: Document, reason: str, message: str) -> None:
    """What the pods need cannot be had."""
    CONDITIONS.mark_false(status, RESOURCES_AVAILABLE, reason, message)


def mark_pulling(status: Document, message: str) -> None:
    """An image is being fetched; `message` says how far it has come."""
    CONDITIONS.mark_unknown(status, CONTAINER_HEALTHY, PULLING_IMAGE, message)


def mark_container_healthy(status: Document) -> None:
    """At least one pod is ready."""
    CONDITIONS.mark_true(status, CONTAINER_HEALTHY)


def mark_container_exited(status: Document, exit_code: int, message: str) -> None:
    """A container ended by itself; `message` is the last that it said."""
    said = message.strip() or (
        "it ended with exit code 0 and said nothing: a server must keep running"
        if exit_code == 0
        else f"it ended with exit code {exit_code} and said nothing"
    )
    CONDITIONS.mark_false(
        status, CONTAINER_HEALTHY, f"ExitCode{exit_code}", f"Container failed with: {said}"
    )


def propagate_deployment(status: Document, deployment: Document) -> None:
    """Derive ResourcesAvailable from the Deployment's Progressing and ReplicaFailure."""
    merged: Document = {}
    _DEPLOYMENT.mark_unknown(merged, "Progressing", DEPLOYING)
    _DEPLOYMENT.mark_true(merged, "ReplicaSetReady")
    inverse = {TRUE: FALSE, FALSE: TRUE, UNKNOWN: UNKNOWN}
    for found in conditions_of(deployment.get("status")):
        if found["type"] == "Progressing":
            _DEPLOYMENT.copy(merged, "Progressing", found)
        elif found["type"] == "ReplicaFailure":
            failure = {**found, "status": inverse[found["status"]]}
            _DEPLOYMENT.copy(merged, "ReplicaSetReady", failure)
    CONDITIONS.copy(status, RESOURCES_AVAILABLE, condition(merged, READY) or {"status": UNKNOWN})


def deadline_exceeded(deployment: Document) -> bool:
    """Whether the Deployment gave up making progress."""
    progressing = condition(deployment.get("status"), "Progressing") or {}
    return (
        progressing.get("status") == FALSE
        and progressing.get("reason") == PROGRESS_DEADLINE_EXCEEDED
    )


def propagate_pod(
    status: Document, pod: Document, *, deadline_exceeded: bool, always_schedulable: bool
) -> None:
    """Learn from one pod of a Deployment that wants pods and has none available: that it cannot
    be placed, that its container ended, or (past the deadline) what it waits for."""
    scheduled = condition(pod.get("status"), "PodScheduled")
    if scheduled is not None and scheduled["status"] == FALSE and not always_schedulable:
        reason, message = scheduled.get("reason") or "", scheduled.get("message") or ""
        mark_resources_unavailable(status, reason, message)
    for container in container_statuses(pod):
        if container.get("name") == "queue-proxy":
            continue
        ended = dig(container, "lastState", "terminated")
        waiting = dig(container, "state", "waiting")
        if ended is not None:
            mark_container_exited(status, ended.get("exitCode", 0), ended.get("message") or "")
            return
        if waiting is not None and deadline_exceeded:
            reason, message = waiting.get("reason") or "", waiting.get("message") or ""
            mark_resources_unavailable(status, reason, message)
            return


def propagate_autoscaler(status: Document, autoscaler: Document) -> None:
    """Derive replica counts, Active and the rest from the PodAutoscaler (step A)."""
    source: dict[str, Any] = autoscaler.get("status") or {}
    down = FALSE in {
        status_of(status, RESOURCES_AVAILABLE),
        status_of(status, CONTAINER_HEALTHY),
    }
    _copy_scale(status, "actualReplicas", source.get("actualScale"))
    _copy_scale(status, "desiredReplicas", source.get("desiredScale"))
    ready = condition(source, READY)
    if ready is None:
        CONDITIONS.mark_unknown(status, ACTIVE, DEPLOYING)
        if not down:
            CONDITIONS.mark_unknown(status, RESOURCES_AVAILABLE, DEPLOYING)
        return
    initialised = podautoscaler.is_scale_target_initialised(source)
    serving = bool(source.get("serviceName"))
    if initialised and not down:
        CONDITIONS.mark_true(status, RESOURCES_AVAILABLE)
        CONDITIONS.mark_true(status, CONTAINER_HEALTHY)
    if status_of(status, RESOURCES_AVAILABLE) == TRUE and not (serving and initialised):
        CONDITIONS.mark_unknown(status, RESOURCES_AVAILABLE, DEPLOYING)
    unreachable = condition(source, podautoscaler.SKS_READY) or {}
    if unreachable.get("status") == FALSE and not initialised and not down:
        reason, message = unreachable.get("reason") or "", unreachable.get("message") or ""
        mark_resources_unavailable(status, reason, message)
    elif ready["status"] == FALSE and serving and not initialised and not down:
        mark_resources_unavailable(
            status, PROGRESS_DEADLINE_EXCEEDED, "The initial number of pods was never ready."
        )
    CONDITIONS.copy(status, ACTIVE, ready)


def _copy_scale(status: Document, field: str, scale: int | None) -> None:
    if scale is not None and scale >= 0:
        status[field] = scale
    else:
        status.pop(field, None)
