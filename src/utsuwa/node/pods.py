"""What the node reads from a Pod: typed views of the raw document. Pure."""

from collections.abc import Mapping
from decimal import Decimal

from utsuwa.kit.documents import Document, dig
from utsuwa.kit.units import parse_quantity
from utsuwa.node.runtime import Limits

REVISION_LABEL = "serving.knative.dev/revision"
DEFAULT_GRACE = 30.0


def main_containers(pod: Document) -> list[Document]:
    """The containers that run together."""
    found: list[Document] = dig(pod, "spec", "containers", default=[])
    return found


def init_containers(pod: Document) -> list[Document]:
    """Those that run before, in their order; sidecars among them."""
    found: list[Document] = dig(pod, "spec", "initContainers", default=[])
    return found


def is_init(pod: Document, container: Document) -> bool:
    """Whether `container` is one of the init containers; names are unique within a Pod."""
    return any(found["name"] == container["name"] for found in init_containers(pod))


def is_sidecar(pod: Document, container: Document) -> bool:
    """Whether it is an init container that runs on beside the others."""
    return container.get("restartPolicy") == "Always" and is_init(pod, container)


def ends(pod: Document, container: Document) -> bool:
    """Whether it is an init container that must end before the others start."""
    return is_init(pod, container) and not is_sidecar(pod, container)


def shares_network(pod: Document) -> bool:
    """Whether several of its containers run at the same time."""
    sidecars = [found for found in init_containers(pod) if is_sidecar(pod, found)]
    return len(main_containers(pod)) + len(sidecars) > 1


def serving_container(pod: Document) -> str:
    """Name of the container that serves requests: the first with a port, else the first."""
    containers = dig(pod, "spec", "containers", default=[])
    for container in containers:
        if container.get("ports"):
            return str(container["name"])
    return str(containers[0]["name"]) if containers else ""


def host_port(pod: Document) -> int:
    """The port that the Pod was given, or 0."""
    name = serving_container(pod)
    for container in dig(pod, "spec", "containers", default=[]):
        if container["name"] == name:
            return int(dig(container, "ports", 0, "hostPort", default=0))
    return 0


def container_port(container: Document) -> int:
    """The port that the container believes to serve on, or 0."""
    return int(dig(container, "ports", 0, "containerPort", default=0))


def bound(pod: Document, node_name: str, port: int) -> Document:
    """The merge patch that binds the Pod: its node, and its port where one is declared; none
    (0) for a Pod with an address of its own, which needs no other than it declares."""
    spec: Document = {"nodeName": node_name}
    if not port:
        return {"spec": spec}
    name = serving_container(pod)
    containers = dig(pod, "spec", "containers", default=[])
    if any(container["name"] == name and container.get("ports") for container in containers):
        spec["containers"] = [
            _with_port(container, port) if container["name"] == name else container
            for container in containers
        ]
    return {"spec": spec}


def _with_port(container: Document, port: int) -> Document:
    first, *others = container["ports"]
    return {**container, "ports": [{**first, "hostPort": port}, *others]}


def grace_of(pod: Document) -> float:
    """Seconds between the wish to end the Pod and SIGKILL."""
    seconds = dig(pod, "metadata", "deletionGracePeriodSeconds")
    if seconds is None:
        seconds = dig(pod, "spec", "terminationGracePeriodSeconds", default=DEFAULT_GRACE)
    return float(seconds)


def revision_of(pod: Document) -> str:
    """`namespace/name` of the Revision that the Pod belongs to, or ""."""
    name = dig(pod, "metadata", "labels", REVISION_LABEL)
    return f"{pod['metadata']['namespace']}/{name}" if name else ""


def limits_of(container: Document) -> Limits:
    """Limits and requests of a container. Raises ValueError on what is no quantity."""

    def read(kind: str, name: str) -> float:
        return float(parse_quantity(str(dig(container, "resources", kind, name, default="0"))))

    return Limits(
        cpu=read("limits", "cpu"),
        cpu_request=read("requests", "cpu"),
        memory=int(read("limits", "memory")),
    )


def shortage(pod: Document, allocatable: Mapping[str, str]) -> str:
    """Why a node with `allocatable` could not hold the Pod even if it were alone on it, in the
    words of Kubernetes' scheduler; "" where it could. What other Pods ask for does not count:
    processes share the machine.

    Raises:
        ValueError: a request is no quantity.
    """
    lacking = [
        f"Insufficient {name}"
        for name in ("cpu", "memory")
        if _needed(pod, name) > parse_quantity(allocatable[name])
    ]
    return f"0/1 nodes are available: 1 {', 1 '.join(lacking)}." if lacking else ""


def _needed(pod: Document, name: str) -> Decimal:
    """What its containers ask for at the same time, at most."""
    running = [c for c in init_containers(pod) if is_sidecar(pod, c)] + main_containers(pod)
    alone = [_request(c, name) for c in init_containers(pod)]
    return max(sum((_request(c, name) for c in running), Decimal(0)), *alone, Decimal(0))


def _request(container: Document, name: str) -> Decimal:
    """What the container asks for; its limit where it names no request."""
    limit = dig(container, "resources", "limits", name, default="0")
    return parse_quantity(str(dig(container, "resources", "requests", name, default=limit)))


def restarts(pod: Document, container: Document, exit_code: int) -> bool:
    """Whether a container that ended with `exit_code` is started again."""
    policy = dig(pod, "spec", "restartPolicy", default="Always")
    if is_sidecar(pod, container):
        return True
    if policy == "Always" and not ends(pod, container):
        return True
    return bool(policy != "Never" and exit_code != 0)


def quality_class(pod: Document) -> str:
    """`status.qosClass`: how the Pod's requests relate to its limits."""
    resources = [
        dig(c, "resources", default={}) for c in dig(pod, "spec", "containers", default=[])
    ]
    if not any(r.get("limits") or r.get("requests") for r in resources):
        return "BestEffort"
    for one in resources:
        limits, requests = one.get("limits") or {}, one.get("requests") or one.get("limits") or {}
        for name in ("cpu", "memory"):
            if not limits.get(name) or requests.get(name) != limits[name]:
                return "Burstable"
    return "Guaranteed"


def serving_image(pod: Document) -> str:
    """The image of the container that serves."""
    name = serving_container(pod)
    images = (
        c.get("image") for c in dig(pod, "spec", "containers", default=[]) if c["name"] == name
    )
    return str(next(images, "") or "")
