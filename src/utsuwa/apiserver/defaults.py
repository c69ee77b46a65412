"""What Kubernetes fills into the core kinds that users write themselves. Pure.

The Knative kinds are defaulted by admission. On an update only what the client changed is
completed: a Pod template that our own controllers wrote must not change, and so roll out anew,
because somebody labelled its Deployment.
"""

from collections.abc import Callable
from typing import Any

from utsuwa.kit.documents import Document, copy
from utsuwa.model.kinds import CORE_SERVICE, DEPLOYMENT, POD, REPLICA_SET, Kind

_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


def defaulted(kind: Kind, new: Document, old: Document | None) -> Document:
    """`new` (not changed) with the defaults of its kind; `old` is what it replaces."""
    fill = _FILLERS.get(kind)
    if fill is None or not isinstance(new.get("spec"), dict):
        return new
    if old is not None and new["spec"] == old.get("spec"):
        return new
    result = {**new, "spec": copy(new["spec"])}
    fill(result["spec"], (old or {}).get("spec") or {})
    return result


def _pod(spec: Document, _: Document) -> None:
    _set(
        spec,
        restartPolicy="Always",
        terminationGracePeriodSeconds=30,
        dnsPolicy="ClusterFirst",
        schedulerName="default-scheduler",
        securityContext={},
    )
    for member in ("containers", "initContainers"):
        for container in _dicts(spec.get(member)):
            _container(container)


def _container(container: Document) -> None:
    _set(
        container,
        resources={},
        terminationMessagePath="/dev/termination-log",
        terminationMessagePolicy="File",
        imagePullPolicy=_pull_policy(str(container.get("image", ""))),
    )
    for port in _dicts(container.get("ports")):
        _set(port, protocol="TCP")
    for name in _PROBES:
        probe = container.get(name)
        if isinstance(probe, dict):
            _set(probe, timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3)
            if isinstance(probe.get("httpGet"), dict):
                _set(probe["httpGet"], path="/", scheme="HTTP")


def _pull_policy(image: str) -> str:
    if "@" in image:
        return "IfNotPresent"
    tag = image.rpartition("/")[2].partition(":")[2]
    return "Always" if tag in {"", "latest"} else "IfNotPresent"


def _workload(spec: Document, old: Document) -> None:
    _set(spec, replicas=1)
    template = spec.get("template")
    if isinstance(template, dict) and template != old.get("template"):
        inner = template.get("spec")
        if isinstance(inner, dict):
            _pod(inner, {})


def _deployment(spec: Document, old: Document) -> None:
    _workload(spec, old)
    rolling = {"maxSurge": "25%", "maxUnavailable": "25%"}
    _set(
        spec,
        strategy={"type": "RollingUpdate", "rollingUpdate": rolling},
        revisionHistoryLimit=10,
        progressDeadlineSeconds=600,
    )


def _service(spec: Document, _: Document) -> None:
    _set(spec, type="ClusterIP", sessionAffinity="None")
    if spec["type"] != "ExternalName":
        _set(spec, internalTrafficPolicy="Cluster")
    for port in _dicts(spec.get("ports")):
        _set(port, protocol="TCP")
        if "port" in port:
            _set(port, targetPort=port["port"])


def _set(members: Document, **defaults: Any) -> None:
    for name, value in defaults.items():
        if members.get(name) is None:
            members[name] = value


def _dicts(items: Any) -> list[Document]:
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


_FILLERS: dict[Kind, Callable[[Document, Document], None]] = {
    POD: _pod,
    DEPLOYMENT: _deployment,
    REPLICA_SET: _workload,
    CORE_SERVICE: _service,
}
