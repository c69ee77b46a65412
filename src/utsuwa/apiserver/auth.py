"""Who calls, and what they may do.

A caller is known by a client certificate that our own authority signed: the common name is the
user, the organisations are the groups (`spec/kubernetes-api.md` §1). Nobody is let in unnamed.
"""

from collections.abc import Mapping
from typing import Any

from utsuwa.apiserver.ports import Attributes, User
from utsuwa.apiserver.status import UnauthorizedError
from utsuwa.cluster.errors import Cause, ForbiddenError

MASTERS = "system:masters"
"""The group whose members may do everything."""

_AUTHENTICATED = "system:authenticated"


class MastersOnly:
    """Members of `system:masters` may do everything, nobody else anything."""

    def allows(self, user: User, attributes: Attributes) -> bool:
        """Whether `user` is one of the masters."""
        return MASTERS in user.groups


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
    return User(names["commonName"][0], (*names.get("organizationName", ()), _AUTHENTICATED))


def forbidden(user: User, attributes: Attributes) -> ForbiddenError:
    """403, in the words of Kubernetes."""
    kind = attributes.kind
    if kind is None:
        message = f'User "{user.name}" cannot {attributes.verb} path "{attributes.path}"'
        return ForbiddenError(f"forbidden: {message}")
    resource = f"{kind.plural}/{attributes.subresource}".rstrip("/")
    subject = f'{kind.resource} "{attributes.name}"' if attributes.name else kind.resource
    where = (
        f' in the namespace "{attributes.namespace}"'
        if attributes.namespace
        else " at the cluster scope"
    )
    message = (
        f'{subject} is forbidden: User "{user.name}" cannot {attributes.verb} resource '
        f'"{resource}" in API group "{kind.group}"{where}'
    )
    return ForbiddenError(message, name=attributes.name, group=kind.group, kind=kind.plural)


_HOW = Cause(
    "expected a client certificate signed by this cluster's authority; "
    "use the kubeconfig that `utsuwa up` names"
)
