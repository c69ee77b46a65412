"""The roles and bindings that a cluster has from the beginning, as Kubernetes and Knative have them.

`admin`, `edit` and `view` are gathered: each is the sum of the ClusterRoles that carry its label
(`controllers.aggregation` writes their rules). Pure.
"""

from collections.abc import Iterable, Sequence

from utsuwa.kit.documents import Document
from utsuwa.model.kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING
from utsuwa.model.rights import GROUP, aggregated

MASTERS = "system:masters"
"""The group whose members may do everything."""
AUTHENTICATED = "system:authenticated"
UNAUTHENTICATED = "system:unauthenticated"
ANONYMOUS = "system:anonymous"
AUTO_UPDATE = "rbac.authorization.kubernetes.io/autoupdate"

_READ = ("get", "list", "watch")
_WRITE = ("create", "delete", "deletecollection", "patch", "update")
_SERVING = ("serving.knative.dev", "domains.cloudrun.com")
_INTERNAL = (
    "networking.internal.knative.dev", "autoscaling.internal.knative.dev",
    "caching.internal.knative.dev",
)  # fmt: skip
_VISIBLE: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("", ("configmaps", "endpoints", "persistentvolumeclaims", "pods", "serviceaccounts",
          "services", "services/status", "bindings", "events", "limitranges",
          "namespaces/status", "pods/log", "pods/status", "resourcequotas", "namespaces")),
    ("discovery.k8s.io", ("endpointslices",)),
    ("events.k8s.io", ("events",)),
    ("apps", ("deployments", "deployments/scale", "deployments/status", "replicasets",
              "replicasets/scale", "replicasets/status")),
)  # fmt: skip
_CHANGEABLE: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("", ("configmaps", "endpoints", "events", "persistentvolumeclaims", "pods", "secrets",
          "serviceaccounts", "services", "services/proxy", "pods/attach", "pods/exec",
          "pods/portforward", "pods/proxy")),
    ("apps", ("deployments", "deployments/rollback", "deployments/scale", "replicasets",
              "replicasets/scale")),
    ("coordination.k8s.io", ("leases",)),
)  # fmt: skip
_DISCOVERY = (
    "/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*",
    "/readyz", "/version", "/version/",
)  # fmt: skip
_PUBLIC = ("/healthz", "/livez", "/readyz", "/version", "/version/")


def cluster_roles() -> list[Document]:
    """Every built-in ClusterRole."""
    gathering = [
        _gathering("admin", labels={}),
        _gathering("edit", labels=_to("admin")),
        _gathering("view", labels=_to("edit")),
    ]
    plain = [
        _role("cluster-admin", [_rule(["*"], ["*"], ["*"]), _paths(["*"], ["*"])]),
        _role("system:aggregate-to-view", _each(_READ, _VISIBLE), _to("view")),
        _role("system:aggregate-to-edit", _edit(), _to("edit")),
        _role("system:aggregate-to-admin", _admin(), _to("admin")),
        _role(
            "system:aggregated-metrics-reader",
            [_rule(_READ, ["metrics.k8s.io"], ["pods", "nodes"])],
            {**_to("view"), **_to("edit"), **_to("admin")},
        ),
        _role("system:basic-user", _about_oneself()),
        _role("system:discovery", [_paths(["get"], _DISCOVERY)]),
        _role("system:public-info-viewer", [_paths(["get"], _PUBLIC)]),
        _role("system:auth-delegator", [
            _rule(["create"], ["authentication.k8s.io"], ["tokenreviews"]),
            _rule(["create"], ["authorization.k8s.io"], ["subjectaccessreviews"]),
        ]),
        *_knative(),
    ]  # fmt: skip
    known = [*plain]
    for role in reversed(gathering):  # view first: edit gathers it, and admin edit
        role["rules"] = aggregated(role, known)
        known.append(role)
    return known


def cluster_role_bindings() -> list[Document]:
    """Every built-in ClusterRoleBinding."""
    return [
        binding("cluster-admin", "cluster-admin", [_group(MASTERS)]),
        binding("system:basic-user", "system:basic-user", [_group(AUTHENTICATED)]),
        binding("system:discovery", "system:discovery", [_group(AUTHENTICATED)]),
        binding(
            "system:public-info-viewer",
            "system:public-info-viewer",
            [_group(AUTHENTICATED), _group(UNAUTHENTICATED)],
        ),
    ]


def binding(name: str, role: str, subjects: Iterable[Document]) -> Document:
    """A ClusterRoleBinding that cares for itself."""
    document = CLUSTER_ROLE_BINDING.document(
        "", name,
        roleRef={"apiGroup": GROUP, "kind": "ClusterRole", "name": role},
        subjects=list(subjects),
    )  # fmt: skip
    document["metadata"]["labels"] = dict(_BOOT_LABELS)
    document["metadata"]["annotations"] = {AUTO_UPDATE: "true"}
    return document


def group_subject(name: str) -> Document:
    """A subject that is a group."""
    return _group(name)


def completed(present: Document, wanted: Document) -> Document | None:
    """`present` with what `wanted` has beside it; None when nothing is missing, or its owner wants
    it left alone. What an operator added stays."""
    annotations = present["metadata"].get("annotations") or {}
    if annotations.get(AUTO_UPDATE) == "false" or "aggregationRule" in wanted:
        return None
    member = "rules" if "rules" in wanted else "subjects"
    own = present.get(member) or []
    missing = [entry for entry in wanted[member] if entry not in own]
    return {**present, member: [*own, *missing]} if missing else None


_BOOT_LABELS = {"kubernetes.io/bootstrapping": "rbac-defaults"}


def _to(role: str) -> dict[str, str]:
    return {f"{GROUP}/aggregate-to-{role}": "true"}


def _role(name: str, rules: list[Document], labels: dict[str, str] | None = None) -> Document:
    document = CLUSTER_ROLE.document("", name, rules=rules)
    document["metadata"]["labels"] = {**_BOOT_LABELS, **(labels or {})}
    document["metadata"]["annotations"] = {AUTO_UPDATE: "true"}
    return document


def _gathering(name: str, labels: dict[str, str]) -> Document:
    document = _role(name, [], labels)
    document["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": _to(name)}]}
    return document


def _rule(verbs: Sequence[str], groups: Sequence[str], resources: Sequence[str]) -> Document:
    return {"apiGroups": list(groups), "resources": list(resources), "verbs": list(verbs)}


def _paths(verbs: Sequence[str], paths: Sequence[str]) -> Document:
    return {"nonResourceURLs": list(paths), "verbs": list(verbs)}


def _each(verbs: Sequence[str], resources: Iterable[tuple[str, tuple[str, ...]]]) -> list[Document]:
    return [_rule(verbs, [group], names) for group, names in resources]


def _edit() -> list[Document]:
    return [
        _rule(_READ, [""], ["secrets", "pods/attach", "pods/exec", "pods/portforward",
                            "pods/proxy", "services/proxy"]),
        *_each(_WRITE, _CHANGEABLE),
        _rule(_READ, ["coordination.k8s.io"], ["leases"]),
        _rule(["impersonate"], [""], ["serviceaccounts"]),
        _rule(["create"], [""], ["serviceaccounts/token"]),
    ]  # fmt: skip


def _admin() -> list[Document]:
    return [
        _rule([*_WRITE, *_READ], [GROUP], ["roles", "rolebindings"]),
        _rule(["create"], ["authorization.k8s.io"], ["localsubjectaccessreviews"]),
    ]


def _about_oneself() -> list[Document]:
    return [
        _rule(["create"], ["authorization.k8s.io"],
              ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]),
        _rule(["create"], ["authentication.k8s.io"], ["selfsubjectreviews"]),
    ]  # fmt: skip


def _knative() -> list[Document]:
    """The roles that Knative Serving brings."""
    watches = _rule(_READ, _INTERNAL, ["*"])
    changes = ["create", "update", "patch", "delete"]
    return [
        _role("knative-serving-namespaced-admin",
              [_rule(["*"], _SERVING, ["*"]), watches], _to("admin")),
        _role("knative-serving-namespaced-edit",
              [_rule(changes, _SERVING, ["*"]), watches], _to("edit")),
        _role("knative-serving-namespaced-view",
              [_rule(_READ, [*_SERVING, *_INTERNAL], ["*"])], _to("view")),
    ]  # fmt: skip


def _group(name: str) -> Document:
    return {"apiGroup": GROUP, "kind": "Group", "name": name}
