"""Columns of the core and apps kinds, as kubectl's users know them (`spec/kubernetes-api.md` §4.5)."""

from typing import Any

from utsuwa.apiserver.columns.cells import (
    AGE,
    NAME,
    NONE,
    UNKNOWN,
    Column,
    at,
    selector_of,
    since,
    wide,
)
from utsuwa.apiserver.columns.pods import POD_COLUMNS
from utsuwa.kit.documents import Document, dig
from utsuwa.model.kinds import (
    CONFIG_MAP,
    CORE_SERVICE,
    DEPLOYMENT,
    ENDPOINT_SLICE,
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


def _number(name: str, *path: str) -> Column:
    return Column(name, lambda document, _: dig(document, *path, default=0), type="integer")


def _count(name: str, *members: str) -> Column:
    def cell(document: Document, _: float) -> int:
        return sum(len(document.get(member) or ()) for member in members)

    return Column(name, cell)


def _containers(member: str) -> Any:
    def cell(document: Document, _: float) -> str:
        containers = dig(document, "spec", "template", "spec", "containers", default=[])
        return ",".join(str(container.get(member, "")) for container in containers)

    return cell


def _selector(*path: str) -> Any:
    return lambda document, _: selector_of(dig(document, *path))


def _deployment_ready(document: Document, _: float) -> str:
    ready = dig(document, "status", "readyReplicas", default=0)
    return f"{ready}/{dig(document, 'spec', 'replicas', default=1)}"


def _external_ip(service: Document, _: float) -> str:
    kind = dig(service, "spec", "type", default="ClusterIP")
    given = dig(service, "spec", "externalIPs", default=[])
    if kind == "ExternalName":
        return str(dig(service, "spec", "externalName", default=NONE))
    if kind == "LoadBalancer":
        ingress = dig(service, "status", "loadBalancer", "ingress", default=[])
        found = [entry.get("ip") or entry.get("hostname", "") for entry in ingress]
        return ",".join([*found, *given]) or "<pending>"
    return ",".join(given) or NONE


def _cluster_ip(service: Document, _: float) -> str:
    return str(dig(service, "spec", "clusterIP", default="") or NONE)


def _service_ports(service: Document, _: float) -> str:
    ports = dig(service, "spec", "ports", default=[])
    return ",".join(_service_port(port) for port in ports) or NONE


def _service_port(port: Document) -> str:
    node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port.get('port')}{node_port}/{port.get('protocol', 'TCP')}"


def _endpoints(document: Document, _: float) -> str:
    found = [
        f"{address.get('ip')}:{port.get('port')}"
        for subset in document.get("subsets") or ()
        for port in subset.get("ports") or ({"port": ""},)
        for address in subset.get("addresses") or ()
    ]
    shown = ",".join(entry.rstrip(":") for entry in found[:3])
    return f"{shown} + {len(found) - 3} more..." if len(found) > 3 else shown or NONE


def _slice_ports(document: Document, _: float) -> str:
    return ",".join(str(port.get("port")) for port in document.get("ports") or ()) or "<unset>"


def _slice_addresses(document: Document, _: float) -> str:
    found = [a for endpoint in document.get("endpoints") or () for a in endpoint["addresses"]]
    shown = ",".join(found[:3])
    return f"{shown} + {len(found) - 3} more..." if len(found) > 3 else shown or "<unset>"


def _node_status(node: Document, _: float) -> str:
    ready = UNKNOWN.strip("<>").capitalize()
    for condition in dig(node, "status", "conditions", default=[]):
        if condition.get("type") == "Ready":
            ready = "Ready" if condition.get("status") == "True" else "NotReady"
    return f"{ready},SchedulingDisabled" if dig(node, "spec", "unschedulable") else ready


def _node_roles(node: Document, _: float) -> str:
    prefix = "node-role.kubernetes.io/"
    labels = dig(node, "metadata", "labels", default={})
    found = sorted(key.removeprefix(prefix) for key in labels if key.startswith(prefix))
    return ",".join(found) or NONE


def _node_address(kind: str) -> Any:
    def cell(node: Document, _: float) -> str:
        for address in dig(node, "status", "addresses", default=[]):
            if address.get("type") == kind:
                return str(address.get("address"))
        return NONE

    return cell


def _node_info(member: str) -> Any:
    return lambda node, _: dig(node, "status", "nodeInfo", member, default=UNKNOWN)


def _last_seen(event: Document, now: float) -> str:
    series = dig(event, "series", "lastObservedTime")
    last = series or event.get("lastTimestamp") or event.get("eventTime")
    return since(last or dig(event, "metadata", "creationTimestamp"), now)


def _first_seen(event: Document, now: float) -> str:
    first = event.get("firstTimestamp") or event.get("eventTime")
    return since(first or dig(event, "metadata", "creationTimestamp"), now)


def _event_object(event: Document, _: float) -> str:
    kind = str(dig(event, "involvedObject", "kind", default="")).lower()
    return f"{kind}/{dig(event, 'involvedObject', 'name', default='')}"


def _event_source(event: Document, _: float) -> str:
    component = dig(event, "source", "component") or event.get("reportingComponent", "")
    host = dig(event, "source", "host", default="")
    return f"{component}, {host}" if host else str(component)


CORE: dict[Kind, tuple[Column, ...]] = {
    POD: POD_COLUMNS,
    NAMESPACE: (NAME, Column("Status", at(".status.phase")), AGE),
    NODE: (
        NAME,
        Column("Status", _node_status),
        Column("Roles", _node_roles),
        AGE,
        Column("Version", at(".status.nodeInfo.kubeletVersion")),
        wide("Internal-IP", _node_address("InternalIP")),
        wide("External-IP", _node_address("ExternalIP")),
        wide("OS-Image", _node_info("osImage")),
        wide("Kernel-Version", _node_info("kernelVersion")),
        wide("Container-Runtime", _node_info("containerRuntimeVersion")),
    ),
    CORE_SERVICE: (
        NAME,
        Column("Type", lambda document, _: dig(document, "spec", "type", default="ClusterIP")),
        Column("Cluster-IP", _cluster_ip),
        Column("External-IP", _external_ip),
        Column("Port(s)", _service_ports),
        AGE,
        wide("Selector", _selector("spec", "selector")),
    ),
    CONFIG_MAP: (NAME, _count("Data", "data", "binaryData"), AGE),
    SECRET: (NAME, Column("Type", at(".type")), _count("Data", "data"), AGE),
    SERVICE_ACCOUNT: (NAME, _count("Secrets", "secrets"), AGE),
    ENDPOINTS: (NAME, Column("Endpoints", _endpoints), AGE),
    ENDPOINT_SLICE: (
        NAME,
        Column("AddressType", at(".addressType")),
        Column("Ports", _slice_ports),
        Column("Endpoints", _slice_addresses),
        AGE,
    ),
    LEASE: (NAME, Column("Holder", at(".spec.holderIdentity")), AGE),
    EVENT: (
        Column("Last Seen", _last_seen),
        Column("Type", at(".type")),
        Column("Reason", at(".reason")),
        Column("Object", _event_object),
        wide("Subobject", at(".involvedObject.fieldPath")),
        wide("Source", _event_source),
        Column("Message", lambda event, _: str(event.get("message", "")).strip()),
        wide("First Seen", _first_seen),
        wide("Count", lambda event, _: event.get("count") or 1),
        Column("Name", NAME.cell, format="name", priority=1),
    ),
    DEPLOYMENT: (
        NAME,
        Column("Ready", _deployment_ready),
        _number("Up-to-date", "status", "updatedReplicas"),
        _number("Available", "status", "availableReplicas"),
        AGE,
        wide("Containers", _containers("name")),
        wide("Images", _containers("image")),
        wide("Selector", _selector("spec", "selector", "matchLabels")),
    ),
    REPLICA_SET: (
        NAME,
        _number("Desired", "spec", "replicas"),
        _number("Current", "status", "replicas"),
        _number("Ready", "status", "readyReplicas"),
        AGE,
        wide("Containers", _containers("name")),
        wide("Images", _containers("image")),
        wide("Selector", _selector("spec", "selector", "matchLabels")),
    ),
}
