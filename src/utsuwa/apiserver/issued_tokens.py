"""Tokens that `utsuwa token create` made: each is a Secret in `kube-system`, and holds as long as
that is there.

The Secret has a digest of the token, never the token. Its form is `utsuwa.ID.SECRET`; the Secret is
named `token-ID`. Whoever writes such a Secret decides who its bearer is, so writing one needs the
right to impersonate that user (`apiserver.escalation`).
"""

import base64
import binascii
import hashlib
import hmac

from utsuwa.apiserver.ports import User
from utsuwa.cluster.informer import Informers
from utsuwa.cluster.port import Key
from utsuwa.kit.clock import Clock, parse_rfc3339
from utsuwa.kit.documents import Document, dig
from utsuwa.model.builtin_roles import AUTHENTICATED
from utsuwa.model.issued import NAMESPACE, PREFIX, TYPE, secret_name
from utsuwa.model.kinds import SECRET


class IssuedTokens:
    """Knows the tokens that were issued, by their Secrets."""

    def __init__(self, informers: Informers, clock: Clock) -> None:
        self._secrets = informers.of(SECRET)
        self._clock = clock

    def user(self, token: str) -> User | None:
        """Whom a token stands for, None when it is unknown, revoked or expired."""
        prefix, _, rest = token.partition(".")
        number, _, proof = rest.partition(".")
        if prefix != PREFIX or not number or not proof:
            return None
        secret = self._secrets.get(Key(NAMESPACE, secret_name(number)))
        if secret is None or secret.get("type") != TYPE:
            return None
        digest = hashlib.sha256(token.encode()).hexdigest()
        if not hmac.compare_digest(digest, text_of(secret, "digest")):
            return None
        if self._expired(text_of(secret, "expires")) or not text_of(secret, "user"):
            return None
        return bearer_of(secret)

    def _expired(self, expires: str) -> bool:
        if not expires:
            return False
        try:
            return self._clock.now() >= parse_rfc3339(expires)
        except ValueError:
            return True


def bearer_of(secret: Document) -> User:
    """The user that a token's Secret names."""
    groups = [group for group in text_of(secret, "groups").split("\n") if group]
    number = ("authentication.kubernetes.io/credential-id", (secret["metadata"].get("name", ""),))
    return User(text_of(secret, "user"), (*groups, AUTHENTICATED), "", (number,))


def text_of(secret: Document, member: str) -> str:
    """A member of a Secret's data as text, empty when it is missing or malformed."""
    plain = dig(secret, "stringData", member)
    if isinstance(plain, str):
        return plain
    try:
        return base64.b64decode(
            str(dig(secret, "data", member, default="")), validate=True
        ).decode()
    except (binascii.Error, UnicodeError):
        return ""
