"""The node agent with real processes: output, exit codes, signals, adoption, no orphan ever."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from utsuwa.cluster.errors import NotFoundError
from utsuwa.cluster.informer import Informers
from utsuwa.cluster.port import Cluster, DeleteOptions, Key
from utsuwa.kit.clock import SystemClock
from utsuwa.kit.documents import Document, dig
from utsuwa.kit.ids import Ids
from utsuwa.kit.tasks import TaskSet
from utsuwa.model.kinds import POD
from utsuwa.node import AdoptionReport, ImageStore, NodeAgent, ProcessRuntime
from utsuwa.node.packages import NodeImages
from utsuwa.node.procfs import is_running, marked, start_time
from utsuwa.testing.cluster import memory_cluster
from utsuwa.testing.node import FakeDrains, a_pod

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SERVER = """
import http.server, os, signal, socketserver
signal.signal(signal.SIGTERM, lambda *_: (print("bye", flush=True), os._exit(0)))
print(f"port {os.environ['PORT']} in {os.getcwd()}\\n", end="")
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path != "/bad" else 500)
        self.end_headers()
    def log_message(self, *_):
        pass
socketserver.TCPServer.allow_reuse_address = True  # HTTPServer itself would ask the resolver
socketserver.TCPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
FAMILY = """
import os, subprocess, time
script = "exec sleep 300"
children = [
    subprocess.Popen(["sh", "-c", "sleep 301 & sleep 302 & wait"]),
    subprocess.Popen(["sh", "-c", "sleep 303"], start_new_session=True),
    subprocess.Popen(["setsid", "sh", "-c", "setsid sleep 304 & sleep 305"]),
]
print("up", flush=True)
time.sleep(300)
"""
FAILING = 'import sys; print("starting"); sys.exit("no database at db:5432")'
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(300)
"""
WRITER = """
import pathlib, time
print(sorted(p.name for p in pathlib.Path(".").glob("*.*")), flush=True)
pathlib.Path("mine.txt").write_text("x")
time.sleep(300)
"""


@dataclass
class Machine:
    """A node with a real runtime, over a cluster that outlives its agents."""

    cluster: Cluster
    data_dir: Path
    images: ImageStore
    clock: SystemClock

    async def start(self) -> AdoptionReport:
        self.tasks = TaskSet()
        exits = self.data_dir / "exits"
        exits.mkdir(exist_ok=True)
        self.runtime = ProcessRuntime(self.clock, exits=exits, label=str(self.data_dir))
        informers = Informers(self.cluster)
        self.agent = NodeAgent(
            self.cluster,
            informers,
            self.clock,
            Ids(random.Random(1)),
            data_dir=self.data_dir,
            images=NodeImages(self.images),
            drains=FakeDrains(),
            node_name="here",
            runtime=self.runtime,
        )
        informers.start(self.tasks)
        await informers.synced()
        return await self.agent.start(self.tasks)

    def build(self, source: str, ref: str = "app") -> None:
        directory = self.data_dir / f"source-{ref}"
        directory.mkdir(exist_ok=True)
        (directory / "main.py").write_text(textwrap.dedent(source))
        self.images.build(directory, ref)

    async def run(self, source: str, name: str = "web", **container: Any) -> Document:
        self.build(source)
        pod = a_pod(name, "app", **container)
        pod["spec"]["terminationGracePeriodSeconds"] = 5
        return await self.cluster.create(pod)

    async def pod(self, name: str = "web") -> Document:
        return await self.cluster.get(POD, Key("default", name))

    async def until(self, test: Callable[[Document], bool], name: str = "web") -> Document:
        for _ in range(1000):
            pod = await self.pod(name)
            if test(pod):
                return pod
            await asyncio.sleep(0.01)
        raise AssertionError(f"never came to be: {await self.pod(name)}")

    async def until_gone(self, name: str = "web") -> None:
        for _ in range(1000):
            try:
                await self.pod(name)
            except NotFoundError:
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"still there: {await self.pod(name)}")

    async def until_logged(self, text: str, name: str = "web") -> str:
        for _ in range(1000):
            path = self.agent.log_path(await self.pod(name), "user-container", previous=False)
            if path is not None and text in path.read_text():
                return path.read_text()
            await asyncio.sleep(0.01)
        raise AssertionError(f"{text!r} was never logged")


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    clock = SystemClock()
    async with memory_cluster(clock) as cluster:
        made = Machine(cluster, tmp_path, ImageStore(tmp_path / "images"), clock)
        await made.start()
        try:
            yield made
        finally:
            await made.agent.stop()
            await made.tasks.close()
            made.runtime.close()


def is_ready(pod: Document) -> bool:
    conditions = dig(pod, "status", "conditions", default=())
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def terminated(pod: Document) -> Document:
    found: Document = dig(
        pod, "status", "containerStatuses", 0, "lastState", "terminated", default={}
    )
    return found


async def test_a_bundle_runs_answers_and_ends(machine: Machine) -> None:
    """Ready by TCP, by HTTP; output in a file; SIGTERM is heard; the log outlives the Pod."""
    http = {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 0}
    await machine.run(SERVER, readinessProbe=http)
    pod = await machine.until(is_ready)
    port = pod["spec"]["containers"][0]["ports"][0]["hostPort"]
    assert f"port {port} in " in await machine.until_logged(" in /")
    log = machine.agent.log_path(pod, "user-container", previous=False)
    assert log is not None
    await machine.cluster.delete(POD, Key("default", "web"))
    await machine.until_gone()
    assert log.read_text().endswith("bye\n")
    assert marked(pod["metadata"]["uid"]) == []


async def test_a_bad_answer_keeps_a_pod_unready_and_says_so(machine: Machine) -> None:
    """The probe's last result is in the condition."""
    http = {"httpGet": {"path": "/bad"}, "periodSeconds": 0}
    await machine.run(SERVER, readinessProbe=http)
    pod = await machine.until(lambda pod: "status 500" in str(pod.get("status")))
    assert not is_ready(pod)


async def test_a_command_may_be_the_probe(machine: Machine) -> None:
    """exec: in the directory and the environment of the container."""
    probe = {"exec": {"command": ["sh", "-c", 'test -f main.py && test "$COLOUR" = red']}}
    env = [{"name": "COLOUR", "value": "red"}]
    await machine.run(SERVER, readinessProbe={**probe, "periodSeconds": 1}, env=env)
    await machine.until(is_ready)


async def test_the_last_words_of_a_crash_are_kept(machine: Machine) -> None:
    """Exit code and last lines, for the Revision's condition."""
    await machine.run(FAILING)
    pod = await machine.until(terminated)  # type: ignore[arg-type]  # empty is false
    last = terminated(pod)
    assert (last["exitCode"], last["reason"]) == (1, "Error")
    assert last["message"].endswith("no database at db:5432")


async def test_what_ignores_sigterm_is_killed_after_the_grace(machine: Machine) -> None:
    """Five seconds here; then nothing is left of it."""
    pod = await machine.run(STUBBORN)
    await machine.until_logged("up")
    began = machine.clock.monotonic()
    await machine.cluster.delete(POD, Key("default", "web"))
    await machine.until_gone()
    assert 4.5 < machine.clock.monotonic() - began < 8
    assert marked(pod["metadata"]["uid"]) == []


async def test_no_grandchild_survives(machine: Machine) -> None:
    """Children in sessions of their own, and orphans of theirs, end with the Pod."""
    pod = await machine.run(FAMILY)
    uid = pod["metadata"]["uid"]
    await machine.until_logged("up")
    while len(marked(uid)) < 8:
        await asyncio.sleep(0.02)
    await machine.cluster.delete(POD, Key("default", "web"))
    await machine.until_gone()
    assert [pid for pid in marked(uid) if is_running(pid, start_time(pid))] == []


async def test_a_crash_takes_the_family_along(machine: Machine) -> None:
    """Before the next life begins, nothing of the one before may hold its port."""
    pod = await machine.run(FAMILY)
    uid = pod["metadata"]["uid"]
    await machine.until_logged("up")
    first = set(marked(uid))
    leader = (await _records(machine))[uid]["pid"]
    os.kill(leader, signal.SIGKILL)
    pod = await machine.until(terminated)  # type: ignore[arg-type]  # empty is false
    assert terminated(pod)["exitCode"] == 137
    await machine.until_logged("up")
    assert first.isdisjoint(marked(uid))


async def test_containers_do_not_see_what_others_write(machine: Machine) -> None:
    """Every container has its own view of the bundle; the bundle itself never changes."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root: the bundle is read-only then")
    await machine.run(WRITER, "one")
    assert "['main.py']" in await machine.until_logged("main.py", "one")
    await machine.run(WRITER, "two")
    assert "['main.py']" in await machine.until_logged("main.py", "two")
    root = machine.images.bundle("app").root
    assert not (root / "mine.txt").exists()


async def _records(machine: Machine) -> dict[str, Document]:
    """The processes on record, by uid of their Pod."""
    found: dict[str, Document] = {}
    for _ in range(200):
        for path in (machine.data_dir / "pods").glob("*.json"):
            containers = json.loads(path.read_text())["containers"]
            if containers:
                found[path.stem] = containers["user-container"]
        if found:
            return found
        await asyncio.sleep(0.01)
    raise AssertionError("no process was written down")


@asynccontextmanager
async def a_killed_agent(machine: Machine) -> AsyncIterator[tuple[str, Document]]:
    """What a `kill -9` of control leaves: a pod whose parent is gone. The uid and the record."""
    pod = await machine.run(SERVER, readinessProbe={"tcpSocket": {"port": 0}, "periodSeconds": 0})
    await machine.until(is_ready)
    uid: str = pod["metadata"]["uid"]
    record = (await _records(machine))[uid]
    await machine.tasks.close()
    machine.runtime.close()
    yield uid, record


async def test_a_pod_is_adopted_by_the_next_agent(machine: Machine) -> None:
    """The same process goes on; its end is still seen, and its port stays taken."""
    async with a_killed_agent(machine) as (uid, record):
        report = await machine.start()
        assert (report.adopted, report.replaced, report.removed) == (1, 0, 0)
        assert is_running(record["pid"], record["start"])
        assert is_ready(await machine.pod())
        await machine.cluster.delete(POD, Key("default", "web"))
        await machine.until_gone()
        assert not is_running(record["pid"], record["start"])
        assert marked(uid) == []


async def test_an_orphans_exit_code_comes_from_who_reaped_it(machine: Machine) -> None:
    """The supervisor writes down how it ended; without that the code is unknown."""
    async with a_killed_agent(machine) as (_, record):
        text = f'{{"pid": {record["pid"]}, "start": {record["start"]}, "status": {7 << 8}}}'
        (machine.data_dir / "exits" / f"{record['pid']}.json").write_text(text)
        os.kill(record["pid"], signal.SIGKILL)
        await asyncio.sleep(0.1)
        report = await machine.start()
        assert (report.adopted, report.replaced) == (0, 1)
        pod = await machine.until(terminated)  # type: ignore[arg-type]  # empty is false
        assert terminated(pod)["exitCode"] == 7
        await machine.until(is_ready)


async def test_a_process_without_a_pod_is_killed_at_the_start(machine: Machine) -> None:
    """Its object was removed while control was down."""
    async with a_killed_agent(machine) as (uid, record):
        await machine.cluster.delete(POD, Key("default", "web"))
        await machine.cluster.delete(POD, Key("default", "web"), DeleteOptions(grace_seconds=0))
        report = await machine.start()
        assert report.removed == 1
        assert not is_running(record["pid"], record["start"])
        assert marked(uid) == []


async def test_a_process_that_is_not_ours_is_left_alone(machine: Machine) -> None:
    """A pid that was given to somebody else: the start time tells them apart."""
    async with a_killed_agent(machine) as (uid, record):
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
            path = machine.data_dir / "pods" / f"{uid}.json"
            path.write_text(
                path.read_text().replace(f'"pid": {record["pid"]}', f'"pid": {other.pid}')
            )
            await machine.start()
            await asyncio.sleep(0.1)
            assert other.poll() is None
            other.communicate(b"\n")
