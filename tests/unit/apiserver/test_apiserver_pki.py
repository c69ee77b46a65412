import base64
import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.x509.oid import NameOID

from utsuwa.apiserver.pki import Authority, write_kubeconfig

YEAR = 365 * 86400


class SetClock:
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.time = 1_800_000_000.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


def test_the_authority_is_made_once(tmp_path: Path, clock: SetClock) -> None:
    """And reused, with all that it gave out."""
    first = Authority.open(tmp_path / "pki", clock)
    pairs = (first.serving(), first.admin())
    again = Authority.open(tmp_path / "pki", clock)
    assert again.ca == first.ca
    assert (again.serving(), again.admin()) == pairs


def test_files_are_for_their_owner_alone(tmp_path: Path, clock: SetClock) -> None:
    """Mode 0600, and nothing half-written is left."""
    authority = Authority.open(tmp_path / "pki", clock)
    authority.serving()
    authority.admin()
    files = sorted((tmp_path / "pki").iterdir())
    assert [file.name for file in files] == [
        "admin.crt", "admin.key", "apiserver.crt", "apiserver.key", "ca.crt", "ca.key",
    ]  # fmt: skip
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


def test_the_serving_certificate_names_every_address(tmp_path: Path, clock: SetClock) -> None:
    """`spec/kubernetes-api.md` §0 row 2: gcloud needs the address in the SAN."""
    authority = Authority.open(tmp_path, clock)
    names = alternatives(authority.serving(["127.0.0.9", "my.host"]).certificate)
    wanted = {"localhost", "127.0.0.1", "127.0.0.2", "::1", "kubernetes.default", "127.0.0.9"}
    assert wanted | {"my.host"} <= names


def test_a_new_address_renews_the_certificate(tmp_path: Path, clock: SetClock) -> None:
    """And an old one does not."""
    authority = Authority.open(tmp_path, clock)
    first = authority.serving(["127.0.0.9"])
    assert authority.serving() == first
    second = authority.serving(["127.0.0.10"])
    assert second != first


def test_what_is_about_to_expire_is_renewed(tmp_path: Path, clock: SetClock) -> None:
    """A month before its end."""
    authority = Authority.open(tmp_path, clock)
    first = (authority.serving(), authority.admin())
    clock.time += YEAR - 40 * 86400
    assert (authority.serving(), authority.admin()) == first
    clock.time += 20 * 86400
    second = (authority.serving(), authority.admin())
    assert second[0] != first[0]
    assert second[1] != first[1]
    ends = x509.load_pem_x509_certificate(second[0].certificate).not_valid_after_utc
    assert ends > datetime.fromtimestamp(clock.time + YEAR - 86400, UTC)


def test_certificates_of_another_authority_are_renewed(tmp_path: Path, clock: SetClock) -> None:
    """Someone removed ca.crt, or copied files together."""
    first = Authority.open(tmp_path, clock)
    old = first.admin()
    (tmp_path / "ca.key").unlink()
    assert Authority.open(tmp_path, clock).admin() != old


def test_a_broken_file_is_named(tmp_path: Path, clock: SetClock) -> None:
    """With what to do about it."""
    Authority.open(tmp_path, clock)
    (tmp_path / "ca.crt").write_text("garbage")
    with pytest.raises(ValueError, match=r"ca\.crt: expected a PEM certificate.*remove both files"):
        Authority.open(tmp_path, clock)


def test_the_administrator_is_a_master(tmp_path: Path, clock: SetClock) -> None:
    """CN=admin, O=system:masters."""
    pair = Authority.open(tmp_path, clock).admin()
    subject = x509.load_pem_x509_certificate(pair.certificate).subject
    (name,) = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    (group,) = subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    assert (name.value, group.value) == ("admin", "system:masters")


def test_the_kubeconfig_carries_everything_inline(tmp_path: Path, clock: SetClock) -> None:
    """gcloud crashes on `certificate-authority: FILE`."""
    authority = Authority.open(tmp_path / "pki", clock)
    path = tmp_path / "kubeconfig"
    write_kubeconfig(path, authority.kubeconfig("https://127.0.0.2"))
    assert path.stat().st_mode & 0o777 == 0o600
    config = yaml.safe_load(path.read_text())
    cluster = config["clusters"][0]["cluster"]
    assert cluster["server"] == "https://127.0.0.2"
    assert base64.b64decode(cluster["certificate-authority-data"]) == authority.ca.certificate
    user = config["users"][0]["user"]
    assert base64.b64decode(user["client-key-data"]) == authority.admin().key
    context = config["contexts"][0]
    assert config["current-context"] == context["name"]
    assert context["context"] == {"cluster": "utsuwa", "user": "admin", "namespace": "default"}


def test_client_certificates_are_optional(tmp_path: Path, clock: SetClock) -> None:
    """So that all ways of saying who one is share a listener."""
    authority = Authority.open(tmp_path, clock)
    assert authority.server_context().verify_mode is ssl.CERT_OPTIONAL
    assert authority.client_context().verify_mode is ssl.CERT_REQUIRED


def alternatives(pem: bytes) -> set[str]:
    certificate = x509.load_pem_x509_certificate(pem)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(name.value) for name in names}
