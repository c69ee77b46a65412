"""What of the machine and of our own processes may be a reason for an alert. Files are read in a
thread, now and then."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509

from utsuwa.alerts import (
    Alert,
    CertificateFigures,
    DiskFigures,
    ProcessFigures,
    Subject,
    certificate,
    disk,
    process,
)
from utsuwa.app import mirrors
from utsuwa.app.options import Layout
from utsuwa.kit.clock import Clock
from utsuwa.kit.log import get_logger
from utsuwa.model.kinds import NODE

_log = get_logger(__name__)

DISK_EVERY = 30.0
CERTIFICATES_EVERY = 600.0


class Machine:
    """Mutable state: what was read last, and when."""

    def __init__(self, layout: Layout, clock: Clock, *, node_name: str) -> None:
        self._layout = layout
        self._clock = clock
        self._subject = Subject(NODE.name, "", node_name)
        self._disk: DiskFigures | None = None
        self._certificates: list[CertificateFigures] = []
        self._processes: list[ProcessFigures] = []
        self._disk_due = self._certificates_due = 0.0

    def __repr__(self) -> str:
        return f"<Machine {self._disk}>"

    async def sample(self) -> None:
        """Look at what is due."""
        now = self._clock.now()
        self._processes = [
            ProcessFigures(one.name, one.ends, str(self._layout.logs / f"{one.base}.log"))
            for one in mirrors.read(self._layout.run)
        ]
        if now >= self._disk_due:
            self._disk_due = now + DISK_EVERY
            self._disk = await asyncio.to_thread(disk_of, self._layout.root)
        if now >= self._certificates_due:
            self._certificates_due = now + CERTIFICATES_EVERY
            self._certificates = await asyncio.to_thread(self._read_certificates)

    def alerts(self) -> Iterator[Alert]:
        """What the rules say of it, now."""
        now = self._clock.now()
        if self._disk is not None and (found := disk(self._subject, self._disk)):
            yield found
        for figures in self._certificates:
            if found := certificate(self._subject, figures, now):
                yield found
        for running in self._processes:
            if found := process(self._subject, running, now):
                yield found

    def _read_certificates(self) -> list[CertificateFigures]:
        layout = self._layout
        found = []
        for directory, name, what in (
            (layout.pki, "ca", "the cluster's authority"),
            (layout.pki, "apiserver", "the API server"),
            (layout.pki, "admin", "the kubeconfig"),
            (layout.services_pki, "ca", "the authority of services"),
        ):
            path = directory / f"{name}.crt"
            action = (
                f"End `utsuwa up`, delete {path} and its key, start it again; clients then need the "
                f"new {layout.kubeconfig}."
            )
            if name != "ca":
                action = (
                    f"It should have been renewed 30 days before: see {layout.logs}/control.log."
                )
            try:
                leaf = x509.load_pem_x509_certificates(path.read_bytes())[0]
            except FileNotFoundError:
                continue
            except (OSError, ValueError) as error:
                _log.warning("certificate cannot be read", file=path, reason=error)
                continue
            ends = leaf.not_valid_after_utc.timestamp()
            found.append(CertificateFigures(what, str(path), ends, action))
        return found


def disk_of(path: Path) -> DiskFigures | None:
    """The disk that holds `path`, as those see it who are not root."""
    try:
        found = os.statvfs(path)
    except OSError as error:
        _log.warning("disk cannot be looked at", path=path, reason=error)
        return None
    return DiskFigures(str(path), found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize)
