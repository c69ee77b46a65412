"""Processes that are isolated, on this machine's kernel: what they see, how they end."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from utsuwa.kit.clock import SystemClock
from utsuwa.node import enclosure
from utsuwa.node.process_runtime import ProcessRuntime
from utsuwa.node.runtime import Instance, Isolation, Launch, LaunchError, Mount

UID = f"isolation-{os.getpid()}"
"""Of one worker alone: sweeping looks at the whole machine."""
USER = 1_900_000_017


class Place:
    """A data directory with a bundle in it, and what runs from it."""

    def __init__(self, root: Path) -> None:
        self.root = root / "data"
        self.tree = self.root / "images" / "bundle"
        (self.tree / "sub").mkdir(parents=True)
        (self.tree / "hello").write_text("hello\n")
        (self.root / "token").write_text("secret")
        self.root.chmod(0o700)
        self.runtime = self.make()
        self.count = 0

    def make(self) -> ProcessRuntime:
        return ProcessRuntime(
            SystemClock(),
            exits=self.root / "exits",
            label=f"isolation-{os.getpid()}",
            hidden=[self.root],
        )

    def plan(self, *command: str, **more: object) -> Launch:
        self.count += 1
        launch = Launch(
            uid=UID,
            container="app",
            command=command,
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.root / "pods" / UID)},
            directory=self.tree,
            log=self.root / "logs" / f"{self.count}.log",
            tree=self.tree,
            scratch=self.root / "pods" / UID / "app",
            isolation=Isolation(USER, USER, (4321,)),
        )
        return replace(launch, **more)  # type: ignore[arg-type]  # by name, as the tests say

    async def start(self, script: str, **more: object) -> tuple[Instance, Path]:
        launch = self.plan("/bin/sh", "-c", script, **more)
        return await self.runtime.launch(launch), launch.log

    async def said(self, script: str, **more: object) -> str:
        instance, log = await self.start(script, **more)
        await instance.wait()
        await instance.kill()
        return log.read_text().strip()


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    (tmp_path / "probe").mkdir()
    if why := enclosure.is_possible(tmp_path / "probe", []):
        pytest.skip(f"no isolation here: {why}")
    place = Place(tmp_path)
    yield place
    await place.runtime.sweep(UID)
    place.runtime.close()


async def _until(log: Path, text: str) -> None:
    for _ in range(500):
        if log.exists() and text in log.read_text():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{text!r} is not in {log.read_text()!r}")


async def test_it_runs_as_a_user_without_rights_and_cannot_get_any(place: Place) -> None:
    """Of its own number, in the groups that it was given, no capability, none by any program."""
    assert await place.said("id -u; id -g; id -G") == f"{USER}\n{USER}\n{USER} 4321"
    told = await place.said("grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status")
    assert {line.split()[0]: int(line.split()[1], 16) for line in told.splitlines()} == {
        "CapEff:": 0,
        "CapBnd:": 0,
        "NoNewPrivs:": 1,
    }


async def test_it_sees_its_own_processes_alone(place: Place) -> None:
    """The first one, itself, and what it starts."""
    told = await place.said("for pid in /proc/[0-9]*; do tr '\\0' ' ' <$pid/cmdline; echo; done")
    assert "pytest" not in told
    assert "/bin/sh -c while" in told.splitlines()[0]
    assert len(told.splitlines()) <= 6


async def test_it_writes_to_its_own_places_alone(place: Place) -> None:
    """`/tmp` and beside its files; the machine's files are read-only, and stay what they are."""
    written = "/tmp/utsuwa-one /var/tmp/utsuwa-two here sub/there"
    told = await place.said(f"for f in {written}; do echo x >$f; done; cat {written}")
    assert told.split() == ["x"] * 4
    assert not Path("/tmp/utsuwa-one").exists()
    assert not (place.tree / "here").exists()
    assert "x" not in await place.said(f"cat {written} 2>/dev/null")  # another life: empty again
    refused = "for path in / /etc /usr /var /root; do echo x >$path/mine && echo written; done"
    assert "written" not in await place.said(refused)


async def test_it_reads_its_files_and_nothing_of_the_cluster(place: Place) -> None:
    """Though they lie in the same directory, which nobody else may enter."""
    told = await place.said(f"cat hello; ls {place.root}; cat {place.root}/token")
    assert told.splitlines()[:2] == ["hello", "images"]
    assert "secret" not in told


async def test_its_home_is_where_it_may_write(place: Place) -> None:
    """The directory of its pod has no name there."""
    assert await place.said("echo $HOME") == "/tmp"


async def test_signals_and_codes_are_what_they_are_outside(place: Place) -> None:
    """Also of an app that handles none: it is not the first process of its tree."""
    instance, log = await place.start("exit 7")
    assert (await instance.wait()).code == 7
    await instance.kill()
    instance, log = await place.start("echo up; exec sleep 60")
    await _until(log, "up")
    instance.signal(signal.SIGTERM)
    ended = await instance.wait()
    assert (ended.code, ended.signal) == (143, signal.SIGTERM)
    await instance.kill()
    instance, log = await place.start("trap 'echo bye; exit 3' TERM; echo up; sleep 60 & wait")
    await _until(log, "up")
    instance.signal(signal.SIGTERM)
    assert (await instance.wait()).code == 3
    await instance.kill()
    assert log.read_text() == "up\nbye\n"


async def test_orphans_are_buried_and_what_is_left_ends_with_it(place: Place) -> None:
    """No zombie stays in its tree; a daemon that ran away is gone when `kill` returns."""
    instance, log = await place.start(
        "(true &); (setsid sleep 300 &) ; sleep 0.2; cat /proc/[0-9]*/status; echo up;"
        " exec sleep 60"
    )
    await _until(log, "up")
    assert "zombie" not in log.read_text(), log.read_text()
    await instance.kill()
    assert await place.runtime.sweep(UID) == 0


async def test_a_command_beside_it_is_inside(place: Place) -> None:
    """As `kubectl exec` and probes do it: its files, its processes, its user, no more rights."""
    instance, log = await place.start("echo mine >/tmp/file; echo up; exec sleep 60")
    await _until(log, "up")
    script = "id -u; cat /tmp/file; cat /proc/1/comm; grep NoNewPrivs /proc/self/status"
    code, told = await instance.execute(("/bin/sh", "-c", script), 10.0)
    assert (code, told.split()) == (0, [str(USER), "mine", "sh", "NoNewPrivs:", "1"])
    code, told = await instance.execute(("/bin/sh", "-c", "echo x >/etc/x"), 10.0)
    assert code != 0
    await instance.kill()


async def test_it_is_found_again(place: Place) -> None:
    """By another runtime, which ends all of its tree."""
    instance, log = await place.start("echo up; exec sleep 60")
    await _until(log, "up")
    record = await instance.record()
    other = place.make()
    found = await other.adopt(record)
    assert found is not None
    assert found.alive
    assert record["first"]["pid"] > 0
    async with asyncio.TaskGroup() as group:
        group.create_task(found.kill())
        group.create_task(instance.kill())
    assert not os.path.exists(f"/proc/{record['first']['pid']}")
    other.close()


async def test_volumes_are_in_their_places(place: Place) -> None:
    """Also where the machine has no such directory, and beneath `/tmp`."""
    kept = place.root / "volumes" / "kept"
    kept.mkdir(parents=True)
    kept.chmod(0o777)
    config = place.root / "volumes" / "config"
    config.mkdir()
    (config / "key").write_text("value\n")
    mounts = (
        Mount(kept, Path("/tmp/deep/kept")),
        Mount(config, Path("/nowhere/config"), read_only=True),
    )
    told = await place.said(
        "cat /nowhere/config/key; echo x >/tmp/deep/kept/file; ls /tmp/deep/kept;"
        " echo x >/nowhere/config/y || echo read-only",
        mounts=mounts,
    )
    assert told.splitlines()[:2] == ["value", "file"]
    assert told.endswith("read-only")
    assert (kept / "file").stat().st_uid == USER
    assert not Path("/nowhere").exists()


async def test_its_devices_are_its_own(place: Place) -> None:
    """Those without harm; memory that it shares with nobody."""
    told = await place.said(
        "echo x >/dev/null && head -c4 /dev/urandom | wc -c; echo x >/dev/shm/a && ls /dev/shm;"
        " echo out >>/dev/stdout; ls /dev"
    )
    assert told.splitlines()[:3] == ["4", "a", "out"]
    assert "kmsg" not in told


async def test_one_that_is_to_be_root_cannot_do_everything(place: Place) -> None:
    """`runAsUser: 0` keeps what engines give, without the right to mount or to make devices."""
    told = await place.said(
        "id -u; umount /proc; mknod /tmp/sda b 8 0; ls; touch /etc/x; echo 1 >/proc/sys/vm/x",
        isolation=Isolation(0, 0),
    )
    assert told.splitlines()[0] == "0"
    assert not Path("/etc/x").exists()
    assert (
        told.count("not permitted") + told.count("must be superuser") + told.count("ermission") >= 2
    )
    assert "secret" not in await place.said(f"cat {place.root}/token", isolation=Isolation(0, 0))


async def test_what_cannot_be_started_leaves_nothing(place: Place) -> None:
    """The message is the same as outside."""
    with pytest.raises(LaunchError, match="executable file not found"):
        await place.runtime.launch(place.plan("/no/such/program"))
    assert await place.runtime.sweep(UID) == 0


async def test_kernels_that_show_everybody_his_own_processes_do_as_well(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program within mounts them."""

    def fail(first: int, target: Path) -> None:
        raise OSError(22, "no such option")

    monkeypatch.setattr("utsuwa.node.kernel.mount_processes", fail)
    told = await place.said("cat /proc/self/stat")
    assert int(told.split()[0]) < 20


async def test_without_the_wish_nothing_of_it_happens(place: Place) -> None:
    """It runs as we do, and sees what we see."""
    told = await place.said("id -u; cat /proc/self/stat", isolation=None)
    assert told.splitlines()[0] == str(os.getuid())
    assert int(told.splitlines()[1].split()[0]) > 20
