"""What the platform adds to a cold start: first request to first byte, minus the app's own start.

Fifty services are deployed and left until they are at zero; then each gets one request. The
app's own start (spawn to listening) is measured in the same run, by the same interpreter.
"""

import contextlib
import http.client
import os
import socket
import subprocess
import time
from importlib import import_module

from benchmarks import coldstart_frozen, warm
from benchmarks.cluster import ROOT, Api, Cluster, cluster, free_port, percentile

SERVICES = 50
SAMPLE = ROOT / "samples" / "autoscale"


def own_start(python: str) -> float:
    """Seconds from spawning the sample with `python` to its accepting a connection."""
    port = free_port()
    environment = {**os.environ, "PORT": str(port), "K_REVISION": "bench"}
    started = time.monotonic()
    process = subprocess.Popen(
        [python, "-u", "main.py"], cwd=SAMPLE, env=environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        while True:
            with contextlib.suppress(ConnectionRefusedError), socket.socket() as probe:
                probe.connect(("127.0.0.1", port))
                return time.monotonic() - started
            time.sleep(0.0005)
    finally:
        process.terminate()
        process.wait()


def first_byte(port: int, host: str) -> float:
    """Seconds from sending a request to the first byte of its answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.connect()
        started = time.monotonic()
        connection.request("GET", "/", headers={"Host": host})
        response = connection.getresponse()
        taken = time.monotonic() - started
        response.read()
        assert response.status == 200, response.status
        return taken
    finally:
        connection.close()


def measure(up: Cluster) -> list[float]:
    """One cold request to each of the services."""
    api = Api(up.data_dir)
    api.settings(stable_window="6s", scale_to_zero_grace_period="1s")
    up.run("build", str(SAMPLE), "-t", "bench:1")
    names = [f"cold-{number:02}" for number in range(SERVICES)]
    for name in names:
        up.run("deploy", name, "--image", "bench:1")
    while api.pods():
        time.sleep(0.25)
    api.settings(stable_window="60s")  # what has been started is not to end while others start
    taken = []
    for name in names:
        time.sleep(0.2)  # let the machine come to rest: one cold start at a time
        taken.append(first_byte(up.gateway_port, f"{name}.default.localhost"))
    return taken


def main() -> None:
    """Print the table."""
    with cluster() as up:
        cold = measure(up)
        python = str(next((up.data_dir / "images" / "bundles").glob("*/venv/bin/python")))
        own = [own_start(python) for _ in range(SERVICES)]
    print("cold start, ms                      p50      p99")
    for title, values in (
        ("request to first byte", cold),
        ("the app alone, spawn to listening", own),
    ):
        print(
            f"  {title:<32} {percentile(values, 0.5) * 1e3:6.1f}   {percentile(values, 0.99) * 1e3:6.1f}"
        )
    base = percentile(own, 0.5)
    print(
        f"  {'added by the platform':<32} {(percentile(cold, 0.5) - base) * 1e3:6.1f}"
        f"   {(percentile(cold, 0.99) - percentile(own, 0.99)) * 1e3:6.1f}"
    )
    warm.main()
    print()
    import_module("benchmarks.coldstart_containers").main()
    coldstart_frozen.main()


if __name__ == "__main__":
    main()
