"""What there is of each revision now: its service, its pods, how many are wanted, what they use.

Kept current from the informers; nothing is looked up from second to second but what the pods use.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

from utsuwa.cluster.informer import Informers, key_of
from utsuwa.cluster.port import Key
from utsuwa.controllers.podautoscaler.pods import PodCounter
from utsuwa.kit.clock import Clock, parse_rfc3339
from utsuwa.kit.documents import Document, dig
from utsuwa.model import labels
from utsuwa.model.kinds import DEPLOYMENT, POD, REVISION
from utsuwa.model.meta import labels_of, namespace_of
from utsuwa.model.usage import PodUse

METER_EVERY = 5.0
"""Seconds between two looks at what pods use."""
AT_ONCE = 25
"""Pods measured between two breaths of the event loop."""


Measure = Callable[[Sequence[str]], Awaitable[Mapping[str, PodUse]]]
"""What each of these Pods uses, by uid: the node says."""


class State(NamedTuple):
    """Pods of one revision, and what they use: cores and bytes."""

    desired: int = 0
    ready: int = 0
    total: int = 0
    cores: float = 0.0
    memory: float = 0.0


class Fleet:
    """Every revision's state.

    Mutable state: `_desired` replicas and `_uids` of pods by revision, `_services` by revision,
    `_revisions` by service, `_uses` by pod; changed on the loop by the informers, and `_uses` by :meth:`measure`.
    """

    def __init__(self, informers: Informers, measure: Measure, clock: Clock) -> None:
        self._measure = measure
        self._clock = clock
        self._desired: dict[Key, int] = {}
        self._uids: dict[Key, dict[Key, str]] = {}
        self._services: dict[Key, str] = {}
        self._revisions: dict[Key, dict[Key, None]] = {}
        self._uses: dict[str, PodUse] = {}
        self._deployed: list[Callable[[Key, float], None]] = []
        self._scaled: list[Callable[[Key, int, int], None]] = []
        self._counter = PodCounter(informers.of(POD), lambda _: None)
        informers.of(POD).on_change(self._pod_changed)
        informers.of(DEPLOYMENT).on_change(self._deployment_changed)
        informers.of(REVISION).on_change(self._revision_changed)

    def __repr__(self) -> str:
        return f"<Fleet of {len(self._services)} revisions, {len(self._uids)} with pods>"

    def on_deploy(self, listener: Callable[[Key, float], None]) -> None:
        """Call `listener` with each new revision, and when it was made."""
        self._deployed.append(listener)

    def on_scale(self, listener: Callable[[Key, int, int], None]) -> None:
        """Call `listener` with a revision, how many pods were wanted of it, and how many are."""
        self._scaled.append(listener)

    def service(self, revision: Key) -> str:
        """The service whose revision it is; its own name where it has none."""
        return self._services.get(revision, revision.name)

    def revisions(self, namespace: str, service: str) -> list[Key]:
        """The revisions of a service."""
        return list(self._revisions.get(Key(namespace, service), ()))

    def knows(self, revision: Key) -> bool:
        """Whether there is such a revision."""
        return revision in self._services

    def alive(self) -> set[Key]:
        """The revisions that have pods, or are to have some."""
        wanted = {key for key, desired in self._desired.items() if desired > 0}
        return (wanted | set(self._uids)) & self._services.keys()

    def state(self, revision: Key) -> State:
        """What there is of `revision` now."""
        counts = self._counter.counts(revision)
        uses = [self._uses.get(uid) for uid in self._uids.get(revision, {}).values()]
        found = [use for use in uses if use is not None]
        return State(
            desired=self._desired.get(revision, 0),
            ready=counts.ready,
            total=counts.ready + counts.not_ready,
            cores=sum(use.cores or 0.0 for use in found),
            memory=sum(use.memory for use in found),
        )

    def desired(self, revision: Key) -> int:
        """How many pods are wanted now."""
        return self._desired.get(revision, 0)

    async def measure_forever(self) -> None:
        """Look at what pods use, again and again."""
        while True:
            await self._clock.sleep(METER_EVERY)
            await self.measure()

    async def measure(self) -> None:
        """Look at what pods use, once."""
        uids = [uid for pods in self._uids.values() for uid in pods.values()]
        found: dict[str, PodUse] = {}
        for start in range(0, len(uids), AT_ONCE):
            found.update(await self._measure(uids[start : start + AT_ONCE]))
            await self._clock.sleep(0)
        self._uses = found

    # --- informers ------------------------------------------------------------------------------

    def _pod_changed(self, old: Document | None, new: Document | None) -> None:
        pod = new or old
        if pod is None or not (revision := _revision_of(pod)):
            return
        pods = self._uids.setdefault(revision, {})
        if new is None:
            pods.pop(key_of(pod), None)
        else:
            pods[key_of(pod)] = new["metadata"]["uid"]
        if not pods:
            del self._uids[revision]

    def _deployment_changed(self, old: Document | None, new: Document | None) -> None:
        deployment = new or old
        if deployment is None or not (revision := _revision_of(deployment)):
            return
        before = self._desired.get(revision, 0)
        if new is None:
            self._desired.pop(revision, None)
        else:
            self._desired[revision] = dig(new, "spec", "replicas", default=1)
        now = self._desired.get(revision, 0)
        if now != before:
            for listener in self._scaled:
                listener(revision, before, now)

    def _revision_changed(self, old: Document | None, new: Document | None) -> None:
        if new is None:
            if old is not None:
                self._gone(key_of(old))
            return
        key = key_of(new)
        service = labels_of(new).get(labels.SERVICE) or key.name
        if self._services.get(key) != service:
            self._gone(key)
            self._services[key] = service
            self._revisions.setdefault(Key(key.namespace, service), {})[key] = None
        if old is None:
            created = parse_rfc3339(new["metadata"]["creationTimestamp"])
            for listener in self._deployed:
                listener(key, created)

    def _gone(self, key: Key) -> None:
        service = self._services.pop(key, None)
        if service is None:
            return
        owner = Key(key.namespace, service)
        del self._revisions[owner][key]
        if not self._revisions[owner]:
            del self._revisions[owner]


def _revision_of(document: Document) -> Key | None:
    name = labels_of(document).get(labels.REVISION)
    return Key(namespace_of(document), name) if name else None
