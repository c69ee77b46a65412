"""The `scale` sub-resource of Deployments and ReplicaSets."""

from typing import Any

from utsuwa.apiserver.columns.cells import selector_of
from utsuwa.apiserver.status import bad_request
from utsuwa.kit.documents import Document, dig

_KEPT = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def scale_of(document: Document) -> Document:
    """The object's `autoscaling/v1` Scale."""
    labels = dig(document, "spec", "selector", "matchLabels")
    metadata = document["metadata"]
    status: dict[str, Any] = {"replicas": dig(document, "status", "replicas", default=0)}
    if labels:
        status["selector"] = selector_of(labels)
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: metadata[key] for key in _KEPT if key in metadata},
        "spec": {"replicas": dig(document, "spec", "replicas", default=0)},
        "status": status,
    }


def scaled(document: Document, scale: Document) -> Document:
    """A copy of `document` with the replicas of a Scale.

    Raises:
        BadRequestError: they are no whole number of 0 or more.
    """
    replicas = dig(scale, "spec", "replicas", default=0)
    if not isinstance(replicas, int) or isinstance(replicas, bool) or replicas < 0:
        raise bad_request(
            f"Scale: spec.replicas: expected a whole number of 0 or more, found {replicas!r}"
        )
    return {**document, "spec": {**document.get("spec", {}), "replicas": replicas}}
