"""The cluster's own certificate authority, and the certificates it gives out.

Everything lives in one directory, mode 0600, is made at the first start and reused. A serving
certificate is made anew when it is about to expire, when it lacks an address that is served, or
when it is not the authority's; likewise the administrator's. Keys are EC P-256: made in a
millisecond (`spec/kubernetes-api.md` §0 rows 2-4, §1.5). An authority that is about to expire is
replaced, too; the one before it stays trusted until its own end, so certificates that it signed
go on working.
"""

import base64
import ipaddress
import os
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from utsuwa.apiserver.jwt import Signer, new_key
from utsuwa.kit.clock import Clock
from utsuwa.kit.documents import Document
from utsuwa.model.builtin_roles import MASTERS

NAMES = (
    "localhost", "127.0.0.1", "127.0.0.2", "::1",
    "kubernetes", "kubernetes.default", "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)  # fmt: skip
"""What a serving certificate is always valid for."""

_CA_LIFE = timedelta(days=3650)
_LIFE = timedelta(days=365)
SERVER_LIFE = timedelta(days=90)
"""How long a certificate of a service is good."""
_RENEW_BEFORE = timedelta(days=30)
_FORMER = "ca-former.crt"


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, both PEM."""

    certificate: bytes
    key: bytes


@dataclass(frozen=True, slots=True)
class Authority:
    """The authority of one cluster. :meth:`open` makes or reads it."""

    directory: Path
    clock: Clock
    ca: Pair
    former: bytes = b""
    """The certificate of the authority before this one, while that is valid; else empty."""

    @classmethod
    def open(cls, directory: Path, clock: Clock, *, name: str = "utsuwa-ca") -> "Authority":
        """The authority that lives in `directory`, made there, with `name`, when there is none.

        Raises:
            ValueError: its files are there but cannot be read as what they should be.
        """
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        ca = _read(directory, "ca")
        if ca is None or _expires(ca, clock) < _RENEW_BEFORE:
            if ca is not None:
                _write_file(directory / _FORMER, ca.certificate)
            ca = _make_ca(clock, name)
            _write(directory, "ca", ca)
        return cls(directory, clock, ca, _former(directory, clock))

    @property
    def trusted(self) -> bytes:
        """The certificates that clients and server trust, PEM."""
        return self.ca.certificate + self.former

    def signer(self) -> Signer:
        """Signs the tokens of ServiceAccounts.

        Raises:
            ValueError: its file is there but holds no such key.
        """
        path = self.directory / "service-accounts.key"
        if not path.exists():
            _write_file(path, new_key())
        try:
            return Signer.of_pem(path.read_bytes())
        except ValueError as error:
            raise ValueError(
                f"{path}: {error}; remove it to have one made anew, which ends all tokens"
            ) from error

    def serving(self, addresses: Iterable[str] = ()) -> Pair:
        """The serving certificate, valid for :data:`NAMES` and `addresses`."""
        names = sorted({*NAMES, *addresses})
        pair = _read(self.directory, "apiserver")
        if pair is None or not self._usable(pair) or not _covers(pair, names):
            pair = self._issue("utsuwa", (), names)
            _write(self.directory, "apiserver", pair)
        return pair

    def admin(self) -> Pair:
        """The administrator's client certificate: CN=admin, O=system:masters."""
        pair = _read(self.directory, "admin")
        if pair is None or not self._usable(pair):
            pair = self._issue("admin", (MASTERS,), ())
            _write(self.directory, "admin", pair)
        return pair

    def client(self, user: str, groups: Iterable[str] = ()) -> Pair:
        """A new client certificate for any user; not kept."""
        return self._issue(user, tuple(groups), ())

    def server(self, names: Iterable[str]) -> Pair:
        """A new serving certificate for `names`; not kept."""
        return self._issue("utsuwa", (), names, life=SERVER_LIFE)

    def kubeconfig(self, server: str, *, name: str = "utsuwa") -> Document:
        """A kubeconfig for `server` (`https://127.0.0.1:6443`) that every client can use: all
        certificates inline, because gcloud crashes on files."""
        admin = self.admin()
        cluster = {"server": server, "certificate-authority-data": _base64(self.trusted)}
        user = {
            "client-certificate-data": _base64(admin.certificate),
            "client-key-data": _base64(admin.key),
        }
        context = {"cluster": name, "user": "admin", "namespace": "default"}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "clusters": [{"name": name, "cluster": cluster}],
            "contexts": [{"name": name, "context": context}],
            "users": [{"name": "admin", "user": user}],
        }

    def server_context(self, addresses: Iterable[str] = ()) -> ssl.SSLContext:
        """TLS for the API server: client certificates are optional, and verified when given."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=self.trusted.decode())
        context.verify_mode = ssl.CERT_OPTIONAL
        self.renew(context, addresses)
        context.set_alpn_protocols(["http/1.1"])
        context.num_tickets = 0  # nobody resumes a session, and each connection would keep two
        return context

    def renew(self, context: ssl.SSLContext, addresses: Iterable[str] = ()) -> None:
        """Let `context` (of :meth:`server_context`) serve the certificate that is right by now,
        and trust what is to be trusted by now. Connections that stand keep theirs."""
        self.serving(addresses)
        context.load_verify_locations(cadata=self.trusted.decode())
        context.load_cert_chain(*_files(self.directory, "apiserver"))

    def client_context(self) -> ssl.SSLContext:
        """TLS for a client that is the administrator."""
        self.admin()
        context = ssl.create_default_context(cadata=self.trusted.decode())
        context.load_cert_chain(*_files(self.directory, "admin"))
        return context

    def _usable(self, pair: Pair) -> bool:
        certificate = x509.load_pem_x509_certificate(pair.certificate)
        authority = x509.load_pem_x509_certificate(self.ca.certificate)
        try:
            certificate.verify_directly_issued_by(authority)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return _expires(pair, self.clock) > _RENEW_BEFORE

    def _issue(
        self,
        user: str,
        groups: tuple[str, ...],
        names: Iterable[str],
        life: timedelta = _LIFE,
    ) -> Pair:
        authority = x509.load_pem_x509_certificate(self.ca.certificate)
        signer = _private_key(self.ca)
        key = ec.generate_private_key(ec.SECP256R1())
        subject = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        subject.append(x509.NameAttribute(NameOID.COMMON_NAME, user))
        alternatives = [_general_name(name) for name in names]
        purpose = (
            ExtendedKeyUsageOID.SERVER_AUTH if alternatives else ExtendedKeyUsageOID.CLIENT_AUTH
        )
        builder = (
            _builder(self.clock, life)
            .subject_name(x509.Name(subject))
            .issuer_name(authority.subject)
            .public_key(key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()),
                critical=False,
            )
        )
        if alternatives:
            builder = builder.add_extension(
                x509.SubjectAlternativeName(alternatives), critical=False
            )
        return _pair(builder.sign(signer, hashes.SHA256()), key)


def write_private(path: Path, data: bytes) -> None:
    """Write a file, readable by its owner alone, in one step."""
    _write_file(path, data)


def write_kubeconfig(path: Path, document: Document) -> None:
    """Write a kubeconfig, readable by its owner alone, in one step."""
    _write_file(path, yaml.safe_dump(document, sort_keys=False).encode())


def _former(directory: Path, clock: Clock) -> bytes:
    path = directory / _FORMER
    if not path.exists():
        return b""
    pem = path.read_bytes()
    return pem if _expires(Pair(pem, b""), clock) > timedelta(0) else b""


def _make_ca(clock: Clock, common_name: str) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    certificate = (
        _builder(clock, _CA_LIFE)
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _pair(certificate, key)


def _builder(clock: Clock, life: timedelta) -> x509.CertificateBuilder:
    now = datetime.fromtimestamp(int(clock.now()), UTC)
    return (
        x509.CertificateBuilder()
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # a client's clock may be behind
        .not_valid_after(now + life)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=signs, crl_sign=signs,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Pair(certificate.public_bytes(pem), private)


def _private_key(pair: Pair) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pair.key, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"the authority's key: expected an EC key, found {type(key).__name__}")
    return key


def _expires(pair: Pair, clock: Clock) -> timedelta:
    certificate = x509.load_pem_x509_certificate(pair.certificate)
    return certificate.not_valid_after_utc - datetime.fromtimestamp(clock.now(), UTC)


def _covers(pair: Pair, names: Iterable[str]) -> bool:
    certificate = x509.load_pem_x509_certificate(pair.certificate)
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    return {_general_name(name) for name in names} <= set(found)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _files(directory: Path, name: str) -> tuple[Path, Path]:
    return directory / f"{name}.crt", directory / f"{name}.key"


def _read(directory: Path, name: str) -> Pair | None:
    certificate, key = _files(directory, name)
    if not certificate.exists() or not key.exists():
        return None
    pair = Pair(certificate.read_bytes(), key.read_bytes())
    try:
        loaded = x509.load_pem_x509_certificate(pair.certificate)
        matches = loaded.public_key() == _private_key(pair).public_key()
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{certificate}: expected a PEM certificate and an EC key beside it, found something "
            f"else ({error}); remove both files to have them made anew"
        ) from error
    return pair if matches else None


def _write(directory: Path, name: str, pair: Pair) -> None:
    certificate, key = _files(directory, name)
    _write_file(key, pair.key)
    _write_file(certificate, pair.certificate)


def _write_file(path: Path, data: bytes) -> None:
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)
