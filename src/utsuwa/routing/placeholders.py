"""The core Services that hold a Route's names inside the cluster (`spec/reconcilers.md` §5.5)."""

from utsuwa.kit.documents import Document, copy, dig
from utsuwa.model import labels
from utsuwa.model.children.parts import child, kept
from utsuwa.model.kinds import CORE_SERVICE, ENDPOINTS
from utsuwa.model.meta import annotations_of, labels_of, name_of
from utsuwa.routing.hosts import Hosts

_PORT = {
    "name": "http2",
    "protocol": "TCP",
    "appProtocol": "kubernetes.io/h2c",
    "port": 80,
    "targetPort": 80,
}


def placeholder_service_of(hosts: Hosts, tag: str, *, local: bool) -> Document:
    """The Service of one target before the Ingress has said where its load balancer is.

    Raises:
        HostError: a template gives no host.
    """
    spec = {
        "type": "ExternalName",
        "externalName": hosts.host(tag, local=local),
        "sessionAffinity": "None",
        "ports": [dict(_PORT)],
    }
    return _service(hosts, tag, spec)


def balanced_service_of(
    hosts: Hosts, tag: str, ingress: Document, *, local: bool
) -> tuple[Document, Document | None] | None:
    """The Service of one target that points to the load balancer in the Ingress's status, and its
    Endpoints where it has any; None while there is no load balancer.

    The private load balancer is preferred: the Service is there for callers inside the cluster.
    """
    status = ingress.get("status") or {}
    inner = dig(status, "privateLoadBalancer", "ingress", default=[])
    outer = [] if local else dig(status, "publicLoadBalancer", "ingress", default=[])
    balancers = inner or outer
    if not balancers:
        return None
    return _at(hosts, tag, balancers[0])


def _at(hosts: Hosts, tag: str, balancer: Document) -> tuple[Document, Document | None] | None:
    if address := balancer.get("ip"):
        spec = {"type": "ClusterIP", "clusterIP": "None", "ports": [dict(_PORT)]}
        service = _service(hosts, tag, spec)
        port = {key: _PORT[key] for key in ("name", "protocol", "appProtocol", "port")}
        endpoints = {
            **ENDPOINTS.document("", ""),
            "metadata": copy(service["metadata"]),
            "subsets": [{"addresses": [{"ip": address}], "ports": [port]}],
        }
        return service, endpoints
    if domain := balancer.get("domainInternal") or balancer.get("domain"):
        named = {"type": "ExternalName", "externalName": domain, "sessionAffinity": "None"}
        return _service(hosts, tag, {**named, "ports": [dict(_PORT)]}), None
    if balancer.get("meshOnly"):
        ports = [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": 80}]
        return _service(hosts, tag, {"type": "ClusterIP", "ports": ports}), None
    return None


def merged_service(existing: Document, wanted: Document) -> Document | None:
    """`existing` with the spec of `wanted`, and its labels and annotations laid over: those that
    users put there stay. None when nothing differs."""
    metadata = {
        "labels": {**labels_of(existing), **labels_of(wanted)},
        "annotations": {**annotations_of(existing), **annotations_of(wanted)},
    }
    spec = {**wanted["spec"]}
    old = existing.get("spec") or {}
    if spec["type"] == "ClusterIP" and "clusterIP" not in spec and old.get("clusterIP"):
        spec["clusterIP"] = old["clusterIP"]
    same = all(old.get(key) == value for key, value in spec.items()) and (
        old.get("type") == spec["type"]
    )
    if (
        same
        and metadata["labels"] == labels_of(existing)
        and metadata["annotations"] == annotations_of(existing)
    ):
        return None
    changed = copy({**existing, "spec": old if same else spec})
    changed["metadata"].update(metadata)
    return changed


def _service(hosts: Hosts, tag: str, spec: Document) -> Document:
    route = hosts.route
    return child(
        route,
        CORE_SERVICE,
        hosts.name(tag),
        labels={
            **kept(labels_of(route), (labels.VISIBILITY,)),
            labels.ROUTE: name_of(route),
        },
        annotations=kept(annotations_of(route), (labels.LAST_APPLIED,)),
        spec=spec,
    )
