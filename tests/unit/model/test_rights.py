"""Roles and bindings, read as Kubernetes reads them."""

import pytest

from utsuwa.kit.documents import Document
from utsuwa.model import builtin_roles
from utsuwa.model.kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ROLE_BINDING
from utsuwa.model.rights import Question, Rights, Rule, aggregated, not_covered, rules_of


def bound(role: str, namespace: str = "") -> Rights:
    """Eve has a built-in role, in a namespace or everywhere."""
    reference = {"kind": "ClusterRole", "name": role}
    subjects = [{"kind": "User", "name": "eve"}]
    kind = ROLE_BINDING if namespace else CLUSTER_ROLE_BINDING
    binding = kind.document(namespace, "b", roleRef=reference, subjects=subjects)
    members = {"role_bindings" if namespace else "cluster_role_bindings": [binding]}
    return Rights(cluster_roles=builtin_roles.cluster_roles(), **members)


def may(rights: Rights, verb: str, resource: str, namespace: str = "shop", group: str = "") -> bool:
    plural, _, sub = resource.partition("/")
    question = Question(verb, group, plural, sub, namespace)
    return rights.allowed("eve", [], question) is not None


SERVING = "serving.knative.dev"
RBAC = "rbac.authorization.k8s.io"


@pytest.mark.parametrize(
    ("verb", "resource", "group", "view", "edit", "admin"),
    [
        ("list", "pods", "", True, True, True),
        ("get", "pods/log", "", True, True, True),
        ("get", "secrets", "", False, True, True),
        ("list", "secrets", "", False, True, True),
        ("create", "secrets", "", False, True, True),
        ("create", "pods/exec", "", False, True, True),
        ("create", "serviceaccounts/token", "", False, True, True),
        ("delete", "pods", "", False, True, True),
        ("get", "services", SERVING, True, True, True),
        ("patch", "services", SERVING, False, True, True),
        ("deletecollection", "services", SERVING, False, False, True),
        ("list", "podautoscalers", "autoscaling.internal.knative.dev", True, True, True),
        ("create", "rolebindings", RBAC, False, False, True),
        ("get", "roles", RBAC, False, False, True),
        ("list", "pods", "metrics.k8s.io", True, True, True),
        ("create", "clusterrolebindings", RBAC, False, False, False),
        ("delete", "nodes", "", False, False, False),
        ("create", "namespaces", "", False, False, False),
    ],
)
def test_the_three_roles_for_people(
    verb: str, resource: str, group: str, view: bool, edit: bool, admin: bool
) -> None:
    """Each has what the one before has, and more; nobody but edit and admin sees a Secret."""
    found = [may(bound(role), verb, resource, group=group) for role in ("view", "edit", "admin")]
    assert found == [view, edit, admin]


def test_a_binding_in_a_namespace_holds_there_alone() -> None:
    """Not elsewhere, and not for what is in no namespace."""
    rights = bound("edit", "shop")
    assert may(rights, "delete", "pods")
    assert not may(rights, "delete", "pods", "default")
    assert not may(rights, "delete", "pods", "")


def test_a_verdict_says_which_binding_it_rests_on() -> None:
    """In the words of Kubernetes: `auth can-i -v` and SubjectAccessReviews show them."""
    grant = bound("view", "shop").allowed("eve", [], Question("get", "", "pods", "", "shop"))
    assert grant is not None
    assert grant.why == (
        'RBAC: allowed by RoleBinding "b/shop" of ClusterRole "view" to User "eve"'
    )


def test_a_binding_without_its_role_gives_nothing() -> None:
    """Until the role is there."""
    assert not may(bound("nothing-of-that-name"), "get", "pods")


def test_what_is_malformed_gives_nothing() -> None:
    """And does not take the rest down."""
    rules = rules_of({"rules": [None, {"verbs": "get"}, {"verbs": ["get"], "apiGroups": [1]}]})
    assert not any(rule.allows(Question("get", "", "pods")) for rule in rules)


def labelled(name: str, **members: object) -> Document:
    role = CLUSTER_ROLE.document("", name, **members)
    role["metadata"]["labels"] = {"gather": "yes"}
    return role


def test_a_role_gathers_those_that_its_selectors_select() -> None:
    """Itself excepted, each rule once, in the order of names."""
    one, two = {"verbs": ["get"]}, {"verbs": ["list"]}
    selector = {"clusterRoleSelectors": [{"matchLabels": {"gather": "yes"}}]}
    whole = labelled("m", aggregationRule=selector, rules=[{"verbs": ["*"]}])
    others = [labelled("z", rules=[one, two]), labelled("a", rules=[two]), whole]
    assert aggregated(whole, others) == [two, one]
    assert aggregated(others[0], others) is None


@pytest.mark.parametrize(
    ("expression", "selects"),
    [
        ({"key": "gather", "operator": "In", "values": ["yes"]}, True),
        ({"key": "gather", "operator": "NotIn", "values": ["yes"]}, False),
        ({"key": "gather", "operator": "Exists"}, True),
        ({"key": "gather", "operator": "DoesNotExist"}, False),
        ({"key": "gather", "operator": "Perhaps"}, False),
    ],
)
def test_selectors_of_gathering_may_be_expressions(expression: Document, selects: bool) -> None:
    """As all selectors; one that is not understood selects nothing."""
    rule = {"clusterRoleSelectors": [{"matchExpressions": [expression]}]}
    whole = CLUSTER_ROLE.document("", "m", aggregationRule=rule)
    assert bool(aggregated(whole, [labelled("a", rules=[{"verbs": ["get"]}])])) is selects


def test_what_is_missing_is_told_together() -> None:
    """Verbs for the same thing in one line."""
    wanted = Rule.of({"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"]})
    held = Rule.of({"verbs": ["get"], "apiGroups": ["*"], "resources": ["pods"]})
    assert not_covered([], [wanted]) == [wanted]
    assert [sorted(rule.verbs) for rule in not_covered([held], [wanted])] == [["list"]]


def test_a_built_in_role_gets_back_what_it_lacks() -> None:
    """What an operator added stays; `autoupdate: "false"` is left alone."""
    wanted = next(
        r for r in builtin_roles.cluster_roles() if r["metadata"]["name"] == "system:discovery"
    )
    own = {"verbs": ["get"], "nonResourceURLs": ["/mine"]}
    better = builtin_roles.completed({**wanted, "rules": [own]}, wanted)
    assert better is not None
    assert better["rules"] == [own, *wanted["rules"]]
    assert builtin_roles.completed(wanted, wanted) is None
    frozen = {**wanted, "rules": []}
    frozen["metadata"] = {**wanted["metadata"], "annotations": {builtin_roles.AUTO_UPDATE: "false"}}
    assert builtin_roles.completed(frozen, wanted) is None
