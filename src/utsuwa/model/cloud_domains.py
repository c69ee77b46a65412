"""DomainMappings in gcloud's words: `domains.cloudrun.com/v1alpha1` (`spec/kubernetes-api.md` §3).

What is stored is a DomainMapping of serving.knative.dev; this page turns one into the other. The
name of a Route stands for the reference, and the DNS records that lead to the gateway are told as
soon as the mapping's verdict is known. Pure.
"""

from collections.abc import Sequence
from typing import Any

from utsuwa.kit.documents import Document, dig
from utsuwa.model.conditions import READY, TRUE, UNKNOWN, condition, status_of
from utsuwa.model.kinds import CLOUD_DOMAIN_MAPPING, DOMAIN_MAPPING, ROUTE
from utsuwa.model.lifecycle import domainmapping as lifecycle

ALREADY_EXISTS = "MappingAlreadyExists"
"""The reason from which gcloud knows that the domain is somebody else's."""


def viewed(mapping: Document, records: Sequence[Document] = ()) -> Document:
    """A stored DomainMapping as gcloud knows it; `records` are those of the gateway."""
    metadata = {k: v for k, v in mapping["metadata"].items() if k != "managedFields"}
    view: Document = {
        "apiVersion": CLOUD_DOMAIN_MAPPING.api_version,
        "kind": CLOUD_DOMAIN_MAPPING.name,
        "metadata": metadata,
        "spec": {"routeName": dig(mapping, "spec", "ref", "name", default="")},
    }
    if status := mapping.get("status"):
        view["status"] = _status(mapping, status, records)
    return view


def stored(view: Document, old: Document | None = None) -> Document:
    """What is stored of a DomainMapping in gcloud's words. What gcloud has no word for stays as it
    is in `old`."""
    known = old or {}
    metadata: dict[str, Any] = {**view["metadata"]}
    metadata.pop("managedFields", None)
    if (managers := dig(known, "metadata", "managedFields")) is not None:
        metadata["managedFields"] = managers
    name, before = dig(view, "spec", "routeName"), dig(known, "spec", "ref", default={})
    reference = {"apiVersion": ROUTE.api_version, "kind": ROUTE.name, "name": name}
    if namespace := metadata.get("namespace"):
        reference["namespace"] = namespace
    spec = {
        **(known.get("spec") or {}),
        "ref": before if before.get("name") == name else reference,
    }
    mapping: Document = {
        "apiVersion": DOMAIN_MAPPING.api_version,
        "kind": DOMAIN_MAPPING.name,
        "metadata": metadata,
        "spec": spec,
    }
    return {**mapping, "status": known["status"]} if "status" in known else mapping


def records_of(gateway: Document) -> tuple[Document, ...]:
    """The DNS records that lead to the gateway, whose core Service is `gateway`."""
    ingress = dig(gateway, "status", "loadBalancer", "ingress", default=[])
    return tuple(_record(one) for one in ingress if one.get("ip") or one.get("hostname"))


def _record(ingress: Document) -> Document:
    if address := ingress.get("ip"):
        return {"type": "AAAA" if ":" in address else "A", "rrdata": address}
    return {"type": "CNAME", "rrdata": f"{ingress['hostname'].rstrip('.')}."}


def _status(mapping: Document, status: Document, records: Sequence[Document]) -> Document:
    told = ("observedGeneration", "url")
    shown: Document = {name: status[name] for name in told if name in status}
    if "conditions" in status:
        shown["conditions"] = [_condition(one, status) for one in status["conditions"]]
    if status_of(status, lifecycle.REFERENCE_RESOLVED) == TRUE:
        shown["mappedRouteName"] = dig(mapping, "spec", "ref", "name", default="")
    if records and _is_settled(mapping, status):
        shown["resourceRecords"] = list(records)
    return shown


def _is_settled(mapping: Document, status: Document) -> bool:
    """gcloud stops waiting when it sees records: not before the domain is served, or cannot be."""
    return (
        status.get("observedGeneration") == mapping["metadata"].get("generation")
        and status_of(status, lifecycle.DOMAIN_CLAIMED) == TRUE
        and status_of(status, lifecycle.REFERENCE_RESOLVED) == TRUE
        and status_of(status, READY) not in {None, UNKNOWN}
    )


def _condition(found: Document, status: Document) -> Document:
    if found["type"] != READY or not lifecycle.is_claimed_elsewhere(status):
        return found
    claimed = condition(status, lifecycle.DOMAIN_CLAIMED) or {}
    return {**found, "reason": ALREADY_EXISTS, "message": claimed.get("message", "")}
