"""Checks of the pod part of a revision's specification (`spec/resources.md` §6.1)."""

from collections.abc import Mapping
from typing import Any

from utsuwa.model.problems import Problem, under
from utsuwa.model.settings import Features, Flag
from utsuwa.model.validation.containers import (
    Surroundings,
    init_problems,
    serving_problems,
    sidecar_problems,
)
from utsuwa.model.validation.names import dns_1123_subdomain
from utsuwa.model.validation.security import insecure_default_warnings, pod_context_problems
from utsuwa.model.validation.volumes import volume_problems
from utsuwa.model.validation.wording import invalid, missing, not_among, quoted

_ALWAYS = (
    "serviceAccountName",
    "containers",
    "volumes",
    "imagePullSecrets",
    "enableServiceLinks",
)
_OURS = (
    "containerConcurrency",
    "timeoutSeconds",
    "idleTimeoutSeconds",
    "responseStartTimeoutSeconds",
)

Spec = Mapping[str, Any]


def _flags(features: Features) -> dict[str, Flag]:
    return {
        "affinity": features.affinity,
        "dnsConfig": features.dns_config,
        "dnsPolicy": features.dns_policy,
        "hostAliases": features.host_aliases,
        "hostIPC": features.host_ipc,
        "hostNetwork": features.host_network,
        "hostPID": features.host_pid,
        "initContainers": features.init_containers,
        "nodeSelector": features.node_selector,
        "priorityClassName": features.priority_class_name,
        "runtimeClassName": features.runtime_class_name,
        "schedulerName": features.scheduler_name,
        "shareProcessNamespace": features.share_process_namespace,
        "tolerations": features.tolerations,
        "topologySpreadConstraints": features.topology_spread_constraints,
    }


def pod_spec_problems(spec: Spec, features: Features) -> list[Problem]:
    """Problems and warnings of the members that come from core/v1, paths below the spec."""
    containers: list[Spec] = spec.get("containers") or []
    first: list[Spec] = spec.get("initContainers") or []
    volumes: list[Spec] = spec.get("volumes") or []
    pod_context = spec.get("securityContext")
    problems = not_among(spec, _allowed(spec, features))
    problems += under("securityContext", pod_context_problems(pod_context, features))
    for field, group in (("containers", containers), ("initContainers", first)):
        for index, container in enumerate(group):
            context = container.get("securityContext")
            warnings = insecure_default_warnings(pod_context, context, features)
            problems += under(f"{field}[{index}].securityContext", warnings)
    problems += under(
        "volumes", volume_problems(volumes, _mounted((*containers, *first)), features)
    )
    around = Surroundings(
        {volume.get("name") or "": volume for volume in volumes},
        features,
        _port_name(containers),
    )
    problems += _init_containers_problems(first, containers, around)
    problems += under("containers[*]", _ports_problems(containers))
    problems += _containers_problems(containers, around)
    account = spec.get("serviceAccountName") or ""
    if account:
        wrong = dns_1123_subdomain(account)
        problems += [invalid(account, "serviceAccountName", text) for text in wrong]
    return problems


def _allowed(spec: Spec, features: Features) -> list[str]:
    allowed = [*_ALWAYS, *_OURS]
    allowed += [field for field, flag in _flags(features).items() if flag is not Flag.DISABLED]
    if spec.get("automountServiceAccountToken") is False:
        allowed.append("automountServiceAccountToken")
    if features.security_context is not Flag.DISABLED or (
        features.secure_pod_defaults is not Flag.DISABLED
    ):
        allowed.append("securityContext")
    return allowed


def _mounted(containers: tuple[Spec, ...]) -> frozenset[str]:
    return frozenset(
        mount.get("name") or ""
        for container in containers
        for mount in container.get("volumeMounts") or []
    )


def _port_name(containers: list[Spec]) -> str:
    ports = [container["ports"][0] for container in containers if container.get("ports")]
    return (ports[-1].get("name") if ports else "") or "http"


def _ports_problems(containers: list[Spec]) -> list[Problem]:
    count = sum(len(container.get("ports") or []) for container in containers)
    if count == 0 and len(containers) > 1:
        return [missing("ports")]
    if count > 1:
        details = "Only a single port is allowed across all containers"
        return [Problem("more than one container port is set", ("ports",), details)]
    return []


def _containers_problems(containers: list[Spec], around: Surroundings) -> list[Problem]:
    if not containers:
        return [missing("containers")]
    if len(containers) == 1:
        return under("containers[0]", serving_problems(containers[0], around))
    if around.features.multi_container is not Flag.ENABLED:
        return [Problem(f"multi-container is off, but found {len(containers)} containers")]
    problems: list[Problem] = []
    names: set[str] = set()
    for index, container in enumerate(containers):
        name = container.get("name") or ""
        check = serving_problems if container.get("ports") else sidecar_problems
        if name in names:
            # Found so far is put below this container as well, as in the original.
            problems = under(f"containers[{index}]", [*problems, _duplicate(name)])
        names.add(name)
        problems += under(f"containers[{index}]", check(container, around))
    return problems


def _init_containers_problems(
    first: list[Spec], containers: list[Spec], around: Surroundings
) -> list[Problem]:
    if not first:
        return []
    if around.features.init_containers is not Flag.ENABLED:
        text = "pod spec support for init-containers is off"
        return [Problem(f"{text}, but found {len(first)} init containers")]
    names = {container.get("name") or "" for container in containers}
    problems: list[Problem] = []
    for index, container in enumerate(first):
        # The original reports init containers under `containers`.
        if container.get("name") in names:
            problems = under(f"containers[{index}]", [*problems, _duplicate(container["name"])])
        problems += under(f"containers[{index}]", init_problems(container, around))
    return problems


def _duplicate(name: str) -> Problem:
    return Problem(f"duplicate container name {quoted(name)}", ("name",))
