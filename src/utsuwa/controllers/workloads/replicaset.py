"""ReplicaSets: the Pods of those that stand alone, and the status of all."""

from utsuwa.cluster.errors import NotFoundError
from utsuwa.cluster.informer import key_of
from utsuwa.cluster.port import Key
from utsuwa.controllers.framework import Context, Controller, owner_key
from utsuwa.controllers.workloads.replicas import (
    count,
    pods_of,
    replica_set_status,
    status_patch,
)
from utsuwa.controllers.workloads.scaling import Make, Scaler
from utsuwa.kit.documents import Document, dig
from utsuwa.model.kinds import POD, REPLICA_SET
from utsuwa.model.meta import controller_of, is_deleting


def build_replicaset(context: Context, make: Make | None = None) -> Controller:
    """The controller of ReplicaSets."""
    controller = Controller("replicaset", ReplicaSetReconciler(context, make), workers=4)
    controller.watch(context.informers.of(REPLICA_SET))
    controller.watch(context.informers.of(POD), owner_key("ReplicaSet"))
    return controller


class ReplicaSetReconciler:
    """One pass over one ReplicaSet."""

    def __init__(self, context: Context, make: Make | None = None) -> None:
        self._context = context
        self._cluster = context.cluster
        self._scaler = Scaler(context.cluster, context.events, make)

    async def reconcile(self, key: Key) -> float | None:
        """Bring a ReplicaSet without a Deployment to its replicas; write the status."""
        try:
            replica_set = await self._cluster.get(REPLICA_SET, key)
        except NotFoundError:
            return None
        if is_deleting(replica_set):
            return None
        failure = ""
        if (controller_of(replica_set) or {}).get("kind") != "Deployment":
            wanted = dig(replica_set, "spec", "replicas", default=1)
            pods = await self._pods(replica_set)
            failure = await self._scaler.scale(replica_set, pods, wanted)
        pods = await self._pods(replica_set)
        counts = count(pods, replica_set, self._context.clock.now())
        status = replica_set_status(replica_set, counts)
        patch = status_patch(replica_set.get("status"), status)
        if patch is not None:
            await self._cluster.merge(REPLICA_SET, key, patch, subresource="status")
        return 1.0 if failure else counts.wait

    async def _pods(self, replica_set: Document) -> list[Document]:
        labels = dig(replica_set, "spec", "selector", "matchLabels", default={})
        namespace = key_of(replica_set).namespace
        pods = await self._cluster.list(POD, namespace, labels=labels)
        return pods_of(replica_set, pods.items)
