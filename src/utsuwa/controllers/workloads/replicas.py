"""What ReplicaSets are made of, and which Pods of one have to come or go. Pure."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from utsuwa.kit.clock import parse_rfc3339
from utsuwa.kit.documents import Document, copy, dig, without
from utsuwa.model.kinds import REPLICA_SET
from utsuwa.model.meta import (
    annotations_of,
    controller_of,
    is_deleting,
    labels_of,
    name_of,
    namespace_of,
    owner_reference,
    uid_of,
)

HASH_LABEL = "pod-template-hash"
REVISION_ANNOTATION = "deployment.kubernetes.io/revision"
DESIRED_ANNOTATION = "deployment.kubernetes.io/desired-replicas"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

_DIGITS = "bcdfghjklmnpqrstvwxz2456789"


def template_hash(template: Document) -> str:
    """Ten characters that name a pod template; equal templates have equal hashes."""
    canonical = json.dumps(template, sort_keys=True, separators=(",", ":")).encode()
    number = int.from_bytes(hashlib.sha256(canonical).digest()[:8], "big")
    return "".join(_DIGITS[number // len(_DIGITS) ** place % len(_DIGITS)] for place in range(10))


def replica_set_of(deployment: Document, replicas: int, revision: int) -> Document:
    """The ReplicaSet of the Deployment's present template, named `<deployment>-<hash>`."""
    template = copy(dig(deployment, "spec", "template", default={}))
    hashed = template_hash(template)
    own = {HASH_LABEL: hashed}
    metadata = template.setdefault("metadata", {})
    metadata["labels"] = {**(metadata.get("labels") or {}), **own}
    selector = copy(dig(deployment, "spec", "selector", default={}))
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), **own}
    spec: Document = {"replicas": replicas, "selector": selector, "template": template}
    if seconds := dig(deployment, "spec", "minReadySeconds"):
        spec["minReadySeconds"] = seconds
    document = REPLICA_SET.document(
        namespace_of(deployment), f"{name_of(deployment)}-{hashed}", spec=spec
    )
    document["metadata"].update(
        labels=dict(metadata["labels"]),
        annotations={
            **without(annotations_of(deployment), (LAST_APPLIED,)),
            REVISION_ANNOTATION: str(revision),
        },
        ownerReferences=[owner_reference(deployment)],
    )
    return document


def is_active(pod: Document) -> bool:
    """Whether the Pod counts as a replica: neither ended nor ending."""
    return not is_deleting(pod) and dig(pod, "status", "phase") not in {"Succeeded", "Failed"}


def pods_of(replica_set: Document, pods: Iterable[Document]) -> list[Document]:
    """Those of `pods` that are active replicas of `replica_set`."""
    uid = uid_of(replica_set)
    return [pod for pod in pods if (controller_of(pod) or {}).get("uid") == uid and is_active(pod)]


def ready_since(pod: Document) -> float | None:
    """Unix seconds since when the Pod is ready; None when it is not."""
    for condition in dig(pod, "status", "conditions", default=()):
        if condition["type"] == "Ready":
            if condition["status"] != "True":
                return None
            since = condition.get("lastTransitionTime")
            return parse_rfc3339(since) if since else 0.0
    return None


def victims(pods: list[Document], count: int) -> list[Document]:
    """The `count` Pods to remove first: unbound, then not ready, then the youngest."""

    def rank(pod: Document) -> tuple[bool, bool, float]:
        created = dig(pod, "metadata", "creationTimestamp")
        age = -parse_rfc3339(created) if created else 0.0
        return bool(dig(pod, "spec", "nodeName")), ready_since(pod) is not None, age

    return sorted(pods, key=rank)[:count]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many Pods there are, and how many of them are good for what. `wait` is the seconds
    until the next of them has been ready for `minReadySeconds`, or None."""

    replicas: int = 0
    labelled: int = 0
    ready: int = 0
    available: int = 0
    wait: float | None = None


def count(pods: Iterable[Document], replica_set: Document, now: float) -> Counts:
    """Counts over the active Pods of one ReplicaSet."""
    settle = float(dig(replica_set, "spec", "minReadySeconds", default=0))
    wanted = dig(replica_set, "spec", "template", "metadata", "labels", default={})
    replicas = labelled = ready = available = 0
    waits: list[float] = []
    for pod in pods:
        replicas += 1
        labelled += wanted.items() <= labels_of(pod).items()
        since = ready_since(pod)
        if since is None:
            continue
        ready += 1
        left = since + settle - now if settle else 0.0
        if left <= 0:
            available += 1
        else:
            waits.append(left)
    return Counts(replicas, labelled, ready, available, min(waits, default=None))


def replica_set_status(replica_set: Document, counts: Counts) -> Document:
    """The status as kubectl expects it; counts of zero are left out, save `replicas`."""
    generation = dig(replica_set, "metadata", "generation", default=0)
    status = {
        "replicas": counts.replicas,
        "fullyLabeledReplicas": counts.labelled,
        "readyReplicas": counts.ready,
        "availableReplicas": counts.available,
    }
    kept = {key: value for key, value in status.items() if value or key == "replicas"}
    return {**kept, "observedGeneration": generation}


def status_patch(old: Document | None, new: Document) -> Document | None:
    """The merge patch that turns status `old` into `new`; None when they are equal."""
    old = old or {}
    if old == new:
        return None
    changed = {key: value for key, value in new.items() if old.get(key) != value}
    return {"status": {**dict.fromkeys(key for key in old if key not in new), **changed}}
