"""Certificates and tokens are renewed in time, and are nobody else's to read."""

import base64
import contextlib
import os
import ssl
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from cryptography import x509

from utsuwa.app.identity import Identity
from utsuwa.app.options import Layout
from utsuwa.kit.clock import SystemClock
from utsuwa.kit.wall import WallClock
from utsuwa.model.kinds import NAMESPACE
from utsuwa.testing.cluster import memory_cluster

DAY = 86400.0


class Shifted(SystemClock):
    """The machine's clock, some days off: TLS itself knows no other."""

    def __init__(self, days: float) -> None:
        self.days = days

    def now(self) -> float:
        """Unix seconds."""
        return WallClock().now() + self.days * DAY


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Layout]:
    """In a process whose files everybody may read."""
    before = os.umask(0)
    layout = Layout(tmp_path / "data")
    layout.make()
    yield layout
    os.umask(before)


def served(identity: Identity, layout: Layout) -> int:
    """The serial number of the certificate that a client gets now, which it trusts."""
    config = yaml.safe_load(layout.kubeconfig.read_text())
    ca = base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"]).decode()
    client_in, client_out, server_in, server_out = (ssl.MemoryBIO() for _ in range(4))
    context = ssl.create_default_context(cadata=ca)
    client = context.wrap_bio(client_in, client_out, server_hostname="127.0.0.1")
    server = identity.context.wrap_bio(server_in, server_out, server_side=True)
    for _ in range(10):
        for side, ours, theirs in (
            (client, client_out, server_in),
            (server, server_out, client_in),
        ):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
            theirs.write(ours.read())
    found = client.getpeercert(binary_form=True)
    assert found
    return x509.load_der_x509_certificate(found).serial_number


async def test_the_servers_certificate_is_swapped_in_place(layout: Layout) -> None:
    """While it serves; and the kubeconfig gets a new client certificate."""
    clock = Shifted(-340)
    identity = Identity(layout, "https://127.0.0.1:1", [], clock)
    first, written = served(identity, layout), layout.kubeconfig.read_bytes()
    await identity.renew()
    assert (served(identity, layout), layout.kubeconfig.read_bytes()) == (first, written)
    clock.days = 0
    await identity.renew()
    assert served(identity, layout) != first
    assert layout.kubeconfig.read_bytes() != written


async def test_an_authority_is_replaced_before_its_end(layout: Layout) -> None:
    """The former one stays trusted, so whoever has a certificate of it is still known."""
    clock = Shifted(-3640)
    identity = Identity(layout, "https://127.0.0.1:1", [], clock)
    clock.days = 0
    await identity.renew()
    assert served(identity, layout)
    assert len(identity.context.get_ca_certs()) == 2


async def test_the_local_token_is_kept_until_it_is_old(layout: Layout) -> None:
    """A start alone does not change it."""
    clock = Shifted(0)
    identity = Identity(layout, "https://127.0.0.1:1", [], clock)
    async with memory_cluster(clock) as cluster:
        await cluster.create(NAMESPACE.document("", "kube-system"))
        await identity.local_token(cluster)
        token = layout.token.read_text()
        await identity.local_token(cluster)
        assert layout.token.read_text() == token
        clock.days = 350
        await identity.local_token(cluster)
        assert layout.token.read_text() != token


def test_nobody_else_may_read_what_proves_who_we_are(layout: Layout) -> None:
    """Whatever the umask."""
    Identity(layout, "https://127.0.0.1:1", [], Shifted(0))
    for path in (layout.root, *layout.root.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), f"{path}: {mode:o}"
