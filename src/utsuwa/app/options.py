"""What `utsuwa up` was asked for, and the names of what it keeps where. Standard library only:
the supervisor and the command line import this."""

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path

READY_LINE = "utsuwa is ready"
LOOPBACK = "127.0.0.1"
"""Printed once, when deploys and requests work. Scripts wait for it."""

HTTPS_PORT = 8443
"""Where services are served with TLS when nobody says otherwise: 443 is the API server's, for
gcloud's sake."""

CONSOLE_PORT = 8090
"""Where the console is served when nobody says otherwise."""

METRICS_PORT = 9464
"""Where metrics are served when nobody says otherwise: where OpenTelemetry's exporters do."""

USER_MISTAKE = 78
"""Exit code of a child that cannot run as it was told to (EX_CONFIG): starting it again would not
help. Its last line of output says why."""


def default_data_dir() -> Path:
    """`$UTSUWA_DATA_DIR`, else `utsuwa` in the user's state directory."""
    if named := os.environ.get("UTSUWA_DATA_DIR"):
        return Path(named)
    return usual_data_dir()


def usual_data_dir() -> Path:
    """`utsuwa` in the user's state directory, whatever this process was told."""
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "utsuwa"


@dataclass(frozen=True)
class UpOptions:
    """The options of `utsuwa up`. `address` is an IP to serve ports 80, 443 and `gke_port` on, or
    "off"."""

    data_dir: Path
    gateway_port: int = 8080
    api_port: int = 6443
    console_port: int | None = None
    """0 for none; None for 8090 if that is to be had."""
    https_port: int | None = None
    """0 for none; None for 8443 if that is to be had."""
    metrics_port: int | None = None
    """0 for none; None for 9464 if that is to be had."""
    domain: str = "localhost"
    address: str = "127.0.0.2"
    gke_port: int = 8001
    runtime: str = "auto"
    isolation: str = "auto"
    log_level: str = "info"
    anonymous: str = ""
    """The role of callers who do not say who they are: view, edit, admin, or "" to refuse them."""
    gateway_workers: int = 1


@dataclass(frozen=True)
class ControlOptions:
    """What the supervisor tells control. File descriptors are inherited listening sockets."""

    data_dir: Path
    domain: str
    gateway_port: int
    https_port: int
    """0 where services are served without TLS."""
    api_port: int
    runtime: str
    log_level: str
    address: str
    """The address on which ports 80 and 443 are served, or "" where neither could be bound."""
    address_has_api: bool
    address_has_gateway: bool
    api_fds: tuple[int, ...]
    gke_fds: tuple[int, ...]
    """Of the GKE control API, on `address` too; none where it is not served."""
    ready_fd: int
    anonymous: str = ""
    metrics_fds: tuple[int, ...] = ()
    console_fds: tuple[int, ...] = ()
    isolation: str = "auto"
    pods_address: str = ""
    """Where containers reach the gateway on port 80, or ""."""
    inside_address: str = ""
    """Where processes do, and nobody else has a reason to; or ""."""

    def to_environment(self) -> str:
        """One environment variable's worth."""
        return json.dumps({**dataclasses.asdict(self), "data_dir": str(self.data_dir)})

    @classmethod
    def from_environment(cls, text: str) -> "ControlOptions":
        """The options that :meth:`to_environment` wrote."""
        members = json.loads(text)
        members["data_dir"] = Path(members["data_dir"])
        members["api_fds"] = tuple(members["api_fds"])
        members["gke_fds"] = tuple(members["gke_fds"])
        members["metrics_fds"] = tuple(members["metrics_fds"])
        members["console_fds"] = tuple(members["console_fds"])
        return cls(**members)


@dataclass(frozen=True)
class Layout:
    """Where things live under the data directory."""

    root: Path

    @property
    def kubeconfig(self) -> Path:
        """For every client: client certificate and CA inline."""
        return self.root / "kubeconfig"

    @property
    def token(self) -> Path:
        """The administrator's bearer token, for clients that take no certificate."""
        return self.root / "token"

    @property
    def gcloud(self) -> Path:
        """gcloud's own settings, of shells that `utsuwa env` has set up."""
        return self.root / "gcloud"

    @property
    def database(self) -> Path:
        """The objects."""
        return self.root / "state.db"

    @property
    def history(self) -> Path:
        """What services did; may be deleted at any time."""
        return self.root / "history.db"

    @property
    def pki(self) -> Path:
        """CA and certificates."""
        return self.root / "pki"

    @property
    def services_pki(self) -> Path:
        """The authority for services."""
        return self.pki / "services"

    @property
    def run(self) -> Path:
        """What is only true while something runs: lock, link socket, process records."""
        return self.root / "run"

    @property
    def link(self) -> Path:
        """Unix socket between gateway and control."""
        return self.run / "link.sock"

    @property
    def slots(self) -> Path:
        """Unix socket between several gateways and their broker of slots."""
        return self.run / "slots.sock"

    @property
    def hosts(self) -> Path:
        """What processes see as `/etc/hosts`, by namespace."""
        return self.run / "hosts"

    @property
    def exits(self) -> Path:
        """How pods ended whose parent was gone, as `PID.json`."""
        return self.run / "exits"

    @property
    def console(self) -> Path:
        """Who is signed in to the console, and links that let in."""
        return self.run / "console.json"

    @property
    def images(self) -> Path:
        """Bundles by digest, and tags."""
        return self.root / "images"

    @property
    def pods(self) -> Path:
        """Which processes pods are, and their writable layers."""
        return self.root / "pods"

    @property
    def warm(self) -> Path:
        """Warm parents: which processes they are, and what each bundle imports."""
        return self.root / "warm"

    @property
    def logs(self) -> Path:
        """Logs of pods, and of our own processes."""
        return self.root / "logs"

    def make(self) -> None:
        """Create the directories, readable by their owner alone.

        Raises:
            OSError: one of them cannot be made or written.
        """
        for directory in (self.root, self.run, self.exits, self.logs, self.images, self.pods):
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = self.run / ".writable"
        probe.write_text("")
        probe.unlink()
