"""What a delete does to an object: finalizers, propagation, the grace of Pods. Pure."""

from utsuwa.cluster import refusals
from utsuwa.cluster.port import DeleteOptions, Preconditions, Propagation
from utsuwa.cluster.semantics import Outcome
from utsuwa.kit.clock import parse_rfc3339, rfc3339
from utsuwa.kit.documents import Document, dig
from utsuwa.model.kinds import NAMESPACE, POD, Kind

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"
"""Finalizers by which an object waits for the collector (:mod:`utsuwa.controllers.garbage`)."""
_COLLECTOR = {Propagation.ORPHAN: ORPHAN, Propagation.FOREGROUND: FOREGROUND}
DEFAULT_GRACE = 30
IMMORTAL = frozenset(("default", "kube-system", "kube-public"))
"""Namespaces that Kubernetes refuses to delete."""


def deleted(kind: Kind, current: Document, options: DeleteOptions | None, *, now: float) -> Outcome:
    """`current` after a delete: gone, or kept with a deletionTimestamp by a finalizer, by its
    dependents (foreground), by a Pod's grace, or, a Namespace, by what is in it.

    `options` None keeps the propagation that an earlier delete chose.

    Raises:
        ConflictError: a precondition does not hold.
        ForbiddenError: it is a Namespace that must stay.
    """
    if kind == NAMESPACE and current["metadata"]["name"] in IMMORTAL:
        raise refusals.immortal(current["metadata"]["name"])
    if options is not None:
        _check(kind, current, options.preconditions)
    finalizers = _finalizers(current, options)
    grace = _grace(kind, current, options)
    if kind == NAMESPACE:
        return _namespace(current, finalizers, now=now)
    if not finalizers and grace == 0:
        return Outcome(current, gone=True)
    metadata = dict(current["metadata"])
    _mark(metadata, grace, now=now)
    _set_finalizers(metadata, finalizers)
    if metadata == current["metadata"]:
        return Outcome(current)
    return Outcome({**current, "metadata": metadata})


def _check(kind: Kind, current: Document, preconditions: Preconditions) -> None:
    metadata = current["metadata"]
    if preconditions.uid is not None and preconditions.uid != metadata["uid"]:
        why = (
            f"the UID in the precondition ({preconditions.uid}) does not match the UID in record "
            f"({metadata['uid']}). The object might have been deleted and then recreated"
        )
        raise refusals.conflict(kind, metadata["name"], why)
    version = preconditions.resource_version
    if version is not None and version != metadata["resourceVersion"]:
        why = (
            f"the ResourceVersion in the precondition ({version}) does not match the "
            f"ResourceVersion in record ({metadata['resourceVersion']}). The object might have "
            "been modified"
        )
        raise refusals.conflict(kind, metadata["name"], why)


def _finalizers(current: Document, options: DeleteOptions | None) -> list[str]:
    """Those it has, with the collector's one for the chosen propagation."""
    known: list[str] = current["metadata"].get("finalizers", [])
    if options is None:
        return known
    wanted = _COLLECTOR.get(options.propagation)
    if wanted in known:
        return known
    kept = [name for name in known if name not in _COLLECTOR.values()]
    return [*kept, wanted] if wanted is not None else kept


def _grace(kind: Kind, current: Document, options: DeleteOptions | None) -> int:
    """Seconds a Pod gets to end. One that was never bound to a node has nothing to end."""
    if kind != POD or not dig(current, "spec", "nodeName"):
        return 0
    asked = options.grace_seconds if options is not None else None
    if asked is None:
        own = dig(current, "spec", "terminationGracePeriodSeconds", default=DEFAULT_GRACE)
        return max(0, int(own))
    return asked if asked >= 0 else 1


def _mark(metadata: Document, grace: int, *, now: float) -> None:
    """Set the time of deletion; a second delete may bring it forward, never put it off."""
    known = metadata.get("deletionTimestamp")
    if known is None:
        metadata["deletionTimestamp"] = rfc3339(now + grace)
        metadata["deletionGracePeriodSeconds"] = grace
        return
    before = metadata.get("deletionGracePeriodSeconds", 0)
    if grace < before:
        metadata["deletionTimestamp"] = rfc3339(parse_rfc3339(known) - before + grace)
        metadata["deletionGracePeriodSeconds"] = grace


def _namespace(current: Document, finalizers: list[str], *, now: float) -> Outcome:
    """A Namespace ends in two steps: Terminating until its content is declared gone."""
    if not finalizers and not dig(current, "spec", "finalizers"):
        return Outcome(current, gone=True)
    metadata = dict(current["metadata"])
    metadata.setdefault("deletionTimestamp", rfc3339(now))
    _set_finalizers(metadata, finalizers)
    status = {**current.get("status", {}), "phase": "Terminating"}
    if metadata == current["metadata"] and status == current.get("status"):
        return Outcome(current)
    return Outcome({**current, "metadata": metadata, "status": status})


def _set_finalizers(metadata: Document, finalizers: list[str]) -> None:
    if finalizers:
        metadata["finalizers"] = finalizers
    else:
        metadata.pop("finalizers", None)
