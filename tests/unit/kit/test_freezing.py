"""The lock that says who may be stopped, and the brakes."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from utsuwa.kit.freezing import GroupBrake, Hold, NotAloneError, SignalBrake, brake_of, hold_path
from utsuwa.testing.freezing import FakeBrake


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = hold_path(tmp_path, "pod-1")
    found.touch()
    return found


@pytest.fixture
def group(tmp_path: Path) -> Path:
    """A control group of version 2, as far as files can be one."""
    directory = tmp_path / "group"
    directory.mkdir()
    (directory / "cgroup.freeze").write_text("0\n")
    return directory


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


def test_nobody_stops_what_somebody_uses(path: Path, group: Path) -> None:
    keeper, user, other = Hold(path), Hold(path), Hold(path)
    brake = GroupBrake(group)
    user.use()
    other.use()
    user.release()
    assert not keeper.stop([brake])
    other.release()
    assert keeper.stop([brake])
    assert brake.stopped()


def test_a_user_lets_go_what_stands_by_what_the_file_says(path: Path, group: Path) -> None:
    """The keeper may be dead by then: nothing but the file is needed."""
    keeper = Hold(path)
    assert keeper.stop([GroupBrake(group)])
    keeper.close()
    user = Hold(path)
    assert user.use()
    assert (group / "cgroup.freeze").read_text().startswith("0")
    assert not user.use(), "it runs already"


def test_what_has_never_stood_can_be_used(path: Path) -> None:
    assert not Hold(path).use()


def test_a_share_ends_with_its_hand(path: Path, group: Path) -> None:
    user = Hold(path)
    user.use()
    user.close()
    user.close()
    assert Hold(path).stop([GroupBrake(group)])


def test_a_user_waits_while_the_keeper_stops(path: Path, group: Path) -> None:
    """And then lets go: it never sees the half of it."""
    begun, goes_on = threading.Event(), threading.Event()

    def stops() -> None:
        begun.set()
        goes_on.wait(5)

    slow, found = FakeBrake(stops), GroupBrake(group)
    keeper, user = Hold(path), Hold(path)
    stopping = threading.Thread(target=keeper.stop, args=([found, slow],))
    stopping.start()
    begun.wait(5)
    told: list[bool] = []

    def use() -> None:
        try:
            told.append(user.use())
        except NotAloneError:
            told.append(True)

    using = threading.Thread(target=use)
    using.start()
    using.join(0.05)
    assert not told
    goes_on.set()
    stopping.join(5)
    using.join(5)
    assert told == [True]
    assert not found.stopped()


def test_what_only_the_keeper_can_let_go_is_said(path: Path) -> None:
    """The share is had all the same: the keeper will not stop it again."""
    keeper, user = Hold(path), Hold(path)
    assert keeper.stop([FakeBrake()])
    with pytest.raises(NotAloneError):
        user.use()
    assert not keeper.stop([FakeBrake()])


def test_if_one_cannot_be_stopped_none_stands(path: Path, group: Path) -> None:
    keeper, brake, broken = Hold(path), GroupBrake(group), FakeBrake()
    broken.broken = True
    with pytest.raises(OSError, match="cannot be stopped"):
        keeper.stop([brake, broken])
    assert not brake.stopped()


def test_a_hold_is_not_made_by_who_looks(tmp_path: Path) -> None:
    """Two files of one name would be two locks."""
    with pytest.raises(FileNotFoundError):
        Hold(tmp_path / "nothing.hold")


@pytest.mark.parametrize(
    ("file", "runs", "stands"),
    [("cgroup.freeze", "0", "1"), ("freezer.state", "THAWED", "FROZEN")],
)
def test_both_versions_of_control_groups(tmp_path: Path, file: str, runs: str, stands: str) -> None:
    (tmp_path / file).write_text(runs)
    brake = GroupBrake.among([tmp_path / "other", tmp_path])
    assert brake is not None
    brake.stop()
    assert (tmp_path / file).read_text().startswith(stands)
    (tmp_path / file).write_text(stands)
    again = brake_of(brake.line())
    assert again is not None
    assert again.stopped()
    assert again.let_go()
    (tmp_path / file).write_text(runs)
    assert not again.let_go()


def test_a_group_that_is_gone_holds_nobody(tmp_path: Path) -> None:
    assert not GroupBrake(tmp_path / "gone").let_go()
    assert not GroupBrake(tmp_path / "gone").stopped()
    assert GroupBrake.among([tmp_path]) is None


def test_a_group_that_refuses_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"freezer\.state"):
        GroupBrake(tmp_path).let_go()


def test_processes_are_stopped_one_by_one(sleeper: subprocess.Popen[bytes]) -> None:
    brake = SignalBrake(lambda: [sleeper.pid])
    assert not brake.stopped()
    line = brake.line()
    brake.stop()
    os.waitpid(sleeper.pid, os.WUNTRACED)
    assert brake.stopped()
    again = brake_of(line)
    assert again is not None
    assert again.let_go()


def test_a_pid_of_somebody_else_by_now_is_left_alone(sleeper: subprocess.Popen[bytes]) -> None:
    sleeper.send_signal(signal.SIGSTOP)
    os.waitpid(sleeper.pid, os.WUNTRACED)
    brake = brake_of(f"signal {sleeper.pid}:1")
    assert brake is not None
    assert brake.let_go(), "it stands"
    assert brake.stopped(), "and nobody woke it: it was started at another time"


def test_what_cannot_be_read_only_the_keeper_understands() -> None:
    assert brake_of("") is None
    assert brake_of("keeper") is None
    assert brake_of("group ") is None
