"""The status of a Pod, from what is known of its containers. Pure.

Order and words as kubectl and the Revision's conditions read them (`spec/reconcilers.md` §4.3).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from utsuwa.kit.clock import parse_rfc3339, rfc3339
from utsuwa.kit.documents import Document, dig
from utsuwa.model.draining import Remaining, described
from utsuwa.model.endpoints import PROBE_FAILED
from utsuwa.node.pods import quality_class
from utsuwa.node.runtime import LOOPBACK

ADDRESS = LOOPBACK

DRAINED = "utsuwa.dev/Drained"
"""The condition that says what the end of a Pod waits for."""
EVICTED = "Evicted"
"""The reason of a Pod that was ended for what it used."""
POD_CONDITIONS = ("PodScheduled", "Initialized", "ContainersReady", "Ready")


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why a container does not run yet, or not now."""

    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Terminated:
    """How a life of a container ended; times in Unix seconds."""

    code: int
    reason: str
    message: str = ""
    signal: int = 0
    started: float = 0.0
    finished: float = 0.0
    container_id: str = ""

    def document(self) -> Document:
        """As `state.terminated` and `lastState.terminated` show it."""
        found: Document = {"exitCode": self.code, "reason": self.reason}
        if self.signal:
            found["signal"] = self.signal
        if self.message:
            found["message"] = self.message
        found["startedAt"] = rfc3339(self.started) if self.started else None
        found["finishedAt"] = rfc3339(self.finished)
        if self.container_id:
            found["containerID"] = self.container_id
        return found


@dataclass(slots=True)
class ContainerState:
    """What is known of one container now. Exactly one of `waiting`, `running_since` and
    `terminated` counts, in this order."""

    name: str
    image: str
    image_id: str = ""
    container_id: str = ""
    restarts: int = 0
    waiting: Waiting | None = None
    running_since: float = 0.0
    terminated: Terminated | None = None
    last: Terminated | None = None
    started: bool = False
    ready: bool = False
    probe: str = ""
    """What the readiness probe said last, while it fails."""

    def run(self, now: float, container_id: str) -> None:
        """It has been started."""
        self.waiting = self.terminated = None
        self.running_since, self.container_id = now, container_id
        self.started = self.ready = False
        self.probe = ""

    def wait(self, reason: str, message: str = "") -> None:
        """It does not run, for `reason`; the life before becomes the last state."""
        self.last = self.terminated or self.last
        self.terminated = None
        self.waiting, self.running_since = Waiting(reason, message), 0.0
        self.started = self.ready = False

    def end(self, terminated: Terminated) -> None:
        """It has ended."""
        self.waiting, self.running_since = None, 0.0
        self.terminated = terminated
        self.started = self.ready = False

    def next_life(self) -> None:
        """What ended becomes the last state; one restart more."""
        self.last = self.terminated or self.last
        self.terminated = None
        self.restarts += 1

    def document(self) -> Document:
        """One entry of `status.containerStatuses`."""
        found: Document = {
            "name": self.name,
            "image": self.image,
            "imageID": self.image_id,
            "restartCount": self.restarts,
            "ready": self.ready,
            "started": self.started,
            "state": self._state(),
            "lastState": {"terminated": self.last.document()} if self.last else {},
        }
        if self.container_id:
            found["containerID"] = self.container_id
        return found

    def _state(self) -> Document:
        if self.waiting is not None:
            return {"waiting": _waiting(self.waiting)}
        if self.running_since:
            return {"running": {"startedAt": rfc3339(self.running_since)}}
        if self.terminated is not None:
            return {"terminated": self.terminated.document()}
        return {"waiting": {"reason": "ContainerCreating"}}


def _waiting(waiting: Waiting) -> Document:
    found = {"reason": waiting.reason}
    if waiting.message:
        found["message"] = waiting.message
    return found


def restored(container: Document, status: Document | None) -> ContainerState:
    """The state that `status`, an entry of `containerStatuses`, tells of."""
    state = ContainerState(str(container["name"]), str(container.get("image", "")))
    if status is None:
        return state
    if ended := dig(status, "state", "terminated"):
        state.terminated = _terminated(ended)
    state.image_id = status.get("imageID", "")
    state.container_id = status.get("containerID", "")
    state.restarts = int(status.get("restartCount", 0))
    state.ready = bool(status.get("ready"))
    state.started = bool(status.get("started"))
    if last := dig(status, "lastState", "terminated"):
        state.last = _terminated(last)
    if since := dig(status, "state", "running", "startedAt"):
        state.running_since = parse_rfc3339(since)
    return state


def _terminated(document: Document) -> Terminated:
    def time(name: str) -> float:
        text = document.get(name)
        return parse_rfc3339(text) if text else 0.0

    return Terminated(
        int(document.get("exitCode", 0)),
        str(document.get("reason", "")),
        str(document.get("message", "")),
        int(document.get("signal", 0)),
        time("startedAt"),
        time("finishedAt"),
        str(document.get("containerID", "")),
    )


@dataclass(frozen=True, slots=True)
class Initial:
    """The init containers of a Pod, in their order; `lasting`: the sidecars among them."""

    states: Sequence[ContainerState] = ()
    lasting: frozenset[str] = frozenset()

    def incomplete(self) -> list[str]:
        """The names of those for which the others still wait."""
        return [state.name for state in self.states if not self._is_through(state)]

    def _is_through(self, state: ContainerState) -> bool:
        if state.name in self.lasting:
            return state.started
        return state.terminated is not None and state.terminated.code == 0

    def failed(self, pod: Document) -> bool:
        """Whether one has failed for good."""
        ended = [s.terminated for s in self.states if s.name not in self.lasting]
        return dig(pod, "spec", "restartPolicy") == "Never" and any(
            one is not None and one.code for one in ended
        )


NONE = Initial()


def phase_of(pod: Document, states: list[ContainerState], initial: Initial = NONE) -> str:
    """Pending until each container ran once; Succeeded or Failed when all ended for good."""
    ended = [state.terminated for state in states if state.terminated is not None]
    if len(ended) == len(states) and _final(pod, ended):
        return "Succeeded" if all(one.code == 0 for one in ended) else "Failed"
    if initial.failed(pod):
        return "Failed"
    if all(state.running_since or state.terminated or state.last for state in states):
        return "Running"
    return "Pending"


def _final(pod: Document, ended: list[Terminated]) -> bool:
    if dig(pod, "metadata", "deletionTimestamp"):
        return True
    policy = dig(pod, "spec", "restartPolicy", default="Always")
    if policy == "OnFailure":
        return all(one.code == 0 for one in ended)
    return bool(policy == "Never")


def unschedulable(message: str, now: float) -> Document:
    """The status of a Pod for which there is no room."""
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": message,
        "lastTransitionTime": rfc3339(now),
    }
    return {"phase": "Pending", "conditions": [condition]}


def drained_condition(remaining: Remaining, grace: float) -> Document:
    """Whether requests are left on a Pod that is to end within `grace` seconds, and which."""
    if remaining.nothing:
        return {"type": DRAINED, "status": "True"}
    return {
        "type": DRAINED,
        "status": "False",
        "reason": "RequestsOpen",
        "message": described(remaining, grace),
    }


def disruption(message: str) -> Document:
    """The condition of a Pod that this node ends on its own."""
    reason = {"reason": "TerminationByKubelet", "message": message}
    return {"type": "DisruptionTarget", "status": "True", **reason}


def pod_status(
    pod: Document,
    states: list[ContainerState],
    now: float,
    address: str = ADDRESS,
    *,
    more: Iterable[Document] = (),
    initial: Initial = NONE,
) -> Document:
    """The whole status; times of conditions that did not change are kept from the old one.
    `address`: the Pod's, "" while it has none. `more`: conditions of our own."""
    old = pod.get("status") or {}
    stamp = rfc3339(now)
    conditions = [*_conditions(pod, states, initial), *more]
    found = {
        "phase": phase_of(pod, states, initial),
        "conditions": [_timed(condition, old, stamp) for condition in conditions],
        "hostIP": ADDRESS,
        "hostIPs": [{"ip": ADDRESS}],
        **({"podIP": address, "podIPs": [{"ip": address}]} if address else {}),
        "startTime": old.get("startTime") or stamp,
        "qosClass": quality_class(pod),
        "containerStatuses": [state.document() for state in states],
    }
    if initial.states:
        found["initContainerStatuses"] = [state.document() for state in initial.states]
    return found


def _conditions(pod: Document, states: list[ContainerState], initial: Initial) -> list[Document]:
    conditions = [{"type": "PodScheduled", "status": "True"}, _initialized(initial)]
    lasting = [state for state in initial.states if state.name in initial.lasting]
    unready = [state for state in (*states, *lasting) if not state.ready]
    if not unready:
        return [*conditions, *({"type": type_, "status": "True"} for type_ in POD_CONDITIONS[2:])]
    if phase_of(pod, states, initial) == "Succeeded":
        because = {"reason": "PodCompleted"}
    else:
        reason = PROBE_FAILED if any(state.probe for state in unready) else "ContainersNotReady"
        because = {"reason": reason, "message": _why(unready)}
    bad = [{"type": type_, "status": "False", **because} for type_ in POD_CONDITIONS[2:]]
    return [*conditions, *bad]


def _initialized(initial: Initial) -> Document:
    incomplete = initial.incomplete()
    if not incomplete:
        return {"type": "Initialized", "status": "True"}
    message = f"containers with incomplete status: [{' '.join(incomplete)}]"
    reason = "ContainersNotInitialized"
    return {"type": "Initialized", "status": "False", "reason": reason, "message": message}


def _why(unready: list[ContainerState]) -> str:
    for state in unready:
        if state.probe:
            return state.probe
    names = " ".join(state.name for state in unready)
    return f"containers with unready status: [{names}]"


def _timed(condition: Document, old: Document, stamp: str) -> Document:
    for known in old.get("conditions") or ():
        if known["type"] == condition["type"] and known["status"] == condition["status"]:
            return {**condition, "lastTransitionTime": known.get("lastTransitionTime", stamp)}
    return {**condition, "lastTransitionTime": stamp}
