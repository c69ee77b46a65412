"""What a cluster holds before anyone uses it: namespaces, settings, the gateway's Service.

Only what is missing is made; what an operator has edited stays as it is. The one exception is the
domain, which follows `--domain` when that is another than at the last start.
"""

import contextlib
from dataclasses import dataclass

from utsuwa.cluster.errors import AlreadyExistsError, NotFoundError
from utsuwa.cluster.port import Cluster, Key
from utsuwa.kit.documents import Document, dig
from utsuwa.model import builtin_roles
from utsuwa.model.kinds import (
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    CONFIG_MAP,
    CORE_SERVICE,
    NAMESPACE,
    SERVICE_ACCOUNT,
    Kind,
)

SYSTEM = "knative-serving"
NAMESPACES = ("default", "istio-system", SYSTEM, "kube-public", "kube-system")
SETTINGS = (
    "autoscaler", "defaults", "deployment", "domain", "features", "gc", "leader-election",
    "logging", "network", "observability",
)  # fmt: skip
ANONYMOUS_BINDING = "utsuwa:anonymous"
DOMAIN_NOTE = "utsuwa.dev/domain"
"""Annotation on config-domain: the `--domain` it was written for."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the cluster can be reached from outside."""

    domain: str
    gateway_ip: str
    gateway_port: int
    """The port on loopback; `gateway_ip` has port 80 too where that could be bound."""
    api_port: int
    anonymous: str = ""
    """The role of callers who do not say who they are, "" where they are refused."""
    https_port: int = 0
    """Where services are served with TLS, 0 for nowhere."""


async def bootstrap(cluster: Cluster, addresses: Addresses) -> None:
    """Make what is missing. Safe to run at every start."""

    for name in NAMESPACES:
        await _ensure(cluster, NAMESPACE, _namespace(name))
    for name in NAMESPACES:
        await _ensure(cluster, SERVICE_ACCOUNT, SERVICE_ACCOUNT.document(name, "default"))
    await ensure_rights(cluster, addresses.anonymous)
    for name in SETTINGS:
        await _ensure(cluster, CONFIG_MAP, _config_map(name, addresses))
    await _follow_domain(cluster, addresses)
    await _ensure(cluster, CORE_SERVICE, _kubernetes_service(addresses))
    await _ensure_gateway_service(cluster, addresses)


async def ensure_rights(cluster: Cluster, anonymous: str = "") -> None:
    """The built-in roles and bindings, and what callers without a name may do."""
    for role in builtin_roles.cluster_roles():
        await _ensure_complete(cluster, CLUSTER_ROLE, role)
    for binding in builtin_roles.cluster_role_bindings():
        await _ensure_complete(cluster, CLUSTER_ROLE_BINDING, binding)
    key = Key("", ANONYMOUS_BINDING)
    with contextlib.suppress(NotFoundError):
        await cluster.delete(CLUSTER_ROLE_BINDING, key)
    if anonymous:
        subject = builtin_roles.group_subject(builtin_roles.UNAUTHENTICATED)
        await cluster.create(builtin_roles.binding(ANONYMOUS_BINDING, anonymous, [subject]))


async def _ensure_complete(cluster: Cluster, kind: Kind, wanted: Document) -> None:
    present = await _ensure(cluster, kind, wanted)
    better = builtin_roles.completed(present, wanted)
    if better is not None:
        await cluster.update(better)


async def _ensure(cluster: Cluster, kind: Kind, document: Document) -> Document:
    metadata = document["metadata"]
    key = Key(metadata.get("namespace", ""), metadata["name"])
    try:
        return await cluster.get(kind, key)
    except NotFoundError:
        pass
    try:
        return await cluster.create(document)
    except AlreadyExistsError:
        return await cluster.get(kind, key)


def _namespace(name: str) -> Document:
    document = NAMESPACE.document("", name, status={"phase": "Active"})
    document["metadata"]["labels"] = {"kubernetes.io/metadata.name": name}
    return document


def _config_map(name: str, addresses: Addresses) -> Document:
    data: dict[str, str] = {}
    document = CONFIG_MAP.document(SYSTEM, f"config-{name}", data=data)
    document["metadata"]["labels"] = {
        "app.kubernetes.io/name": SYSTEM,
        "app.kubernetes.io/component": name,
    }
    if name == "domain":
        data[addresses.domain] = ""
        document["metadata"]["annotations"] = {DOMAIN_NOTE: addresses.domain}
    if name == "network":
        data["ingress-class"] = "utsuwa.ingress.networking.knative.dev"
        data["certificate-class"] = "utsuwa.certificate.networking.knative.dev"
    return document


async def _follow_domain(cluster: Cluster, addresses: Addresses) -> None:
    key = Key(SYSTEM, "config-domain")
    present = await cluster.get(CONFIG_MAP, key)
    noted = dig(present, "metadata", "annotations", DOMAIN_NOTE, default="")
    if noted != addresses.domain:
        patch = {
            "metadata": {"annotations": {DOMAIN_NOTE: addresses.domain}},
            "data": {noted: None, addresses.domain: ""} if noted else {addresses.domain: ""},
        }
        await cluster.merge(CONFIG_MAP, key, patch)


def _kubernetes_service(addresses: Addresses) -> Document:
    port = {"name": "https", "port": 443, "protocol": "TCP", "targetPort": addresses.api_port}
    spec = {"type": "ClusterIP", "clusterIP": "127.0.0.1", "ports": [port]}
    document = CORE_SERVICE.document("default", "kubernetes", spec=spec)
    document["metadata"]["labels"] = {"component": "apiserver", "provider": "kubernetes"}
    return document


async def _ensure_gateway_service(cluster: Cluster, addresses: Addresses) -> None:
    """The Service in which clients look for the gateway's address
    (`spec/kubernetes-api.md` §0, row 11)."""
    listening = (("http2", 80, addresses.gateway_port), ("https", 443, addresses.https_port))
    ports = [
        {"name": name, "port": port, "protocol": "TCP", "targetPort": own, "nodePort": own}
        for name, port, own in listening
        if own
    ]
    spec = {"type": "LoadBalancer", "clusterIP": addresses.gateway_ip, "ports": ports}
    wanted = CORE_SERVICE.document("istio-system", "istio-ingressgateway", spec=spec)
    wanted["metadata"]["labels"] = {"istio": "ingressgateway", "app": "istio-ingressgateway"}
    found = await _ensure(cluster, CORE_SERVICE, wanted)
    if found["spec"] != spec:
        found = await cluster.update({**found, "spec": spec})
    status = {"loadBalancer": {"ingress": [{"ip": addresses.gateway_ip}]}}
    if found.get("status") != status:
        await cluster.update_status({**found, "status": status})
