"""What it costs to be there: start-up time, memory and CPU with fifty services at zero."""

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.cluster import ROOT, Api, Cluster, cluster

SERVICES = 50
WATCHED = 30.0
"""Seconds over which CPU is counted."""
TICKS = os.sysconf("SC_CLK_TCK")


def pss(pid: int) -> float:
    """Proportional set size in MiB: shared pages count in part."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no Pss of {pid}")


def cpu(pid: int) -> float:
    """Seconds of CPU used so far."""
    text = Path(f"/proc/{pid}/stat").read_text()
    fields = text[text.rindex(")") + 2 :].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def waiting(control: int) -> list[int]:
    """The processes that were started ahead of pods: what control has for children, and theirs."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            parents[int(path.parent.name)] = int(fields[1])
    found = {pid for pid, parent in parents.items() if parent == control}
    return [pid for pid, parent in parents.items() if pid in found or parent in found]


def deploy(up: Cluster) -> float:
    """Fifty services in one apply, then all at zero; seconds until all were Ready."""
    api = Api(up.data_dir)
    api.settings(stable_window="6s", scale_to_zero_grace_period="1s")
    up.run("build", str(ROOT / "samples" / "hello"), "-t", "bench:1")
    base = "/apis/serving.knative.dev/v1/namespaces/default/services"
    started = time.monotonic()
    for number in range(SERVICES):
        template = {"spec": {"containers": [{"image": "bench:1"}]}}
        api.call("POST", base, {
            "apiVersion": "serving.knative.dev/v1", "kind": "Service",
            "metadata": {"name": f"idle-{number:02}"}, "spec": {"template": template},
        })  # fmt: skip
    while not all(_is_ready(item) for item in api.call("GET", base)["items"]):
        time.sleep(0.05)
    taken = time.monotonic() - started
    while api.pods():
        time.sleep(0.25)
    return taken


def _is_ready(service: dict[str, dict[str, list[dict[str, str]]]]) -> bool:
    conditions = service.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def help_time() -> float:
    """Seconds that `utsuwa --help` takes, median of nine."""
    taken = []
    for _ in range(9):
        started = time.monotonic()
        subprocess.run(
            [str(Path(sys.executable).parent / "utsuwa"), "--help"], check=True, capture_output=True
        )
        taken.append(time.monotonic() - started)
    return sorted(taken)[4]


def main() -> None:
    """Print the table."""
    with cluster() as up:
        all_ready = deploy(up)
        time.sleep(5)  # what follows the last pod's end is not idle yet
        pids = up.pids()
        looked_at = {name: [pid] for name, pid in pids.items()}
        looked_at["waiting for a word"] = waiting(pids["control"])
        before = {name: sum(map(cpu, each)) for name, each in looked_at.items()}
        time.sleep(WATCHED)
        used = {
            name: (sum(map(cpu, each)) - before[name]) / WATCHED * 100
            for name, each in looked_at.items()
        }
        memory = {name: sum(map(pss, each)) for name, each in looked_at.items()}
        ready_after = up.ready_after
    print(f"{SERVICES} services: applied to all Ready  {all_ready:6.2f} s")
    print(f"{SERVICES} services at zero       PSS MiB   % of a core")
    for name, value in memory.items():
        print(f"  {name:<22} {value:8.1f}   {used[name]:8.2f}")
    print(f"  {'sum':<22} {sum(memory.values()):8.1f}   {sum(used.values()):8.2f}")
    print(f"utsuwa up, until ready    {ready_after:6.2f} s")
    print(f"utsuwa --help             {help_time() * 1e3:6.0f} ms")


if __name__ == "__main__":
    main()
