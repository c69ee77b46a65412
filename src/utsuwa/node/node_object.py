"""The Node object: what kubectl shows of this machine. Every figure is read, none made up."""

import os
import platform
import uuid
from pathlib import Path

from utsuwa import __version__
from utsuwa.kit.clock import rfc3339
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import NODE
from utsuwa.node import procfs

KUBERNETES_VERSION = "v1.32.0"
"""The Kubernetes whose API we speak; clients compare themselves with it."""
POD_CAPACITY = 1000
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_GOOD = (
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", "enough memory is available"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "enough disk space is available"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "enough process ids are available"),
    ("Ready", "True", "KubeletReady", "the node agent runs"),
)


def version() -> str:
    """`v1.32.0+utsuwa.0.1.0`."""
    return f"{KUBERNETES_VERSION}+utsuwa.{__version__}"


def node_document(name: str, address: str, runtime_version: str, now: float) -> Document:
    """The Node `name`, its status included."""
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": _architecture(),
        "node-role.kubernetes.io/control-plane": "",
    }
    document = NODE.document("", name, spec={}, status=_status(name, address, runtime_version, now))
    document["metadata"]["labels"] = labels
    return document


def _status(name: str, address: str, runtime_version: str, now: float) -> Document:
    stamp = rfc3339(now)
    resources = {
        "cpu": str(os.cpu_count() or 1),
        "memory": f"{_memory_kib()}Ki",
        "pods": str(POD_CAPACITY),
    }
    return {
        "capacity": resources,
        "allocatable": dict(resources),
        "conditions": [
            {
                "type": type_,
                "status": status,
                "reason": reason,
                "message": message,
                "lastHeartbeatTime": stamp,
                "lastTransitionTime": stamp,
            }
            for type_, status, reason, message in _GOOD
        ],
        "addresses": [
            {"type": "InternalIP", "address": address},
            {"type": "Hostname", "address": name},
        ],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 0}},
        "nodeInfo": {
            "architecture": _architecture(),
            "bootID": procfs.boot_id(),
            "containerRuntimeVersion": runtime_version,
            "kernelVersion": platform.release(),
            "kubeProxyVersion": version(),
            "kubeletVersion": version(),
            "machineID": _machine_id(),
            "operatingSystem": "linux",
            "osImage": _os_image(),
            "systemUUID": _machine_id(),
        },
    }


def _architecture() -> str:
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)


def _memory_kib() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1])
    return 0


def _machine_id() -> str:
    for path in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        try:
            text = Path(path).read_text().strip()
        except OSError:
            continue
        if text:
            return text
    return f"{uuid.getnode():032x}"  # the network card's address, where the system has no id


def _os_image() -> str:
    try:
        lines = Path("/etc/os-release").read_text().splitlines()
    except OSError:
        return platform.system()
    for line in lines:
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip('"')
    return platform.system()
