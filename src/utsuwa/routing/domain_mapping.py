"""What a DomainMapping has served: its target, and its Ingress (`spec/reconcilers.md` §9). Pure."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from utsuwa.kit.documents import Document, dig
from utsuwa.model import labels
from utsuwa.model.children.parts import child, kept
from utsuwa.model.kinds import CORE_SERVICE, INGRESS, KINDS, Kind
from utsuwa.model.meta import annotations_of, labels_of, name_of, namespace_of, uid_of
from utsuwa.model.names import cluster_local_host, local_domain
from utsuwa.model.settings import Settings
from utsuwa.routing.ingress import http_option, ingress_class

_DROPPED = (
    labels.LAST_APPLIED,
    *labels.INGRESS_CLASS_SPELLINGS.keys,
    *labels.CERTIFICATE_CLASS_SPELLINGS.keys,
)
ORIGINAL_HOST = "K-Original-Host"


class UnresolvedError(ValueError):
    """A reference leads to nothing that a domain can be mapped to; the message says why."""


def target_kind(reference: Document) -> Kind:
    """The kind that a mapping's `spec.ref` names.

    Raises:
        UnresolvedError: no such kind is served.
    """
    api_version, name = reference.get("apiVersion") or "", reference["kind"]
    for kind in KINDS:
        if kind.name == name and kind.api_version == api_version and kind.namespaced:
            return kind
    raise UnresolvedError(
        f"spec.ref: expected a kind that has an address, such as serving.knative.dev/v1 Service, "
        f"found {api_version or 'no apiVersion'} {name}"
    )


def target_host(mapping: Document, kind: Kind, target: Document | None) -> str:
    """The host inside the cluster to which requests of `mapping` go: `hello.default.svc.…`.

    Raises:
        UnresolvedError: the target is missing, or has no such address.
    """
    reference = dig(mapping, "spec", "ref")
    namespace, shown = namespace_of(mapping), f"{reference['kind']} {reference['name']!r}"
    if target is None:
        raise UnresolvedError(f"there is no {shown} in namespace {namespace}")
    if kind is CORE_SERVICE:
        return cluster_local_host(reference["name"], namespace)
    url = dig(target, "status", "address", "url", default="")
    if not url:
        raise UnresolvedError(f"{shown} has no address yet (status.address.url)")
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.path not in {"", "/"}:
        raise UnresolvedError(f"{shown}: expected an address without a path, found {url}")
    name, _, rest = host.partition(".")
    if not name or rest != f"{namespace}.{local_domain()}":
        raise UnresolvedError(
            f"{shown}: expected an address of the form "
            f"http://NAME.{namespace}.{local_domain()}, found {url}"
        )
    return host


def mapping_ingress_of(
    mapping: Document, host: str, settings: Settings, tls: Sequence[Document] = ()
) -> Document:
    """The Ingress of `mapping`, whose requests go where those of `host` go.

    Raises:
        ValueError: the mapping asks for an HTTP option that does not exist.
    """
    name, namespace = name_of(mapping), namespace_of(mapping)
    split = {
        "serviceName": host.partition(".")[0],
        "serviceNamespace": namespace,
        "servicePort": 80,
        "percent": 100,
    }
    path: Document = {
        "rewriteHost": host,
        "appendHeaders": {ORIGINAL_HOST: name},
        "splits": [split],
    }
    rule = {"hosts": [name], "visibility": "ExternalIP", "http": {"paths": [path]}}
    spec: Document = {"rules": [rule]}
    if tls:
        spec["tls"] = list(tls)
    if option := http_option(mapping, settings):
        spec["httpOption"] = option
    return child(
        mapping,
        INGRESS,
        name,
        labels={
            **labels_of(mapping),
            labels.DOMAIN_MAPPING_UID: uid_of(mapping),
            labels.DOMAIN_MAPPING_NAMESPACE: namespace,
        },
        annotations={
            **kept(annotations_of(mapping), _DROPPED),
            labels.INGRESS_CLASS: ingress_class(mapping, settings),
        },
        spec=spec,
    )


def tls_of(hosts: Sequence[str], secret: str, namespace: str) -> Document:
    """One entry of an Ingress's `spec.tls`."""
    return {"hosts": list(hosts), "secretName": secret, "secretNamespace": namespace}
