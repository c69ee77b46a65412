"""The part of a pod's specification that templates may carry (`spec/resources.md` §8)."""

from dataclasses import replace

from utsuwa.model.schema.node import (
    ANY,
    BOOL,
    INT32,
    LABELS,
    OPEN,
    OPTIONAL_BOOL,
    OPTIONAL_INT32,
    OPTIONAL_INT64,
    OPTIONAL_STRING,
    PORT,
    QUANTITY,
    STRING,
    STRINGS,
    Node,
    Type,
    always,
    array,
    mapping,
    obj,
)

_REFERENCE = obj({"name": STRING})
_KEY_REFERENCE = obj({"name": STRING, "key": STRING, "optional": OPTIONAL_BOOL}, "key")
_OPTIONAL_REFERENCE = obj({"name": STRING, "optional": OPTIONAL_BOOL})
_SECCOMP = obj({"type": STRING, "localhostProfile": OPTIONAL_STRING}, "type")

_ENV = obj(
    {
        "name": STRING,
        "value": STRING,
        "valueFrom": obj(
            {
                "configMapKeyRef": _KEY_REFERENCE,
                "secretKeyRef": _KEY_REFERENCE,
                "fieldRef": OPEN,
                "resourceFieldRef": OPEN,
            }
        ),
    },
    "name",
)
_ENV_FROM = obj(
    {"prefix": STRING, "configMapRef": _OPTIONAL_REFERENCE, "secretRef": _OPTIONAL_REFERENCE}
)
_HTTP_HEADER = obj({"name": STRING, "value": replace(STRING, keep_zero=True)}, "name", "value")
_HANDLER_PORT = replace(PORT, always=True)
PROBE = obj(
    {
        "exec": obj({"command": STRINGS}),
        "grpc": obj(
            {"port": INT32, "service": replace(OPTIONAL_STRING, default="")},
        ),
        "httpGet": obj(
            {
                "host": STRING,
                "httpHeaders": array(_HTTP_HEADER),
                "path": STRING,
                "port": _HANDLER_PORT,
                "scheme": STRING,
            }
        ),
        "tcpSocket": obj({"host": STRING, "port": _HANDLER_PORT}),
        "initialDelaySeconds": INT32,
        "timeoutSeconds": INT32,
        "periodSeconds": INT32,
        "successThreshold": INT32,
        "failureThreshold": INT32,
    }
)
"""How a container is asked whether it started, lives or may serve."""

_CONTAINER_PORT = obj(
    {"containerPort": INT32, "name": STRING, "protocol": replace(STRING, default="TCP")}
)
_SECURITY_CONTEXT = obj(
    {
        "allowPrivilegeEscalation": OPTIONAL_BOOL,
        "capabilities": obj(
            {"add": STRINGS, "drop": Node(Type.ARRAY, items=STRING, keep_zero=True)}
        ),
        "privileged": OPTIONAL_BOOL,
        "readOnlyRootFilesystem": OPTIONAL_BOOL,
        "runAsGroup": OPTIONAL_INT64,
        "runAsNonRoot": OPTIONAL_BOOL,
        "runAsUser": OPTIONAL_INT64,
        "seccompProfile": _SECCOMP,
    }
)
_VOLUME_MOUNT = obj(
    {
        "mountPath": STRING,
        "mountPropagation": OPTIONAL_STRING,
        "name": STRING,
        "readOnly": BOOL,
        "subPath": STRING,
    },
    "mountPath",
    "name",
)
RESOURCES = obj({"limits": mapping(QUANTITY), "requests": mapping(QUANTITY)})
"""What a container may use at most, and what is set aside for it."""

_CONTAINER = {
    "args": STRINGS,
    "command": STRINGS,
    "env": array(_ENV, merge_key="name"),
    "envFrom": array(_ENV_FROM),
    "image": STRING,
    "imagePullPolicy": STRING,
    "livenessProbe": PROBE,
    "name": STRING,
    "ports": array(_CONTAINER_PORT),
    "readinessProbe": PROBE,
    "resources": always(RESOURCES),
    "securityContext": _SECURITY_CONTEXT,
    "startupProbe": PROBE,
    "terminationMessagePath": STRING,
    "terminationMessagePolicy": STRING,
    "volumeMounts": array(_VOLUME_MOUNT, merge_key="mountPath"),
    "workingDir": STRING,
}
CONTAINER = obj(_CONTAINER)
"""A container that serves, or one beside it."""

_KEY_TO_PATH = obj({"key": STRING, "mode": OPTIONAL_INT32, "path": STRING}, "key", "path")
_ITEMS = array(_KEY_TO_PATH)
_PROJECTION = obj({"items": _ITEMS, "name": STRING, "optional": OPTIONAL_BOOL})
_VOLUME = obj(
    {
        "name": STRING,
        "configMap": obj(
            {
                "defaultMode": OPTIONAL_INT32,
                "items": _ITEMS,
                "name": STRING,
                "optional": OPTIONAL_BOOL,
            }
        ),
        "secret": obj(
            {
                "defaultMode": OPTIONAL_INT32,
                "items": _ITEMS,
                "secretName": STRING,
                "optional": OPTIONAL_BOOL,
            }
        ),
        "projected": obj(
            {
                "defaultMode": OPTIONAL_INT32,
                "sources": array(
                    obj(
                        {
                            "configMap": _PROJECTION,
                            "secret": _PROJECTION,
                            "downwardAPI": obj(
                                {
                                    "items": array(
                                        obj(
                                            {
                                                "fieldRef": OPEN,
                                                "mode": OPTIONAL_INT32,
                                                "path": STRING,
                                                "resourceFieldRef": OPEN,
                                            },
                                            "path",
                                        )
                                    )
                                }
                            ),
                            "serviceAccountToken": obj(
                                {
                                    "audience": STRING,
                                    "expirationSeconds": OPTIONAL_INT64,
                                    "path": STRING,
                                },
                                "path",
                            ),
                        }
                    )
                ),
            }
        ),
        "csi": OPEN,
        "emptyDir": obj({"medium": STRING, "sizeLimit": QUANTITY}, preserve=True),
        "ephemeral": OPEN,
        "hostPath": OPEN,
        "image": OPEN,
        "persistentVolumeClaim": OPEN,
    },
    "name",
)

POD_MEMBERS: dict[str, Node] = {
    "affinity": OPEN,
    "automountServiceAccountToken": OPTIONAL_BOOL,
    "containers": array(CONTAINER, atomic=True),
    "dnsConfig": OPEN,
    "dnsPolicy": STRING,
    "enableServiceLinks": OPTIONAL_BOOL,
    "hostAliases": array(ANY),
    "hostIPC": BOOL,
    "hostNetwork": BOOL,
    "hostPID": BOOL,
    "imagePullSecrets": array(_REFERENCE, merge_key="name"),
    "initContainers": array(replace(CONTAINER, preserve=True)),
    "nodeSelector": LABELS,
    "priorityClassName": STRING,
    "runtimeClassName": OPTIONAL_STRING,
    "schedulerName": STRING,
    "securityContext": OPEN,
    "serviceAccountName": STRING,
    "shareProcessNamespace": OPTIONAL_BOOL,
    "tolerations": array(ANY),
    "topologySpreadConstraints": array(ANY),
    "volumes": array(_VOLUME, merge_key="name"),
}
"""Members of a template's specification that come from core/v1."""
