"""What it costs to be watched: `python -m benchmarks.observed [ROUNDS]`.

* CPU of the gateway per 1,000 requests, in turns: with all of it off, and with all of it on (one
  request in a hundred traced, spans taken by a collector, metrics scraped and history and alerts
  polled once a second);
* the file of the history after a week of a hundred services that never rest, with decisions.
"""

import asyncio
import contextlib
import http.server
import random
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from benchmarks.cluster import ROOT, Api, Cluster, cluster, free_port
from benchmarks.gateway.load import load
from benchmarks.gateway.measures import cpu_seconds

from utsuwa.app.history.file import KEPT, MOST_NOTES, Asked, Batch, HistoryFile, Name
from utsuwa.app.history.journal import note_of
from utsuwa.autoscale.decider import Decision
from utsuwa.autoscale.reasons import because
from utsuwa.autoscale.scaling import Scaling
from utsuwa.controllers.podautoscaler import Entry
from utsuwa.series import MINUTE, SECOND, Block, Mark, Point

ROUNDS = 5
SECONDS = 4.0
CONNECTIONS = 50
SERVICES = 100
HOST = "hello.default.localhost"
SERVICES_PATH = "/apis/serving.knative.dev/v1/namespaces/default/services"


# --- the gateway ----------------------------------------------------------------------------------


@contextlib.contextmanager
def collector() -> Iterator[str]:
    """Takes every span; its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/traces"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Watcher:
    """Everybody who looks, once a second, while `looking`."""

    def __init__(self, api: Api, metrics_port: int) -> None:
        self._api = api
        self._url = f"http://127.0.0.1:{metrics_port}/metrics"
        self.looking = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.wait(1.0):
            if self.looking.is_set():
                since = int(time.time()) - 60
                self._api.call("GET", f"{SERVICES_PATH}/-/history?since={since}")
                self._api.call("GET", f"{SERVICES_PATH}/-/alerts")
                with urllib.request.urlopen(self._url) as answer:
                    answer.read()

    def close(self) -> None:
        self._ended.set()
        self._thread.join()


def observe(api: Api, **data: str) -> None:
    keys = {f"tracing-{name.replace('_', '-')}": value for name, value in data.items()}
    path = "/api/v1/namespaces/knative-serving/configmaps/config-observability"
    api.call("PATCH", path, {"data": keys}, "merge-patch+json")
    time.sleep(0.5)


def per_thousand(up: Cluster) -> float:
    """CPU seconds of the gateway for 1,000 requests."""
    pid = up.pids()["gateway"]
    before = cpu_seconds(pid)
    result = asyncio.run(load(up.gateway_port, HOST, connections=CONNECTIONS, seconds=SECONDS))
    return (cpu_seconds(pid) - before) / result.requests * 1000


def watched_and_not(rounds: int) -> tuple[list[float], list[float]]:
    """The figures of each round: off, on."""
    metrics_port = free_port()
    off, on = [], []
    with collector() as url, cluster("--metrics-port", str(metrics_port)) as up:
        up.run("build", str(ROOT / "samples" / "hello"), "-t", "bench:1")
        up.run("deploy", "hello", "--image", "bench:1", "--min-scale", "2", "--max-scale", "2")
        api = Api(up.data_dir)
        watcher = Watcher(api, metrics_port)
        try:
            per_thousand(up)
            for _ in range(rounds):
                off.append(per_thousand(up))
                watcher.looking.set()
                observe(api, protocol="http/protobuf", endpoint=url, sampling_rate="0.01")
                on.append(per_thousand(up))
                watcher.looking.clear()
                observe(api, protocol="none", endpoint="", sampling_rate="0")
        finally:
            watcher.close()
    return off, on


# --- the file -------------------------------------------------------------------------------------


def walk(source: random.Random, before: Point, step: int) -> Point:
    """The next point of a service whose load wanders about."""
    rate = max(1, before.s2 // step + source.randint(-3, 3))
    pods = max(1, rate // 20)
    return Point(
        s2=rate * step + source.randint(0, 3), s5=source.random() < 0.02,
        in_flight=source.randint(0, rate), waiting=source.randint(0, 2) * (rate > 40),
        desired=pods, ready=pods, total=pods, p50=source.randint(20, 40),
        p95=source.randint(60, 120), p99=source.randint(120, 400),
        cpu=rate * 8 + source.randint(0, 20), memory=300 + source.randint(0, 40),
    )  # fmt: skip


def blocks(source: random.Random, step: int, start: int, end: int) -> Iterator[Block]:
    point = Point(s2=20 * step)
    block = Block(step, start)
    for moment in range(start, end, step):
        if not block.takes(moment):
            yield block
            block = Block(step, moment)
        point = walk(source, point, step)
        block.put(moment, point)
    yield block


def entry(source: random.Random, moment: float) -> Entry:
    reasons = (because("stable-load", metric="concurrency", average=source.random() * 50,
                       window=60.0, pods=source.randint(1, 9), target=70.0),)  # fmt: skip
    decision = Decision(
        time=moment, metric="concurrency", stable=source.random() * 50, panic=source.random() * 50,
        target=70.0, ready=3, desired=source.randint(1, 9), excess_burst_capacity=-11,
        panicking=False, max_panic_pods=0, panic_since=None, changes_at=moment + 42.0,
        reasons=reasons,
    )  # fmt: skip
    return Entry(moment, decision, Scaling(3, apply=True, reasons=reasons))


async def week(directory: Path) -> tuple[float, bool]:
    """MiB of the file after a week, and whether all of the week is still in it."""
    path = directory / "history.db"
    file = HistoryFile(path)
    file.start()
    source = random.Random(1)
    now = 1_700_000_000 // 3600 * 3600
    began = now - KEPT[MINUTE]
    for number in range(SERVICES):
        name = Name("default", f"service-{number:03}-00001", f"service-{number:03}")
        made = [
            *blocks(source, MINUTE, began, now),
            *blocks(source, SECOND, now - KEPT[SECOND], now),
        ]
        marks = [
            (name, Mark(began + source.random() * KEPT[MINUTE], "deploy", name.revision))
            for _ in range(50)
        ]
        notes = [
            (name, note_of(entry(source, now - source.random() * 3600)))
            for _ in range(MOST_NOTES // SERVICES)
        ]
        file.write(Batch(float(now), [(name, block) for block in made], marks, notes))
    asked = Asked("default", "service-000", "", MINUTE, began, now)
    kept = await file.read(asked)
    await file.close()
    size = sum(part.stat().st_size for part in directory.glob("history.db*"))
    points = sum(len(block.times) for found in kept.blocks.values() for block in found)
    return size / 2**20, points == KEPT[MINUTE] // MINUTE


def main(rounds: int = ROUNDS) -> None:
    """Print both tables."""
    with tempfile.TemporaryDirectory(prefix="utsuwa-bench-") as directory:
        size, whole = asyncio.run(week(Path(directory)))
    print(f"history, a week of {SERVICES} services  {size:5.1f} MiB  (aim 50)", end="")
    print("" if whole else "; it was full: the oldest was dropped")
    off, on = watched_and_not(rounds)
    ratios = [b / a for a, b in zip(off, on, strict=True)]
    print(f"gateway, CPU s per 1,000 requests   off {statistics.median(off):.4f}", end="")
    print(f"   on {statistics.median(on):.4f}   ratio {statistics.median(ratios):.3f}", end="")
    print(f" ({min(ratios):.3f} to {max(ratios):.3f} in {rounds} rounds, aim 1.05)")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
