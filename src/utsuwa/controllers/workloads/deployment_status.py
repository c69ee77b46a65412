"""The status of a Deployment: counts, and the conditions Available, Progressing and
ReplicaFailure in the words of Kubernetes (`spec/reconcilers.md` §4.3 derives from them). Pure."""

from dataclasses import dataclass

from utsuwa.controllers.workloads.rollout import Limits, Member
from utsuwa.kit.clock import parse_rfc3339, rfc3339
from utsuwa.kit.documents import Document, dig

DEFAULT_DEADLINE = 600
"""Seconds; `progressDeadlineSeconds` where the Deployment gives none."""

COMPLETE = "NewReplicaSetAvailable"
CREATED = "NewReplicaSetCreated"
UPDATED = "ReplicaSetUpdated"
TIMED_OUT = "ProgressDeadlineExceeded"


@dataclass(frozen=True, slots=True)
class Observed:
    """What a pass has seen and done."""

    deployment: Document
    limits: Limits
    new: Member
    old: list[Member]
    created: bool = False
    """The new ReplicaSet was made in this pass."""
    failure: str = ""
    """Why a Pod could not be created."""
    trouble: str = ""
    """What the Pods that are not ready say, for the message of a passed deadline."""


def status_of(seen: Observed, now: float) -> tuple[Document, float | None]:
    """The new status, and the seconds after which to look again although nothing changed."""
    members = [seen.new, *seen.old]
    replicas = sum(member.counts.replicas for member in members)
    available = sum(member.counts.available for member in members)
    counted = {
        "replicas": replicas,
        "updatedReplicas": seen.new.counts.replicas,
        "readyReplicas": sum(member.counts.ready for member in members),
        "availableReplicas": available,
        "unavailableReplicas": max(0, max(seen.limits.replicas, replicas) - available),
    }
    status: Document = {key: value for key, value in counted.items() if value}
    status["observedGeneration"] = dig(seen.deployment, "metadata", "generation", default=0)
    before = dig(seen.deployment, "status", default={})
    progressing, wait = _progressing(seen, before, status, now)
    fresh = [_available(seen, available), progressing]
    if seen.failure:
        fresh.append(_condition("ReplicaFailure", "True", "FailedCreate", seen.failure))
    status["conditions"] = [_timed(condition, before, now) for condition in fresh]
    waits = [member.counts.wait for member in members if member.counts.wait is not None]
    if wait is not None:
        waits.append(wait)
    return status, min(waits, default=None)


def is_complete(limits: Limits, status: Document) -> bool:
    """Whether every wanted Pod is there, of the new template, and available."""
    return all(
        status.get(member, 0) == limits.replicas
        for member in ("replicas", "updatedReplicas", "availableReplicas")
    )


def _condition(type_: str, status: str, reason: str, message: str) -> Document:
    return {"type": type_, "status": status, "reason": reason, "message": message}


def _known(status: Document, type_: str) -> Document | None:
    return next((c for c in status.get("conditions") or () if c["type"] == type_), None)


def _available(seen: Observed, available: int) -> Document:
    if available >= seen.limits.replicas - seen.limits.unavailable:
        return _condition(
            "Available",
            "True",
            "MinimumReplicasAvailable",
            "Deployment has minimum availability.",
        )
    return _condition(
        "Available",
        "False",
        "MinimumReplicasUnavailable",
        "Deployment does not have minimum availability.",
    )


def _progressing(
    seen: Observed, before: Document, status: Document, now: float
) -> tuple[Document, float | None]:
    name, known = seen.new.name, _known(before, "Progressing")
    if seen.created or known is None:
        text = f'Created new replica set "{name}"'
        known = {**_condition("Progressing", "True", CREATED, text), "lastUpdateTime": ""}
        before = {}
    if is_complete(seen.limits, status):
        text = f'ReplicaSet "{name}" has successfully progressed.'
        return _condition("Progressing", "True", COMPLETE, text), None
    if known["reason"] == COMPLETE and status.get("replicas", 0) == status.get(
        "updatedReplicas", 0
    ):
        return _bare(known), None  # scaling a finished rollout has no deadline
    if before and _moved(before, status):
        text = f'ReplicaSet "{name}" is progressing.'
        fresh = {**_condition("Progressing", "True", UPDATED, text), "lastUpdateTime": rfc3339(now)}
        return fresh, _deadline(seen)
    return _check_deadline(seen, known, now)


def _bare(condition: Document) -> Document:
    return {key: value for key, value in condition.items() if not key.startswith("last")}


def _moved(before: Document, status: Document) -> bool:
    def old_pods(counts: Document) -> int:
        return int(counts.get("replicas", 0)) - int(counts.get("updatedReplicas", 0))

    return old_pods(status) < old_pods(before) or any(
        status.get(member, 0) > before.get(member, 0)
        for member in ("updatedReplicas", "readyReplicas", "availableReplicas")
    )


def _deadline(seen: Observed) -> float:
    return float(dig(seen.deployment, "spec", "progressDeadlineSeconds", default=DEFAULT_DEADLINE))


def _check_deadline(seen: Observed, known: Document, now: float) -> tuple[Document, float | None]:
    if known["reason"] == TIMED_OUT:
        return _bare(known), None
    since = parse_rfc3339(known["lastUpdateTime"]) if known.get("lastUpdateTime") else now
    left = since + _deadline(seen) - now
    if left > 0:
        return _bare(known), left
    text = f'ReplicaSet "{seen.new.name}" has timed out progressing.'
    if seen.trouble:
        text = f"{text} Last seen: {seen.trouble}"
    return _condition("Progressing", "False", TIMED_OUT, text), None


def _timed(condition: Document, before: Document, now: float) -> Document:
    """`condition` with its two times: of the last transition, and of the last update."""
    known, text = _known(before, condition["type"]), rfc3339(now)
    transition = update = text
    if known is not None and known["status"] == condition["status"]:
        transition = known.get("lastTransitionTime", text)
        if known["reason"] == condition["reason"] and known["message"] == condition["message"]:
            update = known.get("lastUpdateTime", text)
    return {
        **condition,
        "lastUpdateTime": condition.get("lastUpdateTime") or update,
        "lastTransitionTime": transition,
    }
