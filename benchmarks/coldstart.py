"""What the platform adds to a cold start of a process: first request to first byte, less what the app
itself takes from its spawn to its first answer.

Services are left until they are at zero; then each gets one request, one at a time. Between them
the same app is spawned directly, so that both are measured on the machine as it is. Takes a minute.
`benchmarks.warm`, `benchmarks.coldstart_containers` and `benchmarks.coldstart_frozen` ask the same of
the other kinds; each prints its rows of one table.
"""

import contextlib
import http.client
import os
import socket
import subprocess
import time

from benchmarks.cluster import ROOT, Api, Cluster, cluster, free_port, percentile

SERVICES = 16
ROUNDS = 2
SAMPLE = ROOT / "samples" / "autoscale"
HEADER = """\
| kind, ms | floor p50 | first byte p50 | p90 | platform's part p50 | aim |
|---|---:|---:|---:|---:|---:|"""


def row(kind: str, floor: list[float], whole: list[float], aim: str) -> str:
    """A row of the table, of seconds."""
    low, middle, high = (
        value * 1e3
        for value in (percentile(floor, 0.5), percentile(whole, 0.5), percentile(whole, 0.9))
    )
    return f"| {kind} | {low:.1f} | {middle:.1f} | {high:.1f} | {middle - low:.1f} | {aim} |"


def own_start(python: str) -> float:
    """Seconds from spawning the sample with `python` to the first byte of its answer."""
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
                probe.sendall(b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n")
                assert probe.recv(4096).startswith(b"HTTP/1.1 200")
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


def measure(up: Cluster) -> tuple[list[float], list[float]]:
    """Seconds of cold requests, and of the app's own starts between them."""
    api = Api(up.data_dir)
    up.run("build", str(SAMPLE), "-t", "bench:1")
    python = str(next((up.data_dir / "images" / "bundles").glob("*/venv/bin/python")))
    names = [f"cold-{number:02}" for number in range(SERVICES)]
    for name in names:
        api.serve(name, "bench:1")
    api.until_ready(names)
    cold, own = [], []
    for _ in range(ROUNDS):
        api.settings(stable_window="6s", scale_to_zero_grace_period="1s")
        while api.pods():
            time.sleep(0.25)
        api.settings(stable_window="60s")  # what was started is not to end while others start
        for name in names:
            time.sleep(0.2)  # let the machine come to rest: one cold start at a time
            cold.append(first_byte(up.gateway_port, f"{name}.default.localhost"))
            time.sleep(0.2)
            own.append(own_start(python))
    return cold, own


def main() -> None:
    """Print the rows."""
    with cluster() as up:
        cold, own = measure(up)
    print(HEADER)
    print(row("process, standard library", own, cold, "10"), flush=True)


if __name__ == "__main__":
    main()
