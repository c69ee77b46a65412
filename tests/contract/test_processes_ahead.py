"""Processes that were started ahead of their Pod: nothing runs before the word, then the very same."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from utsuwa.kit.clock import SystemClock
from utsuwa.node import procfs
from utsuwa.node.images.bundle import base_interpreter
from utsuwa.node.process_runtime import ProcessRuntime
from utsuwa.node.runtime import Isolation, Launch, LaunchError

UID = f"ahead-{os.getpid()}"
TELL = """
import json, os, sys
print(json.dumps({
    "env": dict(sorted(os.environ.items())), "argv": sys.argv, "cwd": os.getcwd(), "session": os.getsid(0),
    "stdin": os.read(0, 1).decode(), "umask": os.umask(0o22), "user": os.getuid(),
    "files": sorted(os.listdir("/proc/self/fd"))[:-1],
}), flush=True)
"""


@pytest.fixture
async def runtime(tmp_path: Path) -> AsyncIterator[ProcessRuntime]:
    made = ProcessRuntime(SystemClock(), exits=tmp_path / "exits", label=UID)
    yield made
    await made.sweep(UID)
    made.close()


def plan(directory: Path, *command: str, number: int = 0, **env: str) -> Launch:
    tree = directory / "tree"
    tree.mkdir(exist_ok=True)
    return Launch(
        uid=UID,
        container="app",
        command=command or (str(base_interpreter()), "-c", TELL, "an argument"),
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TEXT": "a 'b\n", **env},
        directory=tree,
        log=directory / "logs" / f"{number}.log",
        tree=tree,
        scratch=directory / "pods" / "app",
    )


def running() -> set[int]:
    """Processes of the Pod, those that wait among them."""
    return set(procfs.marked(UID))


async def _until_gone() -> None:
    async with asyncio.timeout(10):
        while running():
            await asyncio.sleep(0.01)


async def said(runtime: ProcessRuntime, launch: Launch) -> str:
    instance = await runtime.launch(launch)
    await instance.wait()
    await instance.kill()
    return launch.log.read_text()


@pytest.mark.parametrize("isolated", [False, True])
async def test_it_is_what_it_would_be_started_anew(
    runtime: ProcessRuntime, tmp_path: Path, isolated: bool
) -> None:
    """Environment, standard input, session, open files: everything, but when it was started."""
    isolation = Isolation(1_900_000_019, 1_900_000_019) if isolated else None
    launch = replace(plan(tmp_path), isolation=isolation)
    if isolated and not runtime.starter.isolates(launch):
        pytest.skip("no isolation here")
    anew = await said(runtime, launch)
    launch.log.unlink()
    await runtime.ahead(launch)
    waiting = running()
    assert launch.log.read_text() == ""
    instance = await runtime.launch(launch)
    assert (await instance.record())["pid"] in waiting
    assert (await instance.wait()).code == 0
    await instance.kill()
    assert "an argument" in anew
    told = launch.log.read_text()
    if isolated:
        assert '"user": 1900000019' in told
    else:
        assert f'"session": {(await instance.record())["pid"]}' in told
    assert _without_session(told) == _without_session(anew)
    assert not running()


def _without_session(text: str) -> list[str]:
    return [part for part in text.split(", ") if '"session"' not in part]


async def test_without_a_word_it_never_runs(runtime: ProcessRuntime, tmp_path: Path) -> None:
    """Swept, or because we end: then the pipe is at its end."""
    launch = plan(tmp_path, "/bin/sh", "-c", "touch ran")
    await runtime.ahead(launch)
    assert running()
    assert await runtime.sweep(UID) == 0
    assert not running()
    reader, writer = os.pipe()
    script = (
        "import asyncio, os, pathlib, sys; from tests.contract.test_processes_ahead import *\n"
        "async def main():\n"
        "    made = ProcessRuntime(SystemClock(), exits=pathlib.Path('exits'), label='one')\n"
        f"    await made.ahead(replace(plan(pathlib.Path({str(tmp_path)!r}), '/bin/sh', '-c',"
        f" 'touch ran'), uid={UID!r}))\n"
        "    os.write(1, b'waits'); os.read(0, 1); os._exit(9)\n"
        "asyncio.run(main())"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdin=reader, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.read(5) == b"waits"
    assert running()
    os.write(writer, b"x")
    await process.wait()
    await _until_gone()
    os.close(reader)
    os.close(writer)
    assert not list(tmp_path.rglob("ran"))


async def test_one_that_was_made_for_something_else_is_not_used(
    runtime: ProcessRuntime, tmp_path: Path
) -> None:
    await runtime.ahead(plan(tmp_path, COLOUR="red"))
    (waiting,) = running()
    assert '"COLOUR": "blue"' in await said(runtime, plan(tmp_path, COLOUR="blue"))
    assert waiting not in running()


async def test_one_that_has_ended_meanwhile_is_not_used(
    runtime: ProcessRuntime, tmp_path: Path
) -> None:
    launch = plan(tmp_path)
    await runtime.ahead(launch)
    (waiting,) = running()
    os.kill(waiting, 9)
    os.waitid(os.P_PID, waiting, os.WEXITED | os.WNOWAIT)
    assert "an argument" in await said(runtime, launch)


async def test_a_program_that_is_not_there_is_told_as_ever(
    runtime: ProcessRuntime, tmp_path: Path
) -> None:
    """Not by the shell that stands in for it."""
    launch = plan(tmp_path, "no-such-program")
    with pytest.raises(LaunchError, match="no-such-program cannot be executed"):
        await runtime.ahead(launch)
    with pytest.raises(LaunchError, match=r'"no-such-program": executable file not found'):
        await runtime.launch(launch)
    assert launch.log.read_text() == ""


@pytest.mark.parametrize("name", ["a.b", "PWD", "PS1", "IFS"])
async def test_what_a_shell_would_not_hand_on_rules_it_out(
    runtime: ProcessRuntime, tmp_path: Path, name: str
) -> None:
    launch = plan(tmp_path, **{name: "x"})  # type: ignore[arg-type]  # a variable, by a name that is no word
    with pytest.raises(LaunchError, match=f"would not hand on {name}"):
        await runtime.ahead(launch)
    assert f'"{name}": "x"' in await said(runtime, launch)
