"""How many pods each revision has, by state, kept current from the informer
(`spec/autoscaling.md` §4.5, last line)."""

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from utsuwa.cluster.informer import Informer, key_of
from utsuwa.cluster.port import Key
from utsuwa.kit.documents import Document, dig
from utsuwa.model import labels
from utsuwa.model.freezing import is_frozen
from utsuwa.model.meta import is_deleting, labels_of, namespace_of


class PodState(Enum):
    """What a pod counts as; pods in other phases do not count."""

    PENDING = "pending"
    READY = "ready"
    FROZEN = "frozen"
    NOT_READY = "not ready"
    TERMINATING = "terminating"


class PodCounts(NamedTuple):
    """Pods of one revision. Pending and terminating ones are among those not ready, frozen ones
    among the ready."""

    ready: int = 0
    not_ready: int = 0
    pending: int = 0
    terminating: int = 0
    frozen: int = 0


NO_PODS = PodCounts()


def state_of(pod: Document) -> PodState | None:
    """What `pod` counts as, or None."""
    phase = dig(pod, "status", "phase")
    if phase == "Pending":
        return PodState.PENDING
    if phase != "Running":
        return None
    if is_deleting(pod):
        return PodState.TERMINATING
    conditions = dig(pod, "status", "conditions", default=())
    ready = any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)
    if not ready:
        return PodState.NOT_READY
    return PodState.FROZEN if is_frozen(pod) else PodState.READY


def revision_of(pod: Document) -> Key | None:
    """The revision whose pod this is, or None."""
    name = labels_of(pod).get(labels.REVISION)
    return Key(namespace_of(pod), name) if name else None


class PodCounter:
    """Counts of every revision.

    Mutable state: `_states`, of each pod by revision, and `_counts` made from it; changed
    synchronously by the informer.
    """

    def __init__(self, pods: Informer, changed: Callable[[Key], None]) -> None:
        """`changed` is told each revision whose counts have become others; whether pods that are
        ready are frozen changes nothing."""
        self._states: dict[Key, dict[Key, PodState]] = {}
        self._counts: dict[Key, PodCounts] = {}
        self._changed = changed
        pods.on_change(self._on_pod)

    def __repr__(self) -> str:
        return f"<PodCounter of {len(self._states)} revisions>"

    def counts(self, revision: Key) -> PodCounts:
        """The pods of `revision` now."""
        return self._counts.get(revision, NO_PODS)

    def _on_pod(self, old: Document | None, new: Document | None) -> None:
        touched: set[Key] = set()
        if old is not None and (revision := revision_of(old)) is not None:
            touched.add(revision)
            self._put(revision, key_of(old), None)
        if new is not None and (revision := revision_of(new)) is not None:
            touched.add(revision)
            self._put(revision, key_of(new), state_of(new))
        for revision in touched:
            before = self.counts(revision)
            states = self._states.get(revision)
            if states:
                self._counts[revision] = _count(states)
            else:
                self._counts.pop(revision, None)
            if self.counts(revision)._replace(frozen=before.frozen) != before:
                self._changed(revision)

    def _put(self, revision: Key, pod: Key, state: PodState | None) -> None:
        states = self._states.setdefault(revision, {})
        states.pop(pod, None)
        if state is not None:
            states[pod] = state
        elif not states:
            del self._states[revision]


def _count(states: dict[Key, PodState]) -> PodCounts:
    tally = dict.fromkeys(PodState, 0)
    for state in states.values():
        tally[state] += 1
    pending, terminating = tally[PodState.PENDING], tally[PodState.TERMINATING]
    return PodCounts(
        ready=tally[PodState.READY] + tally[PodState.FROZEN],
        not_ready=tally[PodState.NOT_READY] + pending + terminating,
        pending=pending,
        terminating=terminating,
        frozen=tally[PodState.FROZEN],
    )
