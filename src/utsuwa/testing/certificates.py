"""Certificates for tests: an authority of one's own, and what it signs."""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from utsuwa.kit.documents import Document
from utsuwa.model.kinds import SECRET

_PEM = serialization.Encoding.PEM


@dataclass(frozen=True)
class Signed:
    """A certificate and its key, both PEM."""

    certificate: bytes
    key: bytes

    def secret(self, name: str, namespace: str = "default") -> Document:
        """The Secret of type kubernetes.io/tls that holds them."""
        return tls_secret(name, self.certificate, self.key, namespace=namespace)


def tls_secret(name: str, chain: bytes, key: bytes, *, namespace: str = "default") -> Document:
    """A Secret of type kubernetes.io/tls."""
    data = {"tls.crt": chain, "tls.key": key}
    encoded = {member: base64.b64encode(value).decode() for member, value in data.items()}
    return SECRET.document(namespace, name, type="kubernetes.io/tls", data=encoded)


class TestAuthority:
    """A certificate authority in memory. Its certificate is `certificate`, in PEM."""

    __test__ = False

    def __init__(self, name: str = "test authority") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._sign(self._name, self._key, (), 3650, authority=True)

    def issue(self, *names: str, days: float = 30.0) -> Signed:
        """A certificate for `names`, good for `days` from yesterday on."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
        certificate = self._sign(subject, key, names, days, authority=False)
        private = key.private_bytes(
            _PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return Signed(certificate, private)

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        names: tuple[str, ...],
        days: float,
        *,
        authority: bool,
    ) -> bytes:
        begin = datetime.now(UTC) - timedelta(days=1)  # noqa: TID251  (OpenSSL reads the real clock)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(begin + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
        )
        if names:
            alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
            builder = builder.add_extension(alternatives, critical=False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(_PEM)
