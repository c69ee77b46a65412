"""What each kind may contain: its tree of members, for checking fields and for OpenAPI.

The Knative kinds have theirs in `model.schema`. The core kinds are described here as deep as
people write them; what lies deeper is open, and survives.
"""

from collections.abc import Mapping

from utsuwa.cluster.errors import Cause
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import (
    CONFIG_MAP,
    CORE_SERVICE,
    DEPLOYMENT,
    NAMESPACE,
    POD,
    REPLICA_SET,
    SECRET,
    SERVICE_ACCOUNT,
    Kind,
)
from utsuwa.model.schema import (
    METADATA,
    SCHEMAS,
    Node,
    Type,
    faults,
    open_api,
    unknown_fields,
)
from utsuwa.model.schema.node import array, mapping, obj

_ANY = Node(Type.ANY)
_OPEN = obj({}, preserve=True)
_STRING, _INT, _BOOL = Node(Type.STRING), Node(Type.INTEGER), Node(Type.BOOLEAN)
_LABELS = mapping(_STRING)
_OPENS = array(_OPEN)


def _members(node: Node, names: str) -> dict[str, Node]:
    return dict.fromkeys(names.split(), node)


_PORT = obj(
    {**_members(_STRING, "name protocol hostIP"), **_members(_INT, "containerPort hostPort")}
)
_ENV = obj({**_members(_STRING, "name value"), "valueFrom": _OPEN})
_MOUNT = obj({
    **_members(_STRING, "name mountPath subPath subPathExpr mountPropagation recursiveReadOnly"),
    "readOnly": _BOOL,
})  # fmt: skip
_CONTAINER = obj({
    **_members(
        _STRING,
        "name image imagePullPolicy workingDir terminationMessagePath terminationMessagePolicy "
        "restartPolicy targetContainerName",
    ),
    **_members(array(_STRING), "command args"),
    **_members(_OPEN, "resources lifecycle livenessProbe readinessProbe startupProbe securityContext"),
    **_members(_BOOL, "stdin stdinOnce tty"),
    **_members(_OPENS, "envFrom resizePolicy volumeDevices"),
    "ports": array(_PORT),
    "env": array(_ENV),
    "volumeMounts": array(_MOUNT),
})  # fmt: skip
_POD_SPEC = obj({
    **_members(array(_CONTAINER), "containers initContainers ephemeralContainers"),
    **_members(
        _STRING,
        "restartPolicy dnsPolicy serviceAccountName serviceAccount nodeName hostname subdomain "
        "schedulerName priorityClassName runtimeClassName preemptionPolicy",
    ),
    **_members(_INT, "terminationGracePeriodSeconds activeDeadlineSeconds priority"),
    **_members(
        _BOOL,
        "automountServiceAccountToken hostNetwork hostPID hostIPC hostUsers "
        "shareProcessNamespace enableServiceLinks setHostnameAsFQDN",
    ),
    **_members(
        _OPENS,
        "volumes imagePullSecrets tolerations hostAliases readinessGates "
        "topologySpreadConstraints schedulingGates resourceClaims",
    ),
    **_members(_OPEN, "securityContext affinity dnsConfig os overhead resources"),
    "nodeSelector": _LABELS,
})  # fmt: skip
_TEMPLATE = obj({"metadata": METADATA, "spec": _POD_SPEC})
_REPLICA_SET_SPEC = {
    **_members(_INT, "replicas minReadySeconds"),
    "selector": _OPEN,
    "template": _TEMPLATE,
}
_DEPLOYMENT_SPEC = {
    **_REPLICA_SET_SPEC,
    **_members(_INT, "revisionHistoryLimit progressDeadlineSeconds"),
    "strategy": _OPEN,
    "paused": _BOOL,
}
_SERVICE_PORT = obj({
    **_members(_STRING, "name protocol appProtocol"),
    **_members(_INT, "port nodePort"),
    "targetPort": _ANY,
})  # fmt: skip
_SERVICE_SPEC = obj({
    **_members(
        _STRING,
        "type clusterIP externalName sessionAffinity loadBalancerIP loadBalancerClass "
        "externalTrafficPolicy internalTrafficPolicy ipFamilyPolicy trafficDistribution",
    ),
    **_members(array(_STRING), "clusterIPs externalIPs loadBalancerSourceRanges ipFamilies"),
    **_members(_BOOL, "publishNotReadyAddresses allocateLoadBalancerNodePorts"),
    "ports": array(_SERVICE_PORT),
    "selector": _LABELS,
    "sessionAffinityConfig": _OPEN,
    "healthCheckNodePort": _INT,
})  # fmt: skip


def _kind(members: Mapping[str, Node]) -> Node:
    return obj({"apiVersion": _STRING, "kind": _STRING, "metadata": METADATA, **members})


_CORE: dict[Kind, Node] = {
    POD: _kind({"spec": _POD_SPEC, "status": _OPEN}),
    DEPLOYMENT: _kind({"spec": obj(_DEPLOYMENT_SPEC), "status": _OPEN}),
    REPLICA_SET: _kind({"spec": obj(_REPLICA_SET_SPEC), "status": _OPEN}),
    CORE_SERVICE: _kind({"spec": _SERVICE_SPEC, "status": _OPEN}),
    CONFIG_MAP: _kind({**_members(_LABELS, "data binaryData"), "immutable": _BOOL}),
    SECRET: _kind({**_members(_LABELS, "data stringData"), "type": _STRING, "immutable": _BOOL}),
    SERVICE_ACCOUNT: _kind({
        **_members(_OPENS, "secrets imagePullSecrets"), "automountServiceAccountToken": _BOOL,
    }),
    NAMESPACE: _kind({"spec": obj({"finalizers": array(_STRING)}), "status": _OPEN}),
}  # fmt: skip
_NO_SCHEMA = obj({"apiVersion": _STRING, "kind": _STRING, "metadata": METADATA}, preserve=True)


def tree_of(kind: Kind) -> Node:
    """The members of a kind."""
    return SCHEMAS.get(kind) or _CORE.get(kind) or _NO_SCHEMA


def unknown(kind: Kind, document: Document) -> list[str]:
    """The paths in `document` that its kind does not know, in the order of the document."""
    return unknown_fields(document, tree_of(kind))


def malformed(kind: Kind, document: Document) -> tuple[Cause, ...]:
    """Members of the wrong type. Of the Knative kinds admission looks after it."""
    if kind in SCHEMAS:
        return ()
    found = faults(document, tree_of(kind))
    return tuple(Cause(fault.message, fault.field, fault.reason) for fault in found)


def open_api_of(kind: Kind) -> Document:
    """The OpenAPI schema of a kind."""
    return {
        **open_api(tree_of(kind)),
        "description": f"{kind.name} ({kind.api_version}).",
        "x-kubernetes-group-version-kind": [
            {"group": kind.group, "version": kind.version, "kind": kind.name}
        ],
    }
