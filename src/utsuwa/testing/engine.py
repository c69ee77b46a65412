"""A container engine for tests: Podman of its own, with a root and a socket of its own, and an
image that needs no registry: busybox, where the machine has a static one.

Everything is in one temporary directory, and ends with the Python process that asked for it.
"""

import atexit
import contextlib
import functools
import io
import json
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path

START = 20.0
"""Seconds in which the service must answer."""
SHELL_IMAGE = "dev.local/shell:v1"
_TOOLS = ("sh", "cat", "env", "httpd", "id", "ls", "nc", "pwd", "sleep", "stat", "touch", "wget")
_SETTINGS = """\
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=30000:30000"]
[network]
default_network = "{network}"
network_config_dir = "{directory}"
"""


class NoPodmanError(Exception):
    """There is no engine for tests; the message says what is missing."""


class Podman:
    """An engine for tests."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.socket = directory / "podman.sock"
        settings = directory / "containers.conf"
        settings.write_text(_network(directory / "networks", os.getpid() % 254))
        registries = directory / "registries.conf"
        registries.write_text('[[registry]]\nlocation = "127.0.0.1"\ninsecure = true\n')
        self._environment = {
            **os.environ,
            "CONTAINERS_CONF": str(settings),
            "CONTAINERS_REGISTRIES_CONF": str(registries),
        }
        self._service: subprocess.Popen[bytes] | None = None
        self._has_shell = False

    def __repr__(self) -> str:
        return f"<Podman {self.socket}>"

    def run(self, *arguments: str, stdin: bytes | None = None) -> str:
        """Run a command of Podman's; its output. Raises NoPodmanError if it fails."""
        done = subprocess.run(
            [*self._command, *arguments],
            input=stdin,
            capture_output=True,
            env=self._environment,
            check=False,
            timeout=120,
        )
        if done.returncode:
            raise NoPodmanError(f"podman {arguments[0]}: {done.stderr.decode().strip()}")
        return done.stdout.decode()

    @property
    def _command(self) -> list[str]:
        return [
            "podman",
            f"--root={self._directory / 'root'}",
            f"--runroot={self._directory / 'run'}",
        ]

    def start(self) -> None:
        """Serve the socket. Raises NoPodmanError."""
        log = (self._directory / "service.log").open("wb")
        with log:
            self._service = subprocess.Popen(
                [*self._command, "system", "service", "-t", "0", f"unix://{self.socket}"],
                env=self._environment,
                cwd=self._directory,  # where it notes what ran out of memory
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + START  # noqa: TID251  (no clock is given: these are tests)
        while not self.socket.is_socket():
            if self._service.poll() is not None or time.monotonic() > deadline:  # noqa: TID251
                text = (self._directory / "service.log").read_text().strip()
                raise NoPodmanError(f"podman system service does not start: {text}")
            time.sleep(0.05)  # noqa: TID251

    def stop(self) -> None:
        """End the service and everything it has started, and remove its directory."""
        with contextlib.suppress(NoPodmanError, subprocess.SubprocessError):
            self.run("rm", "--all", "--force", "--time", "0")
        if self._service is not None:
            self._service.send_signal(signal.SIGTERM)
            try:
                self._service.wait(5)
            except subprocess.TimeoutExpired:
                self._service.kill()
                self._service.wait()
        with contextlib.suppress(NoPodmanError, subprocess.SubprocessError):
            self.run("rmi", "--all", "--force")
        shutil.rmtree(self._directory, ignore_errors=True)

    def shell_image(self) -> str:
        """An image with a shell and little else, which says `hello` on port 8080. Raises
        NoPodmanError where the machine has no static busybox."""
        if not self._has_shell:
            serve = ["/bin/busybox", "httpd", "-f", "-p", "8080", "-h", "/www"]
            self._load(SHELL_IMAGE, _packed(None), serve)
            self._has_shell = True
        return SHELL_IMAGE

    def image(self, name: str, directory: Path, *command: str) -> None:
        """Make the image `name`: the shell image with `directory` as `/app`, where `command` is
        run."""
        self._load(name, _packed(directory), list(command), "--change=WORKDIR /app")

    def _load(self, name: str, packed: bytes, command: list[str], *changes: str) -> None:
        start = f"--change=CMD {json.dumps(command)}"
        self.run("import", "--quiet", start, *changes, "-", name, stdin=packed)

    def containers(self, uid: str) -> list[str]:
        """The containers of a Pod."""
        return self.run(
            "ps", "--all", "--quiet", "--filter", f"label=utsuwa.pod={uid}"
        ).split()  # fmt: skip


def _network(directory: Path, number: int) -> str:
    """Settings with a network that is this engine's own. Each engine keeps its own books: two that
    share a bridge hand out the same addresses, and the first to end takes it from the other."""
    name = f"utsuwa{number}"
    subnet = {"subnet": f"10.213.{number}.0/24", "gateway": f"10.213.{number}.1"}
    described = {
        "name": name,
        "id": f"{number:064x}",
        "driver": "bridge",
        "network_interface": name,
        "subnets": [subnet],
        "ipam_options": {"driver": "host-local"},
    }
    directory.mkdir()
    (directory / f"{name}.json").write_text(json.dumps(described))
    return _SETTINGS.format(network=name, directory=directory)


def _packed(app: Path | None) -> bytes:
    busybox = shutil.which("busybox")
    if busybox is None:
        raise NoPodmanError("no busybox: apt-get install busybox-static")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, mode in (("bin", 0o755), ("etc", 0o755), ("www", 0o755), ("tmp", 0o1777)):
            directory = tarfile.TarInfo(name)
            directory.type, directory.mode = tarfile.DIRTYPE, mode
            tar.addfile(directory)
        _file(tar, "bin/busybox", Path(busybox).read_bytes(), 0o755)
        _file(tar, "www/index.html", b"hello\n", 0o644)
        _file(tar, "etc/passwd", b"root:x:0:0::/:/bin/sh\napp:x:65532:65532::/:/bin/sh\n", 0o644)
        for tool in _TOOLS:
            link = tarfile.TarInfo(f"bin/{tool}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        if app is not None:
            tar.add(app, "app")
    return packed.getvalue()


def _file(tar: tarfile.TarFile, name: str, data: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), mode
    tar.addfile(entry, io.BytesIO(data))


@functools.cache
def podman() -> Podman:
    """The engine of this Python process, started at the first call.

    Raises:
        NoPodmanError: the machine has none, or it cannot run containers here.
    """
    if os.geteuid() != 0:
        raise NoPodmanError("containers with addresses of their own need root")
    for program in ("podman", "runc"):
        if shutil.which(program) is None:
            raise NoPodmanError(f"no {program}: apt-get install podman runc")
    engine = Podman(Path(tempfile.mkdtemp(prefix="utsuwa-podman-")))
    try:
        engine.start()
        engine.run("run", "--rm", engine.shell_image(), "/bin/sh", "-c", "exit 0")
    except BaseException:  # Ctrl-C as well: its service would live on
        engine.stop()
        raise
    atexit.register(engine.stop)
    return engine
