"""Client certificates, refusals in the words of Kubernetes, and the simplest of all rules.

A certificate that our own authority signed names its user by its common name, and groups by its
organisations (`spec/kubernetes-api.md` §1).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from utsuwa.apiserver.ports import Attributes, User
from utsuwa.apiserver.status import UnauthorizedError
from utsuwa.cluster.errors import Cause, ForbiddenError
from utsuwa.model.builtin_roles import AUTHENTICATED, MASTERS
from utsuwa.model.rights import Rule

_ALL = frozenset({"*"})
_EVERYTHING = (Rule(_ALL, _ALL, _ALL), Rule(_ALL, paths=_ALL))


class MastersOnly:
    """Members of `system:masters` may do everything, nobody else anything."""

    def allows(self, user: User, attributes: Attributes) -> bool:
        """Whether `user` is one of the masters."""
        return MASTERS in user.groups

    def reason(self, user: User, attributes: Attributes) -> str:
        """Why, if so."""
        return f'allowed to members of "{MASTERS}"' if MASTERS in user.groups else ""

    def rules(self, user: User, namespace: str) -> Sequence[Rule]:
        """Everything or nothing."""
        return _EVERYTHING if MASTERS in user.groups else ()

    def role(self, namespace: str, name: str) -> Sequence[Rule] | None:
        """There are none."""
        return None


def user_of(certificate: Mapping[str, Any] | None) -> User:
    """The user of a verified client certificate, in the form that `ssl` gives it.

    Raises:
        UnauthorizedError: there is none, or it names nobody.
    """
    names: dict[str, list[str]] = {}
    for part in (certificate or {}).get("subject", ()):
        for key, value in part:
            names.setdefault(key, []).append(value)
    if not names.get("commonName"):
        raise UnauthorizedError("Unauthorized", causes=(_HOW,))
    return User(names["commonName"][0], (*names.get("organizationName", ()), AUTHENTICATED))


def forbidden(user: User, attributes: Attributes) -> ForbiddenError:
    """403, in the words of Kubernetes."""
    asked = attributes.question
    if not asked.resource:
        message = f'User "{user.name}" cannot {asked.verb} path "{asked.path}"'
        return ForbiddenError(f"forbidden: {message}")
    resource = f"{asked.resource}/{asked.subresource}".rstrip("/")
    full = f"{asked.resource}.{asked.group}" if asked.group else asked.resource
    subject = f'{full} "{asked.name}"' if asked.name else full
    where = (
        f' in the namespace "{attributes.namespace}"'
        if attributes.namespace
        else " at the cluster scope"
    )
    message = (
        f'{subject} is forbidden: User "{user.name}" cannot {attributes.verb} resource '
        f'"{resource}" in API group "{asked.group}"{where}'
    )
    return ForbiddenError(message, name=asked.name, group=asked.group, kind=asked.resource)


_HOW = Cause(
    "expected a client certificate signed by this cluster's authority, or a bearer token; "
    "use the kubeconfig that `utsuwa up` names"
)
