"""The status of a ServerlessService (`spec/reconcilers.md` §6.3)."""

from collections.abc import Mapping
from typing import Any

from utsuwa.kit.clock import parse_rfc3339
from utsuwa.kit.documents import Document
from utsuwa.model.conditions import FALSE, TRUE, ConditionSet, condition

ENDPOINTS_POPULATED = "EndpointsPopulated"
ACTIVATOR_ENDPOINTS_POPULATED = "ActivatorEndpointsPopulated"
"""Informs only; its transition time is the clock of "in the path since"."""
CONDITIONS = ConditionSet((ENDPOINTS_POPULATED,))

NO_HEALTHY_BACKENDS = "NoHealthyBackends"


def mark_endpoints_ready(status: Document) -> None:
    """At least one pod can take requests."""
    CONDITIONS.mark_true(status, ENDPOINTS_POPULATED)


def mark_endpoints_not_ready(status: Document, reason: str = NO_HEALTHY_BACKENDS) -> None:
    """No pod can take requests yet; `reason` says what is being waited for."""
    message = "No pod of this revision can take requests yet."
    CONDITIONS.mark_unknown(status, ENDPOINTS_POPULATED, reason, message)


def mark_endpoints_not_owned(status: Document, kind: str, name: str) -> None:
    """A child of our name belongs to someone else."""
    CONDITIONS.mark_false(
        status,
        ENDPOINTS_POPULATED,
        "NotOwned",
        f'{kind} "{name}" exists and does not belong to this revision: rename or delete it.',
    )


def mark_activator_endpoints_populated(status: Document) -> None:
    """Requests are held where there is no pod for them."""
    CONDITIONS.note(
        status,
        ACTIVATOR_ENDPOINTS_POPULATED,
        TRUE,
        ACTIVATOR_ENDPOINTS_POPULATED,
        "Requests of this revision are held until a pod can take them.",
    )


def mark_activator_endpoints_removed(status: Document) -> None:
    """Requests go straight to pods."""
    CONDITIONS.note(
        status,
        ACTIVATOR_ENDPOINTS_POPULATED,
        FALSE,
        ACTIVATOR_ENDPOINTS_POPULATED,
        "Requests of this revision go straight to its pods.",
    )


def proxy_for(status: Mapping[str, Any] | None, now: float) -> float:
    """Seconds since requests are held at Unix time `now`; 0 when they are not."""
    found = condition(status, ACTIVATOR_ENDPOINTS_POPULATED)
    since = (found or {}).get("lastTransitionTime")
    if found is None or found["status"] != TRUE or not since:
        return 0.0
    return now - parse_rfc3339(since)
