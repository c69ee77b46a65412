"""The status of a PodAutoscaler (`spec/reconcilers.md` §6)."""

from collections.abc import Mapping
from typing import Any

from utsuwa.kit.clock import parse_rfc3339
from utsuwa.kit.documents import Document
from utsuwa.model.conditions import FALSE, READY, TRUE, UNKNOWN, ConditionSet, condition, status_of

ACTIVE = "Active"
SCALE_TARGET_INITIALIZED = "ScaleTargetInitialized"
SKS_READY = "SKSReady"
CONDITIONS = ConditionSet((ACTIVE, SCALE_TARGET_INITIALIZED, SKS_READY))

QUEUED = "Queued"
NO_TRAFFIC = "NoTraffic"
TIMED_OUT = "TimedOut"


def mark_active(status: Document) -> None:
    """Enough pods are ready."""
    CONDITIONS.mark_true(status, ACTIVE)


def mark_queued(status: Document) -> None:
    """Requests wait while pods come up."""
    message = "Requests are held while pods are started."
    CONDITIONS.mark_unknown(status, ACTIVE, QUEUED, message)


def mark_no_traffic(status: Document) -> None:
    """Scaled to zero because nobody asks."""
    CONDITIONS.mark_false(status, ACTIVE, NO_TRAFFIC, "There is no traffic for this revision.")


def mark_timed_out(status: Document) -> None:
    """Scaled to zero because no pod ever became ready."""
    message = "No pod became ready before the progress deadline."
    CONDITIONS.mark_false(status, ACTIVE, TIMED_OUT, message)


def mark_not_owned(status: Document, kind: str, name: str) -> None:
    """A child of our name belongs to someone else."""
    CONDITIONS.mark_false(
        status,
        ACTIVE,
        "NotOwned",
        f'A {kind} "{name}" exists that does not belong to this revision: rename or delete it.',
    )


def mark_creation_failed(status: Document, kind: str, name: str) -> None:
    """A child could not be created."""
    message = f'{kind} "{name}" could not be created.'
    CONDITIONS.mark_false(status, ACTIVE, "FailedCreate", message)


def mark_scale_target_initialised(status: Document) -> None:
    """The initial number of pods was ready once; never taken back."""
    CONDITIONS.mark_true(status, SCALE_TARGET_INITIALIZED)


def mark_sks_ready(status: Document) -> None:
    """The ServerlessService has endpoints."""
    CONDITIONS.mark_true(status, SKS_READY)


def mark_sks_not_ready(status: Document, message: str) -> None:
    """The ServerlessService has no endpoints yet."""
    CONDITIONS.mark_unknown(status, SKS_READY, "NotReady", message)


def mark_sks_failed(status: Document, reason: str, message: str) -> None:
    """The ServerlessService will have no endpoints unless somebody does something."""
    CONDITIONS.mark_false(status, SKS_READY, reason, message)


def propagate_sks(status: Document, sks: Document) -> None:
    """Take over the service names and readiness of the ServerlessService."""
    source: dict[str, Any] = sks.get("status") or {}
    status["serviceName"] = source.get("serviceName") or ""
    ready = condition(source, READY)
    if ready is not None and ready["status"] == TRUE:
        mark_sks_ready(status)
    elif ready is not None and ready["status"] == FALSE:
        mark_sks_failed(status, ready.get("reason") or "", ready.get("message") or "")
    else:
        said = (ready or {}).get("message") or "The ServerlessService is not ready yet."
        mark_sks_not_ready(status, said)


def is_active(status: Mapping[str, Any] | None) -> bool:
    """Whether Active is True."""
    return status_of(status, ACTIVE) == TRUE


def is_activating(status: Mapping[str, Any] | None) -> bool:
    """Whether Active is Unknown."""
    return status_of(status, ACTIVE) == UNKNOWN


def is_inactive(status: Mapping[str, Any] | None) -> bool:
    """Whether Active is False."""
    return status_of(status, ACTIVE) == FALSE


def is_scale_target_initialised(status: Mapping[str, Any] | None) -> bool:
    """Whether the initial number of pods was ready once."""
    return status_of(status, SCALE_TARGET_INITIALIZED) == TRUE


def time_in(status: Mapping[str, Any] | None, value: str, now: float) -> float:
    """Seconds for which Active has had status `value` (and this reason) at Unix time `now`; -1 when
    it has another. Stored times are whole seconds."""
    found = condition(status, ACTIVE)
    since = (found or {}).get("lastTransitionTime")
    if found is None or found["status"] != value or not since:
        return -1.0
    return now - parse_rfc3339(since)
