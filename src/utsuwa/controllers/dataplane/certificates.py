"""From Secrets of type kubernetes.io/tls to the certificates that gateways are given.

A Secret is read whenever it, or an Ingress that names it, changes. What is wrong with one is said
on every Ingress that uses it, and no word of what stands in it is ever logged or told.
"""

import base64
import binascii
from datetime import UTC, datetime

from cryptography import x509

from utsuwa.cluster.informer import Informer
from utsuwa.cluster.port import Key
from utsuwa.kit.clock import Clock
from utsuwa.kit.documents import Document
from utsuwa.kit.tls import CertificateError, server_context
from utsuwa.routing.messages import Certificate
from utsuwa.routing.table import Table

TYPE = "kubernetes.io/tls"
_CHAIN, _KEY = "tls.crt", "tls.key"


class CertificateSource:
    """Keeps the table's certificates in step with the Secrets that Ingresses name.

    Mutable state: `_wanted`, by Ingress the Secret of each of its hosts; `_users`, by Secret the
    Ingresses that name it; `_faults` by Secret.
    """

    def __init__(self, table: Table, secrets: Informer, clock: Clock) -> None:
        self._table = table
        self._secrets = secrets
        self._clock = clock
        self._wanted: dict[Key, dict[str, str]] = {}
        self._users: dict[str, set[Key]] = {}
        self._faults: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"<CertificateSource {len(self._wanted)} ingresses, faults: {sorted(self._faults)}>"

    def want(self, ingress: Key, secured: dict[str, str]) -> None:
        """`ingress` wants the certificates of `secured` (Secret by host), and no others."""
        before = self._wanted.pop(ingress, {})
        if secured:
            self._wanted[ingress] = secured
        old, new = set(before.values()), set(secured.values())
        for name in old - new:
            users = self._users[name]
            users.discard(ingress)
            if not users:
                del self._users[name]
                self._faults.pop(name, None)
                self._table.remove_certificate(name)
        for name in new - old:
            self._users.setdefault(name, set()).add(ingress)
            self.read(name)

    def users(self, name: str) -> frozenset[Key]:
        """The Ingresses that name the Secret `name`."""
        return frozenset(self._users.get(name, ()))

    def read(self, name: str) -> None:
        """Look at the Secret `name` (`namespace/name`) as it is now; somebody wants it."""
        secret = self._secret(name)
        try:
            if secret is None:
                raise CertificateError("there is no such Secret: create it")
            self._table.set_certificate(pair_of(secret))
        except CertificateError as error:
            # What is served already goes on being served: a slip must not cost the domain.
            self._faults[name] = f"Secret {name}: {error}"
        else:
            self._faults.pop(name, None)

    def _secret(self, name: str) -> Document | None:
        return self._secrets.get(Key(*name.split("/", 1)))

    def fault(self, ingress: Key) -> str:
        """What is wrong with a Secret that `ingress` names, or ""."""
        for host, name in sorted(self._wanted.get(ingress, {}).items()):
            secret = self._secret(name)
            wrong = self._faults.get(name)
            if wrong is None and secret is not None:
                wrong = mismatch(secret, host, self._clock.now())
                wrong = wrong and f"Secret {name}: {wrong}"
            if wrong:
                return wrong
        return ""


def pair_of(secret: Document) -> Certificate:
    """The certificate and key in a Secret.

    Raises:
        CertificateError: there are none that TLS can be served with.
    """
    found = secret.get("type", "Opaque")
    if found != TYPE:
        raise CertificateError(
            f"expected type {TYPE}, found {found!r}: make it with `kubectl create secret tls`"
        )
    metadata = secret["metadata"]
    chain, key = (_member(secret, member) for member in (_CHAIN, _KEY))
    server_context(chain + b"\n" + key)
    return Certificate(f"{metadata['namespace']}/{metadata['name']}", chain, key)


def _member(secret: Document, member: str) -> bytes:
    text = (secret.get("data") or {}).get(member)
    if not text:
        raise CertificateError(f"expected a PEM document in {member}, found nothing")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise CertificateError(f"expected base64 in {member}, found something else") from None


def mismatch(secret: Document, host: str, now: float) -> str:
    """Why clients will not accept the certificate of `secret` for `host`, or ""; it is served
    nevertheless, for who knows what these clients do."""
    try:
        leaf = x509.load_pem_x509_certificates(_member(secret, _CHAIN))[0]
    except ValueError:
        return ""  # told by :func:`pair_of`
    if leaf.not_valid_after_utc.timestamp() < now:
        expired = leaf.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ")
        return f"the certificate expired at {expired}: put a new one into it"
    if leaf.not_valid_before_utc.timestamp() > now:
        begins = datetime.fromtimestamp(leaf.not_valid_before_utc.timestamp(), UTC)
        return f"the certificate is not valid before {begins:%Y-%m-%dT%H:%M:%SZ}"
    names = _names(leaf)
    if not any(_covers(name, host) for name in names):
        listed = ", ".join(sorted(names)) or "no name at all"
        return f"expected a certificate for {host}, found one for {listed}"
    return ""


def _names(leaf: x509.Certificate) -> list[str]:
    try:
        alternatives = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return []
    return [name.lower() for name in alternatives.value.get_values_for_type(x509.DNSName)]


def _covers(name: str, host: str) -> bool:
    if name.startswith("*."):
        return host.partition(".")[2] == name[2:]
    return name == host
