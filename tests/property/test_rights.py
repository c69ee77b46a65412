"""Rights, against an oracle that reads the documents anew for each question."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from utsuwa.kit.documents import Document
from utsuwa.model.kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ROLE, ROLE_BINDING
from utsuwa.model.rights import Question, Rights, Rule, not_covered, rules_of, singles

VERBS = ("get", "list", "create", "*")
GROUPS = ("", "apps", "*")
RESOURCES = ("pods", "pods/log", "secrets", "*/log", "*")
NAMES = ("a", "b")
PATHS = ("/api", "/api/*", "*", "/healthz")
SPACES = ("one", "two")
USERS = ("eve", "system:serviceaccount:one:bot")
TEAMS = ("red", "blue")


def some(values: tuple[str, ...], least: int = 1) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), min_size=least, max_size=2, unique=True)


resource_rules = st.fixed_dictionaries(
    {"verbs": some(VERBS), "apiGroups": some(GROUPS), "resources": some(RESOURCES)},
    optional={"resourceNames": some(NAMES)},
)
path_rules = st.fixed_dictionaries({"verbs": some(VERBS), "nonResourceURLs": some(PATHS)})
rules = st.lists(resource_rules | path_rules, max_size=3)
subjects = st.lists(
    st.sampled_from([
        {"kind": "User", "name": "eve"},
        {"kind": "Group", "name": "red"},
        {"kind": "Group", "name": "blue"},
        {"kind": "ServiceAccount", "name": "bot", "namespace": "one"},
    ]),
    max_size=2,
)  # fmt: skip


@st.composite
def worlds(draw: st.DrawFn) -> dict[str, list[Document]]:
    def named(kind: Any, namespace: str, name: str, **members: Any) -> Document:
        document: Document = kind.document(namespace, name, **members)
        return document

    roles = [named(ROLE, space, name, rules=draw(rules)) for space in SPACES for name in ("r", "s")]
    cluster_roles = [named(CLUSTER_ROLE, "", name, rules=draw(rules)) for name in ("r", "c")]
    names = st.sampled_from(["r", "s", "c", "gone"])
    kinds = st.sampled_from(["Role", "ClusterRole"])
    bindings = [
        named(
            ROLE_BINDING, draw(st.sampled_from(SPACES)), f"b{number}",
            roleRef={"kind": draw(kinds), "name": draw(names)}, subjects=draw(subjects),
        )
        for number in range(draw(st.integers(0, 3)))
    ]  # fmt: skip
    cluster_bindings = [
        named(
            CLUSTER_ROLE_BINDING, "", f"c{number}",
            roleRef={"kind": "ClusterRole", "name": draw(names)}, subjects=draw(subjects),
        )
        for number in range(draw(st.integers(0, 2)))
    ]  # fmt: skip
    return {
        "roles": roles,
        "cluster_roles": cluster_roles,
        "role_bindings": bindings,
        "cluster_role_bindings": cluster_bindings,
    }


questions = st.builds(
    Question,
    verb=st.sampled_from(VERBS[:3]),
    group=st.sampled_from(GROUPS[:2]),
    resource=st.sampled_from(["pods", "secrets"]),
    subresource=st.sampled_from(["", "log"]),
    namespace=st.sampled_from(["", *SPACES]),
    name=st.sampled_from(["", "a", "c"]),
    path=st.just(""),
) | st.builds(
    Question,
    verb=st.sampled_from(["get", "post"]),
    **dict.fromkeys(("group", "resource", "subresource", "namespace", "name"), st.just("")),
    path=st.sampled_from(["/api", "/api/v1", "/healthz", "/else"]),
)


def naive(world: dict[str, list[Document]], user: str, teams: list[str], ask: Question) -> bool:
    """As slow and as plain as it can be said."""
    bindings = [(binding, "") for binding in world["cluster_role_bindings"]]
    bindings += [
        (binding, binding["metadata"]["namespace"])
        for binding in world["role_bindings"]
        if ask.namespace and binding["metadata"]["namespace"] == ask.namespace
    ]
    for binding, space in bindings:
        if not any(is_meant(subject, user, teams) for subject in binding["subjects"]):
            continue
        reference = binding["roleRef"]
        pool = world["roles"] if reference["kind"] == "Role" else world["cluster_roles"]
        for role in pool:
            if reference["kind"] == "Role" and role["metadata"]["namespace"] != space:
                continue
            if role["metadata"]["name"] != reference["name"]:
                continue
            if any(permits(rule, ask) for rule in role["rules"]):
                return True
    return False


def is_meant(subject: Document, user: str, teams: list[str]) -> bool:
    if subject["kind"] == "Group":
        return subject["name"] in teams
    if subject["kind"] == "ServiceAccount":
        return user == f"system:serviceaccount:{subject['namespace']}:{subject['name']}"
    return bool(user == subject["name"])


def permits(rule: Document, ask: Question) -> bool:
    def has(member: str, value: str) -> bool:
        return value in rule.get(member, []) or "*" in rule.get(member, [])

    if not has("verbs", ask.verb):
        return False
    if ask.path:
        return any(
            url in ("*", ask.path) or (url.endswith("*") and ask.path.startswith(url[:-1]))
            for url in rule.get("nonResourceURLs", [])
        )
    if not has("apiGroups", ask.group):
        return False
    if rule.get("resourceNames") and ask.name not in rule["resourceNames"]:
        return False
    if not ask.subresource:
        return has("resources", ask.resource)
    return has("resources", f"{ask.resource}/{ask.subresource}") or (
        f"*/{ask.subresource}" in rule["resources"]
    )


@settings(max_examples=150, deadline=None)
@given(worlds(), st.sampled_from(USERS), st.lists(st.sampled_from(TEAMS), unique=True), questions)
def test_a_verdict_is_that_of_the_plain_reading(
    world: dict[str, list[Document]], user: str, teams: list[str], ask: Question
) -> None:
    """Whatever is bound to whom."""
    rights = Rights(**world)
    grant = rights.allowed(user, teams, ask)
    assert (grant is not None) == naive(world, user, teams, ask)
    held = rights.rules(user, teams, ask.namespace)
    assert any(rule.allows(ask) for rule in held) == (grant is not None)


@settings(max_examples=150, deadline=None)
@given(rules, rules, questions)
def test_what_is_covered_allows_nothing_more(
    held: list[Document], wanted: list[Document], ask: Question
) -> None:
    """If nothing is missing, whatever the wanted rules allow the held ones allow; what is
    missing is allowed by the wanted rules, and by itself."""
    own = rules_of({"rules": held})
    want = rules_of({"rules": wanted})
    missing = not_covered(own, want)
    wants = any(rule.allows(ask) for rule in want)
    has = any(rule.allows(ask) for rule in (*own, *missing))
    assert not wants or has
    assert not not_covered((*own, *missing), want)
    assert not not_covered(want, want)


@settings(max_examples=200, deadline=None)
@given(resource_rules | path_rules, questions)
def test_a_rule_is_the_sum_of_its_pieces(entry: Document, ask: Question) -> None:
    """Split into single permissions it allows the same."""
    rule = Rule.of(entry)
    assert rule.allows(ask) == any(piece.allows(ask) for piece in singles(rule))
