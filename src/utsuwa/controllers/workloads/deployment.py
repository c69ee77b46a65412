"""Deployment → ReplicaSets → Pods, in one pass.

The pass that sees a new scale updates the ReplicaSet and creates the Pods at the same time, so
that a cold start does not wait for one write after the other. Who knows the new scale before it is
written can have all of it in one commit: :meth:`DeploymentReconciler.leave_zero`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from weakref import WeakValueDictionary

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

LeavingZero = Callable[[Callable[[Key, int], Awaitable[bool]]], None]
"""Is given :meth:`DeploymentReconciler.leave_zero`."""


def build_deployment(
    context: Context, make: Make | None = None, leaving: LeavingZero | None = None
) -> Controller:
    """The controller of Deployments and of all that they own. `leaving` is given what takes a
    Deployment from zero."""
    reconciler = DeploymentReconciler(context, make)
    if leaving is not None:
        leaving(reconciler.leave_zero)
    controller = Controller("deployment", reconciler, workers=8)
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
    """One pass over one Deployment. Mutable state: `_turns`, the Deployments being worked on."""

    def __init__(self, context: Context, make: Make | None = None) -> None:
        self._context = context
        self._cluster = context.cluster
        self._scaler = Scaler(context.cluster, context.events, make)
        self._turns: WeakValueDictionary[Key, asyncio.Lock] = WeakValueDictionary()

    def _turn(self, key: Key) -> asyncio.Lock:
        """Held by whoever makes Pods of the Deployment `key`."""
        turn = self._turns.get(key)
        if turn is None:
            turn = self._turns[key] = asyncio.Lock()
        return turn

    async def leave_zero(self, key: Key, replicas: int) -> bool:
        """Scale the Deployment `key` from none to `replicas` and create its Pods, all in one
        commit; False, and nothing is done, where there is more to it than that.

        Raises:
            ApiError: it could not be written; a later pass puts right what was.
        """
        turn = self._turn(key)
        if turn.locked():
            return False  # a pass is under way: it, or the next one, sees the new scale
        async with turn:
            replica_set = await self._at_zero(key)
            if replica_set is None:
                return False
            scale = {"spec": {"replicas": replicas}}
            await asyncio.gather(
                *self._scaler.creations(replica_set, replicas),
                self._cluster.merge(DEPLOYMENT, key, scale, subresource="scale"),
                self._resize(key_of(replica_set), replicas),
            )
        return True

    async def _at_zero(self, key: Key) -> Document | None:
        """The ReplicaSet of the present template where it is the only one that may get Pods, and
        none is there or about to go."""
        try:
            deployment = await self._cluster.get(DEPLOYMENT, key)
        except NotFoundError:
            return None
        if is_deleting(deployment) or dig(deployment, "spec", "paused", default=False):
            return None
        owned = await self._owned(deployment)
        name = name_of(replica_set_of(deployment, 0, 0))
        if any(member.wanted or member.counts.replicas for member in owned):
            return None
        return next((member.replica_set for member in owned if member.name == name), None)

    async def reconcile(self, key: Key) -> float | None:
        """Create the ReplicaSet of the present template, scale all of them, write the status."""
        async with self._turn(key):
            return await self._reconcile(key)

    async def _reconcile(self, key: Key) -> float | None:
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
