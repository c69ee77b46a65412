"""The node notes when the output of containers grew."""

import asyncio
import os
from pathlib import Path

from utsuwa.kit.clock import SystemClock
from utsuwa.kit.timeline import Timeline, index_of
from utsuwa.node.log_times import LogTimes


def noted(path: Path) -> Timeline:
    timeline = Timeline()
    if index_of(path).exists():
        timeline.extend(index_of(path).read_bytes())
    return timeline


async def test_what_grows_is_noted_with_its_time(tmp_path: Path) -> None:
    """Each burst by itself, with the time that the kernel gave it."""
    log = tmp_path / "0.log"
    log.touch()
    times = LogTimes()
    running = asyncio.create_task(times.run(SystemClock()))
    await asyncio.sleep(0)
    times.watch(log)
    changed = []
    for text in ("one\n", "two\n"):
        with log.open("a") as file:
            file.write(text)
        changed.append(log.stat().st_mtime_ns)
        async with asyncio.timeout(5):
            while noted(log).size < log.stat().st_size:
                await asyncio.sleep(0.01)  # the kernel tells
    assert [noted(log).at(4), noted(log).at(8)] == changed
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def test_what_grew_while_nobody_looked_gets_the_time_of_the_last_change(tmp_path: Path) -> None:
    """After a restart of ours; what was noted before stays."""
    log = tmp_path / "0.log"
    times = LogTimes()
    times.open()
    log.write_text("one\n")
    os.utime(log, ns=(1_000, 1_000))
    times.watch(log)
    times.close()
    log.write_text("one\ntwo\n")
    os.utime(log, ns=(2_000, 2_000))
    times.open()
    times.watch(log)
    times.close()
    assert [noted(log).at(4), noted(log).at(8), noted(log).at(9)] == [1_000, 2_000, None]


def test_the_last_words_are_noted_when_a_container_ends(tmp_path: Path) -> None:
    """Without waiting for the kernel."""
    log = tmp_path / "0.log"
    log.touch()
    times = LogTimes()
    times.open()
    times.watch(log)
    log.write_text("bye\n")
    times.forget(log)
    assert noted(log).size == 4
    assert repr(times) == "<LogTimes of 0 files>"
    times.close()


def test_without_the_kernels_help_nothing_is_noted(tmp_path: Path) -> None:
    """Then times are those of the file."""
    log = tmp_path / "0.log"
    log.write_text("one\n")
    times = LogTimes()
    times.watch(log)
    times.forget(log)
    assert noted(log).size == 0
