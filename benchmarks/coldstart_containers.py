"""The same question for containers: what a cold start costs where Podman makes the container, where
it was created ahead, and where Podman is alone (`podman run`, until the program accepts).

The program is busybox's web server, which starts in a millisecond or two: what is measured is the
platform, the engine and runc. Podman is one of the benchmark's own.
"""

import contextlib
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.cluster import Api, Cluster, cluster, percentile
from benchmarks.coldstart import first_byte

from utsuwa.testing.engine import NoPodmanError, Podman, podman

SERVICES = 10
ROUNDS = 3
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
    for _ in range(SERVICES * ROUNDS):
        started = time.monotonic()
        name = found.run("run", "--detach", IMAGE).strip()
        form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        there = time.monotonic()
        address = found.run("inspect", "--format", form, name).strip()
        asked = time.monotonic() - there  # not the engine's: it is only us who need the address
        while True:
            with contextlib.suppress(ConnectionRefusedError), socket.socket() as probe:
                probe.connect((address, 8080))
                break
            time.sleep(0.0005)
        yield max(time.monotonic() - started - asked, there - started)
        found.run("rm", "--force", "--time", "0", name)


def cold(up: Cluster, found: Podman, *, ahead: bool) -> Iterator[float]:
    """Seconds to the first byte, of services at zero."""
    api = Api(up.data_dir)
    key = "/api/v1/namespaces/knative-serving/configmaps/config-deployment"
    data = {"data": {"containers-created-ahead": str(SERVICES if ahead else 0)}}
    api.call("PATCH", key, data, "merge-patch+json")
    names = [f"box-{number:02}" for number in range(SERVICES)]
    for _ in range(ROUNDS):
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
    floor = list(alone(found))
    os.environ["DOCKER_HOST"] = f"unix://{found.socket}"
    with cluster() as up:
        for number in range(SERVICES):
            up.run("deploy", f"box-{number:02}", "--image", IMAGE)
        as_ever = list(cold(up, found, ahead=False))
        ahead = list(cold(up, found, ahead=True))
    print("cold start of a container, ms        p50      p99")
    for title, values in (
        ("podman run alone, to accepting", floor),
        ("request to first byte", as_ever),
        ("the same, created ahead", ahead),
    ):
        print(
            f"  {title:<34} {percentile(values, 0.5) * 1e3:6.1f}"
            f"   {percentile(values, 0.99) * 1e3:6.1f}"
        )


if __name__ == "__main__":
    main()
