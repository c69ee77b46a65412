"""Pods that are frozen: the node's part."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from utsuwa.node.probes import Probe
from utsuwa.node.resting import PatientChecks, Rest
from utsuwa.node.runtime import Instance, Launch
from utsuwa.testing.freezing import FakeLock, at_once, opener
from utsuwa.testing.node import FakeChecks, FakeInstance, FakeRuntime

pytestmark = pytest.mark.looptime


class Pod:
    """One Pod with some containers. Mutable state: `ready`, and `changes` that were told."""

    def __init__(self, directory: Path, containers: int = 1) -> None:
        self.lock = FakeLock()
        self.gateway = self.lock.hand()
        self.ready = True
        self.changes = 0
        self.directory = directory
        self.instances: list[FakeInstance] = []
        self.containers = containers
        self.rest = self.again()

    async def start(self) -> "Pod":
        runtime = FakeRuntime()
        for number in range(self.containers):
            log = self.directory / f"{number}.log"
            launch = Launch("pod-1", f"c{number}", ("app",), {}, self.directory, log)
            await runtime.launch(launch)
        self.instances = runtime.instances
        return self

    def again(self) -> Rest:
        """The Rest of a node that has just been started."""
        self.rest = Rest(
            self.directory / "pod-1.hold",
            self._ready,
            changed=self._changed,
            aside=at_once,
            open_hold=opener(self.lock),
        )
        return self.rest

    def _ready(self) -> Sequence[Instance]:
        return [one for one in self.instances if one.alive] if self.ready else []

    def _changed(self) -> None:
        self.changes += 1

    @property
    def down(self) -> list[bool]:
        return [instance.stands.down for instance in self.instances]


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Pod]:
    return lambda containers=1: Pod(tmp_path, containers)


async def test_it_is_frozen_when_a_gateway_says_that_it_rests(make: Callable[..., Pod]) -> None:
    pod = await make(2).start()
    assert pod.rest.condition() is None
    await pod.rest.rests(30.0)
    assert pod.down == [True, True]
    assert pod.rest.condition() == {
        "type": "utsuwa.dev/Frozen",
        "status": "True",
        "reason": "Idle",
        "message": "no request for 30s; the next one thaws it",
    }
    assert pod.changes == 1


async def test_never_before_it_is_ready(make: Callable[..., Pod]) -> None:
    pod = await make().start()
    pod.ready = False
    await pod.rest.rests(30.0)
    assert pod.down == [False]


async def test_not_while_another_gateway_has_a_share(make: Callable[..., Pod]) -> None:
    pod = await make().start()
    pod.gateway.use()
    await pod.rest.rests(30.0)
    assert pod.down == [False]
    pod.gateway.release()
    await pod.rest.rests(30.0)
    assert pod.down == [True]


async def test_a_gateway_has_thawed_it(make: Callable[..., Pod]) -> None:
    pod = await make().start()
    await pod.rest.rests(30.0)
    pod.instances[0].stands.let_go()
    await pod.rest.woken(help=False)
    assert not pod.rest.frozen
    assert pod.rest.condition() == {
        "type": "utsuwa.dev/Frozen", "status": "False", "reason": "Requested",
    }  # fmt: skip
    assert pod.changes == 2


async def test_a_gateway_that_could_not_thaw_it_is_helped(make: Callable[..., Pod]) -> None:
    pod = await make().start()
    await pod.rest.rests(30.0)
    await pod.rest.woken(help=True)
    assert pod.down == [False]


async def test_a_thaw_that_overtakes_the_freeze_counts(make: Callable[..., Pod]) -> None:
    """The gateway thawed before the node knew that it had frozen."""
    pod = await make().start()
    goes_on = asyncio.Event()

    async def slowly(work: Callable[[], bool]) -> bool:
        done = work()
        await goes_on.wait()
        return done

    pod.rest = Rest(
        Path("pod-1.hold"), pod._ready, changed=lambda: None, aside=slowly,
        open_hold=opener(pod.lock),
    )  # fmt: skip
    freezing = asyncio.create_task(pod.rest.rests(30.0))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert pod.down == [True]
    pod.instances[0].stands.let_go()
    await pod.rest.woken(help=False)
    goes_on.set()
    await freezing
    assert not pod.rest.frozen


async def test_a_thaw_that_nobody_told_of_is_seen_when_it_rests_again(
    make: Callable[..., Pod],
) -> None:
    """The gateway died in between."""
    pod = await make().start()
    await pod.rest.rests(30.0)
    await pod.rest.rests(30.0)
    assert pod.instances[0].stands.stops == 1
    pod.instances[0].stands.let_go()
    await pod.rest.rests(30.0)
    assert pod.down == [True]


async def test_its_end_thaws_it_for_good(make: Callable[..., Pod]) -> None:
    pod = await make().start()
    await pod.rest.rests(30.0)
    await pod.rest.end(pod.instances)
    assert pod.down == [False]
    await pod.rest.rests(30.0)
    assert pod.down == [False]
    pod.rest.close()


async def test_its_end_thaws_it_even_if_nobody_knows_that_it_stands(
    make: Callable[..., Pod],
) -> None:
    """The file says that it was frozen once: that is looked after, not believed."""
    pod = await make().start()
    (pod.directory / "pod-1.hold").write_text("keeper\n")
    pod.instances[0].stands.stop()
    await pod.rest.end(pod.instances)
    assert pod.down == [False]


async def test_a_node_that_is_started_anew_finds_it_standing(make: Callable[..., Pod]) -> None:
    pod = await make().start()
    await pod.rest.rests(30.0)
    rest = pod.again()
    await rest.adopt(shown=False)
    assert rest.frozen
    assert (rest.condition() or {})["message"] == "no request; the next one thaws it"
    await rest.rests(30.0)
    assert (rest.condition() or {})["message"] == "no request for 30s; the next one thaws it"
    await rest.woken(help=True)
    assert pod.down == [False]
    rest = pod.again()
    await rest.adopt(shown=False)
    assert not rest.frozen


async def test_a_command_thaws_it_and_keeps_it_awake(make: Callable[..., Pod]) -> None:
    pod = await make().start()
    await pod.rest.rests(30.0)
    async with pod.rest.awake():
        assert pod.down == [False]
        await pod.rest.rests(30.0)
        assert pod.down == [False]
    assert pod.down == [True], "nobody needs it: the gateways still say so"


async def test_a_probe_waits_until_it_runs(make: Callable[..., Pod]) -> None:
    pod = await make().start()
    checks = FakeChecks()
    patient = PatientChecks(checks, pod.rest)
    assert await patient.check(Probe("tcp"), pod.instances[0]) == ""
    await pod.rest.rests(30.0)
    asking = asyncio.create_task(patient.check(Probe("tcp"), pod.instances[0]))
    await asyncio.sleep(60)
    assert len(checks.asked) == 1
    await pod.rest.woken(help=True)
    await asking
    assert len(checks.asked) == 2


async def test_it_is_not_frozen_in_the_middle_of_a_probe(make: Callable[..., Pod]) -> None:
    pod = await make().start()
    async with pod.rest.undisturbed():
        await pod.rest.rests(30.0)
        assert pod.down == [False]
    assert pod.down == [True]


async def test_if_part_of_it_ends_the_rest_runs(make: Callable[..., Pod]) -> None:
    """Its container is started again, and the Pod is not frozen any more."""
    pod = await make(2).start()
    await pod.rest.rests(30.0)
    assert not pod.rest.look()
    pod.instances[0].exit(1)
    assert pod.rest.look()
    await pod.rest.again()
    assert not pod.rest.frozen
    assert pod.down == [False, False]


async def test_what_cannot_be_frozen_runs_on(make: Callable[..., Pod]) -> None:
    pod = await make().start()
    pod.instances[0].stands.broken = True
    await pod.rest.rests(30.0)
    assert not pod.rest.frozen
    assert pod.changes == 0
