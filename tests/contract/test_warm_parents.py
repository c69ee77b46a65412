"""Pods that are forked from a warm parent are like pods that are started anew: real processes."""

import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from utsuwa.kit.clock import SystemClock
from utsuwa.node import procfs
from utsuwa.node.process_runtime import ProcessRuntime
from utsuwa.node.runtime import Instance, Launch, LaunchError, Warmth
from utsuwa.node.warm import WarmRuntime

pytestmark = pytest.mark.slow

TELL = """
import json, os, random, signal, sys, threading
import colorsys
import helper
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
print(json.dumps({
    "argv": sys.argv, "file": __file__, "name": __name__, "path": sys.path[0],
    "cwd": os.getcwd(), "port": os.environ["PORT"], "home": os.environ["HOME"],
    "pid": os.getpid(), "session": os.getsid(0), "pod": os.environ["UTSUWA_POD"],
    "random": random.random(), "warm": "_utsuwa_warm" in sys.modules,
    "helper": helper.PID, "library": colorsys.__name__, "umask": os.umask(0o22),
    "left": [n for n in os.environ if n.startswith("UTSUWA_") and n != "UTSUWA_POD"],
    "files": sorted(os.listdir("/proc/self/fd"))[:-1], "threads": threading.active_count(),
}), flush=True)
open("written", "a").write("x") if os.access(".", os.W_OK) else None
if len(sys.argv) > 1:
    exec(sys.argv[1])
signal.pause()
"""


class Pods:
    """Starts pods of one app, and reads what they say."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.app = directory / "app"
        self.app.mkdir()
        self.write("main.py", TELL)
        self.write("helper.py", "import os\nPID = os.getpid()\n")
        self.processes = ProcessRuntime(
            SystemClock(), exits=directory / "exits", label=str(directory), cgroups=False
        )
        self.runtime = WarmRuntime(self.processes, directory / "warm", SystemClock(), quiet=0.05)
        self.started: list[Instance] = []
        self.number = 0

    def write(self, name: str, text: str) -> None:
        (self.app / name).write_text(text)

    def launch(self, *arguments: str, everything: bool = False, **env: str) -> Launch:
        self.number += 1
        scratch = self.directory / "pods" / str(self.number)
        scratch.mkdir(parents=True)
        own = {"PORT": str(8000 + self.number), "HOME": str(scratch)}
        return Launch(
            uid=f"uid-{os.getpid()}-{self.number}",
            container="c",
            command=(sys.executable, "-u", "main.py", *arguments),
            env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **own, **env},
            directory=self.app,
            log=self.directory / "logs" / f"{self.number}.log",
            tree=self.app,
            scratch=scratch / "c",
            warmth=Warmth("default/app", "uid-of-revision", everything=everything),
        )

    def module(self, name: str) -> Launch:
        command = (sys.executable, "-u", "-m", name)
        return replace(self.launch(everything=True), command=command)

    async def start(self, launch: Launch) -> Instance:
        instance = await self.runtime.launch(launch)
        self.started.append(instance)
        return instance

    async def said(self, launch: Launch) -> dict[str, object]:
        while not launch.log.exists() or "\n" not in launch.log.read_text():
            await SystemClock().sleep(0.01)
        told: dict[str, object] = json.loads(launch.log.read_text().splitlines()[0])
        return told

    async def warmed(self, **launch: object) -> None:
        """After this there is a parent."""
        first = self.launch(**launch)  # type: ignore[arg-type]  # passed on
        await self.start(first)
        await self.said(first)
        await self.runtime.settled()


@pytest.fixture
async def pods(tmp_path: Path) -> AsyncIterator[Pods]:
    made = Pods(tmp_path)
    yield made
    for instance in made.started:
        await instance.kill()
    await made.runtime.stop()
    await made.runtime.close()


def warmth_of(launch: Launch) -> Warmth:
    assert launch.warmth is not None
    return launch.warmth


async def test_the_first_start_is_written_down_and_the_second_is_forked(pods: Pods) -> None:
    """The first one runs as ever; what it looked for is imported ahead for the others."""
    first, second = pods.launch(), pods.launch()
    await pods.start(first)
    assert not warmth_of(first).forked
    assert "first start" in warmth_of(first).told
    assert (await pods.said(first))["name"] == "__main__"
    await pods.runtime.settled()
    await pods.start(second)
    assert warmth_of(second).forked, warmth_of(second).told
    assert "forked from a warm parent" in warmth_of(second).told


async def test_a_forked_pod_looks_as_one_that_was_started(pods: Pods) -> None:
    """Arguments, directory, environment, session, umask, open files; and the two are two."""
    await pods.warmed()
    launches = [pods.launch("x = 1"), pods.launch("x = 1")]
    told = []
    for launch in launches:
        instance = await pods.start(launch)
        told.append(await pods.said(launch))
        assert warmth_of(launch).forked
        pid = int(str(told[-1]["pid"]))
        assert told[-1] | {"random": 0, "files": 0} == {
            "argv": ["main.py", "x = 1"],
            "file": str(pods.app / "main.py"),
            "name": "__main__",
            "path": str(pods.app),
            "cwd": str(pods.app),
            "port": launch.env["PORT"],
            "home": launch.env["HOME"],
            "pid": pid,
            "session": pid,
            "pod": f"{launch.uid}/c",
            "random": 0,
            "warm": True,
            "helper": pid,
            "library": "colorsys",
            "umask": 0o22,
            "left": [],
            "files": 0,
            "threads": 1,
        }
        assert told[-1]["files"] == ["0", "1", "2"]
        assert (await instance.record())["pid"] == pid
        environ = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        assert f"PORT={launch.env['PORT']}".encode() in environ
        title = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
        assert title == [word.encode() for word in launch.command]
    assert told[0]["random"] != told[1]["random"]


async def test_a_module_is_run_as_main(pods: Pods) -> None:
    """As with `-m`: without a warning, for it was not imported ahead."""
    (pods.app / "pack").mkdir()
    pods.write("pack/__init__.py", "")
    pods.write("pack/__main__.py", TELL)
    scout = pods.module("pack")
    await pods.start(scout)
    await pods.said(scout)
    await pods.runtime.settled()
    launch = pods.module("pack")
    await pods.start(launch)
    told = await pods.said(launch)
    assert warmth_of(launch).forked, warmth_of(launch).told
    assert (told["name"], told["path"]) == ("__main__", str(pods.app))
    assert told["argv"] == [str(pods.app / "pack" / "__main__.py")]
    assert "Warning" not in launch.log.read_text()


@pytest.mark.parametrize(
    ("what", "code", "number"),
    [
        ("sys.exit(3)", 3, 0),
        ("1 / 0", 1, 0),
        ("os.kill(0, signal.SIGKILL)", 137, 9),
        ("sys.exit()", 0, 0),
    ],
)
async def test_how_it_ended_is_told(pods: Pods, what: str, code: int, number: int) -> None:
    """As of a process that we have started ourselves."""
    await pods.warmed()
    launch = pods.launch(what)
    ended = await (await pods.start(launch)).wait()
    assert warmth_of(launch).forked
    assert (ended.code, ended.signal, ended.seen) == (code, number, True)
    if what == "1 / 0":
        trace = launch.log.read_text()
        assert "ZeroDivisionError" in trace
        assert "_utsuwa_warm" not in trace
        assert "start.py" not in trace


async def test_signals_reach_it(pods: Pods) -> None:
    """The app's own handler answers."""
    await pods.warmed()
    launch = pods.launch()
    instance = await pods.start(launch)
    await pods.said(launch)
    instance.signal(signal.SIGTERM)
    assert (await instance.wait()).code == 7


async def test_pods_outlive_their_parent(pods: Pods) -> None:
    """It may end at any time."""
    await pods.warmed()
    launch = pods.launch()
    instance = await pods.start(launch)
    await pods.said(launch)
    await pods.runtime.stop()
    assert instance.alive
    assert not list(pods.runtime.use())


async def test_a_parent_is_found_again(pods: Pods) -> None:
    """Another life of control forks from it, and hears how a pod ended meanwhile."""
    await pods.warmed()
    launch = pods.launch("sys.exit(5) if sys.stdin.read() == '' else 0")
    record = await (await pods.start(launch)).record()
    await pods.runtime.close()
    pods.processes = ProcessRuntime(
        SystemClock(), exits=pods.directory / "exits", label=str(pods.directory), cgroups=False
    )
    pods.runtime = WarmRuntime(pods.processes, pods.directory / "warm", SystemClock())
    await pods.runtime.adopt_parents()
    again = await pods.runtime.adopt(record)
    assert again is not None
    assert (await again.wait()).code == 5
    another = pods.launch()
    await pods.start(another)
    assert warmth_of(another).forked, warmth_of(another).told


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
            "a thread",
        ),
        ("import socket\nS = socket.create_server(('127.0.0.1', 0))", "a connection"),
        ("import os\nPID = int(os.environ['PORT'])", "PORT was read"),
    ],
)
async def test_what_may_not_be_shared_is_left_out(pods: Pods, text: str, why: str) -> None:
    """A module with a thread, a connection, or what differs from pod to pod is imported by each
    pod itself, and the pod says so."""
    pods.write("helper.py", f"import os\nPID = os.getpid()\n{text}\n")
    await pods.warmed(everything=True)
    launch = pods.launch("print(helper.PID)", everything=True)
    await pods.start(launch)
    told = warmth_of(launch)
    assert told.forked, told.told
    assert "not imported ahead: helper, " in told.told
    assert why in told.told
    assert launch.env["PORT"] if "PORT" in why else True


async def test_with_app_its_own_modules_are_imported_ahead(pods: Pods) -> None:
    """Once, in the parent."""
    await pods.warmed(everything=True)
    launch = pods.launch(everything=True)
    await pods.start(launch)
    told = await pods.said(launch)
    assert told["helper"] != told["pid"]


async def test_a_variable_that_was_read_may_not_change(pods: Pods) -> None:
    """Another value than at the import: started anew, and the parent with it."""
    pods.write("helper.py", "import os\nPID = os.environ.get('LEVEL')\n")
    await pods.warmed(everything=True, LEVEL="one")
    launch = pods.launch(everything=True, LEVEL="two")
    await pods.start(launch)
    assert not warmth_of(launch).forked
    assert "LEVEL has another value" in warmth_of(launch).told
    assert (await pods.said(launch))["helper"] == "two"
    await pods.runtime.settled()
    third = pods.launch(everything=True, LEVEL="two")
    await pods.start(third)
    assert warmth_of(third).forked, warmth_of(third).told


async def test_a_killed_parent_costs_no_pod(pods: Pods) -> None:
    """Its pods go on; the next one is started anew."""
    await pods.warmed()
    launch = pods.launch()
    instance = await pods.start(launch)
    await pods.said(launch)
    (record,) = (pods.directory / "warm").glob("*.json")
    os.kill(json.loads(record.read_text())["instance"]["pid"], signal.SIGKILL)
    another = pods.launch()
    await pods.start(another)
    assert not warmth_of(another).forked
    assert (await pods.said(another))["name"] == "__main__"
    assert instance.alive


async def test_files_are_the_pods_own(pods: Pods) -> None:
    """Where each pod has a view of its own, a forked one has it too."""
    await pods.warmed()
    before = (pods.app / "written").exists()
    launch = pods.launch()
    await pods.start(launch)
    await pods.said(launch)
    if pods.processes.starter.has_views(launch):
        assert not before
        assert not (pods.app / "written").exists()


async def test_a_child_that_was_forked_ahead_is_the_next_pod(pods: Pods) -> None:
    """It says nothing before the word, and is then like any other."""
    await pods.warmed()
    launch = pods.launch()
    await pods.runtime.ahead(launch)
    waiting = set(procfs.marked(launch.uid))
    assert launch.log.read_text() == ""
    wanted = replace(launch, warmth=Warmth("default/app", "uid-of-revision"))
    await pods.start(wanted)
    told = await pods.said(wanted)
    assert told["pid"] in waiting
    assert (told["port"], told["warm"]) == (launch.env["PORT"], True)
    assert warmth_of(wanted).forked


async def test_a_child_that_was_forked_for_something_else_is_dropped(pods: Pods) -> None:
    """Another one is forked for what is wanted now."""
    await pods.warmed()
    launch = pods.launch()
    await pods.runtime.ahead(launch)
    (waiting,) = procfs.marked(launch.uid)
    wanted = replace(launch, env={**launch.env, "PORT": "8099"})
    await pods.start(wanted)
    told = await pods.said(wanted)
    assert told["port"] == "8099"
    assert told["pid"] != waiting
    while waiting in procfs.marked(launch.uid):
        await SystemClock().sleep(0.01)


async def test_a_child_that_nobody_needs_goes_without_a_word(pods: Pods) -> None:
    await pods.warmed()
    launch = pods.launch()
    await pods.runtime.ahead(launch)
    assert procfs.marked(launch.uid)
    await pods.runtime.sweep(launch.uid)
    assert procfs.marked(launch.uid) == []
    assert launch.log.read_text() == ""


async def test_without_a_parent_nothing_is_forked_ahead(pods: Pods) -> None:
    with pytest.raises(LaunchError):
        await pods.runtime.ahead(pods.launch())
