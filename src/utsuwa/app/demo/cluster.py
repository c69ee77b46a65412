"""A throw-away cluster: the real `utsuwa up` on a directory and ports of its own."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from utsuwa.app.demo.plan import DOMAIN
from utsuwa.app.options import READY_LINE, Layout
from utsuwa.kit.clock import SystemClock

_READY_WITHIN = 60.0
_END_WITHIN = 20.0
_LOOK_EVERY = 0.02


class DemoError(Exception):
    """The demo cannot go on; the message is one line that says why."""


class Cluster:
    """`with Cluster(clock) as cluster:` runs one; on leaving it is ended and its directory
    removed. Mutable state: the process."""

    def __init__(self, clock: SystemClock) -> None:
        self._clock = clock
        self.directory = Path(tempfile.mkdtemp(prefix="utsuwa-demo-"))
        self.gateway_port, self.api_port, self.console_port = _free_ports(3)
        self._process: subprocess.Popen[bytes] | None = None

    def __repr__(self) -> str:
        return f"<Cluster {self.directory} on port {self.gateway_port}>"

    @property
    def layout(self) -> Layout:
        """Where it keeps what."""
        return Layout(self.directory / "data")

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def alive(self) -> bool:
        """False when it has ended by itself."""
        return self._process is not None and self._process.poll() is None

    def close(self) -> None:
        """End it, in order if it can, and remove every trace. Safe to call twice."""
        process, self._process = self._process, None
        # An impatient second Ctrl-C must not leave half of a cluster behind.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            if process is not None and process.poll() is None:
                _end(process)
            if self.directory.exists():
                _remove(self.directory)
        finally:
            signal.signal(signal.SIGINT, before)

    def _start(self) -> None:
        output = self.directory / "up.log"
        with output.open("wb") as log:
            self._process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for us; we end it when we are done
            )
        deadline = self._clock.monotonic() + _READY_WITHIN
        while READY_LINE not in output.read_text(errors="replace"):
            if not self.alive():
                said = output.read_text(errors="replace").strip().splitlines()
                raise DemoError(f"the cluster did not start: {said[-1] if said else 'no output'}")
            if self._clock.monotonic() > deadline:
                raise DemoError(f"the cluster was not ready within {_READY_WITHIN:g} s")
            self._clock.pause(_LOOK_EVERY)

    def _command(self) -> list[str]:
        ports = {
            "--gateway-port": self.gateway_port,
            "--api-port": self.api_port,
            "--console-port": self.console_port,
        }
        return [
            sys.executable, "-m", "utsuwa.cli", "up",
            "--data-dir", str(self.layout.root), "--domain", DOMAIN, "--address", "off",
            *(word for flag, port in ports.items() for word in (flag, str(port))),
        ]  # fmt: skip


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_END_WITHIN)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now; held together, so that they differ."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _remove(directory: Path) -> None:
    """Remove a tree, images included: those are read-only on purpose."""
    for path, _, _ in os.walk(directory):
        os.chmod(path, 0o700)
    shutil.rmtree(directory, ignore_errors=True)


def samples() -> Path:
    """The directory of the samples: in the installed package, else in the repository.

    Raises:
        DemoError: neither is there.
    """
    import utsuwa

    package = Path(utsuwa.__file__).parent
    for directory in (package / "_samples", package.parents[1] / "samples"):
        if (directory / "autoscale" / "main.py").is_file():
            return directory
    raise DemoError(f"the samples are missing: looked for {package / '_samples'}")
