"""The core Services of a ServerlessService and their endpoints (`spec/reconcilers.md` §6.3).

Where the original leads to a queue proxy in every pod, there is none here: the private Service
leads to the pods' own ports, which the node agent gives out one by one (so endpoints differ in
port, and each port has a subset and a slice of its own); the public one to those too, or, in mode
`Proxy`, to the gateway, which is our activator. Only pods that are ready are listed.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from utsuwa.kit.documents import Document, dig
from utsuwa.model import labels, names
from utsuwa.model.children.parts import child
from utsuwa.model.children.pod_template import USER_PORT_NAME
from utsuwa.model.conditions import READY, TRUE, status_of
from utsuwa.model.endpoints import reachable_port
from utsuwa.model.kinds import CORE_SERVICE, ENDPOINT_SLICE, ENDPOINTS, POD
from utsuwa.model.meta import (
    annotations_of,
    is_deleting,
    labels_of,
    name_of,
    namespace_of,
    uid_of,
)

_HTTP = {"name": "http", "protocol": "TCP", "port": 80}
_H2C = {"name": "http2", "protocol": "TCP", "appProtocol": "kubernetes.io/h2c", "port": 80}
H2C_PORT = 81


@dataclass(frozen=True, slots=True, order=True)
class Backend:
    """One place that takes requests; `pod` and `uid` are empty for the gateway."""

    ip: str
    port: int
    pod: str = ""
    uid: str = ""


def backends_of(pods: Iterable[Document]) -> list[Backend]:
    """Where the pods that are ready can be reached, in order."""
    found = []
    for pod in pods:
        port = _port_of(pod)
        address = dig(pod, "status", "podIP", default="")
        if port and address and not is_deleting(pod) and status_of(pod["status"], READY) == TRUE:
            found.append(Backend(address, port, name_of(pod), uid_of(pod)))
    return sorted(found)


def private_service_of(sks: Document, selector: dict[str, str]) -> Document:
    """The Service that selects the pods themselves."""
    port = {**_port(sks), "targetPort": USER_PORT_NAME}
    name = names.private_service_name(name_of(sks))
    spec = {"type": "ClusterIP", "selector": dict(selector), "ports": [port]}
    return _service(sks, name, labels.SERVICE_TYPE_PRIVATE, spec)


def public_service_of(sks: Document) -> Document:
    """The Service that Ingress splits name; without a selector, its endpoints are our doing."""
    port = _port(sks)
    if port["name"] == _H2C["name"]:
        port["port"] = H2C_PORT
    spec = {"type": "ClusterIP", "ports": [{**port, "targetPort": port["port"]}]}
    name = names.public_service_name(name_of(sks))
    return _service(sks, name, labels.SERVICE_TYPE_PUBLIC, spec)


def endpoints_of(sks: Document, service: Document, backends: Iterable[Backend]) -> Document:
    """The Endpoints of `service`: a subset for each port."""
    subsets = [
        {"addresses": [_address(sks, one) for one in group], "ports": [_endpoint_port(sks, port)]}
        for port, group in _by_port(backends).items()
    ]
    return child(sks, ENDPOINTS, name_of(service), labels=labels_of(service), subsets=subsets)


def endpoint_slices_of(
    sks: Document, service: Document, backends: Iterable[Backend]
) -> list[Document]:
    """The EndpointSlices of `service`: one for each port."""
    return [
        child(
            sks,
            ENDPOINT_SLICE,
            names.child_name(name_of(service), f"-{port}"),
            labels={**labels_of(service), labels.ENDPOINT_SLICE_SERVICE: name_of(service)},
            addressType="IPv4",
            endpoints=[_endpoint(sks, one) for one in group],
            ports=[_endpoint_port(sks, port)],
        )
        for port, group in _by_port(backends).items()
    ]


def _service(sks: Document, name: str, type_: str, spec: Document) -> Document:
    return child(
        sks,
        CORE_SERVICE,
        name,
        labels={
            **labels_of(sks),
            labels.SERVERLESS_SERVICE: name_of(sks),
            labels.SERVICE_TYPE: type_,
        },
        annotations=annotations_of(sks),
        spec=spec,
    )


def _port(sks: Document) -> Document:
    return dict(_H2C if dig(sks, "spec", "protocolType") == "h2c" else _HTTP)


def _endpoint_port(sks: Document, port: int) -> Document:
    return {**_port(sks), "port": port}


def _by_port(backends: Iterable[Backend]) -> dict[int, list[Backend]]:
    groups: dict[int, list[Backend]] = {}
    for backend in backends:
        groups.setdefault(backend.port, []).append(backend)
    return groups


def _reference(sks: Document, backend: Backend) -> Document:
    if not backend.pod:
        return {}
    where = {"namespace": namespace_of(sks), "name": backend.pod, "uid": backend.uid}
    return {"targetRef": {"kind": POD.name, **where}}


def _address(sks: Document, backend: Backend) -> Document:
    return {"ip": backend.ip, **_reference(sks, backend)}


def _endpoint(sks: Document, backend: Backend) -> Document:
    state = {"ready": True, "serving": True, "terminating": False}
    return {"addresses": [backend.ip], "conditions": state, **_reference(sks, backend)}


def _port_of(pod: Document) -> int:
    for container in dig(pod, "spec", "containers", default=()):
        for port in container.get("ports") or ():
            if port.get("name") == USER_PORT_NAME:
                return reachable_port(pod, port)
    return 0
