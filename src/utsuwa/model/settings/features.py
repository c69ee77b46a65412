"""config-features: what beyond the stable core a user may write (`spec/config.md` §3)."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Self

MAP = "config-features"


class Flag(StrEnum):
    """A feature's state; Allowed permits without forcing."""

    ENABLED = "Enabled"
    ALLOWED = "Allowed"
    DISABLED = "Disabled"
    ALLOW_ROOT_BOUNDED = "AllowRootBounded"


_ON, _OFF = Flag.ENABLED, Flag.DISABLED
_COMMON = (Flag.ENABLED, Flag.ALLOWED, Flag.DISABLED)
_SECURE = (Flag.DISABLED, Flag.ALLOW_ROOT_BOUNDED, Flag.ENABLED)

_KEYS: dict[str, str] = {
    "multi_container": "multi-container",
    "multi_container_probing": "multi-container-probing",
    "secure_pod_defaults": "secure-pod-defaults",
    "tag_header_based_routing": "tag-header-based-routing",
    "autodetect_http2": "autodetect-http2",
    "mount_pod_info": "queueproxy.mount-podinfo",
    "queue_resource_defaults": "queueproxy.resource-defaults",
    "add_capabilities": "kubernetes.containerspec-addcapabilities",
    "affinity": "kubernetes.podspec-affinity",
    "dns_config": "kubernetes.podspec-dnsconfig",
    "dns_policy": "kubernetes.podspec-dnspolicy",
    "field_ref": "kubernetes.podspec-fieldref",
    "host_aliases": "kubernetes.podspec-hostaliases",
    "host_ipc": "kubernetes.podspec-hostipc",
    "host_network": "kubernetes.podspec-hostnetwork",
    "host_pid": "kubernetes.podspec-hostpid",
    "init_containers": "kubernetes.podspec-init-containers",
    "node_selector": "kubernetes.podspec-nodeselector",
    "persistent_volume_claim": "kubernetes.podspec-persistent-volume-claim",
    "persistent_volume_write": "kubernetes.podspec-persistent-volume-write",
    "priority_class_name": "kubernetes.podspec-priorityclassname",
    "runtime_class_name": "kubernetes.podspec-runtimeclassname",
    "scheduler_name": "kubernetes.podspec-schedulername",
    "security_context": "kubernetes.podspec-securitycontext",
    "share_process_namespace": "kubernetes.podspec-shareprocessnamespace",
    "tolerations": "kubernetes.podspec-tolerations",
    "topology_spread_constraints": "kubernetes.podspec-topologyspreadconstraints",
    "volumes_csi": "kubernetes.podspec-volumes-csi",
    "volumes_empty_dir": "kubernetes.podspec-volumes-emptydir",
    "volumes_ephemeral": "kubernetes.podspec-volumes-ephemeral",
    "volumes_host_path": "kubernetes.podspec-volumes-hostpath",
    "volumes_image": "kubernetes.podspec-volumes-image",
    "volumes_mount_propagation": "kubernetes.podspec-volumes-mount-propagation",
}


@dataclass(frozen=True, slots=True)
class Features:
    """The state of every feature; the keys are in `_KEYS`."""

    multi_container: Flag = _ON
    multi_container_probing: Flag = _OFF
    secure_pod_defaults: Flag = _OFF
    tag_header_based_routing: Flag = _OFF
    autodetect_http2: Flag = _OFF
    mount_pod_info: Flag = _OFF
    queue_resource_defaults: Flag = _OFF
    add_capabilities: Flag = _OFF
    affinity: Flag = _OFF
    dns_config: Flag = _OFF
    dns_policy: Flag = _OFF
    field_ref: Flag = _OFF
    host_aliases: Flag = _OFF
    host_ipc: Flag = _OFF
    host_network: Flag = _OFF
    host_pid: Flag = _OFF
    init_containers: Flag = _OFF
    node_selector: Flag = _OFF
    persistent_volume_claim: Flag = _OFF
    persistent_volume_write: Flag = _OFF
    priority_class_name: Flag = _OFF
    runtime_class_name: Flag = _OFF
    scheduler_name: Flag = _OFF
    security_context: Flag = _OFF
    share_process_namespace: Flag = _OFF
    tolerations: Flag = _OFF
    topology_spread_constraints: Flag = _OFF
    volumes_csi: Flag = _OFF
    volumes_empty_dir: Flag = _ON
    volumes_ephemeral: Flag = _OFF
    volumes_host_path: Flag = _OFF
    volumes_image: Flag = _OFF
    volumes_mount_propagation: Flag = _OFF

    @property
    def secure_pods(self) -> bool:
        """Whether containers get secure defaults, root bounded or not."""
        return self.secure_pod_defaults in {Flag.ENABLED, Flag.ALLOW_ROOT_BOUNDED}

    @classmethod
    def parse(cls, data: Mapping[str, str]) -> Self:
        """The flags of `data`, in any case; text that is no flag leaves the default."""
        values: dict[str, Any] = {}
        for field in fields(cls):
            allowed = _SECURE if field.name == "secure_pod_defaults" else _COMMON
            raw = data.get(_KEYS[field.name], "").lower()
            found = next((flag for flag in allowed if flag.lower() == raw), None)
            if found is not None:
                values[field.name] = found
        return cls(**values)
