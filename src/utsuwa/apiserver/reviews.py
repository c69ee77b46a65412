"""Questions about rights and tokens: `auth can-i`, `auth whoami`, and what programs ask for others.

Answered at once and never stored (`spec/kubernetes-api.md` §4.2). Questions about oneself are open
to everybody who is known; those about others need the right to ask (`system:auth-delegator`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from utsuwa.apiserver.discovery import REVIEWS
from utsuwa.apiserver.ports import Attributes, Authorizer, User
from utsuwa.apiserver.service_tokens import AUDIENCE, Proven
from utsuwa.apiserver.status import bad_request
from utsuwa.kit.documents import Document, dig
from utsuwa.model.kinds import KINDS, NAMESPACE, VIEW_KINDS, Kind

_KINDS = {(group, plural): name for group, plural, name in REVIEWS}
_LOCAL = "localsubjectaccessreviews"


@dataclass(frozen=True, slots=True)
class Asked:
    """Which review a path means."""

    group: str
    plural: str
    namespace: str = ""

    @property
    def kind(self) -> str:
        """The kind of its body."""
        return _KINDS[self.group, self.plural]

    @property
    def attributes(self) -> Attributes:
        """What one must be allowed to ask it."""
        return Attributes("create", None, self.namespace, group=self.group, plural=self.plural)


@dataclass(frozen=True, slots=True)
class Tribunal:
    """Who knows: the rules, and the tokens (None where there are none)."""

    authorizer: Authorizer
    proven: Callable[[str], Proven | None] | None = None


def asked(path: str) -> Asked | None:
    """The review that is POSTed to `path`, or None when it is none.

    >>> asked("/apis/authorization.k8s.io/v1/subjectaccessreviews").kind
    'SubjectAccessReview'
    """
    parts = path.strip("/").split("/")
    if len(parts) < 4 or parts[0] != "apis" or parts[2] != "v1":
        return None
    group, plural = parts[1], parts[-1]
    if (group, plural) not in _KINDS:
        return None
    if plural == _LOCAL:
        local = len(parts) == 6 and parts[3] == "namespaces"
        return Asked(group, plural, parts[4]) if local else None
    return Asked(group, plural) if len(parts) == 4 else None


def answer(question: Asked, document: Document, user: User, tribunal: Tribunal) -> Document:
    """The review with its status filled in.

    Raises:
        BadRequestError: the question cannot be understood.
    """
    kind = question.kind
    if document.get("kind") not in (None, "", kind):
        raise bad_request(f"expected a {kind} in the body, found a {document['kind']}")
    spec = document.get("spec")
    if spec is not None and not isinstance(spec, dict):
        raise bad_request(f"spec: expected a map, found a {type(spec).__name__}")
    if question.namespace:
        _check_local(question.namespace, spec or {})
    status = _ANSWERS[kind](spec or {}, user, tribunal)
    return {
        "kind": kind,
        "apiVersion": f"{question.group}/v1",
        "metadata": {"creationTimestamp": None},
        **({"spec": spec} if spec else {}),
        "status": status,
    }


def _who(_: Document, user: User, __: Tribunal) -> Document:
    return {"userInfo": _info(user)}


def _token(spec: Document, _: User, tribunal: Tribunal) -> Document:
    token = spec.get("token")
    if not token or not isinstance(token, str):
        raise bad_request("spec.token: expected the token to be looked at, found nothing")
    wanted = [str(audience) for audience in spec.get("audiences") or (AUDIENCE,)]
    found = tribunal.proven(token) if tribunal.proven is not None else None
    if found is None:
        return {"user": {}, "error": "the token is unknown, revoked or expired"}
    shared = [audience for audience in wanted if audience in found.audiences]
    if not shared:
        return {"user": {}, "error": f"the token is not for the audiences {wanted}"}
    return {"authenticated": True, "user": _info(found.user), "audiences": shared}


def _own_access(spec: Document, user: User, tribunal: Tribunal) -> Document:
    return _verdict(spec, user, tribunal.authorizer)


def _access(spec: Document, _: User, tribunal: Tribunal) -> Document:
    name, groups = spec.get("user") or "", spec.get("groups") or []
    if not name and not groups:
        raise bad_request("spec: at least one of user or group must be specified")
    if not isinstance(groups, list):
        raise bad_request("spec.groups: expected a list of texts")
    subject = User(str(name), tuple(str(group) for group in groups))
    return _verdict(spec, subject, tribunal.authorizer)


def _verdict(spec: Document, user: User, authorizer: Authorizer) -> Document:
    attributes = _attributes(spec)
    allowed = authorizer.allows(user, attributes)
    reason = authorizer.reason(user, attributes) if allowed else ""
    return {"allowed": allowed, **({"reason": reason} if reason else {})}


def _attributes(spec: Document) -> Attributes:
    of_object, of_path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if isinstance(of_object, dict) == isinstance(of_path, dict):
        raise bad_request(
            "spec: exactly one of nonResourceAttributes or resourceAttributes must be specified"
        )
    if not isinstance(of_object, dict):
        return Attributes(_text(of_path, "verb"), None, path=_text(of_path, "path"))
    group, plural = _text(of_object, "group"), _text(of_object, "resource")
    plural, _, inner = plural.partition("/")
    kind = _kind(group, plural)
    name, namespace = _text(of_object, "name"), _text(of_object, "namespace")
    if kind is NAMESPACE and name:
        namespace = name
    return Attributes(
        _text(of_object, "verb"), kind, namespace, name,
        _text(of_object, "subresource") or inner, group=group, plural=plural,
    )  # fmt: skip


def _rules(spec: Document, user: User, tribunal: Tribunal) -> Document:
    namespace = _text(spec, "namespace")
    if not namespace:
        raise bad_request("spec.namespace: no namespace on request")
    rules = [rule.document() for rule in tribunal.authorizer.rules(user, namespace)]
    return {
        "resourceRules": [rule for rule in rules if "nonResourceURLs" not in rule],
        "nonResourceRules": [rule for rule in rules if "nonResourceURLs" in rule],
        "incomplete": False,
    }


def _check_local(namespace: str, spec: Document) -> None:
    found = dig(spec, "resourceAttributes", "namespace", default="")
    if found != namespace:
        raise bad_request(
            f"spec.resourceAttributes.namespace: expected {namespace!r} as in the URL, found "
            f"{found!r}"
        )


def _info(user: User) -> Document:
    members: Document = {"username": user.name, "groups": list(user.groups)}
    if user.uid:
        members["uid"] = user.uid
    if user.extra:
        members["extra"] = {key: list(values) for key, values in user.extra}
    return members


def _kind(group: str, resource: str) -> Kind | None:
    known = (*KINDS, *VIEW_KINDS)
    return next((k for k in known if k.group == group and k.plural == resource), None)


def _text(members: Any, name: str) -> str:
    value = members.get(name)
    if value is not None and not isinstance(value, str):
        raise bad_request(f"spec: {name}: expected a text, found {value!r}")
    return value or ""


_ANSWERS: dict[str, Callable[[Document, User, Tribunal], Document]] = {
    "SelfSubjectReview": _who,
    "SelfSubjectAccessReview": _own_access,
    "SelfSubjectRulesReview": _rules,
    "SubjectAccessReview": _access,
    "LocalSubjectAccessReview": _access,
    "TokenReview": _token,
}
