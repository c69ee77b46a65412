"""How far a deployment is, read from the Service's conditions. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

Document = dict[str, Any]

_STAGES = {
    "ConfigurationsReady": "creating the revision",
    "RoutesReady": "routing traffic",
    "Ready": "becoming ready",
}
"""Conditions in the order in which they turn True, and what happens meanwhile."""

_ROLLOUT = ("RolloutInProgress", "RolloutTakenBack")


@dataclass(frozen=True, slots=True)
class State:
    """`outcome` is True (ready), False (failed) or None (not yet); then `condition` is the one to
    look at, with its reason and message."""

    outcome: bool | None
    condition: str = ""
    reason: str = ""
    message: str = ""

    def __str__(self) -> str:
        """What is going on, in a line."""
        if self.outcome:
            return "ready"
        stage = _STAGES.get(self.condition, "waiting for the controllers")
        told = ": ".join(part for part in (self.reason, self.message) if part)
        return f"{stage} ({self.condition or 'not seen yet'})" + (f": {told}" if told else "")


def state_of(service: Mapping[str, Any]) -> State:
    """The state of a Service. Only conditions of its current generation count: those of the
    generation before it say nothing about this deployment (`spec/kubernetes-api.md` §3.2)."""
    status = service.get("status") or {}
    if status.get("observedGeneration") != service["metadata"].get("generation"):
        return State(None)
    conditions = {c["type"]: c for c in status.get("conditions") or ()}
    ready = conditions.get("Ready", {}).get("status")
    if ready == "True":
        return State(True, "Ready")
    # The Service's own Ready tells of the Route last; the cause is at the earliest condition.
    failed = ready == "False" and not _of_the_last_one(conditions)
    wanted = "False" if failed else "Unknown"
    for name in _STAGES:
        condition = conditions.get(name, {})
        if condition.get("status", "Unknown") == wanted:
            outcome = False if failed else None
            reason, message = condition.get("reason") or "", condition.get("message") or ""
            return State(outcome, name, reason, " ".join(message.split()))
    return State(None, "Ready")


def _of_the_last_one(conditions: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether the failure is that of the revision before: the Route has nothing to lead to until
    the one that is being made is ready."""
    made = conditions.get("ConfigurationsReady", {}).get("status")
    route = conditions.get("RoutesReady", {})
    message = route.get("message") or ""
    waits = route.get("reason") == "RevisionMissing" and message.startswith("Configuration ")
    return made == "Unknown" or (made == "True" and waits)


def routed(service: Mapping[str, Any]) -> State:
    """How far the traffic of a Service is, whatever becomes of its latest revision."""
    status = service.get("status") or {}
    if status.get("observedGeneration") != service["metadata"].get("generation"):
        return State(None)
    conditions = {c["type"]: c for c in status.get("conditions") or ()}
    found = conditions.get("RoutesReady", {})
    outcome = {"True": True, "False": False}.get(found.get("status", ""))
    message = " ".join((found.get("message") or "").split())
    return State(outcome, "RoutesReady", found.get("reason") or "", message)


def taken_up(service: Mapping[str, Any]) -> State:
    """Whether the Route has taken a change of the traffic up. Where a rollout is under way, or was
    taken back, it has: what becomes of the rollout is another matter."""
    state = routed(service)
    return replace(state, outcome=True) if state.reason in _ROLLOUT else state


def advice(state: State, service: Mapping[str, Any]) -> str:
    """What to do about a deployment that has failed, or takes too long."""
    metadata = service["metadata"]
    where = "" if metadata["namespace"] == "default" else f" -n {metadata['namespace']}"
    if state.reason == "ContainerMissing" or "nable to fetch image" in state.message:
        containers = service["spec"]["template"]["spec"]["containers"]
        return f"Build it first: utsuwa build DIR -t {containers[0].get('image', 'IMAGE')}"
    if "ImagePull" in state.message:
        return "Once the image is there it is pulled by itself"
    if "CreateContainerConfigError" in state.message:
        return "Create what is missing; it is started by itself then"
    return f"See what it printed: utsuwa logs {metadata['name']}{where}"


def share(service: Mapping[str, Any]) -> int:
    """Percent of the traffic that the latest ready revision gets."""
    status = service.get("status") or {}
    latest = status.get("latestReadyRevisionName")
    return sum(
        target.get("percent") or 0
        for target in status.get("traffic") or ()
        if target.get("revisionName") == latest
    )


def tag_url(service: Mapping[str, Any], tag: str) -> str:
    """The address of a tag; empty while it has none."""
    for target in (service.get("status") or {}).get("traffic") or ():
        if target.get("tag") == tag:
            return str(target.get("url") or "")
    return ""
