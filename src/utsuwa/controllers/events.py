"""Events: what `kubectl describe` shows under an object.

The same event again within the hour only counts up, as Kubernetes does it.
"""

import hashlib

from utsuwa.cluster.errors import ApiError, NotFoundError
from utsuwa.cluster.port import Cluster, Key
from utsuwa.kit.clock import Clock, rfc3339
from utsuwa.kit.documents import Document, dig
from utsuwa.kit.log import get_logger
from utsuwa.model.kinds import EVENT

_log = get_logger(__name__)

MESSAGE_LIMIT = 1024


class EventRecorder:
    """Writes events about objects. An event that cannot be written is logged, never an error:
    telling must not stop doing."""

    def __init__(self, cluster: Cluster, clock: Clock, component: str = "utsuwa") -> None:
        self._cluster = cluster
        self._clock = clock
        self._component = component

    async def normal(self, document: Document, reason: str, message: str) -> None:
        """Record that something went as it should."""
        await self._record("Normal", document, reason, message)

    async def warning(self, document: Document, reason: str, message: str) -> None:
        """Record that something went wrong."""
        await self._record("Warning", document, reason, message)

    async def _record(self, kind: str, document: Document, reason: str, message: str) -> None:
        event = self._event(kind, document, reason, message[:MESSAGE_LIMIT])
        key = Key(event["metadata"]["namespace"], event["metadata"]["name"])
        try:
            try:
                known = await self._cluster.get(EVENT, key)
            except NotFoundError:
                await self._cluster.create(event)
            else:
                count = dig(known, "count", default=1) + 1
                last = {"count": count, "lastTimestamp": event["lastTimestamp"]}
                await self._cluster.merge(EVENT, key, last)
        except ApiError as error:
            _log.debug("event not recorded", object=key, reason=error)

    def _event(self, kind: str, document: Document, reason: str, message: str) -> Document:
        metadata = document["metadata"]
        namespace = metadata.get("namespace") or "default"
        now = rfc3339(self._clock.now())
        same = "\0".join((metadata.get("uid", ""), kind, reason, message))
        name = f"{metadata['name']}.{hashlib.sha256(same.encode()).hexdigest()[:16]}"
        return EVENT.document(
            namespace,
            name,
            involvedObject={
                "apiVersion": document["apiVersion"],
                "kind": document["kind"],
                "name": metadata["name"],
                "namespace": metadata.get("namespace", ""),
                "uid": metadata.get("uid", ""),
                "resourceVersion": metadata.get("resourceVersion", ""),
            },
            reason=reason,
            message=message,
            type=kind,
            count=1,
            firstTimestamp=now,
            lastTimestamp=now,
            source={"component": self._component},
            reportingComponent=self._component,
            reportingInstance="",
        )
