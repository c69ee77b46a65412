"""Deployment → ReplicaSets → Pods, in one pass.

The pass that sees a new scale updates the ReplicaSet and creates the Pods at the same time, so
that a cold start does not wait for one write after the other.
"""

import asyncio
from collections.abc import Iterable

from utsuwa.cluster.errors import AlreadyExistsError, NotFoundError
from utsuwa.cluster.informer import Informer, key_of
from utsuwa.cluster.port import Key
from utsuwa.controllers.framework import BlockedError, Context, Controller, ToKeys, owner_key
from utsuwa.controllers.workloads.deployment_status import Observed, status_of
from utsuwa.controllers.workloads.replicas import (
    count,
    pods_of,
    replica_set_of,
    status_patch,
)
from utsuwa.controllers.workloads.rollout import Limits, Member, limits_of, outlived, scales
from utsuwa.controllers.workloads.scaling import Make, Scaler, trouble_of
from utsuwa.kit.documents import Document, dig
from utsuwa.model.kinds import DEPLOYMENT, POD, REPLICA_SET
from utsuwa.model.meta import is_controlled_by, is_deleting, name_of


def build_deployment(context: Context, make: Make | None = None) -> Controller:
    """The controller of Deployments and of all that they own."""
    controller = Controller("deployment", DeploymentReconciler(context, make), workers=8)
    replica_sets = context.informers.of(REPLICA_SET)
    controller.watch(context.informers.of(DEPLOYMENT))
    controller.watch(replica_sets, owner_key("Deployment"))
    controller.watch(context.informers.of(POD), _grandparent(replica_sets))
    return controller


def _grandparent(replica_sets: Informer) -> ToKeys:
    """From a Pod through its ReplicaSet to the Deployment."""
    parents, deployments = owner_key("ReplicaSet"), owner_key("Deployment")

    def to_keys(pod: Document) -> Iterable[Key]:
        for key in parents(pod):
            replica_set = replica_sets.get(key)
            if replica_set is not None:
                yield from deployments(replica_set)

    return to_keys


class DeploymentReconciler:
    """One pass over one Deployment."""

    def __init__(self, context: Context, make: Make | None = None) -> None:
        self._context = context
        self._cluster = context.cluster
        self._scaler = Scaler(context.cluster, context.events, make)

    async def reconcile(self, key: Key) -> float | None:
        """Create the ReplicaSet of the present template, scale all of them, write the status."""
        try:
            deployment = await self._cluster.get(DEPLOYMENT, key)
        except NotFoundError:
            return None
        if is_deleting(deployment):
            return None
        limits = limits_of(deployment)
        new, old, created = await self._members(deployment, limits)
        if dig(deployment, "spec", "paused", default=False):
            failure = await self._act({new.name: limits.replicas}, [new])
        else:
            failure = await self._act(scales(limits, new, old), [new, *old])
            await self._forget(outlived(deployment, old))
        return await self._write_status(deployment, limits, created=created, failure=failure)

    async def _members(
        self, deployment: Document, limits: Limits
    ) -> tuple[Member, list[Member], bool]:
        owned = await self._owned(deployment)
        revisions = [member.revision for member in owned]
        wanted = replica_set_of(deployment, 0, max(revisions, default=0) + 1)
        new = next((member for member in owned if member.name == name_of(wanted)), None)
        if new is not None:
            return new, [member for member in owned if member is not new], False
        bare = Member(wanted, count((), wanted, 0.0))
        wanted["spec"]["replicas"] = scales(limits, bare, owned)[bare.name]
        made = await self._create(deployment, wanted)
        return Member(made, count((), made, 0.0)), owned, True

    async def _create(self, deployment: Document, wanted: Document) -> Document:
        try:
            return await self._cluster.create(wanted)
        except AlreadyExistsError:
            found = await self._cluster.get(REPLICA_SET, key_of(wanted))
            if not is_controlled_by(found, deployment):
                raise BlockedError(
                    f"replicaset {key_of(wanted)} exists and is not controlled by deployment "
                    f"{key_of(deployment)}: rename or remove it"
                ) from None
            return found

    async def _owned(self, deployment: Document) -> list[Member]:
        """The ReplicaSets of the Deployment with their Pods counted, as the cluster has them."""
        namespace = key_of(deployment).namespace
        labels = dig(deployment, "spec", "selector", "matchLabels", default={})
        replica_sets = await self._cluster.list(REPLICA_SET, namespace, labels=labels)
        pods = await self._cluster.list(POD, namespace, labels=labels)
        now = self._context.clock.now()
        return [
            Member(found, count(pods_of(found, pods.items), found, now))
            for found in replica_sets.items
            if is_controlled_by(found, deployment) and not is_deleting(found)
        ]

    async def _act(self, wanted: dict[str, int], members: list[Member]) -> str:
        """Scale each ReplicaSet and its Pods, all at once; why a Pod could not be created."""
        results = await asyncio.gather(
            *(self._scale(member, wanted[member.name]) for member in members)
        )
        return next((text for text in results if text), "")

    async def _scale(self, member: Member, wanted: int) -> str:
        replica_set = member.replica_set
        if member.wanted == wanted == member.counts.replicas:
            return ""
        labels = dig(replica_set, "spec", "selector", "matchLabels", default={})
        key = key_of(replica_set)
        pods = await self._cluster.list(POD, key.namespace, labels=labels)
        writes = [self._scaler.scale(replica_set, pods_of(replica_set, pods.items), wanted)]
        if member.wanted != wanted:
            writes.append(self._resize(key, wanted))
        return (await asyncio.gather(*writes))[0]

    async def _resize(self, key: Key, wanted: int) -> str:
        await self._cluster.merge(REPLICA_SET, key, {"spec": {"replicas": wanted}})
        return ""

    async def _forget(self, members: list[Member]) -> None:
        for member in members:
            await self._cluster.delete(REPLICA_SET, key_of(member.replica_set))

    async def _write_status(
        self, deployment: Document, limits: Limits, *, created: bool, failure: str
    ) -> float | None:
        owned = await self._owned(deployment)
        name = name_of(replica_set_of(deployment, 0, 0))
        new = next((member for member in owned if member.name == name), None)
        if new is None:
            return 0.0  # removed under our hands: look again
        seen = Observed(
            deployment,
            limits,
            new,
            [member for member in owned if member is not new],
            created=created,
            failure=failure,
            trouble=await self._trouble(new),
        )
        status, wait = status_of(seen, self._context.clock.now())
        patch = status_patch(deployment.get("status"), status)
        if patch is not None:
            await self._cluster.merge(DEPLOYMENT, key_of(deployment), patch, subresource="status")
        if failure:
            return 1.0 if wait is None else min(1.0, wait)
        return wait

    async def _trouble(self, new: Member) -> str:
        if new.counts.ready == new.counts.replicas:
            return ""
        key = key_of(new.replica_set)
        labels = dig(new.replica_set, "spec", "selector", "matchLabels", default={})
        pods = await self._cluster.list(POD, key.namespace, labels=labels)
        return trouble_of(pods_of(new.replica_set, pods.items))
