"""What pods use: readings, the averages between them, and where readings come from."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.node.conftest import NodeMaker

from utsuwa.kit.clock import LoopClock, SystemClock
from utsuwa.node import procfs
from utsuwa.node.consumption import (
    Sessions,
    cpu_of_group,
    memory_of_group,
    of_container,
    of_processes,
)
from utsuwa.node.meter import SPAN, MachineMeter, Meter, Reading
from utsuwa.node.runtime import Consumption
from utsuwa.testing.node import a_pod

LIFE = object()


def reading(cpu: float, memory: int = 0, life: object = LIFE) -> dict[str, Reading]:
    return {"user-container": Reading(life, cpu, memory)}


@pytest.mark.looptime
async def test_cores_are_what_was_used_between_two_questions() -> None:
    """3 s of processor time in 15 s."""
    clock = LoopClock()
    meter = Meter(clock)
    first = meter.use("uid", reading(10.0, 5))
    assert first is not None
    assert (first.cores, first.memory) == (None, 5)
    await clock.sleep(15)
    second = meter.use("uid", reading(13.0, 7))
    assert second is not None
    assert second.cores == pytest.approx(0.2)
    assert second.memory == 7
    assert second.window == pytest.approx(15)
    assert second.containers[0].name == "user-container"


@pytest.mark.looptime
async def test_a_restart_begins_a_new_count() -> None:
    """The counter starts at 0 again: no average before its second reading."""
    clock = LoopClock()
    meter = Meter(clock)
    meter.use("uid", reading(10.0))
    await clock.sleep(15)
    after = meter.use("uid", reading(14.0, life=object()))
    assert after is not None
    assert after.cores is None


@pytest.mark.looptime
async def test_a_reading_from_long_ago_says_nothing_of_now() -> None:
    clock = LoopClock()
    meter = Meter(clock)
    meter.use("uid", reading(0.0))
    await clock.sleep(SPAN + 1)
    found = meter.use("uid", reading(30.0))
    assert found is not None
    assert found.cores is None


@pytest.mark.looptime
async def test_a_pod_without_readings_is_unknown_and_one_new_container_hides_its_sum() -> None:
    clock = LoopClock()
    meter = Meter(clock)
    assert meter.use("uid", {}) is None
    meter.use("uid", {"a": Reading(LIFE, 1.0, 1)})
    await clock.sleep(2)
    both = meter.use("uid", {"a": Reading(LIFE, 2.0, 1), "b": Reading(LIFE, 9.0, 2)})
    assert both is not None
    assert (both.cores, both.memory) == (None, 3)
    assert [use.cores for use in both.containers] == [pytest.approx(0.5), None]


@pytest.mark.looptime
async def test_the_agent_measures_the_containers_that_run(a_node: NodeMaker) -> None:
    """The first question takes half a second, for there must be two readings."""
    async with a_node() as node:
        await node.create(a_pod())
        uid = (await node.pod("web"))["metadata"]["uid"]
        assert node.agent.usage(uid) is None
        instance = node.runtime.instances[0]
        instance.used = Consumption(1.0, 100)
        use = node.agent.usage(uid)
        assert use is not None
        assert (use.cores, use.memory) == (None, 100)
        asking = asyncio.create_task(node.agent.measured([uid, "nobody"]))
        await node.clock.sleep(0.1)
        instance.used = Consumption(1.25, 200)
        found = await asking
        assert set(found) == {uid}
        assert found[uid].cores == pytest.approx(0.5)
        assert found[uid].memory == 200
        await instance.kill()
        assert node.agent.usage(uid) is None


def test_a_control_group_tells_time_and_the_memory_that_is_its_own(tmp_path: Path) -> None:
    """Version 2; pages of files that nobody needs do not count (`working set`)."""
    (tmp_path / "cpu.stat").write_text("usage_usec 2500000\nuser_usec 2000000\n")
    (tmp_path / "memory.current").write_text("1000\n")
    (tmp_path / "memory.stat").write_text("anon 600\nfile 400\ninactive_file 300\n")
    assert cpu_of_group([tmp_path]) == 2.5
    assert memory_of_group([tmp_path]) == 700
    assert of_container([tmp_path], lambda: pytest.fail("all was told")) == Consumption(2.5, 700)


def test_groups_of_version_1_tell_it_in_two_directories(tmp_path: Path) -> None:
    cpu, memory = tmp_path / "cpu", tmp_path / "memory"
    cpu.mkdir()
    memory.mkdir()
    (cpu / "cpu.stat").write_text("nr_periods 0\nnr_throttled 0\n")
    (cpu / "cpuacct.usage").write_text("1500000000\n")
    (memory / "memory.usage_in_bytes").write_text("900\n")
    (memory / "memory.stat").write_text("inactive_file 1\ntotal_inactive_file 200\n")
    assert of_container([cpu, memory], lambda: pytest.fail("all was told")) == Consumption(1.5, 700)


def test_what_no_group_tells_is_added_up_from_the_processes(tmp_path: Path) -> None:
    """No memory controller: memory from /proc, time from the group."""
    (tmp_path / "cpu.stat").write_text("usage_usec 1000000\n")
    own = of_processes([os.getpid()])
    found = of_container([tmp_path], lambda: [os.getpid()])
    assert found.cpu_seconds == 1.0
    assert found.memory == pytest.approx(own.memory, rel=0.2)
    assert own.cpu_seconds > 0
    assert own.memory > 1024 * 1024


def test_processes_that_are_gone_count_as_nothing() -> None:
    assert of_processes([2**22 + 1]) == Consumption(0.0, 0)


def test_a_session_is_found_with_its_children() -> None:
    """Without control groups a container is its session."""
    script = "import subprocess, sys; subprocess.run(['sleep', '60'])"
    with subprocess.Popen(
        [sys.executable, "-c", script], start_new_session=True, stdout=subprocess.DEVNULL
    ) as process:
        try:
            found: list[int] = []
            while len(found) < 2 and process.poll() is None:
                found = procfs.by_session().get(process.pid, [])
            sessions = Sessions(SystemClock())
            assert process.pid in sessions.of(process.pid)
            assert len(found) == 2
        finally:
            for pid in found:
                os.kill(pid, 9)


@pytest.mark.looptime
async def test_the_machine_is_measured_from_its_own_counters() -> None:
    clock = LoopClock()
    meter = MachineMeter(clock)
    assert meter.use().cores is None
    await clock.sleep(2)
    use = meter.use()
    assert use.cores is not None
    assert use.cores >= 0
    assert use.memory > 1024 * 1024
