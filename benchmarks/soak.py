"""`make soak`: from zero to many and back, again and again, while everything else happens.

A real `utsuwa up` serves a mix of clients (short, one second, streaming, uploads, WebSockets,
gRPC, clients that leave) in cycles; within each there is a rollout, a change of traffic, a rolling
restart of the gateway or a `kill -9` of control. Prints Markdown for docs/benchmarks.md; exit code
1 if the platform made a single error, or a service did not come to rest.
"""

import argparse
import asyncio
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.cluster import Api, Cluster, cluster
from benchmarks.soak_clients import FINE, Clients, Tally

BUSY = 8.0
"""Seconds of load in a cycle."""
LIMIT = 10
"""containerConcurrency of the service."""
SERVICES = "/apis/serving.knative.dev/v1/namespaces/default/services"
MERGE = "merge-patch+json"


@dataclass
class Soak:
    """The run. Mutable state: what was done and seen so far."""

    up: Cluster
    tally: Tally
    source: random.Random
    done: Counter[str] = field(default_factory=Counter)
    trouble: list[str] = field(default_factory=list)
    most_pods: int = 0
    cycles: int = 0

    async def run(self, seconds: float) -> None:
        """Cycles until `seconds` have passed."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            await self._cycle()
            self.cycles += 1

    async def ready(self, name: str) -> None:
        """Wait until the service `name` is Ready."""
        for _ in range(600):
            service = await self._api("GET", f"{SERVICES}/{name}")
            conditions = service.get("status", {}).get("conditions", [])
            if any(one["type"] == "Ready" and one["status"] == "True" for one in conditions):
                return
            await asyncio.sleep(0.1)
        raise RuntimeError(f"the service {name} is not Ready after a minute: {conditions}")

    async def _cycle(self) -> None:
        clients = Clients(self.up.gateway_port, self.tally, self.source)
        load = asyncio.gather(*clients.all())
        actions = self._actions()
        for action in actions:
            await asyncio.sleep(BUSY / (len(actions) + 1))
            await action()
            self.done[action.__name__.lstrip("_").replace("_", " ")] += 1
            await self._count_pods()
        await asyncio.sleep(BUSY / (len(actions) + 1))
        clients.stopping.set()
        await load
        await self._rest()

    def _actions(self) -> list[Callable[[], Awaitable[None]]]:
        turns: tuple[list[Callable[[], Awaitable[None]]], ...] = (
            [self._rollout, self._gateway_restart],
            [self._traffic_change, self._control_killed],
            [self._gateway_restart, self._traffic_change, self._gateway_restart],
            [self._rollout, self._control_killed, self._gateway_restart],
        )
        return turns[self.cycles % len(turns)]

    # --- what happens -------------------------------------------------------------------------

    async def _rollout(self) -> None:
        template = {"metadata": {"annotations": {"soak/turn": str(self.cycles)}}}
        traffic = [{"latestRevision": True, "percent": 100}]
        await self._patch({"spec": {"template": template, "traffic": traffic}})
        await self._api("PATCH", f"{SERVICES}/calls", {"spec": {"template": template}}, MERGE)

    async def _traffic_change(self) -> None:
        revisions = await self._api("GET", SERVICES.replace("services", "revisions"))
        names = sorted(
            item["metadata"]["name"]
            for item in revisions["items"]
            if item["metadata"]["labels"]["serving.knative.dev/service"] == "soak"
        )
        older = {"revisionName": self.source.choice(names), "percent": 40}
        await self._patch({"spec": {"traffic": [{"latestRevision": True, "percent": 60}, older]}})

    async def _gateway_restart(self) -> None:
        before = self.up.pids()["gateway"]
        self.up.process.send_signal(signal.SIGHUP)
        await self._until(lambda: self.up.pids()["gateway"] != before, "another gateway")

    async def _control_killed(self) -> None:
        os.kill(self.up.pids()["control"], signal.SIGKILL)

    async def _rest(self) -> None:
        end = time.monotonic() + 60
        while await self._pods():
            if time.monotonic() > end:
                self.trouble.append(f"cycle {self.cycles}: pods are left a minute after the load")
                return
            await asyncio.sleep(0.25)

    # --- the cluster --------------------------------------------------------------------------

    async def _until(self, condition: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + 20
        while not condition():
            if time.monotonic() > end:
                self.trouble.append(f"cycle {self.cycles}: no {what} within 20 s")
                return
            await asyncio.sleep(0.05)

    async def _count_pods(self) -> None:
        self.most_pods = max(self.most_pods, await self._pods())

    async def _pods(self) -> int:
        return len((await self._api("GET", "/api/v1/namespaces/default/pods"))["items"])

    async def _patch(self, change: object) -> None:
        await self._api("PATCH", f"{SERVICES}/soak", change, MERGE)

    async def _api(self, method: str, path: str, body: object = None, kind: str = "json") -> Any:
        """A call that waits for control to come back."""
        api = Api(self.up.data_dir)
        for _ in range(200):
            try:
                return await asyncio.to_thread(api.call, method, path, body, kind)
            except OSError:
                await asyncio.sleep(0.05)
        raise RuntimeError(f"{method} {path}: control did not come back within 10 s")


def deploy(up: Cluster) -> None:
    """The services, with a window that lets a cycle end soon."""
    Api(up.data_dir).settings(stable_window="6s", scale_to_zero_grace_period="1s")
    here = Path(__file__).parent
    up.run("build", str(here / "soak_app"), "-t", "soak:1")
    up.run("deploy", "soak", "--image", "soak:1", "--concurrency", str(LIMIT), "--max-scale", "12")
    up.run("build", str(here / "soak_calls"), "-t", "calls:1")
    port = {"name": "h2c", "containerPort": 8080}
    spec = {"containers": [{"image": "calls:1", "ports": [port]}]}
    service = {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": "calls"},
        "spec": {"template": {"spec": spec}},
    }
    Api(up.data_dir).call("POST", SERVICES, service)


def report(soak: Soak, seconds: float) -> str:
    """The run in Markdown."""
    kinds = sorted({kind for kind, _ in soak.tally.counts})
    bad = sorted({outcome for _, outcome in soak.tally.counts} - FINE)
    lines = [
        f"### Endurance: {seconds / 60:.1f} minutes, {soak.cycles} cycles 0→many→0",
        "",
        f"Most pods at once: {soak.most_pods}. Meanwhile: "
        + ", ".join(f"{name} {count} times" for name, count in sorted(soak.done.items()))
        + ".",
        "",
        "| clients | answered | left on purpose | " + " | ".join([*bad, "platform-made errors |"]),
        "|---|---:|---:|" + "---:|" * (len(bad) + 1),
    ]
    for kind in kinds:
        counts = soak.tally.counts
        errors = [counts[kind, outcome] for outcome in bad]
        row = [kind, counts[kind, "ok"], counts[kind, "aborted"], *errors, sum(errors)]
        lines.append(
            "| " + " | ".join(f"{value:,}" if value != kind else kind for value in row) + " |"
        )
    lines += ["", f"**Platform-made errors: {soak.tally.errors}.**"]
    lines += [f"- {text}" for text in (*soak.trouble, *soak.tally.samples)]
    return "\n".join(lines)


async def soaked(minutes: float, seed: int) -> Soak:
    """One run on a cluster of its own."""
    with cluster() as up:
        deploy(up)
        soak = Soak(up, Tally(LIMIT), random.Random(seed))
        await soak.ready("calls")
        await soak.run(minutes * 60)
        return soak


def main() -> int:
    """Entry point; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("minutes", type=float, nargs="?", default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    started = time.monotonic()
    soak = asyncio.run(soaked(arguments.minutes, arguments.seed))
    sys.stdout.write(report(soak, time.monotonic() - started) + "\n")
    return 1 if soak.tally.errors or soak.trouble else 0


if __name__ == "__main__":
    sys.exit(main())
