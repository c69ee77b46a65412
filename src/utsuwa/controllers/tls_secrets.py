"""Secrets of type kubernetes.io/tls: reading them, and what is wrong with one.

No word of a key is ever part of a message.
"""

import base64
import binascii
from datetime import UTC, datetime

from cryptography import x509

from utsuwa.kit.documents import Document
from utsuwa.kit.tls import CertificateError, server_context
from utsuwa.routing.messages import Certificate

TYPE = "kubernetes.io/tls"
CHAIN, KEY = "tls.crt", "tls.key"


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
    chain, key = (_member(secret, member) for member in (CHAIN, KEY))
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


def leaf_of(secret: Document) -> x509.Certificate | None:
    """The first certificate in `secret`, or None when there is none."""
    try:
        return x509.load_pem_x509_certificates(_member(secret, CHAIN))[0]
    except ValueError:
        return None


def mismatch(secret: Document, host: str, now: float) -> str:
    """Why clients will not accept the certificate of `secret` for `host`, or ""; it is served
    nevertheless, for who knows what these clients do."""
    leaf = leaf_of(secret)
    if leaf is None:
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
