"""Making and removing the Pods of one ReplicaSet until the wanted number is there."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from utsuwa.cluster.errors import ApiError, ConflictError, NotFoundError
from utsuwa.cluster.informer import key_of
from utsuwa.cluster.port import Cluster, DeleteOptions, Preconditions
from utsuwa.controllers.events import EventRecorder
from utsuwa.controllers.workloads.replicas import victims
from utsuwa.kit.documents import Document, dig
from utsuwa.kit.log import get_logger
from utsuwa.model.children.pod import pod_of
from utsuwa.model.kinds import POD
from utsuwa.model.meta import name_of, uid_of

_log = get_logger(__name__)

Make = Callable[[Document], Awaitable[Document]]
BURST = 500
"""Most Pods made or removed in one pass; the next pass goes on."""


@dataclass(frozen=True, slots=True)
class Scaler:
    """Writes Pods. The caller alone works on the ReplicaSet, and has just listed its Pods."""

    cluster: Cluster
    events: EventRecorder
    make: Make | None = None
    """Who creates Pods in place of the cluster: it may have something ready for the next one."""

    async def scale(self, replica_set: Document, pods: list[Document], wanted: int) -> str:
        """Create or delete until `wanted` Pods remain of `pods`.

        Returns:
            Why a Pod could not be created, or "" when all went well.
        """
        missing = wanted - len(pods)
        if missing > 0:
            writes = self.creations(replica_set, missing)
            failures = [text for text in await asyncio.gather(*writes) if text]
            return failures[0] if failures else ""
        surplus = victims(pods, min(-missing, BURST))
        await asyncio.gather(*(self._delete(replica_set, pod) for pod in surplus))
        return ""

    def creations(self, replica_set: Document, missing: int) -> list[Coroutine[Any, Any, str]]:
        """What creates so many Pods, not begun yet; each answers why it could not, or ""."""
        return [self._create(replica_set) for _ in range(min(missing, BURST))]

    async def _create(self, replica_set: Document) -> str:
        try:
            pod = await (self.make or self.cluster.create)(pod_of(replica_set))
        except ConflictError:
            raise
        except ApiError as error:
            _log.warning("pod not created", replicaset=key_of(replica_set), reason=error)
            await self.events.warning(
                replica_set, "FailedCreate", f"Error creating: {error.message}"
            )
            return error.message
        _log.debug("pod created", pod=key_of(pod))
        return ""

    async def _delete(self, replica_set: Document, pod: Document) -> None:
        options = DeleteOptions(preconditions=Preconditions(uid=uid_of(pod)))
        try:
            await self.cluster.delete(POD, key_of(pod), options)
        except NotFoundError:
            return
        _log.debug("pod removed", pod=key_of(pod), replicaset=name_of(replica_set))


def trouble_of(pods: list[Document]) -> str:
    """What the first Pod that is not ready says about why."""
    for pod in pods:
        for status in dig(pod, "status", "containerStatuses", default=()):
            if waiting := dig(status, "state", "waiting", "message"):
                return str(waiting)
        for condition in dig(pod, "status", "conditions", default=()):
            bad = condition["type"] == "Ready" and condition["status"] != "True"
            if bad and condition.get("message"):
                return str(condition["message"])
    return ""
