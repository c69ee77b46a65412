"""What of services and revisions may be a reason for an alert.

Pods and revisions that fail are followed as they change, so that a cluster in which nothing is
wrong costs nothing; queues are sampled, of revisions that have traffic.
"""

import math
from collections import deque
from collections.abc import Iterator

from utsuwa.alerts import (
    Alert,
    CertificateFigures,
    ContainerFigures,
    QueueFigures,
    Subject,
    certificate,
    containers,
    queue,
    unresolved,
)
from utsuwa.alerts.rules import CRASH_LOOP, PULL_FAILURES, QUEUE_WINDOW
from utsuwa.app.metrics import Traffic
from utsuwa.cluster.informer import Informers, key_of
from utsuwa.cluster.port import Key
from utsuwa.controllers.podautoscaler import Scaler
from utsuwa.controllers.tls_secrets import leaf_of
from utsuwa.kit.clock import Clock
from utsuwa.kit.documents import Document, dig
from utsuwa.model import labels
from utsuwa.model.conditions import FALSE, condition
from utsuwa.model.kinds import DOMAIN_MAPPING, INGRESS, POD, REVISION, SECRET, SERVICE
from utsuwa.model.lifecycle.revision import CONTAINER_HEALTHY
from utsuwa.model.meta import labels_of, namespace_of
from utsuwa.routing.entries import secrets_of

SAMPLE = 5.0
"""Seconds between two samples of a queue."""
_SAMPLES = math.ceil(QUEUE_WINDOW / SAMPLE)
_TOLD = PULL_FAILURES | {CRASH_LOOP}
_NO_IMAGE = "ContainerMissing"


class Signs:
    """Mutable state: `_waiting`, containers that fail by revision and pod; `_unresolved`, revisions
    whose image was not found, and why; `_queues`, samples by revision; `_ends`, when the
    certificate in a Secret of some version ends. Changed on the loop, by informers and
    :meth:`sample`."""

    def __init__(
        self, informers: Informers, traffic: Traffic, scaler: Scaler, clock: Clock
    ) -> None:
        self._traffic = traffic
        self._scaler = scaler
        self._clock = clock
        self._services = informers.of(SERVICE)
        self._revisions = informers.of(REVISION)
        self._ingresses = informers.of(INGRESS)
        self._mappings = informers.of(DOMAIN_MAPPING)
        self._secrets = informers.of(SECRET)
        self._waiting: dict[Key, dict[Key, list[ContainerFigures]]] = {}
        self._unresolved: dict[Key, str] = {}
        self._queues: dict[Key, deque[int]] = {}
        self._ends: dict[Key, tuple[str, float | None]] = {}
        informers.of(POD).on_change(self._pod_changed)
        self._revisions.on_change(self._revision_changed)

    def __repr__(self) -> str:
        return f"<Signs of {len(self._waiting)} failing revisions, {len(self._queues)} queues>"

    def sample(self) -> None:
        """Look at the queues; once every :data:`SAMPLE` seconds."""
        now = self._clock.now()
        present: dict[Key, deque[int]] = {}
        for name, figures in self._traffic.figures.items():
            if not figures.inside:
                continue
            _, waiting, _ = figures.now(now)
            if waiting:
                key = Key(*name.split("/", 1))
                samples = self._queues.get(key) or deque(maxlen=_SAMPLES)
                samples.append(waiting)
                present[key] = samples
        self._queues = present

    def alerts(self) -> Iterator[Alert]:
        """What the rules say of all this, now."""
        for key, samples in self._queues.items():
            if len(samples) == _SAMPLES and (found := self._queue(key, samples)) is not None:
                yield found
        for key, pods in self._waiting.items():
            waiting = [figures for pod in pods.values() for figures in pod]
            yield from containers(self._subject(key), key.name, waiting)
        for key, why in self._unresolved.items():
            subject = self._subject(key)
            if key not in self._waiting and self._is_newest(key, subject):
                yield unresolved(subject, key.name, why)
        yield from self._certificates()

    def _queue(self, key: Key, samples: deque[int]) -> Alert | None:
        parameters = self._scaler.parameters(key)
        if parameters is None:
            return None
        figures = QueueFigures(
            key.name,
            list(samples),
            self._scaler.wanted(key),
            self._scaler.replicas(key),
            parameters.max_scale,
        )
        return queue(self._subject(key), figures)

    def _subject(self, revision: Key) -> Subject:
        document = self._revisions.get(revision)
        service = labels_of(document).get(labels.SERVICE) if document is not None else None
        if service:
            return Subject(SERVICE.name, revision.namespace, service)
        return Subject(REVISION.name, revision.namespace, revision.name)

    def _is_newest(self, revision: Key, subject: Subject) -> bool:
        """An image that was missing once is nobody's sorrow when another revision has followed."""
        if subject.kind != SERVICE.name:
            return True
        service = self._services.get(Key(subject.namespace, subject.name))
        newest = dig(service, "status", "latestCreatedRevisionName", default="")
        return bool(newest == revision.name)

    # --- certificates ---------------------------------------------------------------------------

    def _certificates(self) -> Iterator[Alert]:
        now = self._clock.now()
        used: set[Key] = set()
        for ingress in self._ingresses.list():
            for host, name in secrets_of(ingress).items():
                secret = self._secrets.get(key := Key(*name.split("/", 1)))
                if secret is None:
                    continue
                used.add(key)
                if (ends := self._end_of(key, secret)) is not None:
                    figures = CertificateFigures(host, f"Secret {name}", ends, _renewal(secret))
                    if found := certificate(self._subject_of(ingress), figures, now):
                        yield found
        for key in self._ends.keys() - used:
            del self._ends[key]

    def _end_of(self, key: Key, secret: Document) -> float | None:
        version = secret["metadata"]["resourceVersion"]
        known = self._ends.get(key)
        if known is None or known[0] != version:
            leaf = leaf_of(secret)
            ends = None if leaf is None else leaf.not_valid_after_utc.timestamp()
            known = self._ends[key] = (version, ends)
        return known[1]

    def _subject_of(self, ingress: Document) -> Subject:
        """The Service that the hosts of `ingress` lead to; where there is none, their owner."""
        namespace = namespace_of(ingress)
        owner = dig(ingress, "metadata", "ownerReferences", 0, default={})
        kind, name = owner.get("kind", INGRESS.name), owner.get("name", key_of(ingress).name)
        if kind == DOMAIN_MAPPING.name:
            reference = dig(self._mappings.get(Key(namespace, name)), "spec", "ref", default={})
            if reference.get("kind") == SERVICE.name:
                name, kind = reference["name"], SERVICE.name
        elif self._services.get(Key(namespace, name)) is not None:
            kind = SERVICE.name
        return Subject(kind, namespace, name)

    # --- informers ------------------------------------------------------------------------------

    def _pod_changed(self, old: Document | None, new: Document | None) -> None:
        pod = new or old
        name = labels_of(pod).get(labels.REVISION) if pod is not None else None
        if pod is None or not name:
            return
        revision = Key(namespace_of(pod), name)
        found = _failing(pod) if new is not None else []
        pods = self._waiting.get(revision)
        if found:
            self._waiting.setdefault(revision, {})[key_of(pod)] = found
        elif pods is not None:
            pods.pop(key_of(pod), None)
            if not pods:
                del self._waiting[revision]

    def _revision_changed(self, old: Document | None, new: Document | None) -> None:
        present = new or old
        if present is None:
            return
        self._unresolved.pop(key_of(present), None)
        if new is not None:
            health = condition(new.get("status"), CONTAINER_HEALTHY) or {}
            if health.get("status") == FALSE and health.get("reason") == _NO_IMAGE:
                self._unresolved[key_of(new)] = str(health.get("message", ""))


def _failing(pod: Document) -> list[ContainerFigures]:
    found = []
    for status in dig(pod, "status", "containerStatuses", default=()) or ():
        waiting = dig(status, "state", "waiting", default={}) or {}
        if waiting.get("reason") in _TOLD:
            found.append(ContainerFigures(
                pod["metadata"]["name"], status["name"], waiting["reason"],
                str(waiting.get("message", "")), int(status.get("restartCount", 0)),
                dig(status, "lastState", "terminated", "exitCode", default=None),
            ))  # fmt: skip
    return found


def _renewal(secret: Document) -> str:
    metadata = secret["metadata"]
    if metadata.get("ownerReferences"):
        return "It should have been renewed 30 days before: see control.log for why it was not."
    return (
        "Put a new one into the Secret: `kubectl create secret tls "
        f"{metadata['name']} -n {metadata['namespace']} --cert FILE --key FILE "
        "--dry-run=client -o yaml | kubectl apply -f -`."
    )
