"""Questions about oneself: `auth can-i`, `auth whoami` (`spec/kubernetes-api.md` §4.2)."""

from utsuwa.apiserver.ports import Attributes, Authorizer, User
from utsuwa.apiserver.status import bad_request
from utsuwa.kit.documents import Document, dig
from utsuwa.model.kinds import KINDS, Kind

_EVERYTHING = ["*"]


def answer(kind: str, document: Document, user: User, authorizer: Authorizer) -> Document:
    """The review with its status filled in.

    Raises:
        BadRequestError: the question cannot be understood.
    """
    if document.get("kind") not in (None, "", kind):
        raise bad_request(f"expected a {kind} in the body, found a {document['kind']}")
    status = _ANSWERS[kind](document, user, authorizer)
    group = "authentication" if kind == "SelfSubjectReview" else "authorization"
    return {
        "kind": kind,
        "apiVersion": f"{group}.k8s.io/v1",
        "metadata": {"creationTimestamp": None},
        **({"spec": document["spec"]} if document.get("spec") else {}),
        "status": status,
    }


def _who(_: Document, user: User, __: Authorizer) -> Document:
    return {"userInfo": {"username": user.name, "groups": list(user.groups)}}


def _access(document: Document, user: User, authorizer: Authorizer) -> Document:
    asked = dig(document, "spec", "resourceAttributes")
    if isinstance(asked, dict):
        attributes = Attributes(
            str(asked.get("verb", "")),
            _kind(str(asked.get("group", "")), str(asked.get("resource", ""))),
            str(asked.get("namespace", "")),
            str(asked.get("name", "")),
            str(asked.get("subresource", "")),
        )
    else:
        path = str(dig(document, "spec", "nonResourceAttributes", "path", default=""))
        verb = str(dig(document, "spec", "nonResourceAttributes", "verb", default=""))
        attributes = Attributes(verb, None, path=path)
    allowed = authorizer.allows(user, attributes)
    return {"allowed": allowed, **({} if allowed else {"reason": "no rule allows it"})}


def _rules(document: Document, user: User, authorizer: Authorizer) -> Document:
    namespace = str(dig(document, "spec", "namespace", default=""))
    if not authorizer.allows(user, Attributes("*", None, namespace)):
        return {"resourceRules": [], "nonResourceRules": [], "incomplete": False}
    everything = {"verbs": _EVERYTHING, "apiGroups": _EVERYTHING, "resources": _EVERYTHING}
    paths = {"verbs": _EVERYTHING, "nonResourceURLs": _EVERYTHING}
    return {"resourceRules": [everything], "nonResourceRules": [paths], "incomplete": False}


def _kind(group: str, resource: str) -> Kind | None:
    return next((k for k in KINDS if k.group == group and k.plural == resource), None)


_ANSWERS = {
    "SelfSubjectReview": _who,
    "SelfSubjectAccessReview": _access,
    "SelfSubjectRulesReview": _rules,
}
