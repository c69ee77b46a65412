"""What Kubernetes itself fills into a new object of a kind, before anybody else looks. Pure."""

import base64
from collections.abc import Callable
from typing import Any

from utsuwa.kit.documents import Document, dig
from utsuwa.model.kinds import (
    CONFIG_MAP,
    CORE_SERVICE,
    DEPLOYMENT,
    ENDPOINTS,
    EVENT,
    LEASE,
    NAMESPACE,
    NODE,
    POD,
    REPLICA_SET,
    SECRET,
    SERVICE_ACCOUNT,
    Kind,
)

WITHOUT_GENERATION = frozenset(
    (NAMESPACE, NODE, CONFIG_MAP, SECRET, SERVICE_ACCOUNT, ENDPOINTS, EVENT, LEASE, CORE_SERVICE)
)
"""Kinds whose objects carry no `metadata.generation`."""

_COMPUTE = ("cpu", "memory")


def prepare_for_create(kind: Kind, document: Document) -> None:
    """Complete the new object `document` (its own copy) in place: the first status of kinds that
    are born with one, and what only makes sense at birth."""
    fill = _FIRST.get(kind)
    if fill is not None:
        fill(document)
    prepare_for_update(kind, document)


def prepare_for_update(kind: Kind, document: Document) -> None:
    """Bring `document` (its own copy) into the form in which it is stored."""
    if kind == SECRET:
        _encode_strings(document)


def _encode_strings(document: Document) -> None:
    """`stringData` is write-only: it goes, encoded, into `data`."""
    strings = document.pop("stringData", None)
    if strings:
        data = dict(document.get("data") or {})
        for name, text in strings.items():
            data[name] = base64.b64encode(str(text).encode()).decode()
        document["data"] = data


def _namespace(document: Document) -> None:
    metadata = document["metadata"]
    labels = dict(metadata.get("labels") or {})
    labels["kubernetes.io/metadata.name"] = metadata["name"]
    metadata["labels"] = labels
    document["spec"] = {**(document.get("spec") or {}), "finalizers": ["kubernetes"]}
    document["status"] = {"phase": "Active"}


def _pod(document: Document) -> None:
    document["status"] = {"phase": "Pending", "qosClass": qos_class(document)}


def _secret(document: Document) -> None:
    document.setdefault("type", "Opaque")


def _core_service(document: Document) -> None:
    document["status"] = {"loadBalancer": {}}


def _workload(document: Document) -> None:
    document["status"] = {}


_FIRST: dict[Kind, Callable[[Document], None]] = {
    NAMESPACE: _namespace,
    POD: _pod,
    SECRET: _secret,
    CORE_SERVICE: _core_service,
    DEPLOYMENT: _workload,
    REPLICA_SET: _workload,
}


def qos_class(pod: Document) -> str:
    """`Guaranteed`, `Burstable` or `BestEffort`, by the resources of a Pod's containers."""
    found = [
        (
            dig(container, "resources", "requests", default={}),
            dig(container, "resources", "limits", default={}),
        )
        for container in dig(pod, "spec", "containers", default=[])
    ]
    if not any(name in part for pair in found for part in pair for name in _COMPUTE):
        return "BestEffort"
    if all(_guaranteed(requests, limits) for requests, limits in found):
        return "Guaranteed"
    return "Burstable"


def _guaranteed(requests: dict[str, Any], limits: dict[str, Any]) -> bool:
    return all(
        name in limits and requests.get(name, limits[name]) == limits[name] for name in _COMPUTE
    )
