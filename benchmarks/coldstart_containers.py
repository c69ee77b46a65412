"""The same question for containers: what a cold start costs where Podman makes the container (floor:
`podman run` alone, until the program accepts), and where it was created ahead (floor: the one call
that starts a container that was set up).

The program is busybox's web server, which starts in a millisecond or two: what is measured is the
platform, the engine and runc. Podman is one of the benchmark's own.
"""

import contextlib
import http.client
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.cluster import Api, Cluster, cluster
from benchmarks.coldstart import HEADER, first_byte, row

from utsuwa.testing.engine import NoPodmanError, Podman, podman

SERVICES = 8
ROUNDS = 2
IMAGE = "dev.local/bench:v1"
START = """\
#!/bin/sh
trap 'exit 0' TERM
busybox httpd -f -p 8080 -h /www &
wait
"""


def engine() -> Podman:
    """With the image. Raises NoPodmanError."""
    found = podman()
    with tempfile.TemporaryDirectory() as directory:
        start = Path(directory) / "start"
        start.write_text(START)
        start.chmod(0o755)
        found.image(IMAGE, Path(directory), "./start")
    return found


def alone(found: Podman) -> Iterator[float]:
    """Seconds from `podman run` to a program that accepts."""
    for _ in range(SERVICES):
        started = time.monotonic()
        name = found.run("run", "--detach", IMAGE).strip()
        form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        there = time.monotonic()
        address = found.run("inspect", "--format", form, name).strip()
        asked = time.monotonic() - there  # not the engine's: it is only us who need the address
        _until_accepts(address)
        yield max(time.monotonic() - started - asked, there - started)
        found.run("rm", "--force", "--time", "0", name)


class _Unix(http.client.HTTPConnection):
    """A connection to the engine's socket."""

    def __init__(self, path: object) -> None:
        super().__init__("engine")
        self._path = str(path)

    def connect(self) -> None:
        """As its base."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


def set_up(found: Podman) -> Iterator[float]:
    """Seconds from the call that starts a container that was set up to a program that accepts."""
    for _ in range(SERVICES):
        name = found.run("create", IMAGE).strip()
        found.run("init", name)
        form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        address = found.run("inspect", "--format", form, name).strip()
        with contextlib.closing(_Unix(found.socket)) as engine_socket:
            engine_socket.connect()
            started = time.monotonic()
            engine_socket.request("POST", f"/v4.0.0/libpod/containers/{name}/start")
            assert engine_socket.getresponse().status < 400
            _until_accepts(address)
            yield time.monotonic() - started
        found.run("rm", "--force", "--time", "0", name)


def _until_accepts(address: str) -> None:
    while True:
        with contextlib.suppress(ConnectionRefusedError), socket.socket() as probe:
            probe.connect((address, 8080))
            return
        time.sleep(0.0005)


def cold(up: Cluster, found: Podman, *, ahead: bool) -> Iterator[float]:
    """Seconds to the first byte, of services at zero."""
    api = Api(up.data_dir)
    key = "/api/v1/namespaces/knative-serving/configmaps/config-deployment"
    data = {"data": {"containers-created-ahead": str(SERVICES if ahead else 0)}}
    api.call("PATCH", key, data, "merge-patch+json")
    names = [f"box-{number:02}" for number in range(SERVICES)]
    for _ in range(ROUNDS if ahead else 1):
        api.settings(stable_window="6s", scale_to_zero_grace_period="1s")
        while api.pods() or _waiting(found) != (SERVICES if ahead else 0):
            time.sleep(0.25)
        api.settings(stable_window="60s")  # what has been started is not to end while others start
        for name in names:
            time.sleep(0.5)  # one cold start at a time
            yield first_byte(up.gateway_port, f"{name}.default.localhost")


def _waiting(found: Podman) -> int:
    listed = found.run("ps", "--all", "--format", "{{.Status}}").splitlines()
    return sum(line in {"Initialized", "Created"} for line in listed)


def main() -> None:
    """Print the table."""
    try:
        found = engine()
    except NoPodmanError as error:
        print(f"containers are left out: {error}")
        return
    floor, floor_ahead = list(alone(found)), list(set_up(found))
    os.environ["DOCKER_HOST"] = f"unix://{found.socket}"
    with cluster() as up:
        names = [f"box-{number:02}" for number in range(SERVICES)]
        for name in names:
            Api(up.data_dir).serve(name, IMAGE)
        Api(up.data_dir).until_ready(names)
        as_ever = list(cold(up, found, ahead=False))
        ahead = list(cold(up, found, ahead=True))
    print(HEADER)
    print(row("container", floor, as_ever, ""))
    print(row("container created ahead", floor_ahead, ahead, "100"), flush=True)


if __name__ == "__main__":
    main()
