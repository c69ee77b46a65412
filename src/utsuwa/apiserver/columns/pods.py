"""How a Pod reads in one line: its status text, its ready containers and its restarts.

The order of the rules is that of kubectl's usual output (`spec/kubernetes-api.md` §4.5).
"""

from typing import Any

from utsuwa.apiserver.columns.cells import AGE, NAME, NONE, Column, since, wide
from utsuwa.kit.documents import Document, dig
from utsuwa.model.freezing import is_frozen


def _statuses(pod: Document, member: str = "containerStatuses") -> list[Document]:
    found: list[Document] = dig(pod, "status", member, default=[])
    return found


def _ready(pod: Document, _: float) -> str:
    total = len(dig(pod, "spec", "containers", default=[]))
    ready = sum(
        1
        for status in _statuses(pod)
        if status.get("ready") and dig(status, "state", "running") is not None
    )
    return f"{ready}/{total}"


def status_text(pod: Document) -> str:
    """What the Status column says."""
    text = str(dig(pod, "status", "reason") or dig(pod, "status", "phase", default="Unknown"))
    waiting = _init_text(pod)
    text = _containers_text(pod, text) if waiting is None else waiting
    if dig(pod, "metadata", "deletionTimestamp"):
        return "Unknown" if dig(pod, "status", "reason") == "NodeLost" else "Terminating"
    return "Frozen" if text == "Running" and is_frozen(pod) else text


def _init_text(pod: Document) -> str | None:
    """The text while init containers run; None once they are through."""
    total = len(dig(pod, "spec", "initContainers", default=[]))
    for index, status in enumerate(_statuses(pod, "initContainerStatuses")):
        terminated = dig(status, "state", "terminated")
        if terminated is not None and terminated.get("exitCode") == 0:
            continue
        if terminated is not None:
            return f"Init:{_terminated_text(terminated)}"
        reason = dig(status, "state", "waiting", "reason", default="PodInitializing")
        return f"Init:{index}/{total}" if reason == "PodInitializing" else f"Init:{reason}"
    return None


def _containers_text(pod: Document, text: str) -> str:
    running = False
    for status in reversed(_statuses(pod)):
        waiting = dig(status, "state", "waiting", "reason")
        terminated = dig(status, "state", "terminated")
        if waiting:
            text = waiting
        elif terminated is not None:
            text = _terminated_text(terminated)
        elif status.get("ready") and dig(status, "state", "running") is not None:
            running = True
    if text == "Completed" and running:
        return "Running" if _condition(pod, "Ready") == "True" else "NotReady"
    return text


def _terminated_text(terminated: Document) -> str:
    if terminated.get("reason"):
        return str(terminated["reason"])
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"


def _condition(pod: Document, name: str) -> str:
    for condition in dig(pod, "status", "conditions", default=[]):
        if condition.get("type") == name:
            return str(condition.get("status"))
    return ""


def _restarts(pod: Document, now: float) -> str:
    count = sum(int(status.get("restartCount", 0)) for status in _statuses(pod))
    ends = [dig(status, "lastState", "terminated", "finishedAt") for status in _statuses(pod)]
    last = max((end for end in ends if end), default=None)
    return f"{count} ({since(last, now)} ago)" if count and last else str(count)


def _readiness_gates(pod: Document, _: float) -> str:
    gates = dig(pod, "spec", "readinessGates", default=[])
    if not gates:
        return NONE
    met = sum(_condition(pod, gate.get("conditionType", "")) == "True" for gate in gates)
    return f"{met}/{len(gates)}"


def _or_none(*path: str) -> Any:
    return lambda pod, _: dig(pod, *path) or NONE


POD_COLUMNS = (
    NAME,
    Column("Ready", _ready),
    Column("Status", lambda pod, _: status_text(pod)),
    Column("Restarts", _restarts),
    AGE,
    wide("IP", _or_none("status", "podIP")),
    wide("Node", _or_none("spec", "nodeName")),
    wide("Nominated Node", _or_none("status", "nominatedNodeName")),
    wide("Readiness Gates", _readiness_gates),
)
