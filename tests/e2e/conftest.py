"""The real `utsuwa up`, in a directory and on ports of its own."""

import contextlib
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from utsuwa.testing.engine import NoPodmanError, Podman, podman

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "samples"


IN_ONE_SHELL = ("set -euo pipefail", "trap 'echo \"failed: $BASH_COMMAND\" >&2' ERR")
"""How a script of documented commands begins."""


FIRST_PORT, PORTS_EACH = 10_000, 1_000
"""Below the ports of pods, and those that the kernel gives to outgoing connections."""


def ports_in_turn() -> Iterator[int]:
    """The ports of this worker of pytest, over and over; not from the first, for the one before us
    may have left it a moment ago."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = FIRST_PORT + worker % 9 * PORTS_EACH
    begin = os.getpid() * 10
    return (first + (begin + offset) % PORTS_EACH for offset in itertools.count())


_PORTS = ports_in_turn()


def free_port() -> int:
    """A port that nobody listens on, nor will before we do."""
    for port in _PORTS:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("there is no end of ports")


PATIENCE = 3.0
"""How much longer than expected anything may take: a machine that has much to do is no failure."""


def until(condition: Callable[[], Any], seconds: float = 30.0, what: str = "") -> Any:
    """The first true value of `condition`; polls, for these are other processes."""
    deadline = time.monotonic() + PATIENCE * seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {PATIENCE * seconds:.0f} s: {what or condition}")
        time.sleep(0.02)


@dataclass
class Up:
    """One `utsuwa up` and how to talk to it."""

    data_dir: Path
    arguments: tuple[str, ...] = ()
    gateway_port: int = field(default_factory=free_port)
    api_port: int = field(default_factory=free_port)
    https_port: int = field(default_factory=free_port)
    metrics_port: int = field(default_factory=free_port)
    console_port: int = field(default_factory=free_port)
    process: subprocess.Popen[str] | None = None
    lines: list[str] = field(default_factory=list)

    @property
    def user_home(self) -> Path:
        """The home directory of a cluster that is in the user's state directory."""
        return self.data_dir.parents[2]

    @property
    def environment(self) -> dict[str, str]:
        home = self.data_dir.parent / "home"
        home.mkdir(exist_ok=True)
        return {
            **os.environ,
            "HOME": str(home),
            "KUBECONFIG": str(self.data_dir / "kubeconfig"),
            "UTSUWA_DATA_DIR": str(self.data_dir),
        }

    def start(self) -> "Up":
        """Start it and read along; does not wait."""
        self.process = subprocess.Popen(
            [
                sys.executable, "-m", "utsuwa.cli", "up", "--data-dir", str(self.data_dir),
                "--gateway-port", str(self.gateway_port), "--api-port", str(self.api_port),
                "--https-port", str(self.https_port),
                "--metrics-port", str(self.metrics_port),
                "--console-port", str(self.console_port),
                "--address", "off", *self.arguments,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.environment,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self._reader.start()
        return self

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.lines.append(line.rstrip("\n"))
        process.stdout.close()

    def ready(self) -> "Up":
        """Wait for the line that scripts wait for."""
        assert self.process is not None
        process = self.process
        until(
            lambda: "utsuwa is ready" in self.lines or process.poll() is not None,
            30,
            "utsuwa is ready",
        )
        assert process.poll() is None, self.lines
        return self

    def stop(self, number: int = signal.SIGINT) -> int:
        """End it as a user would; the exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(15)
        self._reader.join(5)
        return code

    def pid_of(self, name: str) -> int:
        """The pid of "gateway" or "control"."""
        records = json.loads((self.data_dir / "run" / "processes.json").read_text())
        return next(int(record["pid"]) for record in records if record["name"] == name)

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """An `utsuwa` command against it."""
        return run([sys.executable, "-m", "utsuwa.cli", *arguments], self.environment, check)

    def kubectl(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A `kubectl` command against it."""
        return run([need("kubectl"), *arguments], self.environment, check)

    def get(self, *arguments: str) -> Any:
        """`kubectl get … -o json`, decoded."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json").stdout)

    def call(
        self, host: str, path: str = "/", timeout: float = 30, **headers: str
    ) -> tuple[int, str]:
        """One request through the gateway: status and body."""
        import http.client

        connection = http.client.HTTPConnection("127.0.0.1", self.gateway_port, timeout=timeout)
        try:
            connection.request("GET", path, headers={"Host": host, **headers})
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()


def run(
    command: list[str], environment: dict[str, str], check: bool
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, timeout=120, check=False
    )
    if check:
        assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def need(tool: str) -> str:
    """The path of a client, or a visible skip."""
    found = shutil.which(tool)
    if found is None:
        pytest.skip(f"{tool} is not installed")
    return found


@contextmanager
def running(data_dir: Path, *arguments: str) -> Iterator[Up]:
    """A cluster, ready, ended afterwards unless it has ended before."""
    cluster = Up(data_dir, arguments).start()
    try:
        yield cluster.ready()
    finally:
        if cluster.process is not None and cluster.process.poll() is None:
            cluster.stop()


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    """A fresh cluster."""
    with running(tmp_path / "data") as cluster:
        yield cluster


@pytest.fixture(scope="module")
def engine() -> Podman:
    """A container engine, or a visible skip."""
    try:
        return podman()
    except NoPodmanError as error:
        pytest.skip(str(error))


@pytest.fixture
def with_engine(tmp_path: Path, engine: Podman, monkeypatch: pytest.MonkeyPatch) -> Iterator[Up]:
    """A fresh cluster that has an engine."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{engine.socket}")
    with running(tmp_path / "data") as cluster:
        yield cluster


@pytest.fixture
def hello(up: Up) -> Up:
    """A cluster with the sample `hello` deployed."""
    up.run("build", str(SAMPLES / "hello"), "-t", "hello:1")
    up.run("deploy", "hello", "--image", "hello:1")
    return up


@contextmanager
def at_home(address: str = "off") -> Iterator[Up]:
    """A cluster where documents expect it: in the user's state directory. That has a short path,
    for a socket lies in it, and those may have a hundred characters."""
    with tempfile.TemporaryDirectory(prefix="home-", ignore_cleanup_errors=True) as home:
        data_dir = Path(home) / ".local" / "state" / "utsuwa"
        data_dir.parent.mkdir(parents=True)
        with running(data_dir, "--address", address) as up:
            yield up
