"""What a request costs whose pod is frozen: first request to first byte, and what of it is the thaw.

Services are deployed and left until they are frozen; then each gets one request, and one more while
it runs. Beside them the same app, stopped and let go by hand, without a gateway.
"""

import contextlib
import http.client
import os
import re
import subprocess
import time
from typing import Any

from benchmarks.cluster import ROOT, Api, Cluster, cluster, free_port
from benchmarks.coldstart import HEADER, row

from utsuwa.kit.freezing import SignalBrake

SERVICES = 20
SAMPLE = ROOT / "samples" / "autoscale"


def own_thaw(python: str) -> list[float]:
    """Seconds from letting the sample go on to the first byte of its answer, asked directly."""
    port = free_port()
    environment = {**os.environ, "PORT": str(port), "K_REVISION": "bench"}
    process = subprocess.Popen(
        [python, "-u", "main.py"], cwd=SAMPLE, env=environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    brake = SignalBrake(lambda: [process.pid])
    taken = []
    try:
        time.sleep(2)  # it starts
        asked(port, "bench")
        for _ in range(SERVICES):
            brake.stop()
            time.sleep(0.2)
            started = time.monotonic()
            brake.let_go()
            asked(port, "bench")
            taken.append(time.monotonic() - started)
    finally:
        process.kill()
        process.wait()
    return taken


def asked(port: int, host: str) -> tuple[float, float]:
    """Seconds from sending a request to the first byte of its answer, and of them those of the
    thaw."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as client:
        client.connect()
        headers = {"Host": host, "Utsuwa-Cold-Start-Receipt": "1"}
        started = time.monotonic()
        client.request("GET", "/", headers=headers)
        response = client.getresponse()
        taken = time.monotonic() - started
        response.read()
        assert response.status == 200, response.status
        thaw = re.search(r"thaw;dur=([\d.]+)", response.headers.get("Server-Timing") or "")
        return taken, float(thaw[1]) / 1e3 if thaw else 0.0


def _is_frozen(pod: Any) -> bool:
    conditions = pod["status"].get("conditions") or []
    return any(one["type"] == "utsuwa.dev/Frozen" and one["status"] == "True" for one in conditions)


def measure(up: Cluster) -> tuple[list[float], list[float], list[float]]:
    """A request to each of the services, frozen; what of it was the thaw; and another one."""
    api = Api(up.data_dir)
    api.settings(stable_window="30m", freeze_after="2s")
    up.run("build", str(SAMPLE), "-t", "bench:1")
    names = [f"ice-{number:02}" for number in range(SERVICES)]
    for name in names:
        api.serve(name, "bench:1")
    api.until_ready(names)
    while not all(map(_is_frozen, api.pods())):
        time.sleep(0.25)
    frozen, thaws, running = [], [], []
    for name in names:
        time.sleep(0.2)
        taken, thaw = asked(up.gateway_port, f"{name}.default.localhost")
        frozen.append(taken)
        thaws.append(thaw)
        running.append(asked(up.gateway_port, f"{name}.default.localhost")[0])
    assert all(thaws), "some were not frozen"
    return frozen, thaws, running


def main() -> None:
    """Print the table."""
    with cluster() as up:
        frozen, thaws, running = measure(up)
        thawed = own_thaw(str(next((up.data_dir / "images").glob("bundles/*/venv/bin/python"))))
    print(HEADER)
    print(row("frozen, first byte", thawed, frozen, ""))
    print(row("frozen, of it the thaw", [0.0], thaws, "3"))
    print(row("the same pod while it runs", [0.0], running, ""), flush=True)


if __name__ == "__main__":
    main()
