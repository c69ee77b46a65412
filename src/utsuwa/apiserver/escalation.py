"""Nobody gives more than they have: checks of writes that hand out rights, as Kubernetes does them.

* Who writes a role must hold every rule in it, or have the verb `escalate` on it.
* Who writes a binding must hold every rule of the role bound, or have the verb `bind` on that.
* Who writes the Secret of a token must be allowed to impersonate its bearer.
"""

from collections.abc import Sequence

from utsuwa.apiserver import rbac_objects
from utsuwa.apiserver.auth import forbidden
from utsuwa.apiserver.authentication import may_pose_as
from utsuwa.apiserver.issued_tokens import bearer_of
from utsuwa.apiserver.ports import Attributes, Authorizer, User
from utsuwa.cluster.errors import Cause, ForbiddenError, NotFoundError
from utsuwa.kit.documents import Document, dig
from utsuwa.model.issued import NAMESPACE as TOKENS
from utsuwa.model.issued import TYPE
from utsuwa.model.kinds import (
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    ROLE,
    ROLE_BINDING,
    SECRET,
    Kind,
)
from utsuwa.model.rights import Rule, aggregated, not_covered, rules_of

_SHOWN = 20


def admitted(
    kind: Kind, new: Document, old: Document | None, user: User, authorizer: Authorizer
) -> Document:
    """`new`, completed if it is a role or a binding, once it is sure that `user` may write it.

    Raises:
        InvalidError: it is no such thing.
        ApiError: as :func:`check`.
    """
    new = rbac_objects.completed(kind, new)
    rbac_objects.check(kind, new, old)
    check(kind, new, old, user, authorizer)
    return new


def check(
    kind: Kind, new: Document, old: Document | None, user: User, authorizer: Authorizer
) -> None:
    """Refuse a write by which `user` would give rights that it does not have.

    Raises:
        ForbiddenError: it would.
        NotFoundError: the role to be bound does not exist.
    """
    if kind in (ROLE, CLUSTER_ROLE):
        _check_role(kind, new, old, user, authorizer)
    elif kind in (ROLE_BINDING, CLUSTER_ROLE_BINDING):
        _check_binding(kind, new, old, user, authorizer)
    elif kind is SECRET and new.get("type") == TYPE and _namespace(new) == TOKENS:
        lacking = may_pose_as(user, bearer_of(new), authorizer)
        if lacking is not None:
            raise forbidden(user, lacking)


def _check_role(
    kind: Kind, new: Document, old: Document | None, user: User, authorizer: Authorizer
) -> None:
    if old is not None and _same(old, new, "rules") and _same(old, new, "aggregationRule"):
        return
    wanted = list(rules_of(new))
    if kind is CLUSTER_ROLE and aggregated(new, ()) is not None:
        # What it will gather one day cannot be known: only who may do everything may say so.
        wanted.append(_EVERYTHING)
    name = str(new["metadata"].get("name", ""))
    attributes = Attributes("escalate", kind, _namespace(new), name)
    if not authorizer.allows(user, attributes):
        _check_held(kind, new, wanted, user, authorizer)


def _check_binding(
    kind: Kind, new: Document, old: Document | None, user: User, authorizer: Authorizer
) -> None:
    if old is not None and _same(old, new, "subjects") and _same(old, new, "roleRef"):
        return
    bound = ROLE if dig(new, "roleRef", "kind") == "Role" else CLUSTER_ROLE
    name = str(dig(new, "roleRef", "name", default=""))
    namespace = _namespace(new)
    if authorizer.allows(user, Attributes("bind", bound, namespace, name)):
        return
    rules = authorizer.role(namespace if bound is ROLE else "", name)
    if rules is None:
        raise NotFoundError(
            f'{bound.resource} "{name}" not found', name=name, group=bound.group, kind=bound.plural
        )
    _check_held(kind, new, rules, user, authorizer)


def _check_held(
    kind: Kind, new: Document, wanted: Sequence[Rule], user: User, authorizer: Authorizer
) -> None:
    missing = not_covered(authorizer.rules(user, _namespace(new)), wanted)
    if not missing:
        return
    name = str(new["metadata"].get("name", ""))
    groups = " ".join(f'"{group}"' for group in user.groups)
    listed = "\n".join(_shown(rule) for rule in missing[:_SHOWN])
    message = (
        f'{kind.resource} "{name}" is forbidden: user "{user.name}" (groups=[{groups}]) is '
        f"attempting to grant RBAC permissions not currently held:\n{listed}"
    )
    raise ForbiddenError(
        message, name=name, group=kind.group, kind=kind.plural, causes=(Cause(message),)
    )


def _shown(rule: Rule) -> str:
    members = (
        ("APIGroups", rule.groups),
        ("Resources", rule.resources),
        ("ResourceNames", rule.names),
        ("NonResourceURLs", rule.paths),
        ("Verbs", rule.verbs),
    )
    parts = []
    for label, values in members:
        if values:
            quoted = " ".join(f'"{value}"' for value in sorted(values))
            parts.append(f"{label}:[{quoted}]")
    return f"{{{', '.join(parts)}}}"


def _same(old: Document, new: Document, member: str) -> bool:
    return (old.get(member) or None) == (new.get(member) or None)


def _namespace(document: Document) -> str:
    return str(document["metadata"].get("namespace", ""))


_EVERYTHING = Rule(frozenset({"*"}), frozenset({"*"}), frozenset({"*"}))
