import json
import os
import subprocess
import sys
from pathlib import Path

from utsuwa.app import processes
from utsuwa.kit.wall import WallClock


def test_a_process_is_known_by_pid_and_start() -> None:
    mine = processes.identify(os.getpid())
    assert mine.alive
    assert not processes.Identity(mine.pid, mine.start + 1).alive


def test_a_zombie_is_not_alive_and_its_ending_is_told_with_its_identity() -> None:
    child = os.posix_spawn(sys.executable, [sys.executable, "-c", "raise SystemExit(3)"], {})
    identity = processes.identify(child)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert not identity.alive
    told: list[tuple[processes.Identity, int]] = []
    processes.reap(lambda who, status: told.append((who, os.waitstatus_to_exitcode(status))))
    assert (identity, 3) in told  # beside what other tests of this worker have left


def test_an_ending_is_written_down_whole(tmp_path: Path) -> None:
    processes.record_exit(tmp_path, processes.Identity(4711, 99), 256)
    record = json.loads((tmp_path / "4711.json").read_text())
    assert record == {"pid": 4711, "start": 99, "status": 256}
    assert [path.name for path in tmp_path.iterdir()] == ["4711.json"]


def test_a_process_whose_parent_dies_goes_with_it() -> None:
    """Control must not outlive its supervisor: two of them would share one store."""
    child = (
        "import os, sys, time; from utsuwa.app.processes import die_with_parent;"
        "die_with_parent(os.getppid()); print(os.getpid(), flush=True); time.sleep(60)"
    )
    parent = (
        f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {child!r}]); p.wait()"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdout=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None
        identity = processes.identify(int(process.stdout.readline()))
        assert identity.alive
        process.kill()
        assert process.stdout.read() == b""  # the pipe closes when the last holder is gone
    assert _is_gone_within(5.0, identity)


def _is_gone_within(seconds: float, identity: processes.Identity) -> bool:
    """Its files are closed a moment before it is gone."""
    clock = WallClock()
    deadline = clock.monotonic() + seconds
    while identity.alive:
        if clock.monotonic() > deadline:
            return False
        clock.pause(0.005)
    return True
