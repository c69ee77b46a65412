"""Who may do what: the rules of Roles and their bindings, as Kubernetes reads them. Pure.

:class:`Rights` is made from all Roles, ClusterRoles, RoleBindings and ClusterRoleBindings at once
and then answers questions without looking at a document again. There are no rules that forbid:
what no rule allows is forbidden.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from utsuwa.kit.documents import Document, dig

ALL = "*"
GROUP = "rbac.authorization.k8s.io"
SERVICE_ACCOUNT_USER = "system:serviceaccount:"
"""Followed by `NAMESPACE:NAME` this is the user that a ServiceAccount is."""


class Question(NamedTuple):
    """May somebody do this? Either `resource` or `path` is given."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of a role's `rules`."""

    verbs: frozenset[str]
    groups: frozenset[str] = frozenset()
    resources: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    paths: frozenset[str] = frozenset()

    @classmethod
    def of(cls, entry: Document) -> "Rule":
        """The rule of an entry; what is malformed in it allows nothing."""
        return cls(
            _texts(entry.get("verbs")),
            _texts(entry.get("apiGroups")),
            _texts(entry.get("resources")),
            _texts(entry.get("resourceNames")),
            _texts(entry.get("nonResourceURLs")),
        )

    def allows(self, question: Question) -> bool:
        """Whether this rule allows it.

        >>> pods = Rule(frozenset({"get"}), frozenset({""}), frozenset({"*/log"}))
        >>> pods.allows(Question("get", "", "pods", "log")), pods.allows(Question("get", "", "pods"))
        (True, False)
        """
        if question.verb not in self.verbs and ALL not in self.verbs:
            return False
        if not question.resource:
            return any(_path_matches(pattern, question.path) for pattern in self.paths)
        if question.group not in self.groups and ALL not in self.groups:
            return False
        if self.names and question.name not in self.names:
            return False
        return self._has_resource(question.resource, question.subresource)

    def _has_resource(self, resource: str, subresource: str) -> bool:
        if ALL in self.resources:
            return True
        if not subresource:
            return resource in self.resources
        found = self.resources
        return f"{resource}/{subresource}" in found or f"*/{subresource}" in found

    def covers(self, single: "Rule") -> bool:
        """Whether it allows all that `single` does, a rule with one of each (see :func:`singles`)."""
        if not _includes(self.verbs, single.verbs):
            return False
        if single.paths:
            return all(self._covers_path(path) for path in single.paths)
        if not _includes(self.groups, single.groups):
            return False
        if self.names and not (single.names and single.names <= self.names):
            return False
        return all(self._covers_resource(resource) for resource in single.resources)

    def _covers_path(self, path: str) -> bool:
        return any(_path_matches(pattern, path) for pattern in self.paths)

    def _covers_resource(self, resource: str) -> bool:
        if ALL in self.resources or resource in self.resources:
            return True
        _, slash, subresource = resource.partition("/")
        return bool(slash) and f"*/{subresource}" in self.resources

    def document(self) -> Document:
        """As an entry of `rules`, in a fixed order."""
        members = (
            ("verbs", self.verbs),
            ("apiGroups", self.groups),
            ("resources", self.resources),
            ("resourceNames", self.names),
            ("nonResourceURLs", self.paths),
        )
        return {name: sorted(values) for name, values in members if values}


@dataclass(frozen=True, slots=True)
class Grant:
    """What one binding gives: rules, in a namespace or (when that is empty) everywhere."""

    namespace: str
    rules: tuple[Rule, ...]
    why: str
    """`RBAC: allowed by RoleBinding "b/ns" of Role "r" to User "u"`."""


class Rights:
    """All bindings, by whom they name. Never changes; made anew when an object does."""

    def __init__(
        self,
        *,
        roles: Iterable[Document] = (),
        cluster_roles: Iterable[Document] = (),
        role_bindings: Iterable[Document] = (),
        cluster_role_bindings: Iterable[Document] = (),
    ) -> None:
        self._roles = {_place(role): rules_of(role) for role in (*roles, *cluster_roles)}
        self._everywhere: dict[tuple[str, str], list[Grant]] = {}
        self._within: dict[tuple[str, str, str], list[Grant]] = {}
        for binding in cluster_role_bindings:
            self._bind(binding, "")
        for binding in role_bindings:
            self._bind(binding, str(binding["metadata"].get("namespace", "")))

    def __repr__(self) -> str:
        return (
            f"<Rights {len(self._roles)} roles, {len(self._everywhere) + len(self._within)} bound>"
        )

    def role(self, namespace: str, name: str) -> tuple[Rule, ...] | None:
        """The rules of a Role, or with an empty namespace of a ClusterRole; None if missing."""
        return self._roles.get((namespace, name))

    def allowed(self, user: str, groups: Iterable[str], question: Question) -> Grant | None:
        """The first grant that allows it, or None."""
        for grant in self._grants(user, groups, question.namespace):
            for rule in grant.rules:
                if rule.allows(question):
                    return grant
        return None

    def rules(self, user: str, groups: Iterable[str], namespace: str) -> list[Rule]:
        """Every rule that holds for the user in `namespace`, each once."""
        found = (rule for grant in self._grants(user, groups, namespace) for rule in grant.rules)
        return list(dict.fromkeys(found))

    def _grants(self, user: str, groups: Iterable[str], namespace: str) -> Iterator[Grant]:
        subjects = [("User", user), *(("Group", group) for group in groups)]
        for subject in subjects:
            yield from self._everywhere.get(subject, ())
        if namespace:
            for kind, name in subjects:
                yield from self._within.get((namespace, kind, name), ())

    def _bind(self, binding: Document, namespace: str) -> None:
        role = str(dig(binding, "roleRef", "name", default=""))
        kind = dig(binding, "roleRef", "kind", default="")
        rules = self._roles.get((namespace if kind == "Role" else "", role))
        if rules is None or (kind == "Role" and not namespace):
            return
        name = binding["metadata"]["name"]
        what = f'RoleBinding "{name}/{namespace}"' if namespace else f'ClusterRoleBinding "{name}"'
        for subject in subjects_of(binding, namespace):
            shown = f'{subject[0]} "{subject[1]}"'
            grant = Grant(
                namespace, rules, f'RBAC: allowed by {what} of {kind} "{role}" to {shown}'
            )
            if namespace:
                self._within.setdefault((namespace, *subject), []).append(grant)
            else:
                self._everywhere.setdefault(subject, []).append(grant)


def rules_of(role: Document) -> tuple[Rule, ...]:
    """The rules of a Role or ClusterRole."""
    return tuple(Rule.of(entry) for entry in role.get("rules") or () if isinstance(entry, dict))


def subjects_of(binding: Document, namespace: str) -> Iterator[tuple[str, str]]:
    """Whom a binding names: ("User" or "Group", name). A ServiceAccount is a user."""
    for subject in binding.get("subjects") or ():
        kind, name = subject.get("kind"), str(subject.get("name", ""))
        if kind == "ServiceAccount":
            where = subject.get("namespace") or namespace
            yield "User", f"{SERVICE_ACCOUNT_USER}{where}:{name}"
        elif kind in {"User", "Group"}:
            yield str(kind), name


def singles(rule: Rule) -> Iterator[Rule]:
    """The same rule in pieces that have one verb and one thing each."""
    for verb in sorted(rule.verbs):
        one = frozenset({verb})
        for path in sorted(rule.paths):
            yield Rule(one, paths=frozenset({path}))
        for group in sorted(rule.groups):
            for resource in sorted(rule.resources):
                for name in sorted(rule.names) or [""]:
                    names = frozenset({name}) if name else frozenset[str]()
                    yield Rule(one, frozenset({group}), frozenset({resource}), names)


def not_covered(held: Sequence[Rule], wanted: Iterable[Rule]) -> list[Rule]:
    """What `wanted` allows and `held` does not, verbs for one thing together."""
    missing: dict[Rule, set[str]] = {}
    for rule in wanted:
        for single in singles(rule):
            if not any(own.covers(single) for own in held):
                thing = Rule(
                    frozenset(), single.groups, single.resources, single.names, single.paths
                )
                missing.setdefault(thing, set()).update(single.verbs)
    return [
        Rule(frozenset(verbs), thing.groups, thing.resources, thing.names, thing.paths)
        for thing, verbs in missing.items()
    ]


def aggregated(role: Document, cluster_roles: Iterable[Document]) -> list[Document] | None:
    """The rules that a ClusterRole with an `aggregationRule` gathers from the others; None when
    it has none. In the order of the roles' names, each rule once."""
    selectors = dig(role, "aggregationRule", "clusterRoleSelectors")
    if not isinstance(selectors, list):
        return None
    gathered: list[Document] = []
    for other in sorted(cluster_roles, key=lambda found: str(found["metadata"]["name"])):
        if other["metadata"]["name"] == role["metadata"]["name"]:
            continue
        labels = other["metadata"].get("labels") or {}
        if any(_selects(selector, labels) for selector in selectors):
            gathered += [rule for rule in other.get("rules") or () if rule not in gathered]
    return gathered


def _selects(selector: Any, labels: Document) -> bool:
    if not isinstance(selector, dict):
        return False
    wanted = selector.get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _expression(entry, labels) for entry in selector.get("matchExpressions") or ()
    )


def _expression(entry: Document, labels: Document) -> bool:
    key, values = str(entry.get("key", "")), entry.get("values") or ()
    found = labels.get(key)
    match entry.get("operator"):
        case "In":
            return found in values
        case "NotIn":
            return found not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    return False


def _includes(own: frozenset[str], wanted: frozenset[str]) -> bool:
    return ALL in own or wanted <= own


def _path_matches(pattern: str, path: str) -> bool:
    if pattern in (ALL, path):
        return True
    return pattern.endswith(ALL) and path.startswith(pattern.rstrip(ALL))


def _place(role: Document) -> tuple[str, str]:
    return str(role["metadata"].get("namespace", "")), str(role["metadata"]["name"])


def _texts(values: Any) -> frozenset[str]:
    if not isinstance(values, list):
        return frozenset()
    return frozenset(value for value in values if isinstance(value, str))
