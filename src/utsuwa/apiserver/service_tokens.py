"""Tokens of ServiceAccounts: issued through `serviceaccounts/token`, valid as long as what they
name lives.

Claims are those of Kubernetes, so that a program which looks inside finds what it expects. A token
dies with its ServiceAccount, with the Pod or Secret that it is bound to, and at its time.
"""

from dataclasses import dataclass
from typing import Any

from utsuwa.apiserver.jwt import Signer
from utsuwa.apiserver.ports import User
from utsuwa.apiserver.status import invalid
from utsuwa.cluster.errors import Cause, ConflictError, NotFoundError
from utsuwa.cluster.informer import Informers
from utsuwa.cluster.port import Cluster, Key
from utsuwa.kit.clock import Clock, rfc3339
from utsuwa.kit.documents import Document, dig
from utsuwa.kit.ids import Ids
from utsuwa.model.builtin_roles import AUTHENTICATED
from utsuwa.model.kinds import POD, SECRET, SERVICE_ACCOUNT, Kind
from utsuwa.model.rights import SERVICE_ACCOUNT_USER

AUDIENCE = "https://kubernetes.default.svc.cluster.local"
"""Who issues tokens, and the audience that this server itself is."""

_DEFAULT_SECONDS = 3600
_SHORTEST = 600
_LONGEST = 1 << 32
_BOUND: dict[tuple[str, str], Kind] = {("Pod", "v1"): POD, ("Secret", "v1"): SECRET}
_KEPT = 1024


@dataclass(frozen=True, slots=True)
class Proven:
    """Who a token stands for, and for which audiences it holds."""

    user: User
    audiences: tuple[str, ...]


class ServiceTokens:
    """Issues and verifies. Mutable state: `_known`, claims of tokens whose signature was right."""

    def __init__(self, signer: Signer, informers: Informers, clock: Clock, ids: Ids) -> None:
        self._signer = signer
        self._clock = clock
        self._ids = ids
        self._views = {
            kind: informers.of(kind) for kind in (SERVICE_ACCOUNT, *dict.fromkeys(_BOUND.values()))
        }
        self._known: dict[str, Document] = {}

    def __repr__(self) -> str:
        return f"<ServiceTokens {self._signer!r}: {len(self._known)} known>"

    async def issue(self, cluster: Cluster, key: Key, request: Document) -> Document:
        """The TokenRequest with its answer, for the ServiceAccount at `key`.

        Raises:
            NotFoundError: no such account, or nothing where it is to be bound.
            InvalidError: the request asks for what cannot be.
        """
        account = await cluster.get(SERVICE_ACCOUNT, key)
        spec = request.get("spec") or {}
        seconds = _seconds(spec.get("expirationSeconds"))
        audiences = spec.get("audiences") or [AUDIENCE]
        if not isinstance(audiences, list) or not all(isinstance(a, str) for a in audiences):
            raise _invalid("spec.audiences", "expected a list of texts")
        private: Document = {
            "namespace": key.namespace,
            "serviceaccount": {"name": key.name, "uid": account["metadata"]["uid"]},
        }
        reference = spec.get("boundObjectRef")
        if reference:
            private.update(await _bound(cluster, key.namespace, reference))
        now = int(self._clock.now())
        token = self._signer.sign({
            "aud": audiences, "exp": now + seconds, "iat": now, "nbf": now, "iss": AUDIENCE,
            "jti": self._ids.uid(), "kubernetes.io": private,
            "sub": f"{SERVICE_ACCOUNT_USER}{key.namespace}:{key.name}",
        })  # fmt: skip
        return {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {
                "name": key.name, "namespace": key.namespace, "creationTimestamp": rfc3339(now),
            },
            "spec": {
                "audiences": audiences, "expirationSeconds": seconds,
                "boundObjectRef": reference or None,
            },
            "status": {"token": token, "expirationTimestamp": rfc3339(now + seconds)},
        }  # fmt: skip

    def proven(self, token: str) -> Proven | None:
        """Whom a token stands for, None when it is not (or no longer) good."""
        claims = self._known.get(token) or self._signer.claims(token)
        if claims is None:
            return None
        if len(self._known) >= _KEPT:
            self._known.clear()
        self._known[token] = claims
        if not claims.get("nbf", 0) - 5 <= self._clock.now() < claims.get("exp", 0):
            return None
        user = self._living(claims.get("kubernetes.io") or {}, str(claims.get("jti", "")))
        return Proven(user, tuple(claims.get("aud") or ())) if user is not None else None

    def _living(self, private: Document, number: str) -> User | None:
        """The user, if the account and what the token is bound to are still the same."""
        namespace = str(private.get("namespace", ""))
        named = [(SERVICE_ACCOUNT, private.get("serviceaccount"))]
        named += [(kind, private.get(name.lower())) for (name, _), kind in _BOUND.items()]
        for kind, reference in named:
            if reference is None and kind is not SERVICE_ACCOUNT:
                continue
            found = self._views[kind].get(Key(namespace, dig(reference, "name", default="")))
            if found is None or found["metadata"]["uid"] != dig(reference, "uid"):
                return None
        account = private["serviceaccount"]
        extra = [("authentication.kubernetes.io/credential-id", (f"JTI={number}",))]
        if pod := private.get("pod"):
            extra += [
                ("authentication.kubernetes.io/pod-name", (pod["name"],)),
                ("authentication.kubernetes.io/pod-uid", (pod["uid"],)),
            ]
        return User(
            f"{SERVICE_ACCOUNT_USER}{namespace}:{account['name']}",
            service_account_groups(namespace),
            account["uid"],
            tuple(extra),
        )


def service_account_groups(namespace: str) -> tuple[str, ...]:
    """The groups that every ServiceAccount of a namespace is in."""
    return ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", AUTHENTICATED)


def _seconds(asked: Any) -> int:
    if asked is None:
        return _DEFAULT_SECONDS
    if type(asked) is not int:
        raise _invalid("spec.expirationSeconds", f"expected a whole number, found {asked!r}")
    if asked < _SHORTEST:
        raise _invalid("spec.expirationSeconds", "may not specify a duration less than 10 minutes")
    if asked > _LONGEST:
        raise _invalid(
            "spec.expirationSeconds", "may not specify a duration larger than 2^32 seconds"
        )
    return asked


async def _bound(cluster: Cluster, namespace: str, reference: Document) -> Document:
    name = str(reference.get("name", ""))
    kind = _BOUND.get((str(reference.get("kind", "")), str(reference.get("apiVersion", ""))))
    if kind is None or not name:
        raise _invalid(
            "spec.boundObjectRef", "expected the kind Pod or Secret, apiVersion v1, and a name"
        )
    try:
        found = await cluster.get(kind, Key(namespace, name))
    except NotFoundError as error:
        raise NotFoundError(error.message, name=name, kind=kind.plural) from error
    uid = found["metadata"]["uid"]
    if reference.get("uid") not in (None, "", uid):
        message = (
            f"the UID in the bound object reference ({reference['uid']}) does not match the UID "
            f"in record. The object might have been deleted and then recreated"
        )
        raise ConflictError(message, name=name, kind=kind.plural, causes=(Cause(message),))
    return {kind.name.lower(): {"name": name, "uid": uid}}


def _invalid(field: str, message: str) -> Exception:
    kind = Kind("authentication.k8s.io", "v1", "TokenRequest", "tokenrequests", "tokenrequest")
    return invalid(kind, "", (Cause(f"Invalid value: {message}", field, "FieldValueInvalid"),))
