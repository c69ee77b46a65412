"""Checks of security contexts, and the warning about defaults that are not secure
(`spec/resources.md` §6.1, §6.2)."""

from collections.abc import Mapping
from typing import Any

from utsuwa.model.problems import Problem, under
from utsuwa.model.settings import Features, Flag
from utsuwa.model.validation.wording import MAX_INT32, disallowed, invalid, not_among, out_of_bounds

_INSECURE = (
    "Kubernetes default value is insecure, Knative may default this to secure in a future release"
)
_POD = (
    "runAsUser",
    "runAsGroup",
    "runAsNonRoot",
    "fsGroup",
    "supplementalGroups",
    "seccompProfile",
)
_CONTAINER = (
    "capabilities",
    "readOnlyRootFilesystem",
    "runAsUser",
    "runAsGroup",
    "runAsNonRoot",
    "allowPrivilegeEscalation",
    "seccompProfile",
)
_BOUNDED_PROFILES = frozenset(("RuntimeDefault", "Unconfined"))

Context = Mapping[str, Any]


def pod_context_problems(context: Context | None, features: Features) -> list[Problem]:
    """Problems of the pod's security context."""
    if context is None:
        return []
    if features.security_context is not Flag.DISABLED:
        problems = not_among(context, _POD)
    else:
        problems = _bounded_problems(context, secure=features.secure_pods)
    problems += _id_problems(context, ("runAsUser", "runAsGroup", "fsGroup"))
    for index, group in enumerate(context.get("supplementalGroups") or []):
        if not 0 <= group <= MAX_INT32:
            problems.append(out_of_bounds(group, 0, MAX_INT32, f"supplementalGroups[{index}]"))
    return problems


def _bounded_problems(context: Context, *, secure: bool) -> list[Problem]:
    """Without the feature, at most a seccomp profile, and that only under secure defaults."""
    if not secure:
        return not_among(context, ())
    profile = context.get("seccompProfile")
    problems = not_among(context, ("seccompProfile",))
    if profile is None:
        return problems
    if profile.get("type") not in _BOUNDED_PROFILES or set(profile) - {"type"}:
        problems.append(disallowed("seccompProfile"))
    return problems


def container_context_problems(context: Context | None, features: Features) -> list[Problem]:
    """Problems of a container's security context."""
    if context is None:
        return []
    allowed = (*_CONTAINER, "privileged") if context.get("privileged") is False else _CONTAINER
    return [
        *not_among(context, allowed),
        *under("capabilities", _capability_problems(context.get("capabilities"), features)),
        *_id_problems(context, ("runAsUser", "runAsGroup")),
    ]


def _capability_problems(capabilities: Context | None, features: Features) -> list[Problem]:
    if capabilities is None:
        return []
    free = features.add_capabilities is Flag.ENABLED
    low_port = features.secure_pods and capabilities.get("add") == ["NET_BIND_SERVICE"]
    return not_among(capabilities, ("drop", "add") if free or low_port else ("drop",))


def _id_problems(context: Context, fields: tuple[str, ...]) -> list[Problem]:
    return [
        out_of_bounds(context[field], 0, MAX_INT32, field)
        for field in fields
        if context.get(field) is not None and not 0 <= context[field] <= MAX_INT32
    ]


def insecure_default_warnings(
    pod: Context | None, container: Context | None, features: Features
) -> list[Problem]:
    """Warnings about what the pod and the container together leave to insecure defaults; paths
    below the container's security context."""
    if features.secure_pods:
        return []
    pod, container = pod or {}, container or {}
    paths: list[str] = []
    if pod.get("runAsNonRoot") is None and container.get("runAsNonRoot") is None:
        paths.append("runAsNonRoot")
    if container.get("allowPrivilegeEscalation") is None:
        paths.append("allowPrivilegeEscalation")
    profiles = (pod.get("seccompProfile"), container.get("seccompProfile"))
    if profiles == (None, None):
        paths.append("seccompProfile")
    elif not any((profile or {}).get("type") for profile in profiles):
        paths.append("seccompProfile.type")
    capabilities = container.get("capabilities")
    if capabilities is None:
        paths.append("capabilities")
    elif capabilities.get("drop") is None:
        paths.append("capabilities.drop")
    warnings = [Problem(_INSECURE, (path,), warning=True) for path in paths]
    if ((capabilities or {}).get("drop") or [""])[0] == "all":
        spelt = invalid("all", "capabilities.drop", "Must be spelled as 'ALL'")
        warnings.append(Problem(spelt.message, spelt.paths, spelt.details, warning=True))
    return warnings
