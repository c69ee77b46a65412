"""What a token made by `utsuwa token create` is kept as: the names that both sides agree on. Pure."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from utsuwa.kit.documents import Document
from utsuwa.model.kinds import CLUSTER_ROLE_BINDING, ROLE_BINDING, SECRET
from utsuwa.model.rights import GROUP

NAMESPACE = "kube-system"
TYPE = "utsuwa.dev/token"
PREFIX = "utsuwa"
LABEL = "utsuwa.dev/token"
"""On the Secret and on the binding that came with it: the token's id."""


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whom a token stands for. `role` (with `namespace`, else everywhere) comes with it."""

    user: str
    groups: tuple[str, ...] = ()
    role: str = ""
    namespace: str = ""


def secret_name(number: str) -> str:
    """The name of the Secret of the token with this id."""
    return f"token-{number}"


def token_of(number: str, proof: str) -> str:
    """The token itself."""
    return f"{PREFIX}.{number}.{proof}"


def documents(number: str, token: str, bearer: Bearer, expires: str) -> Sequence[Document]:
    """The Secret, and the binding of the role if there is one. `expires` is a time or empty."""
    secret = SECRET.document(
        NAMESPACE, secret_name(number), type=TYPE, immutable=True,
        stringData={
            "digest": hashlib.sha256(token.encode()).hexdigest(),
            "user": bearer.user, "groups": "\n".join(bearer.groups), "expires": expires,
            "role": bearer.role, "namespace": bearer.namespace,
        },
    )  # fmt: skip
    secret["metadata"]["labels"] = {LABEL: number}
    if not bearer.role:
        return [secret]
    kind = ROLE_BINDING if bearer.namespace else CLUSTER_ROLE_BINDING
    binding = kind.document(
        bearer.namespace, secret_name(number),
        roleRef={"apiGroup": GROUP, "kind": "ClusterRole", "name": bearer.role},
        subjects=[{"apiGroup": GROUP, "kind": "User", "name": bearer.user}],
    )  # fmt: skip
    binding["metadata"]["labels"] = {LABEL: number}
    return [secret, binding]
