"""Follows the pods of the service under load: what the autoscaler wants, and what is there."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from utsuwa.app.api import ApiRefusedError, Client, NoServerError, Resource
from utsuwa.app.demo.plan import NAMESPACE
from utsuwa.model.kinds import POD, POD_AUTOSCALER

_PODS = Resource(POD.api_version, POD.plural)
_AUTOSCALERS = Resource(POD_AUTOSCALER.api_version, POD_AUTOSCALER.plural)
_REVISION = "serving.knative.dev/revision"
_PAUSE = 0.2

Document = Mapping[str, Any]
Pause = Callable[[float], None]


class Scale:
    """The present state and the peaks, kept by two watching threads.

    Mutable state, behind `_lock`: pods by name, desired scales and peaks by revision.
    """

    def __init__(self, client: Client, pause: Pause) -> None:
        self._client = client
        self._pause = pause
        self._lock = threading.Lock()
        self._pods: dict[str, tuple[str, bool]] = {}
        self._desired: dict[str, int] = {}
        self._peaks: dict[str, tuple[int, int]] = {}
        self._ended = threading.Event()

    def __repr__(self) -> str:
        return f"<Scale {len(self._pods)} pods, desired {self._desired}>"

    def start(self) -> None:
        """Begin to watch."""
        for resource, see in ((_PODS, self.see_pod), (_AUTOSCALERS, self.see_autoscaler)):
            threading.Thread(target=self._watch, args=(resource, see), daemon=True).start()

    def stop(self) -> None:
        """End with the next event: the threads are daemons, and the cluster ends anyway."""
        self._ended.set()

    def pods(self) -> int:
        """All pods there are, those included that are about to end."""
        with self._lock:
            return len(self._pods)

    def desired(self, revision: str) -> int:
        """What the autoscaler wants now; 0 while it has not said anything."""
        with self._lock:
            return self._desired.get(revision, 0)

    def ready(self, revision: str) -> int:
        """Ready pods now."""
        with self._lock:
            return self._ready(revision)

    def peaks(self, revision: str) -> tuple[int, int]:
        """The most that were desired, and ready, at a time."""
        with self._lock:
            return self._peaks.get(revision, (0, 0))

    # --- events ---------------------------------------------------------------------------------

    def see_pod(self, event: Document) -> None:
        """A Pod has changed."""
        pod = event["object"]
        name = pod["metadata"]["name"]
        revision = (pod["metadata"].get("labels") or {}).get(_REVISION)
        if revision is None:
            return
        with self._lock:
            if event["type"] == "DELETED":
                self._pods.pop(name, None)
            else:
                self._pods[name] = (revision, _is_ready(pod))
            self._note(revision)

    def see_autoscaler(self, event: Document) -> None:
        """A PodAutoscaler has changed; it bears its revision's name."""
        autoscaler = event["object"]
        revision = autoscaler["metadata"]["name"]
        desired = (autoscaler.get("status") or {}).get("desiredScale", -1)
        with self._lock:
            self._desired[revision] = max(0, desired)  # -1: not known yet
            self._note(revision)

    def _ready(self, revision: str) -> int:
        return sum(owner == revision and ready for owner, ready in self._pods.values())

    def _note(self, revision: str) -> None:
        desired, ready = self._peaks.get(revision, (0, 0))
        self._peaks[revision] = (
            max(desired, self._desired.get(revision, 0)),
            max(ready, self._ready(revision)),
        )

    def _watch(self, resource: Resource, see: Callable[[Document], None]) -> None:
        while not self._ended.is_set():
            try:
                for event in self._client.watch(resource, NAMESPACE, timeout=3600.0):
                    see(event)
                    if self._ended.is_set():
                        return
            except (NoServerError, ApiRefusedError, TimeoutError):
                self._pause(_PAUSE)  # the control plane is being restarted: look again


def _is_ready(pod: Document) -> bool:
    if pod["metadata"].get("deletionTimestamp"):
        return False
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
