"""Who calls: by client certificate, by bearer token, or as nobody where that is asked for.

In the order of Kubernetes: a certificate that our authority signed comes first, then the token. A
token that is not good is refused, never taken for nobody. Whoever may `impersonate` can then act
as somebody else (`kubectl --as`).
"""

import ipaddress
from collections.abc import Mapping
from typing import Any

from utsuwa.apiserver.auth import forbidden, user_of
from utsuwa.apiserver.issued_tokens import IssuedTokens
from utsuwa.apiserver.ports import Attributes, Authorizer, User
from utsuwa.apiserver.service_tokens import (
    AUDIENCE,
    Proven,
    ServiceTokens,
    service_account_groups,
)
from utsuwa.apiserver.status import UnauthorizedError, bad_request
from utsuwa.cluster.errors import Cause
from utsuwa.model.builtin_roles import ANONYMOUS, AUTHENTICATED, UNAUTHENTICATED
from utsuwa.model.rights import SERVICE_ACCOUNT_USER

_NOBODY = User(ANONYMOUS, (UNAUTHENTICATED,))
_EXTRA = "impersonate-extra-"


class Authentication:
    """The whole of it: certificates, tokens of both kinds, and nobody."""

    def __init__(
        self, service: ServiceTokens, issued: IssuedTokens, *, anonymous: bool = False
    ) -> None:
        self.service = service
        self._issued = issued
        self._anonymous = anonymous

    def __repr__(self) -> str:
        return f"<Authentication {self.service!r}, anonymous {'on' if self._anonymous else 'off'}>"

    def user(
        self, certificate: Mapping[str, Any] | None, headers: Mapping[str, str], peer: str
    ) -> User:
        """Who sends a request.

        Raises:
            UnauthorizedError: nobody that is known.
        """
        if certificate:
            return user_of(certificate)
        token = bearer(headers)
        if token is not None:
            proven = self.proven(token)
            if proven is None or AUDIENCE not in proven.audiences:
                raise UnauthorizedError("Unauthorized", causes=(_BAD_TOKEN,))
            return proven.user
        if self._anonymous and _is_loopback(peer):
            return _NOBODY
        return user_of(None)

    def proven(self, token: str) -> Proven | None:
        """Whom a bearer token stands for, None when it is not good."""
        user = self._issued.user(token)
        return Proven(user, (AUDIENCE,)) if user is not None else self.service.proven(token)


class CertificatesOnly:
    """Client certificates and nothing else: for servers that have no tokens."""

    def user(
        self, certificate: Mapping[str, Any] | None, headers: Mapping[str, str], peer: str
    ) -> User:
        """As the port."""
        return user_of(certificate)


def bearer(headers: Mapping[str, str]) -> str | None:
    """The bearer token of a request, or None."""
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def is_impersonating(headers: Mapping[str, str]) -> bool:
    """Whether the caller wants to act as somebody else."""
    return any(header[:11].lower() == "impersonate" for header in headers)


def impersonated(user: User, headers: Mapping[str, str], authorizer: Authorizer) -> User:
    """Whom `user` wants to act as; `user` when nobody.

    Raises:
        ForbiddenError: it may not.
        BadRequestError: groups or more are named, but no user.
    """
    if not is_impersonating(headers):
        return user
    told = _Told(headers)
    if not told.name:
        if told.groups or told.uid or told.extra:
            raise bad_request("requested impersonation without impersonating a user")
        return user
    for attributes in told.questions():
        if not authorizer.allows(user, attributes):
            raise forbidden(user, attributes)
    groups = told.groups
    if told.account is not None and not groups:
        groups = service_account_groups(told.account[0])
    elif told.name != ANONYMOUS and AUTHENTICATED not in groups:
        groups = (*groups, AUTHENTICATED)
    elif told.name == ANONYMOUS and UNAUTHENTICATED not in groups:
        groups = (*groups, UNAUTHENTICATED)
    return User(told.name, groups, told.uid, told.extra)


class _Told:
    """What the headers say of whom to act as."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        groups: list[str] = []
        extra: dict[str, list[str]] = {}
        for header, value in headers.items():
            lowered = header.lower()
            if lowered == "impersonate-group":
                groups.append(value)
            elif lowered.startswith(_EXTRA):
                extra.setdefault(lowered.removeprefix(_EXTRA), []).append(value)
        self.name = headers.get("Impersonate-User", "")
        self.uid = headers.get("Impersonate-Uid", "")
        self.groups = tuple(groups)
        self.extra = tuple((key, tuple(values)) for key, values in extra.items())
        namespace, _, name = self.name.removeprefix(SERVICE_ACCOUNT_USER).partition(":")
        is_account = self.name.startswith(SERVICE_ACCOUNT_USER) and namespace and name
        self.account = (namespace, name) if is_account else None

    def questions(self) -> list[Attributes]:
        """All that whoever sends this must be allowed."""
        if self.account is not None:
            asked = [_impersonate("serviceaccounts", self.account[1], namespace=self.account[0])]
        else:
            asked = [_impersonate("users", self.name)]
        asked += [_impersonate("groups", group) for group in self.groups]
        if self.uid:
            asked.append(_impersonate("uids", self.uid, group="authentication.k8s.io"))
        for key, values in self.extra:
            asked += [
                _impersonate("userextras", value, group="authentication.k8s.io", sub=key)
                for value in values
            ]
        return asked


def may_pose_as(user: User, bearer_user: User, authorizer: Authorizer) -> Attributes | None:
    """What `user` lacks to act as `bearer_user` with its groups; None when it may."""
    headers = {"Impersonate-User": bearer_user.name}
    questions = _Told(headers).questions()
    questions += [_impersonate("groups", g) for g in bearer_user.groups if g != AUTHENTICATED]
    return next((asked for asked in questions if not authorizer.allows(user, asked)), None)


def _impersonate(
    plural: str, name: str, *, namespace: str = "", group: str = "", sub: str = ""
) -> Attributes:
    return Attributes("impersonate", None, namespace, name, sub, group=group, plural=plural)


def _is_loopback(peer: str) -> bool:
    try:
        return ipaddress.ip_address(peer).is_loopback
    except ValueError:
        return False


_BAD_TOKEN = Cause(
    "the bearer token is unknown, revoked or expired; make another with `utsuwa token create` "
    "or `kubectl create token`"
)
