"""What callers may do, by the RBAC objects of the cluster.

The objects are read from informers and turned into :class:`~utsuwa.model.rights.Rights` when one
of them has changed; verdicts are remembered until then, for the same question is asked again and
again. Members of `system:masters` may do everything, whatever the objects say: so nobody can lock
the administrator out.
"""

from collections.abc import Sequence

from utsuwa.apiserver.ports import Attributes, User
from utsuwa.cluster.informer import Informers
from utsuwa.kit.documents import Document
from utsuwa.model.builtin_roles import MASTERS
from utsuwa.model.kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ROLE, ROLE_BINDING
from utsuwa.model.rights import ALL, Question, Rights, Rule

_REMEMBERED = 10_000
_EVERYTHING = (
    Rule(frozenset({ALL}), frozenset({ALL}), frozenset({ALL})),
    Rule(frozenset({ALL}), paths=frozenset({ALL})),
)
_Asked = tuple[str, tuple[str, ...], Question]


class Rbac:
    """An Authorizer over the cluster's own rules.

    Mutable state: `_rights`, None when an object has changed since, and `_verdicts`, the reasons
    of verdicts given with them.
    """

    def __init__(self, informers: Informers) -> None:
        self._roles = informers.of(ROLE)
        self._cluster_roles = informers.of(CLUSTER_ROLE)
        self._role_bindings = informers.of(ROLE_BINDING)
        self._cluster_role_bindings = informers.of(CLUSTER_ROLE_BINDING)
        self._rights: Rights | None = None
        self._verdicts: dict[_Asked, str] = {}
        for informer in (
            self._roles, self._cluster_roles, self._role_bindings, self._cluster_role_bindings,
        ):  # fmt: skip
            informer.on_change(self._changed)

    def __repr__(self) -> str:
        return f"<Rbac {self._rights!r}, {len(self._verdicts)} verdicts>"

    def allows(self, user: User, attributes: Attributes) -> bool:
        """Whether `user` may do it."""
        return MASTERS in user.groups or bool(self.reason(user, attributes))

    def reason(self, user: User, attributes: Attributes) -> str:
        """Which rule allows it; empty when none does."""
        asked = (user.name, user.groups, attributes.question)
        rights = self._current()
        known = self._verdicts.get(asked)
        if known is None:
            grant = rights.allowed(*asked)
            known = grant.why if grant is not None else ""
            if not known and MASTERS in user.groups:
                known = f'allowed to members of "{MASTERS}"'
            if len(self._verdicts) >= _REMEMBERED:
                self._verdicts.clear()
            self._verdicts[asked] = known
        return known

    def rules(self, user: User, namespace: str) -> Sequence[Rule]:
        """All that `user` may do in `namespace`."""
        found = self._current().rules(user.name, user.groups, namespace)
        if MASTERS in user.groups:
            found = list(dict.fromkeys((*_EVERYTHING, *found)))
        return found

    def role(self, namespace: str, name: str) -> Sequence[Rule] | None:
        """The rules of a Role (of a ClusterRole when `namespace` is empty), None if missing."""
        return self._current().role(namespace, name)

    def _changed(self, old: Document | None, new: Document | None) -> None:
        self._rights = None

    def _current(self) -> Rights:
        if self._rights is None:
            self._verdicts.clear()
            self._rights = Rights(
                roles=self._roles.list(),
                cluster_roles=self._cluster_roles.list(),
                role_bindings=self._role_bindings.list(),
                cluster_role_bindings=self._cluster_role_bindings.list(),
            )
        return self._rights
