"""Pods from a warm parent: cold starts, memory beside pods started anew, and thirty at once.

`python -m benchmarks.warm starts`, `memory` or `at-once`: a minute each. The floor of a cold start is the
same bundle forked by the same runtime without a cluster around it, from the order to fork to the
first answer: so the fork, the layer of files and what the app does itself are no part of the
platform's part.
"""

import asyncio
import http.client
import json
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks.cluster import ROOT, Api, Cluster, cluster, free_port
from benchmarks.cluster import SERVICES as SERVICES_PATH
from benchmarks.coldstart import HEADER, row

from utsuwa.kit.clock import SystemClock
from utsuwa.node import ImageStore, ProcessRuntime
from utsuwa.node.runtime import Instance, Launch, Warmth
from utsuwa.node.warm import WarmRuntime

SERVICES = 5
ROUNDS = 2
INSTANCES = 100
AT_ONCE = 30
FLOORS = 15

ASGI = """
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})
"""
FLASK = """
import os
from flask import Flask

app = Flask(__name__)


@app.route("/")
def hello():
    return "hello"


if __name__ == "__main__":
    app.run(port=int(os.environ["PORT"]))
"""


def sources(directory: Path) -> dict[str, Path]:
    """The apps: standard library, uvicorn, Flask."""
    found = {"stdlib": ROOT / "samples" / "autoscale"}
    for name, files in {
        "uvicorn": {
            "app.py": ASGI,
            "requirements.txt": "uvicorn\n",
            "Procfile": "web: uvicorn app:app --port $PORT --log-level warning\n",
        },
        "flask": {"main.py": FLASK, "requirements.txt": "flask\n"},
    }.items():
        place = found[name] = directory / name
        place.mkdir()
        for file, text in files.items():
            (place / file).write_text(text)
    return found


# --- without a cluster ----------------------------------------------------------------------------


class Bare:
    """One bundle on the runtime alone."""

    def __init__(self, directory: Path, store: ImageStore, tag: str) -> None:
        self._bundle = store.bundle(store.resolve_now(tag).partition("@")[2])
        self._directory = directory
        self._number = 0
        self.processes = ProcessRuntime(
            SystemClock(), exits=directory / "exits", label=str(directory)
        )
        self.runtime = WarmRuntime(self.processes, directory / "warm", SystemClock(), quiet=0.3)

    def launch(self, *, warm: bool) -> tuple[Launch, int]:
        """The next one, and its port."""
        self._number += 1
        port, bundle = free_port(), self._bundle
        scratch = self._directory / "pods" / str(self._number)
        scratch.mkdir(parents=True)
        launch = Launch(
            uid=f"bench-{id(self)}-{self._number}",
            container="c",
            command=bundle.command,
            env={**bundle.env, "PORT": str(port), "HOME": str(scratch), "LANG": "C.UTF-8"},
            directory=bundle.root,
            log=self._directory / "logs" / f"{self._number}.log",
            tree=bundle.root,
            scratch=scratch / "c",
            warmth=Warmth("bench/app", "uid") if warm else None,
        )
        return launch, port

    def parents(self) -> list[int]:
        """Their pids."""
        records = (self._directory / "warm").glob("*.json")
        return [json.loads(path.read_text())["instance"]["pid"] for path in records]

    async def timed(self, *, warm: bool) -> tuple[Instance, float]:
        """Started, and the seconds until it has answered."""
        launch, port = self.launch(warm=warm)
        started = time.monotonic()
        instance = await self.runtime.launch(launch)
        await asyncio.to_thread(_until_answer, port)
        return instance, time.monotonic() - started


def _until_answer(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", "/")
            connection.getresponse().read()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, "it does not answer"
            time.sleep(0.0005)
        else:
            return
        finally:
            connection.close()


@asynccontextmanager
async def warmed(directory: Path, store: ImageStore, tag: str) -> AsyncIterator[Bare]:
    """With its parent ready."""
    bare = Bare(directory, store, tag)
    scout, _ = await bare.timed(warm=True)
    await bare.runtime.settled()
    await scout.kill()
    try:
        yield bare
    finally:
        await bare.runtime.stop()
        await bare.runtime.close()


async def floors(bare: Bare, *, warm: bool) -> list[float]:
    """Seconds until each of some has answered, one after another."""
    taken = []
    for _ in range(FLOORS):
        instance, seconds = await bare.timed(warm=warm)
        taken.append(seconds)
        await instance.kill()
    return taken


async def memory(bare: Bare, *, warm: bool) -> float:
    """MiB of proportional memory of so many that have answered once, with their parent."""
    instances: list[Instance] = []
    for _ in range(INSTANCES):
        instance, _ = await bare.timed(warm=warm)
        instances.append(instance)
    pids = [(await instance.record())["pid"] for instance in instances]
    total = sum(_pss(pid) for pid in (*pids, *(bare.parents() if warm else ())))
    await asyncio.gather(*(instance.kill() for instance in instances))
    return total


def _pss(pid: int) -> float:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


# --- in a cluster ---------------------------------------------------------------------------------


def until(condition: Callable[[], object], seconds: float = 120) -> None:
    """Polls."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)


OPTIONS = {"apiVersion": "v1", "kind": "DeleteOptions"}


def cold(up: Cluster, host: str) -> tuple[float, str]:
    """Seconds from a request to the first byte of its answer, and its receipt."""
    connection = http.client.HTTPConnection("127.0.0.1", up.gateway_port, timeout=60)
    try:
        connection.connect()
        headers = {"Host": host, "Utsuwa-Cold-Start-Receipt": "1"}
        started = time.monotonic()
        connection.request("GET", "/", headers=headers)
        response = connection.getresponse()
        taken = time.monotonic() - started
        response.read()
        assert response.status == 200, response.status
        return taken, response.headers.get("Server-Timing") or ""
    finally:
        connection.close()


def in_a_cluster(up: Cluster, api: Api, apps: Iterable[str]) -> dict[str, list[float]]:
    """Seconds of each cold start from a warm parent, by app."""
    names = {f"cold-{app}-{number}": app for app in apps for number in range(SERVICES)}
    for name, app in names.items():
        api.serve(name, f"bench-{app}:1", warm="true")
    api.until_ready(list(names))
    until(lambda: len(list((up.data_dir / "warm").glob("*.json"))) == len(names))
    taken: dict[str, list[float]] = {app: [] for app in apps}
    for _ in range(ROUNDS):
        until(lambda: not api.pods())
        time.sleep(1)
        for name, app in names.items():
            time.sleep(0.2)
            seconds, receipt = cold(up, f"{name}.default.localhost")
            assert "warm parent" in receipt, receipt
            taken[app].append(seconds)
    return taken


def at_once(up: Cluster, api: Api, image: str, *, warm: bool) -> float:
    """Seconds from a request at zero until so many pods are ready."""
    name = f"many-{warm}".lower()
    api.serve(name, image, warm=str(warm).lower(), activation=str(AT_ONCE))
    api.until_ready([name])
    until(lambda: not api.pods())
    time.sleep(1)
    started = time.monotonic()
    cold(up, f"{name}.default.localhost")
    until(lambda: sum(map(_is_ready, api.pods())) >= AT_ONCE)
    taken = time.monotonic() - started
    api.call("DELETE", f"{SERVICES_PATH}/{name}", OPTIONS)
    until(lambda: not api.pods())
    return taken


def _is_ready(pod: Any) -> bool:
    conditions = pod.get("status", {}).get("conditions", ())
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


# --- the tables -----------------------------------------------------------------------------------


def starts(up: Cluster, api: Api, directory: Path) -> None:
    """Cold starts from warm parents, beside the fork alone."""
    apps = ("stdlib", "uvicorn", "flask")
    alone = {app: _floors(up, directory, app, warm=True) for app in apps}
    whole = in_a_cluster(up, api, apps)
    print(HEADER)
    for app in apps:
        print(row(f"warm parent, {app}", alone[app], whole[app], "10"), flush=True)


def memories(up: Cluster, _: Api, directory: Path) -> None:
    """Proportional memory of so many."""
    print(f"| {INSTANCES} instances, MiB of PSS | started anew | warm parent | ratio | aim |")
    print("|---|---:|---:|---:|---:|")
    for app in ("stdlib", "uvicorn"):
        anew, warmed_up = (_memory(up, directory, app, warm=warm) for warm in (False, True))
        ratio = warmed_up / anew
        print(f"| {app} | {anew:.0f} | {warmed_up:.0f} | {ratio:.2f} | 0.6 |", flush=True)


def many(up: Cluster, api: Api, _: Path) -> None:
    """Thirty pods at once."""
    print(f"| 0 to {AT_ONCE} Ready | s | aim |\n|---|---:|---:|")
    for title, warm in (("started anew", False), ("warm parent", True)):
        print(f"| {title} | {at_once(up, api, 'bench-stdlib:1', warm=warm):.2f} | 3 |", flush=True)


TABLES = {"starts": starts, "memory": memories, "at-once": many}


def main(*wanted: str) -> None:
    """Print the tables that are `wanted`, all of them if none is named."""
    for name in wanted or TABLES:
        with tempfile.TemporaryDirectory(prefix="utsuwa-bench-") as directory, cluster() as up:
            api = Api(up.data_dir)
            api.settings(stable_window="6s", scale_to_zero_grace_period="1s")
            sources_of = Path(directory) / "apps"
            sources_of.mkdir()
            for app, place in sources(sources_of).items():
                up.run("build", str(place), "-t", f"bench-{app}:1")
            TABLES[name](up, api, Path(directory))


def _floors(up: Cluster, directory: Path, name: str, *, warm: bool) -> list[float]:
    taken: list[float] = asyncio.run(_on(up, directory, name, lambda bare: floors(bare, warm=warm)))
    return taken


def _memory(up: Cluster, directory: Path, name: str, *, warm: bool) -> float:
    used: float = asyncio.run(_on(up, directory, name, lambda bare: memory(bare, warm=warm)))
    return used


async def _on(
    up: Cluster, directory: Path, name: str, work: Callable[[Bare], Awaitable[Any]]
) -> Any:
    with tempfile.TemporaryDirectory(dir=directory) as place:
        store = ImageStore(up.data_dir / "images")
        async with warmed(Path(place), store, f"bench-{name}:1") as bare:
            return await work(bare)


if __name__ == "__main__":
    main(*sys.argv[1:])
