"""Entries of the gateway's table from the objects: Ingress to hosts, Revision and Pods to one. Pure."""

from collections.abc import Iterable, Iterator, Mapping

from utsuwa.kit.clock import parse_rfc3339
from utsuwa.kit.documents import Document, dig
from utsuwa.model.endpoints import PROBE_FAILED, container_statuses, reachable_port
from utsuwa.model.labels import COLD_START_RECEIPT, CONFIGURATION, SERVICE, STARTED, STARTED_FROM
from utsuwa.routing.messages import (
    Endpoint,
    HostTable,
    Probe,
    RevisionTable,
    Split,
    TaggedSplits,
)

NOTHING_DECIDED: Mapping[str, float] = {}

_INTERNAL_HEADERS = frozenset({"knative-serving-revision", "knative-serving-namespace"})
"""Set per split for the activator's sake (`spec/dataplane.md` §2); one hop has no use for them."""

_AFFINITY = "run.googleapis.com/sessionAffinity"
_TAG_HEADER = "knative-serving-tag"
_NEVER_STARTS = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName"})


def hosts_of(ingress: Document) -> list[HostTable]:
    """The hosts that an Ingress programs, each with its splits.

    Of a rule with several paths the last is the default path; those before it are for requests
    whose `Knative-Serving-Tag` they name (`spec/dataplane.md` §10). A path that rewrites the host
    goes where that host's requests go. Only hosts with TLS are redirected to it.
    """
    metadata = ingress["metadata"]
    route = f"{metadata['namespace']}/{metadata['name']}"
    secured = secrets_of(ingress)
    redirected = dig(ingress, "spec", "httpOption") == "Redirected"
    hosts: list[HostTable] = []
    for rule in dig(ingress, "spec", "rules", default=()):
        paths = dig(rule, "http", "paths", default=())
        if not paths:
            continue
        tagged = tuple(
            TaggedSplits(tag=tag, splits=_splits(path))
            for path in paths[:-1]
            if (tag := _tag_of(path))
        )
        follows = str(paths[-1].get("rewriteHost") or "").lower()
        outside = rule.get("visibility", "ExternalIP") == "ExternalIP"
        hosts.extend(
            HostTable(
                host=host,
                splits=() if follows else _splits(paths[-1]),
                route=route,
                tagged=tagged,
                follows=follows,
                certificate=secured.get(host, ""),
                redirect=redirected and outside and host in secured,
                inside=not outside,
            )
            for host in (name.lower() for name in rule["hosts"])
        )
    return hosts


def secrets_of(ingress: Document) -> dict[str, str]:
    """By host, `namespace/name` of the Secret that TLS for it is served with."""
    own = ingress["metadata"]["namespace"]
    return {
        host.lower(): f"{tls.get('secretNamespace') or own}/{tls['secretName']}"
        for tls in dig(ingress, "spec", "tls", default=())
        for host in tls.get("hosts") or ()
    }


def _tag_of(path: Document) -> str:
    """The tag that a request must name to take `path`, or "" if it asks for something else."""
    headers = path.get("headers") or {}
    wanted = [match for name, match in headers.items() if name.lower() == _TAG_HEADER]
    return str(wanted[0].get("exact") or "") if len(headers) == len(wanted) == 1 else ""


def _splits(path: Document) -> tuple[Split, ...]:
    return tuple(_split(split, path) for split in path.get("splits", ()))


def _split(split: Document, path: Document) -> Split:
    appended = {**path.get("appendHeaders", {}), **split.get("appendHeaders", {})}
    return Split(
        revision=f"{split['serviceNamespace']}/{split['serviceName']}",
        percent=split.get("percent", 100),
        headers=tuple(
            (name, value)
            for name, value in sorted(appended.items())
            if name.lower() not in _INTERNAL_HEADERS
        ),
    )


def revision_entry(
    revision: Document,
    pods: Iterable[Document],
    *,
    autodetect: bool = False,
    decided: Mapping[str, float] = NOTHING_DECIDED,
    freeze_after: float = 0.0,
) -> RevisionTable:
    """A Revision with its pods as the gateway sees it.

    `autodetect`: where its port is not named `h2c`, the gateway finds out what a pod speaks.
    `decided`: by uid, when it was decided that there shall be such a pod. `freeze_after`: when its
    pods may be frozen (`model.freezing`).
    """
    spec = revision["spec"]
    pods = list(pods)
    endpoints = tuple(
        sorted(
            (found for pod in pods if (found := endpoint_of(pod, decided)) is not None),
            key=lambda endpoint: endpoint.uid,
        )
    )
    metadata = revision["metadata"]
    return RevisionTable(
        name=f"{metadata['namespace']}/{metadata['name']}",
        concurrency=spec.get("containerConcurrency") or 0,
        timeout=float(spec.get("timeoutSeconds") or 300),
        response_start_timeout=float(spec.get("responseStartTimeoutSeconds") or 0),
        idle_timeout=float(spec.get("idleTimeoutSeconds") or 0),
        protocol=_protocol(spec, autodetect=autodetect),
        receipts=dig(metadata, "annotations", COLD_START_RECEIPT, default="") == "true",
        session_affinity=dig(metadata, "annotations", _AFFINITY, default="") == "true",
        probe=probe_of(spec),
        endpoints=endpoints,
        service=dig(metadata, "labels", SERVICE, default=""),
        configuration=dig(metadata, "labels", CONFIGURATION, default=""),
        freeze_after=freeze_after,
        unavailable="" if any(e.ready for e in endpoints) else _unavailable(revision, pods),
    )


def endpoint_of(pod: Document, decided: Mapping[str, float] = NOTHING_DECIDED) -> Endpoint | None:
    """A Pod as an endpoint, or None while it has no address or has ended."""
    declared = dig(_serving_container(pod["spec"]), "ports", 0, default={})
    port = reachable_port(pod, declared)
    if not port or dig(pod, "status", "phase") in {"Succeeded", "Failed"}:
        return None
    metadata = pod["metadata"]
    return Endpoint(
        uid=metadata["uid"],
        host=dig(pod, "status", "podIP", default="127.0.0.1"),
        port=port,
        ready=_is_ready(pod),
        draining="deletionTimestamp" in metadata,
        decided=decided.get(metadata["uid"], 0.0),
        started=_started(metadata),
        failing=_is_failing(pod),
        pod=metadata["name"],
        origin=str(dig(metadata, "annotations", STARTED_FROM, default="")),
    )


def _started(metadata: Document) -> float:
    stamp = dig(metadata, "annotations", STARTED, default="")
    try:
        return parse_rfc3339(stamp) if stamp else 0.0
    except ValueError:  # somebody else has written it
        return 0.0


def _is_ready(pod: Document) -> bool:
    return _ready_condition(pod).get("status") == "True"


def _is_failing(pod: Document) -> bool:
    """Whether all its containers run, and one says that it is not ready."""
    statuses = dig(pod, "status", "containerStatuses", default=())
    if _ready_condition(pod).get("reason") != PROBE_FAILED:
        return False
    return all(dig(status, "state", "running") for status in statuses)


def _ready_condition(pod: Document) -> Document:
    conditions = dig(pod, "status", "conditions", default=())
    return next((one for one in conditions if one["type"] == "Ready"), {})


def probe_of(spec: Document) -> Probe:
    """How the gateway itself may see that a pod of `spec` answers. Where it would see less than
    the node does, it waits for the node (`spec/dataplane.md` §3.2)."""
    container = _serving_container(spec)
    if any(_asks_more(other, container) for other in _living(spec)):
        return Probe(kind="none")
    probe = container.get("readinessProbe") or {"tcpSocket": {"port": 0}}
    if probe.get("initialDelaySeconds"):
        return Probe(kind="none")
    own_port = dig(container, "ports", 0, "containerPort", default=8080)
    if "tcpSocket" in probe:
        own = dig(probe, "tcpSocket", "port", default=0) in {0, own_port}
        return Probe() if own else Probe(kind="none")
    if "httpGet" in probe:
        get = probe["httpGet"]
        if get.get("port", 0) not in {0, own_port} or get.get("scheme", "HTTP") != "HTTP":
            return Probe(kind="none")
        headers = tuple((h["name"], h["value"]) for h in get.get("httpHeaders", ()))
        return Probe(kind="http", path=get.get("path") or "/", headers=headers)
    return Probe(kind="none")


def _living(spec: Document) -> Iterator[Document]:
    """The containers that run for as long as the pod does."""
    yield from spec.get("containers") or ()
    for container in spec.get("initContainers") or ():
        if container.get("restartPolicy") == "Always":
            yield container


def _asks_more(container: Document, serving: Document) -> bool:
    """Whether a pod is not ready before `container` has answered something else than a request
    to the container that serves."""
    return bool(
        container.get("startupProbe")
        or (container is not serving and container.get("readinessProbe"))
    )


def _serving_container(spec: Document) -> Document:
    containers: list[Document] = spec.get("containers") or [{}]
    return next((c for c in containers if c.get("ports")), containers[0])


def _protocol(spec: Document, *, autodetect: bool) -> str:
    named = dig(_serving_container(spec), "ports", 0, "name", default="")
    return "h2c" if named == "h2c" else "auto" if autodetect else "http1"


def _unavailable(revision: Document, pods: list[Document]) -> str:
    """Why no pod of the revision can start, or "" while there is hope."""
    for pod in pods:
        for status in container_statuses(pod):
            waiting = dig(status, "state", "waiting", default={})
            if waiting.get("reason") in _NEVER_STARTS:
                return str(waiting.get("message") or waiting["reason"])
    for condition in dig(revision, "status", "conditions", default=()):
        broken = condition["type"] in {"ContainerHealthy", "ResourcesAvailable"}
        if broken and condition["status"] == "False":
            return str(condition.get("message") or condition.get("reason") or "failed")
    return ""
