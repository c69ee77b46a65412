"""The pods of a Revision (`spec/reconcilers.md` §4.2).

Unlike the original there is no `queue-proxy` beside the user's container: our gateway is ingress,
activator and queue proxy in one hop, so nothing in the pod waits for requests to drain (no preStop
hook) and the readiness probe stays on the user's container, where the node agent runs it. `PORT`
is not set here either: the node agent chooses a port that is free for each pod.
"""

from typing import Any

from utsuwa.kit.documents import Document, copy, dig, without
from utsuwa.model import labels
from utsuwa.model.meta import labels_of, name_of

USER_PORT_NAME = "user-port"
DEFAULT_PORT = 8080

_NOT_OF_PODS = (
    "containerConcurrency",
    "timeoutSeconds",
    "responseStartTimeoutSeconds",
    "idleTimeoutSeconds",
)


def serving_container(revision: Document) -> Document:
    """The container that answers requests: the one with a port, else the only one. Shared."""
    containers: list[Document] = dig(revision, "spec", "containers", default=[])
    return next((found for found in containers if found.get("ports")), containers[0])


def serving_port(revision: Document) -> int:
    """The containerPort of the serving container."""
    port: int = dig(serving_container(revision), "ports", 0, "containerPort", default=0)
    return port or DEFAULT_PORT


def protocol_of(revision: Document) -> str:
    """`h2c` where the serving port is named so, else `http1`."""
    name = dig(serving_container(revision), "ports", 0, "name", default="")
    return "h2c" if name == "h2c" else "http1"


def digests_of(revision: Document) -> dict[str, str]:
    """Container name to resolved image, where there is one, from the Revision's status."""
    status = revision.get("status") or {}
    return {
        entry["name"]: entry.get("imageDigest", "")
        for member in ("containerStatuses", "initContainerStatuses")
        for entry in status.get(member) or ()
    }


def pod_spec_of(revision: Document, *, spread: bool) -> Document:
    """The PodSpec: the Revision's own, its images resolved, its containers told who they are.
    `spread`: prefer another node than other pods of the Revision are on."""
    spec = copy(without(revision["spec"], _NOT_OF_PODS))
    images = digests_of(revision)
    serving = serving_container(revision)["name"]
    for container in spec["containers"]:
        container["image"] = images.get(container["name"]) or container["image"]
        container.setdefault("terminationMessagePolicy", "FallbackToLogsOnError")
        container["env"] = [*(container.get("env") or ()), *_identity(revision)]
        if container["name"] == serving:
            _make_serving(container, serving_port(revision))
    for container in spec.get("initContainers") or ():
        container["image"] = images.get(container["name"]) or container["image"]
    spec["terminationGracePeriodSeconds"] = dig(revision, "spec", "timeoutSeconds", default=300)
    if spread and "affinity" not in spec:
        spec["affinity"] = _anti_affinity(name_of(revision))
    return spec


def _make_serving(container: Document, port: int) -> None:
    container["ports"] = [{"name": USER_PORT_NAME, "containerPort": port, "protocol": "TCP"}]
    if readiness := container.get("readinessProbe"):
        # Absent means 0 here, which is Knative's aggressive probing; in a Pod it would mean 10 s.
        readiness.setdefault("periodSeconds", 0)
    for probe, always in (
        ("readinessProbe", False),
        ("startupProbe", False),
        ("livenessProbe", True),
    ):
        if container.get(probe):
            _aim(container[probe], port, always=always)


def _aim(probe: Document, port: int, *, always: bool) -> None:
    """Aim a probe that states no number of its own (or, if `always`, any) at the serving port."""
    for handler in ("httpGet", "tcpSocket", "grpc"):
        action: dict[str, Any] | None = probe.get(handler)
        if action is None:
            continue
        stated = action.get("port")
        unstated = not stated or not isinstance(stated, int)
        if unstated or (always and handler != "grpc"):
            action["port"] = port


def _identity(revision: Document) -> list[Document]:
    own = labels_of(revision)
    return [
        {"name": "K_REVISION", "value": name_of(revision)},
        {"name": "K_CONFIGURATION", "value": own.get(labels.CONFIGURATION, "")},
        {"name": "K_SERVICE", "value": own.get(labels.SERVICE, "")},
    ]


def _anti_affinity(revision: str) -> Document:
    term = {
        "topologyKey": "kubernetes.io/hostname",
        "labelSelector": {"matchLabels": {labels.REVISION: revision}},
    }
    preferred = [{"weight": 100, "podAffinityTerm": term}]
    return {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}
