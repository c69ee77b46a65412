"""What a Deployment and its pods tell about their Revision. Pure (`spec/reconcilers.md` §4.3).

On purpose we say some things sooner than the original: an image that cannot be pulled is told at
once and not after the progress deadline, also when pods are started from zero; the deadline's own
message carries what the readiness probe last met; and a Revision that has failed is not called
fine again merely because its failing pods were taken away.
"""

from collections.abc import Iterable

from utsuwa.kit.documents import Document, dig
from utsuwa.model.conditions import FALSE, UNKNOWN, condition, status_of
from utsuwa.model.endpoints import PROBE_FAILED, container_statuses
from utsuwa.model.images import PULLING
from utsuwa.model.lifecycle import revision as lifecycle
from utsuwa.model.meta import is_deleting, name_of

HOPELESS = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "InvalidImageName",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
    }
)
"""What a container may wait for that no waiting mends."""


def observe(
    status: Document,
    deployment: Document,
    pods: Iterable[Document],
    *,
    always_schedulable: bool = False,
) -> None:
    """Derive ResourcesAvailable and ContainerHealthy from a Deployment that exists."""
    wanted = dig(deployment, "spec", "replicas", default=0)
    if status_of(status, lifecycle.CONTAINER_HEALTHY) == UNKNOWN:
        lifecycle.mark_container_deploying(status)
    if wanted or status_of(status, lifecycle.RESOURCES_AVAILABLE) != FALSE:
        lifecycle.propagate_deployment(status, deployment)
    if wanted and not dig(deployment, "status", "availableReplicas", default=0):
        pod = most_telling(pods)
        if pod is not None:
            _learn(status, deployment, pod, always_schedulable=always_schedulable)
    if dig(deployment, "status", "readyReplicas", default=0):
        lifecycle.mark_container_healthy(status)


def most_telling(pods: Iterable[Document]) -> Document | None:
    """The pod to ask why there is none that is available: one that knows, before one that merely
    is not ready; those that are being stopped know nothing."""
    candidates = [pod for pod in pods if not is_deleting(pod)]
    return min(candidates, key=lambda pod: (not telling(pod), name_of(pod)), default=None)


def telling(pod: Document) -> bool:
    """Whether `pod` shows why it does not work."""
    if is_deleting(pod):
        return False
    status = pod.get("status")
    return (
        status_of(status, "PodScheduled") == FALSE
        or ended(pod) is not None
        or _waits_for(pod) in HOPELESS
        or bool(probe_result(pod))
    )


def pulling(pods: Iterable[Document]) -> str:
    """What the first pod that waits for its image says of it; "" where none does."""
    for pod in pods:
        for container in container_statuses(pod):
            message: str = dig(container, "state", "waiting", "message", default="")
            if message.startswith(PULLING) and not is_deleting(pod):
                return message
    return ""


def ended(pod: Document) -> Document | None:
    """How a container of `pod` ended, if one has: `exitCode`, `message`."""
    for container in container_statuses(pod):
        for state in ("lastState", "state"):
            found: Document | None = dig(container, state, "terminated")
            if found is not None:
                return found
    return None


def probe_result(pod: Document) -> str:
    """What the readiness probe last met, if it failed."""
    for type_ in ("ContainersReady", "Ready"):
        found = condition(pod.get("status"), type_) or {}
        if found.get("status") == FALSE and found.get("reason") == PROBE_FAILED:
            return str(found.get("message", ""))
    return ""


def _learn(
    status: Document, deployment: Document, pod: Document, *, always_schedulable: bool
) -> None:
    late = lifecycle.deadline_exceeded(deployment)
    lifecycle.propagate_pod(
        status,
        pod,
        deadline_exceeded=late or _waits_for(pod) in HOPELESS,
        always_schedulable=always_schedulable,
    )
    how = ended(pod)
    if how is not None:
        lifecycle.mark_container_exited(status, how.get("exitCode", 0), how.get("message") or "")
    elif late and (result := probe_result(pod)):
        message = f"No pod became ready in time. The readiness probe last said: {result}"
        lifecycle.mark_resources_unavailable(status, lifecycle.PROGRESS_DEADLINE_EXCEEDED, message)


def _waits_for(pod: Document) -> str:
    for container in container_statuses(pod):
        reason: str = dig(container, "state", "waiting", "reason", default="")
        if reason:
            return reason
    return ""
