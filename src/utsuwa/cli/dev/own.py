"""A cluster for as long as `utsuwa dev` runs, where none runs yet."""

import collections
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from utsuwa.app.options import READY_LINE, Layout, UpOptions
from utsuwa.app.serving import Serving
from utsuwa.cli.dev.session import say
from utsuwa.cli.failures import Failure
from utsuwa.kit.clock import SystemClock

_READY, _END = 60.0, 20.0
_LOOK = 0.02
_KEPT = 10


@contextmanager
def cluster(directory: Path, clock: SystemClock) -> Iterator[None]:
    """One that serves `directory`: the one that does already, else one of our own, ended
    afterwards. Raises Failure."""
    if Serving.read(Layout(directory)) is not None:
        yield
        return
    say(f"no cluster runs on {directory}; one is started, for as long as this runs")
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "utsuwa.cli",
            "up",
            "--data-dir",
            str(directory),
            *_ports(),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=os.environ,
        start_new_session=True,  # Ctrl-C is for us alone: we end it when the service is gone
    )
    ready = threading.Event()
    said: collections.deque[str] = collections.deque(maxlen=_KEPT)
    reader = threading.Thread(target=_read, args=(process, said, ready), daemon=True)
    reader.start()
    try:
        deadline = clock.monotonic() + _READY
        while not ready.wait(_LOOK):
            if process.poll() is not None or clock.monotonic() > deadline:
                reader.join(1.0)
                last = "\n".join(f"  | {line}" for line in said)
                raise Failure(
                    f"`utsuwa up` does not start:\n{last}",
                    "Run it by itself: utsuwa up",
                )
        yield
    finally:
        _end(process)


def _read(
    process: "subprocess.Popen[str]",
    said: "collections.deque[str]",
    ready: threading.Event,
) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        said.append(line.rstrip())
        if line.rstrip() == READY_LINE:
            ready.set()


def _end(process: "subprocess.Popen[str]") -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(_END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _ports() -> list[str]:
    """The usual ports, or others where somebody has them. The rest looks after itself."""
    options = []
    usual = UpOptions(data_dir=Path())
    for name, port in (("gateway", usual.gateway_port), ("api", usual.api_port)):
        options += [f"--{name}-port", str(port if _is_free(port) else _free())]
    return options


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
