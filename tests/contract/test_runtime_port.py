"""Every runtime keeps the same promises: with real processes, with containers, and the fake."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from utsuwa.kit.clock import SystemClock
from utsuwa.kit.freezing import brake_of
from utsuwa.node.engine.door import Door
from utsuwa.node.packages import Pull
from utsuwa.node.process_runtime import ProcessRuntime
from utsuwa.node.runtime import Box, Instance, Launch, LaunchError, Runtime
from utsuwa.testing.engine import NoPodmanError, podman
from utsuwa.testing.node import FakeInstance, FakeRuntime

pytestmark = pytest.mark.slow

SLEEPER = "trap 'exit 7' TERM; echo up; while :; do sleep 0.02; done"
STUBBORN = "trap '' TERM; echo up; while :; do sleep 0.02; done"


POD = f"uid-1-{os.getpid()}"
"""What a sweep finds is found on the whole machine: tests run beside one another in processes."""
OTHER_POD = f"uid-2-{os.getpid()}"


@dataclass
class Case:
    """A runtime, and how to make the container that a test needs."""

    runtime: Runtime
    directory: Path
    image: str = ""

    def launch(self, script: str, uid: str = POD, **members: str) -> Launch:
        command = (members.get("command", "/bin/sh"), "-c", script)
        return Launch(
            uid=uid,
            container=members.get("container", "c"),
            command=command,
            env={"PATH": os.environ["PATH"]},
            directory=self.directory,
            log=self.directory / "logs" / f"{uid}.log",
            box=Box(self.image, "host", entrypoint=command) if self.image else None,
        )

    async def start(self, script: str, uid: str = POD) -> Instance:
        instance = await self.runtime.launch(self.launch(script, uid))
        if isinstance(instance, FakeInstance):
            self._play(instance, script)
        else:
            await self._until_up(uid)
        return instance

    def _play(self, instance: FakeInstance, script: str) -> None:
        if script == STUBBORN:
            instance.ignores.add(signal.SIGTERM)
        if script.startswith("echo up; exit"):
            instance.exit(int(script.rsplit(maxsplit=1)[-1]))

    async def _until_up(self, uid: str) -> None:
        log = self.directory / "logs" / f"{uid}.log"
        for _ in range(250):
            if log.read_text():
                return
            await asyncio.sleep(0.02)


Maker = Callable[[], Awaitable[Case]]


IN_ONE_PLACE = pytest.mark.xdist_group("engine")
"""One engine for all of them."""


@pytest.fixture(
    params=[
        "process",
        "process without control groups",
        "fake",
        pytest.param("container", marks=IN_ONE_PLACE),
    ]
)
async def case(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Case]:
    if request.param == "fake":
        yield Case(FakeRuntime(), tmp_path)
        return
    if request.param == "container":
        async with _containers(tmp_path) as made:
            yield made
        return
    runtime = ProcessRuntime(
        SystemClock(),
        exits=tmp_path / "exits",
        label=f"contract-{os.getpid()}",
        cgroups=request.param == "process",
    )
    yield Case(runtime, tmp_path)
    await runtime.sweep(POD)
    runtime.close()


@asynccontextmanager
async def _containers(directory: Path) -> AsyncIterator[Case]:
    try:
        machine = podman()
    except NoPodmanError as error:
        pytest.skip(str(error))
    door = Door(
        SystemClock(),
        label=f"contract-{os.getpid()}",
        environment={"DOCKER_HOST": f"unix://{machine.socket}"},
    )
    engine = await door.engine()
    package = await engine.images.obtain(machine.shell_image(), Pull())
    yield Case(engine.runtime, directory, package.id)
    for uid in (POD, OTHER_POD):
        await engine.runtime.sweep(uid)
    await door.close()


async def test_a_container_that_runs_is_alive(case: Case) -> None:
    """Until it ends, `alive` says so and `wait` waits."""
    instance = await case.start(SLEEPER)
    assert instance.alive
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await instance.wait()
    await instance.kill()
    assert not instance.alive


async def test_the_exit_code_is_told_to_everyone_who_waits(case: Case) -> None:
    """Any number of callers, also afterwards."""
    instance = await case.start("echo up; exit 4")
    first, second = await asyncio.gather(instance.wait(), instance.wait())
    assert (first.code, second.code, (await instance.wait()).code) == (4, 4, 4)
    assert first.reason == "Error"
    assert first.seen


async def test_kill_ends_what_ignores_sigterm(case: Case) -> None:
    """Signal 9: exit code 137."""
    instance = await case.start(STUBBORN)
    instance.signal(signal.SIGTERM)
    await asyncio.sleep(0.05)
    assert instance.alive
    await instance.kill()
    ended = await instance.wait()
    assert (ended.code, ended.signal) == (137, signal.SIGKILL)


async def test_any_number_of_killers_agree(case: Case) -> None:
    """The end of a Pod and the end of a container's life may come together."""
    instance = await case.start(SLEEPER)
    await asyncio.gather(*(instance.kill() for _ in range(8)))
    assert (await instance.wait()).signal == signal.SIGKILL


async def test_signals_after_the_end_are_harmless(case: Case) -> None:
    """The pid may belong to somebody else by then."""
    instance = await case.start("echo up; exit 0")
    await instance.wait()
    instance.signal(signal.SIGTERM)
    await instance.kill()
    assert (await instance.wait()).reason == "Completed"


async def test_a_record_leads_back_to_the_container(case: Case) -> None:
    """What another life of the agent does with what this one wrote down."""
    instance = await case.start(SLEEPER)
    found = await case.runtime.adopt(await instance.record())
    assert found is not None
    assert found.alive
    await found.kill()
    assert (await instance.wait()).code != 0


async def test_a_record_of_another_boot_leads_nowhere(case: Case) -> None:
    """Pids begin anew with each boot."""
    instance = await case.start(SLEEPER)
    record = {**await instance.record(), "boot": "another"}
    assert await case.runtime.adopt(record) is None
    await instance.kill()


async def test_a_sweep_finds_all_of_a_pod_and_nothing_else(case: Case) -> None:
    """Also what nobody holds an instance of."""
    mine = await case.start(SLEEPER)
    other = await case.start(SLEEPER, uid=OTHER_POD)
    assert await case.runtime.sweep(POD) >= 1
    await mine.wait()
    assert not mine.alive
    assert other.alive
    await other.kill()


async def test_a_command_that_cannot_be_executed_is_refused(case: Case) -> None:
    """LaunchError names the command."""
    if isinstance(case.runtime, FakeRuntime):
        case.runtime.broken["/no/such"] = 'exec: "/no/such": executable file not found in $PATH'
    with pytest.raises(LaunchError, match="/no/such"):
        await case.runtime.launch(case.launch("", command="/no/such"))


TICKING = "while :; do echo tick; sleep 0.02; done"


async def test_what_stands_goes_on_where_it_stood(case: Case) -> None:
    """It writes nothing meanwhile; whoever reads how can let it go."""
    instance = await case.start(TICKING)
    brake = await instance.brake()
    await asyncio.to_thread(brake.stop)
    assert await asyncio.to_thread(brake.stopped)
    assert instance.alive
    if not isinstance(instance, FakeInstance):
        await _stands(instance, case.directory / "logs" / f"{POD}.log")
        other = brake_of(brake.line())
        assert other is not None
        assert await asyncio.to_thread(other.let_go)
        await _goes_on(case.directory / "logs" / f"{POD}.log")
    await asyncio.to_thread(brake.let_go)
    assert not await asyncio.to_thread(brake.stopped)
    await instance.kill()


async def _stands(instance: Instance, log: Path) -> None:
    """Its log does not grow; what was on its way when it was stopped may still arrive."""
    before = -1
    for _ in range(100):
        await asyncio.sleep(0.1)
        if log.stat().st_size == before:
            return
        before = log.stat().st_size
    raise AssertionError(f"{instance!r} goes on writing")


async def _goes_on(log: Path) -> None:
    before = log.stat().st_size
    for _ in range(250):
        if log.stat().st_size > before:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it stands still")


async def test_what_stands_can_be_killed(case: Case) -> None:
    """A restart of ours may not know that it stands."""
    instance = await case.start(SLEEPER)
    await asyncio.to_thread((await instance.brake()).stop)
    await instance.kill()
    assert not instance.alive


async def test_a_sweep_ends_what_stands(case: Case) -> None:
    """So does the sweep of a Pod that nobody knows any more."""
    instance = await case.start(SLEEPER)
    await asyncio.to_thread((await instance.brake()).stop)
    assert await case.runtime.sweep(POD) >= 1
    await instance.wait()
