"""How far each ReplicaSet of a Deployment may grow or must shrink now. Pure.

Rolling update as Kubernetes does it: never fewer available Pods than `replicas - maxUnavailable`,
never more Pods than `replicas + maxSurge`. Example: 4 replicas, maxSurge 1, maxUnavailable 0, new
template: new 1 / old 4 → (new one available) old 3 → new 2 → … → new 4 / old 0.
"""

import math
from dataclasses import dataclass

from utsuwa.controllers.workloads.replicas import REVISION_ANNOTATION, Counts
from utsuwa.kit.documents import Document, dig
from utsuwa.model.meta import annotations_of, name_of


@dataclass(frozen=True, slots=True)
class Member:
    """One ReplicaSet of a Deployment with its active Pods counted."""

    replica_set: Document
    counts: Counts

    @property
    def wanted(self) -> int:
        """Its present `spec.replicas`."""
        replicas: int = dig(self.replica_set, "spec", "replicas", default=1)
        return replicas

    @property
    def name(self) -> str:
        """Its name, unique within the Deployment."""
        return name_of(self.replica_set)

    @property
    def revision(self) -> int:
        """Its place in the rollout history, 0 when unknown."""
        text = annotations_of(self.replica_set).get(REVISION_ANNOTATION, "0")
        return int(text) if text.isdigit() else 0


@dataclass(frozen=True, slots=True)
class Limits:
    """A Deployment's replicas and strategy in whole Pods."""

    replicas: int
    surge: int
    unavailable: int
    recreate: bool = False


def limits_of(deployment: Document) -> Limits:
    """Percentages resolved: surge rounds up, unavailable down; both 0 would never move, so
    unavailable becomes 1 then."""
    replicas: int = dig(deployment, "spec", "replicas", default=1)
    recreate = dig(deployment, "spec", "strategy", "type") == "Recreate"
    rolling = dig(deployment, "spec", "strategy", "rollingUpdate", default={})
    surge = math.ceil(_share(rolling.get("maxSurge", "25%"), replicas))
    unavailable = math.floor(_share(rolling.get("maxUnavailable", "25%"), replicas))
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return Limits(replicas, surge, unavailable, recreate)


def _share(value: int | str, replicas: int) -> float:
    if isinstance(value, int):
        return value
    if value.endswith("%"):
        return int(value[:-1]) * replicas / 100
    return int(value)


def scales(limits: Limits, new: Member, old: list[Member]) -> dict[str, int]:
    """The replicas that each ReplicaSet should have now, by name."""
    if limits.recreate:
        left = sum(member.counts.replicas for member in old)
        fresh = limits.replicas if left == 0 else new.wanted
        return {new.name: fresh, **{member.name: 0 for member in old}}
    others = sum(max(member.wanted, member.counts.replicas) for member in old)
    room = limits.replicas + limits.surge - others
    fresh = min(limits.replicas, max(room, min(new.wanted, limits.replicas)))
    return {new.name: fresh, **_shrink(limits, new, old)}


def _shrink(limits: Limits, new: Member, old: list[Member]) -> dict[str, int]:
    """Old ones lose what is not needed to stay available: the Pods that do not work first."""
    result = {member.name: member.wanted for member in old}
    floor = max(0, limits.replicas - limits.unavailable)
    spare = new.counts.available + sum(member.counts.available for member in old) - floor
    for member in sorted(old, key=lambda one: one.revision):
        broken = max(0, member.wanted - member.counts.available)
        taken = min(member.wanted - broken, max(0, spare))
        spare -= taken
        result[member.name] = member.wanted - broken - taken
    return result


def outlived(deployment: Document, old: list[Member]) -> list[Member]:
    """Old ReplicaSets without Pods beyond `revisionHistoryLimit`, oldest first."""
    limit: int = dig(deployment, "spec", "revisionHistoryLimit", default=10)
    empty = [member for member in old if member.wanted == 0 and member.counts.replicas == 0]
    empty.sort(key=lambda member: member.revision)
    return empty[: max(0, len(empty) - limit)]
