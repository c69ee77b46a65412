"""The Ingress of a Route (`spec/reconcilers.md` §5.6). Pure.

The data plane programs the gateway from it: hosts, and how each host's requests are split.
"""

from collections.abc import Collection, Iterable, Sequence

from utsuwa.kit.documents import Document, encode
from utsuwa.model import labels
from utsuwa.model.children.parts import child, kept
from utsuwa.model.kinds import INGRESS
from utsuwa.model.meta import annotations_of, labels_of, name_of, namespace_of
from utsuwa.model.settings import Flag, Settings
from utsuwa.routing.hosts import Hosts
from utsuwa.routing.traffic import DEFAULT, Target, Traffic

REVISION_HEADER = "Knative-Serving-Revision"
NAMESPACE_HEADER = "Knative-Serving-Namespace"
TAG_HEADER = "Knative-Serving-Tag"
DEFAULT_ROUTE_HEADER = "Knative-Serving-Default-Route"

_PORTS = {"http1": 80, "h2c": 81}
_TLS_PORT = 443
_DROPPED = (
    labels.LAST_APPLIED,
    "networking.knative.dev/ingress-class",
    "networking.knative.dev/certificate-class",
)
_HTTP_OPTIONS = {"enabled": "Enabled", "redirected": "Redirected", "disabled": ""}


def ingress_of(
    hosts: Hosts,
    traffic: Traffic,
    local: Collection[str],
    rollout: Document,
    tls: Sequence[Document] = (),
) -> Document:
    """The Ingress of `hosts.route`; `local` are the tags seen inside the cluster alone, `rollout`
    is the state noted in its annotation, `tls` the certificates that there are.

    Raises:
        HostError: a template gives no host.
        ValueError: the Route asks for an HTTP option that does not exist.
    """
    route, settings = hosts.route, hosts.settings
    annotations = {
        **kept(annotations_of(route), _DROPPED),
        labels.INGRESS_CLASS: ingress_class(route, settings),
        labels.ROLLOUT: encode(rollout).decode(),
    }
    tag_hosts = {
        tag: [
            hosts.host(tag, local=True),
            *([] if tag in local else [hosts.host(tag, local=False)]),
        ]
        for tag in traffic.tags
        if tag != DEFAULT
    }
    if tag_hosts:
        annotations[labels.TAG_TO_HOST] = encode(tag_hosts).decode()
    spec: Document = {"rules": _rules(hosts, traffic, local)}
    if tls:
        spec["tls"] = list(tls)
    if option := http_option(route, settings):
        spec["httpOption"] = option
    return child(
        route,
        INGRESS,
        name_of(route),
        labels={
            **labels_of(route),
            labels.ROUTE: name_of(route),
            labels.ROUTE_NAMESPACE: namespace_of(route),
        },
        annotations=annotations,
        spec=spec,
    )


def ingress_class(route: Document, settings: Settings) -> str:
    """The class of Ingress that `route` wants."""
    own = labels.INGRESS_CLASS_SPELLINGS.value(annotations_of(route))
    return own or settings.network.ingress_class


def http_option(route: Document, settings: Settings) -> str:
    """What becomes of plain HTTP: `Enabled`, `Redirected`, or "" for the Ingress's own choice.

    Raises:
        ValueError: the Route's annotation asks for something else.
    """
    found = labels.HTTP_PROTOCOL.find(annotations_of(route))
    if found is None:
        return _HTTP_OPTIONS[settings.network.http_protocol]
    key, value = found
    if value.lower() not in {"enabled", "redirected"}:
        raise ValueError(f"annotation {key}: expected enabled or redirected, found {value!r}")
    return _HTTP_OPTIONS[value.lower()]


def _rules(hosts: Hosts, traffic: Traffic, local: Collection[str]) -> list[Document]:
    rules: list[Document] = []
    for tag in traffic.tags:
        names = sorted(hosts.inside(tag))
        rules.append(_rule(hosts, traffic, tag, names, "ClusterLocal"))
        if tag not in local:
            outside = [hosts.host(tag, local=False)]
            rules.append(_rule(hosts, traffic, tag, outside, "ExternalIP"))
    return rules


def _rule(hosts: Hosts, traffic: Traffic, tag: str, names: list[str], visibility: str) -> Document:
    paths = _paths(hosts, traffic, tag)
    return {"hosts": names, "visibility": visibility, "http": {"paths": paths}}


def _paths(hosts: Hosts, traffic: Traffic, tag: str) -> list[Document]:
    path: Document = {"splits": _splits(hosts, traffic.hosts[tag])}
    if hosts.settings.features.tag_header_based_routing != Flag.ENABLED:
        return [path]
    if tag != DEFAULT:
        return [{"appendHeaders": {TAG_HEADER: tag}, **path}]
    by_header = [
        {
            "headers": {TAG_HEADER: {"exact": other}},
            "splits": _splits(hosts, traffic.hosts[other]),
        }
        for other in traffic.tags
        if other != DEFAULT
    ]
    return [*by_header, {"appendHeaders": {DEFAULT_ROUTE_HEADER: "true"}, **path}]


def _splits(hosts: Hosts, targets: Iterable[Target]) -> list[Document]:
    namespace = namespace_of(hosts.route)
    tls = hosts.settings.network.system_internal_tls
    return [
        {
            "serviceName": target.revision,
            "serviceNamespace": namespace,
            "servicePort": _TLS_PORT if tls else _PORTS[target.protocol],
            "percent": target.percent,
            "appendHeaders": {
                REVISION_HEADER: target.revision,
                NAMESPACE_HEADER: namespace,
            },
        }
        for target in targets
    ]
