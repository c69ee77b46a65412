"""The schemas of the kinds of serving (`spec/resources.md` §3, §8)."""

from utsuwa.model import kinds
from utsuwa.model.kinds import Kind
from utsuwa.model.schema.node import (
    ANY,
    INT32,
    INT64,
    LABELS,
    OPEN,
    OPTIONAL_BOOL,
    OPTIONAL_INT32,
    OPTIONAL_INT64,
    PORT,
    STRING,
    STRINGS,
    Node,
    always,
    array,
    mapping,
    obj,
)
from utsuwa.model.schema.pods import POD_MEMBERS

METADATA = obj(
    {
        "annotations": LABELS,
        "creationTimestamp": STRING,
        "deletionGracePeriodSeconds": OPTIONAL_INT64,
        "deletionTimestamp": STRING,
        "finalizers": STRINGS,
        "generateName": STRING,
        "generation": INT64,
        "labels": LABELS,
        "managedFields": array(ANY),
        "name": STRING,
        "namespace": STRING,
        "ownerReferences": array(OPEN),
        "resourceVersion": STRING,
        "selfLink": STRING,
        "uid": STRING,
    }
)
"""What every object is known by."""

_TEMPLATE_METADATA = always(
    obj(
        {
            "annotations": LABELS,
            "generateName": STRING,
            "labels": LABELS,
            "name": STRING,
            "namespace": STRING,
        },
        preserve=True,
    )
)
REVISION_SPEC = obj(
    {
        **POD_MEMBERS,
        "containerConcurrency": OPTIONAL_INT64,
        "idleTimeoutSeconds": OPTIONAL_INT64,
        "responseStartTimeoutSeconds": OPTIONAL_INT64,
        "timeoutSeconds": OPTIONAL_INT64,
    },
    "containers",
)
"""One immutable version of code and settings."""

_TEMPLATE = always(obj({"metadata": _TEMPLATE_METADATA, "spec": always(REVISION_SPEC)}))
_TARGET = obj(
    {
        "configurationName": STRING,
        "latestRevision": OPTIONAL_BOOL,
        "percent": OPTIONAL_INT64,
        "revisionName": STRING,
        "tag": STRING,
        "url": STRING,
    }
)
_TRAFFIC = array(_TARGET, atomic=True)
_CONDITION = obj(
    {
        "lastTransitionTime": STRING,
        "message": STRING,
        "reason": STRING,
        "severity": STRING,
        "status": STRING,
        "type": STRING,
    },
    "type",
    "status",
)
_ADDRESS = obj({"url": STRING, "name": STRING, "CACerts": STRING, "audience": STRING})
_CONTAINER_STATUSES = array(obj({"name": STRING, "imageDigest": STRING}))
_CONFIGURATION_STATUS = {
    "latestCreatedRevisionName": STRING,
    "latestReadyRevisionName": STRING,
}
_ROUTE_STATUS = {"url": STRING, "address": _ADDRESS, "traffic": array(_TARGET)}


def _kind(spec: Node, status: dict[str, Node]) -> Node:
    common = {
        "annotations": LABELS,
        "conditions": array(_CONDITION, merge_key="type"),
        "observedGeneration": INT64,
    }
    return obj(
        {
            "apiVersion": STRING,
            "kind": STRING,
            "metadata": always(METADATA),
            "spec": always(spec),
            "status": always(obj({**common, **status}, preserve=True)),
        }
    )


_SPLIT = obj(
    {
        "appendHeaders": LABELS,
        "percent": INT32,
        "serviceName": STRING,
        "serviceNamespace": STRING,
        "servicePort": PORT,
    }
)
_PATH = obj(
    {
        "appendHeaders": LABELS,
        "headers": mapping(obj({"exact": STRING})),
        "path": STRING,
        "rewriteHost": STRING,
        "splits": array(_SPLIT),
    }
)
_OBJECT_REFERENCE = obj({"apiVersion": STRING, "kind": STRING, "name": STRING}, preserve=True)
_LOAD_BALANCER = obj({"ingress": array(OPEN)})

SCHEMAS: dict[Kind, Node] = {
    kinds.SERVICE: _kind(
        obj({"template": _TEMPLATE, "traffic": _TRAFFIC}),
        {**_CONFIGURATION_STATUS, **_ROUTE_STATUS},
    ),
    kinds.CONFIGURATION: _kind(obj({"template": _TEMPLATE}), _CONFIGURATION_STATUS),
    kinds.ROUTE: _kind(obj({"traffic": _TRAFFIC}), _ROUTE_STATUS),
    kinds.REVISION: _kind(
        REVISION_SPEC,
        {
            "actualReplicas": OPTIONAL_INT32,
            "containerStatuses": _CONTAINER_STATUSES,
            "desiredReplicas": OPTIONAL_INT32,
            "initContainerStatuses": _CONTAINER_STATUSES,
            "logUrl": STRING,
        },
    ),
    kinds.DOMAIN_MAPPING: _kind(
        obj(
            {
                "ref": always(
                    obj(
                        {
                            "address": STRING,
                            "apiVersion": STRING,
                            "group": STRING,
                            "kind": STRING,
                            "name": STRING,
                            "namespace": STRING,
                        },
                        "kind",
                        "name",
                    )
                ),
                "tls": obj({"secretName": STRING}, "secretName"),
            }
        ),
        {"url": STRING, "address": _ADDRESS},
    ),
    kinds.CLOUD_DOMAIN_MAPPING: _kind(
        obj({"forceOverride": OPTIONAL_BOOL, "routeName": STRING}, "routeName"),
        {
            "mappedRouteName": STRING,
            "resourceRecords": array(obj({"name": STRING, "rrdata": STRING, "type": STRING})),
            "url": STRING,
        },
    ),
    kinds.POD_AUTOSCALER: _kind(
        obj(
            {
                "containerConcurrency": INT64,
                "protocolType": STRING,
                "reachability": STRING,
                "scaleTargetRef": always(_OBJECT_REFERENCE),
            }
        ),
        {
            "actualScale": OPTIONAL_INT32,
            "desiredScale": OPTIONAL_INT32,
            "metricsServiceName": always(STRING),
            "serviceName": always(STRING),
        },
    ),
    kinds.SERVERLESS_SERVICE: _kind(
        obj(
            {
                "mode": STRING,
                "numActivators": INT32,
                "objectRef": _OBJECT_REFERENCE,
                "protocolType": STRING,
            }
        ),
        {"privateServiceName": STRING, "serviceName": STRING},
    ),
    kinds.INGRESS: _kind(
        obj(
            {
                "httpOption": STRING,
                "rules": array(
                    obj(
                        {
                            "hosts": STRINGS,
                            "http": obj({"paths": array(_PATH)}),
                            "visibility": STRING,
                        }
                    )
                ),
                "tls": array(
                    obj({"hosts": STRINGS, "secretName": STRING, "secretNamespace": STRING})
                ),
            }
        ),
        {"privateLoadBalancer": _LOAD_BALANCER, "publicLoadBalancer": _LOAD_BALANCER},
    ),
    kinds.METRIC: _kind(OPEN, {}),
    kinds.CERTIFICATE: _kind(OPEN, {}),
    kinds.CLUSTER_DOMAIN_CLAIM: _kind(obj({"namespace": STRING}, "namespace"), {}),
}
"""By kind, every kind of serving; core kinds have none here."""
