"""Discovery: which groups, versions and resources there are, in all three forms.

Aggregated v2 and v2beta1 (kubectl), and the classic lists (`spec/kubernetes-api.md` §4.1). All of
it follows from `model.kinds.KINDS` and the reviews; core comes first, which makes the bare name
`services` mean the core ones.
"""

from typing import Any

from utsuwa.apiserver.paths import served_subresources
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import KINDS, MEASURED_KINDS, NEW_EVENT, SHOWN_KINDS, VIEW_KINDS, Kind

VERBS = (
    "create", "delete", "deletecollection", "get", "list", "patch", "update", "watch",
)  # fmt: skip
_MEASURED_VERBS = ("get", "list")
_SHOWN_VERBS = ("get", "list", "watch")
SERVED: tuple[Kind, ...] = (*KINDS, *VIEW_KINDS, *MEASURED_KINDS, *SHOWN_KINDS)
"""Every kind that clients find."""

_SUB_VERBS = {
    "status": ["get", "patch", "update"],
    "scale": ["get", "patch", "update"],
    "log": ["get"],
    "finalize": ["update"],
    "decisions": ["get"],
    "history": ["get"],
    "logs": ["get"],
    "alerts": ["get"],
    "attach": ["create", "get"],
    "exec": ["create", "get"],
    "portforward": ["create", "get"],
    "token": ["create"],
}
_SUB_KINDS = {
    "scale": {"group": "autoscaling", "version": "v1", "kind": "Scale"},
    "attach": {"group": "", "version": "v1", "kind": "PodAttachOptions"},
    "exec": {"group": "", "version": "v1", "kind": "PodExecOptions"},
    "portforward": {"group": "", "version": "v1", "kind": "PodPortForwardOptions"},
    "token": {"group": "authentication.k8s.io", "version": "v1", "kind": "TokenRequest"},
}
"""What a sub-resource takes and gives, where it is not the object."""

KUBERNETES = "v1.32.0"
"""The release of Kubernetes whose API this is."""

REVIEWS: tuple[tuple[str, str, str], ...] = (
    ("authentication.k8s.io", "selfsubjectreviews", "SelfSubjectReview"),
    ("authorization.k8s.io", "selfsubjectaccessreviews", "SelfSubjectAccessReview"),
    ("authorization.k8s.io", "selfsubjectrulesreviews", "SelfSubjectRulesReview"),
    ("authorization.k8s.io", "subjectaccessreviews", "SubjectAccessReview"),
    ("authorization.k8s.io", "localsubjectaccessreviews", "LocalSubjectAccessReview"),
    ("authentication.k8s.io", "tokenreviews", "TokenReview"),
)
_LOCAL_REVIEWS = frozenset({"localsubjectaccessreviews"})
"""Those that are asked within a namespace."""
"""Questions that are answered at once and never stored: group, plural, kind; all v1."""


def version_info(release: str) -> dict[str, str]:
    """`GET /version`. Clients must believe that this is Kubernetes 1.32."""
    return {
        "major": "1",
        "minor": "32",
        "gitVersion": f"{KUBERNETES}+utsuwa.{release}",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "go1.23.8",
        "compiler": "gc",
        "platform": "linux/amd64",
    }


def api_versions(address: str) -> Document:
    """Classic `GET /api`."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


def groups() -> dict[str, list[str]]:
    """Every named group with its versions, in the order in which they are offered."""
    found: dict[str, list[str]] = {}
    for kind in SERVED:
        _note(found, kind.group, kind.version)
    for group, _, _ in REVIEWS:
        _note(found, group, "v1")
    found.pop("", None)
    return found


def api_group(name: str) -> Document | None:
    """Classic `GET /apis/GROUP`."""
    versions = groups().get(name)
    if versions is None:
        return None
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions)}


def api_group_list() -> Document:
    """Classic `GET /apis`."""
    listed = [_group(name, versions) for name, versions in groups().items()]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}


def api_resource_list(api_version: str) -> Document | None:
    """Classic `GET /api/v1` and `GET /apis/G/V`; None when the group-version is unknown."""
    kinds = [kind for kind in SERVED if kind.api_version == api_version]
    resources = [entry for kind in kinds for entry in _classic(kind)]
    resources += [
        {"name": plural, "singularName": name.lower(), "namespaced": plural in _LOCAL_REVIEWS,
         "kind": name,
         "verbs": ["create"]}
        for group, plural, name in REVIEWS if f"{group}/v1" == api_version
    ]  # fmt: skip
    if not resources:
        return None
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": api_version,
        "resources": resources,
    }


def aggregated(version: str, *, core: bool) -> Document:
    """`APIGroupDiscoveryList` of the core group (`/api`) or of all others (`/apis`)."""
    named = {"": ["v1"]} if core else groups()
    items = [
        {
            "metadata": {"name": name, "creationTimestamp": None},
            "versions": [_aggregated_version(name, v) for v in versions],
        }
        for name, versions in named.items()
    ]
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": items,
    }


def _note(found: dict[str, list[str]], group: str, version: str) -> None:
    versions = found.setdefault(group, [])
    if version not in versions:
        versions.append(version)
        versions.sort(key=lambda v: ("alpha" in v, "beta" in v, v))


def _group(name: str, versions: list[str]) -> Document:
    offered = [{"groupVersion": f"{name}/{v}", "version": v} for v in versions]
    return {"name": name, "versions": offered, "preferredVersion": offered[0]}


def verbs_of(kind: Kind) -> list[str]:
    """What can be done with the objects of a kind."""
    if kind in MEASURED_KINDS or kind is NEW_EVENT:
        return list(_MEASURED_VERBS)
    return list(_SHOWN_VERBS if kind in SHOWN_KINDS else VERBS)


def _classic(kind: Kind) -> list[Document]:
    entry: Document = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.name,
        "verbs": verbs_of(kind),
    }
    if kind.short_names:
        entry["shortNames"] = list(kind.short_names)
    if kind.categories:
        entry["categories"] = list(kind.categories)
    entries = [entry]
    for sub in served_subresources(kind):
        inner: Document = {
            "name": f"{kind.plural}/{sub}",
            "singularName": "",
            "namespaced": kind.namespaced,
            "kind": kind.name,
            "verbs": _SUB_VERBS[sub],
        }
        if told := _SUB_KINDS.get(sub):
            inner |= {key: value for key, value in told.items() if key == "kind" or told["group"]}
        entries.append(inner)
    return entries


def _aggregated_version(group: str, version: str) -> Document:
    resources = [
        _aggregated(kind) for kind in SERVED if (kind.group, kind.version) == (group, version)
    ]
    resources += [_aggregated_review(*review) for review in REVIEWS if review[0] == group]
    return {"version": version, "freshness": "Current", "resources": resources}


def _aggregated(kind: Kind) -> Document:
    own = {"group": kind.group, "version": kind.version, "kind": kind.name}
    entry: Document = {
        "resource": kind.plural,
        "responseKind": own,
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": verbs_of(kind),
    }
    if kind.short_names:
        entry["shortNames"] = list(kind.short_names)
    if kind.categories:
        entry["categories"] = list(kind.categories)
    subresources: list[dict[str, Any]] = [
        {
            "subresource": sub,
            "responseKind": _SUB_KINDS.get(sub, own),
            "verbs": _SUB_VERBS[sub],
        }
        for sub in served_subresources(kind)
    ]
    if subresources:
        entry["subresources"] = subresources
    return entry


def _aggregated_review(group: str, plural: str, name: str) -> Document:
    return {
        "resource": plural,
        "responseKind": {"group": group, "version": "v1", "kind": name},
        "scope": "Namespaced" if plural in _LOCAL_REVIEWS else "Cluster",
        "singularResource": name.lower(),
        "verbs": ["create"],
    }
