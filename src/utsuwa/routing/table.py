"""The gateway's table from the objects: Ingress to hosts, Revision and Pods to an entry. Pure.

What a gateway gets is versioned: a :class:`Table` collects changes, and :meth:`Table.flush` turns
what changed since the last flush into one Delta.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from utsuwa.kit.clock import parse_rfc3339
from utsuwa.kit.documents import Document, dig
from utsuwa.model.endpoints import PROBE_FAILED, container_statuses, reachable_port
from utsuwa.model.labels import COLD_START_RECEIPT, CONFIGURATION, SERVICE, STARTED, STARTED_FROM
from utsuwa.routing.messages import (
    Certificate,
    Delta,
    Endpoint,
    HostTable,
    Probe,
    RequestLog,
    RevisionName,
    RevisionTable,
    Snapshot,
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


class _Changed(NamedTuple):
    """What has changed since the last flush, by name."""

    hosts: set[str]
    revisions: set[RevisionName]
    certificates: set[str]

    @classmethod
    def nothing(cls) -> "_Changed":
        return cls(set(), set(), set())


class Table:
    """What gateways should know, with what they do not know yet.

    Mutable state: `_claims`, `_revisions`, `_certificates` (the truth), `_followers` (by host,
    those whose splits are its own) and `_changed` since the last flush.
    A host claimed by several Routes stays with the one that came first.
    """

    def __init__(self, epoch: str) -> None:
        self.epoch = epoch
        self.version = 0
        self._claims: dict[str, dict[str, HostTable]] = {}
        self._followers: dict[str, set[str]] = {}
        self._revisions: dict[RevisionName, RevisionTable] = {}
        self._certificates: dict[str, Certificate] = {}
        self._changed = _Changed.nothing()
        self._request_log = self._told_request_log = RequestLog()

    def __repr__(self) -> str:
        changed = sum(map(len, self._changed))
        return (
            f"<Table v{self.version}: {len(self._claims)} hosts, "
            f"{len(self._revisions)} revisions, {changed} changed>"
        )

    @property
    def dirty(self) -> bool:
        """Whether there is something to flush."""
        return any(self._changed) or self._request_log != self._told_request_log

    @property
    def next_version(self) -> int:
        """The version that will carry what changed so far."""
        return self.version + 1 if self.dirty else self.version

    def set_route(self, route: str, hosts: Iterable[HostTable]) -> bool:
        """Make `hosts` all that `route` claims; whether anything changed."""
        wanted = {table.host: table for table in hosts}
        changed = False
        for host in [h for h, claims in self._claims.items() if route in claims]:
            if host not in wanted:
                self._unfollow(self._claims[host].pop(route))
                if not self._claims[host]:
                    del self._claims[host]
                self._host_changed(host)
                changed = True
        for host, table in wanted.items():
            claims = self._claims.setdefault(host, {})
            old = claims.get(route)
            if old != table:
                if old is not None:
                    self._unfollow(old)
                if table.follows:
                    self._followers.setdefault(table.follows, set()).add(host)
                claims[route] = table
                self._host_changed(host)
                changed = True
        return changed

    def _unfollow(self, table: HostTable) -> None:
        followers = self._followers.get(table.follows)
        if followers is not None:
            followers.discard(table.host)
            if not followers:
                del self._followers[table.follows]

    def _host_changed(self, host: str) -> None:
        self._changed.hosts.update((host, *self._followers.get(host, ())))

    def holder(self, host: str) -> str:
        """The Route whose entry is in force for `host`, or ""."""
        claims = self._claims.get(host)
        return next(iter(claims)) if claims else ""

    def followers_of(self, hosts: Iterable[str]) -> frozenset[str]:
        """The Routes of hosts that follow one of `hosts`."""
        following = (other for host in hosts for other in self._followers.get(host, ()))
        return frozenset(route for other in following for route in self._claims.get(other, ()))

    def leads_nowhere(self, host: str) -> str:
        """The host that `host` follows, if nothing is served there; else ""."""
        claims = self._claims.get(host)
        table = next(iter(claims.values())) if claims else None
        return table.follows if table is not None and self._in_force(host) is None else ""

    def set_revision(self, entry: RevisionTable) -> bool:
        """Put or replace a revision; whether anything changed."""
        if self._revisions.get(entry.name) == entry:
            return False
        self._revisions[entry.name] = entry
        self._changed.revisions.add(entry.name)
        return True

    def remove_revision(self, name: RevisionName) -> bool:
        """Forget a revision; whether it was known."""
        if self._revisions.pop(name, None) is None:
            return False
        self._changed.revisions.add(name)
        return True

    def set_certificate(self, certificate: Certificate) -> bool:
        """Put or replace a certificate; whether anything changed."""
        if self._certificates.get(certificate.name) == certificate:
            return False
        self._certificates[certificate.name] = certificate
        self._changed.certificates.add(certificate.name)
        return True

    def remove_certificate(self, name: str) -> bool:
        """Forget a certificate; whether it was known."""
        if self._certificates.pop(name, None) is None:
            return False
        self._changed.certificates.add(name)
        return True

    def set_request_log(self, how: RequestLog) -> None:
        """Log requests like this."""
        self._request_log = how

    def endpoints(self, name: RevisionName) -> tuple[Endpoint, ...]:
        """The endpoints of a revision, as last set."""
        entry = self._revisions.get(name)
        return entry.endpoints if entry is not None else ()

    def snapshot(self) -> Snapshot:
        """The whole table as of the last flush's version; flush first."""
        tables = (self._in_force(host) for host in self._claims)
        return Snapshot(
            epoch=self.epoch,
            version=self.version,
            hosts=tuple(table for table in tables if table is not None),
            revisions=tuple(self._revisions.values()),
            certificates=tuple(self._certificates.values()),
            request_log=self._request_log,
        )

    def flush(self) -> Delta | None:
        """What changed since the last flush, as the next version; None if nothing did."""
        if not self.dirty:
            return None
        self.version += 1
        log, told = self._request_log, self._told_request_log
        self._told_request_log = log
        changed, self._changed = self._changed, _Changed.nothing()
        hosts = {host: self._in_force(host) for host in sorted(changed.hosts)}
        revisions, certificates = self._revisions, self._certificates
        return Delta(
            version=self.version,
            hosts=tuple(table for table in hosts.values() if table is not None),
            revisions=tuple(revisions[n] for n in sorted(changed.revisions) if n in revisions),
            removed_hosts=tuple(host for host, table in hosts.items() if table is None),
            removed_revisions=tuple(n for n in sorted(changed.revisions) if n not in revisions),
            certificates=tuple(
                certificates[n] for n in sorted(changed.certificates) if n in certificates
            ),
            removed_certificates=tuple(
                n for n in sorted(changed.certificates) if n not in certificates
            ),
            request_log=log if log != told else None,
        )

    def _in_force(self, host: str) -> HostTable | None:
        """What gateways are told of `host`; None where there is nothing to serve."""
        claims = self._claims.get(host)
        table = next(iter(claims.values())) if claims else None
        if table is None or not table.follows:
            return table
        followed = self._claims.get(table.follows)
        target = next(iter(followed.values())) if followed else None
        if target is None or target.follows:
            return None
        return msgspec.structs.replace(
            table, follows="", splits=target.splits, tagged=target.tagged
        )
