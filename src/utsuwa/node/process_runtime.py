"""Containers as processes: each one a session of its own, its output straight in a file.

Nothing of a container depends on us: we may die and find it again. Its end is seen through a
pidfd, by us as its parent or after an adoption; waitpid is asked for that one pid, so nobody
else's children are stolen. How an adopted one ended is written down by the supervisor, to whom
orphans fall (`exits/<pid>.json`).
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from utsuwa import __version__
from utsuwa.kit.caller import Caller
from utsuwa.kit.clock import Clock
from utsuwa.kit.documents import Document
from utsuwa.kit.freezing import Brake, GroupBrake, SignalBrake
from utsuwa.kit.log import get_logger
from utsuwa.node import commands, procfs
from utsuwa.node.cgroups import Cgroups, Group
from utsuwa.node.consumption import Sessions, of_container
from utsuwa.node.enclosure import First
from utsuwa.node.exits import Exits, exit_of
from utsuwa.node.runtime import (
    LOOPBACK,
    Consumption,
    Exit,
    Instance,
    Launch,
)
from utsuwa.node.spawn import Process
from utsuwa.node.starting import Starter
from utsuwa.node.waiting import Waiting, wait_for_word

_log = get_logger(__name__)

KILL_PATIENCE = 5.0
"""Seconds after which something that survives SIGKILL is reported (it sleeps in the kernel)."""
_OUTPUT_LIMIT = 4096


@dataclass(frozen=True, slots=True)
class Fence:
    """What holds a process together, and its start time, which with the pid is its identity.
    `first`: of its tree of processes, where it has one of its own."""

    group: Group
    start: int
    first: First | None = None


class ProcessRuntime:
    """Starts processes and finds them again. `exits`: where the supervisor writes how orphans
    ended; `label`, any text, keeps the control groups of several clusters on one machine apart.

    Mutable state: `_ahead`, by uid of their Pod the processes that wait for a word.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        exits: Path,
        label: str,
        cgroups: bool = True,
        hidden: Sequence[Path] = (),
        isolation: bool = True,
    ) -> None:
        """`hidden`: directories that isolated processes must not see; `isolation`: False where
        none of them is to be isolated."""
        self._clock = clock
        self.starter = Starter(hidden, isolation=isolation)
        self.exits = Exits(exits, clock)
        """How processes ended that are not our children."""
        self._cgroups = Cgroups(label, own=None if cgroups else "")
        # Moving a process into a control group waits for every processor to look up (10 ms):
        # never on the loop, and in order.
        self._movers = ThreadPoolExecutor(1, thread_name_prefix="cgroups")
        self._boot = procfs.boot_id()
        self._ahead: dict[str, Waiting[Fence]] = {}
        self.sessions = Sessions(clock)
        """Who is in which session, for whoever asks what a container uses."""

    def __repr__(self) -> str:
        return f"<ProcessRuntime {self._cgroups!r}>"

    @property
    def version(self) -> str:
        """`process://` and our own version."""
        return f"process://{__version__}"

    def close(self) -> None:
        """Give back the helper thread, and control groups where nothing is left in them."""
        self._movers.shutdown()
        self._cgroups.close()

    async def launch(self, launch: Launch) -> Instance:
        """Start a process, or say the word to the one that waits for this very `launch`. No other
        task runs meanwhile: a millisecond, isolated some, and next to nothing for one that waits.

        Raises:
            LaunchError: the command cannot be executed.
        """
        if (waiting := self._ahead.pop(launch.uid, None)) is not None:
            if waiting.launch == launch and waiting.go():
                return self._instance(launch, waiting.process, waiting.fence)
            await asyncio.to_thread(self._end, waiting)
        process, first = self.starter.start(launch)
        return self._instance(launch, process, self._fenced(launch, process.pid, first))

    def _instance(self, launch: Launch, process: Process, fence: Future[Fence]) -> Instance:
        return ProcessInstance(self, process.pid, (launch.uid, launch.container), fence, process)

    def _fenced(self, launch: Launch, pid: int, first: First | None) -> Future[Fence]:
        return self._movers.submit(self._fence, launch, pid, first=first)

    def take(self, launch: Launch, pid: int) -> Instance:
        """The process `pid`, which a warm parent has forked, as the one of `launch`."""
        start = procfs.start_time(pid)
        fence = self._movers.submit(self._fence, launch, pid, start)
        owner = launch.uid, launch.container
        return ProcessInstance(self, pid, owner, fence, known=True)

    def _fence(
        self, launch: Launch, pid: int, start: int | None = None, first: First | None = None
    ) -> Fence:
        # Reading the start time waits for the exec to be over (1 ms): not on the loop either.
        start = procfs.start_time(pid) if start is None else start
        group = self._cgroups.create(group_name(launch.uid, launch.container), launch.limits)
        group.add(pid)
        if first is not None:
            first.start = procfs.start_time(first.pid)
        return Fence(group, start, first)

    async def adopt(self, record: Document) -> Instance | None:
        """The process of `record`; None when the machine has been booted since."""
        if record.get("boot") != self._boot:
            return None
        uid, container = record["uid"], record["container"]
        name = group_name(uid, container)
        fence: Future[Fence] = Future()
        group = self._cgroups.find(name).get(name, Group())
        first = First.of(record["first"]) if record.get("first") else None
        fence.set_result(Fence(group, record["start"], first))
        return ProcessInstance(self, record["pid"], (uid, container), fence)

    async def ahead(self, launch: Launch) -> None:
        """Start a process that will be the program of `launch` at a word (:mod:`.waiting`).

        Raises:
            LaunchError: none can wait for that.
        """
        self.starter.isolates(launch)  # what the machine allows is tried by one thread alone
        fence = partial(self._fenced, launch)
        waiting = await asyncio.to_thread(wait_for_word, launch, self.starter.start, fence)
        self._ahead[launch.uid] = waiting
        await asyncio.to_thread(waiting.begin)

    def _end(self, waiting: Waiting[Fence]) -> None:
        if not self.until_gone(lambda: not waiting.end()):
            _log.warning("a killed process does not end", pod=waiting.launch.uid)

    async def release(self, uid: str) -> None:
        """Nothing: processes share no more than the machine."""

    async def sweep(self, uid: str) -> int:
        """Kill what is left of Pod `uid`, wherever it has gone; returns how many there were."""
        if (waiting := self._ahead.pop(uid, None)) is not None:
            await asyncio.to_thread(self._end, waiting)
        return await asyncio.to_thread(self._sweep, uid)

    def _sweep(self, uid: str) -> int:
        groups = list(self._cgroups.find(f"{uid}_").values())
        seen: set[int] = set()

        def left() -> bool:
            found = set(procfs.marked(uid))
            for group in groups:
                found |= group.pids()
                group.kill()
            seen.update(found)
            kill_all(found)
            return bool(found) or not all(group.remove() for group in groups)

        if not self.until_gone(left):
            _log.warning("a killed process does not end", uid=uid)
        return len(seen)

    def until_gone(self, left: Callable[[], bool]) -> bool:
        """Call `left`, which kills and looks, until it finds nothing: what forks between two
        looks is found by the next. In a thread; False when something does not end."""
        deadline = self._clock.monotonic() + KILL_PATIENCE
        pause = threading.Event()
        while left():
            if self._clock.monotonic() > deadline:
                return False
            pause.wait(0.001)
        return True

    # --- for the instances ----------------------------------------------------------------------

    def join(self, group: Group, pid: int) -> None:
        """Put one more process behind a fence."""
        self._movers.submit(group.add, pid)

    @property
    def clock(self) -> Clock:
        """The clock in use."""
        return self._clock

    @property
    def boot(self) -> str:
        """This boot of the machine."""
        return self._boot


def group_name(uid: str, container: str) -> str:
    """Of a container's control group; begins with the uid of its Pod."""
    return f"{uid}_{container}"


def kill_all(pids: Iterable[int]) -> None:
    """Send SIGKILL to each that still exists."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


class ProcessInstance:
    """A process that runs, or ran.

    Mutable state: `_gone`, done once the end was seen, and `_exit`, how it was; `_pidfd`, closed
    with it; `_cleared`, once nothing of it is left, changed by who holds `_killing`.
    """

    def __init__(
        self,
        runtime: ProcessRuntime,
        pid: int,
        owner: tuple[str, str],
        fence: Future[Fence],
        process: subprocess.Popen[bytes] | None = None,
        *,
        known: bool = False,
    ) -> None:
        self._known = known or process is not None
        self._runtime = runtime
        self._pid = pid
        self._uid, self._container = owner
        self._fence = fence
        self._process = process
        self._gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._exit: Exit | None = None
        self._killing = asyncio.Lock()
        self._cleared = False
        self._pidfd = self._watch()

    def __repr__(self) -> str:
        state = f"ended {self._exit}" if self._gone.done() else "running"
        return f"<ProcessInstance {self._pid}: {state}>"

    @property
    def _mark(self) -> str:
        return f"{self._uid}/{self._container}"

    @property
    def id(self) -> str:
        """None: a pid is no name for ever."""
        return ""

    @property
    def address(self) -> str:
        """The machine's."""
        return LOOPBACK

    @property
    def pid(self) -> int:
        """Of the first process, the leader of the session."""
        return self._pid

    @property
    def alive(self) -> bool:
        """Whether its first process still runs."""
        return not self._gone.done()

    async def record(self) -> Document:
        """Pid, start time and boot: its identity."""
        fence = await asyncio.wrap_future(self._fence)
        return {
            "first": fence.first and fence.first.record(),
            "pid": self._pid,
            "start": fence.start,
            "boot": self._runtime.boot,
            "uid": self._uid,
            "container": self._container,
        }

    def consumption(self) -> Consumption | None:
        """What it has used; about 0.1 ms where its control group tells."""
        if self._gone.done() or not self._fence.done():
            return None
        group = self._fence.result().group
        return of_container(
            group.directories, lambda: group.pids() or self._runtime.sessions.of(self._pid)
        )

    def _watch(self) -> int:
        try:
            pidfd = os.pidfd_open(self._pid)
        except ProcessLookupError:
            self._gone.set_result(None)
            return -1
        if not self._known and procfs.start_time(self._pid) != self._fence.result().start:
            os.close(pidfd)  # the pid belongs to somebody else by now
            self._gone.set_result(None)
            return -1
        asyncio.get_running_loop().add_reader(pidfd, self._ended)
        return pidfd

    def _ended(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._pidfd = -1
        if self._process is not None:
            # A few 10 µs at most: the kernel has said that it ended.
            self._exit = self._judge(exit_of(self._process.wait()))
        self._gone.set_result(None)

    def _judge(self, ended: Exit) -> Exit:
        if ended.signal == signal.SIGKILL and self._fence.done():
            return replace(ended, oom=self._fence.result().group.oom_kills() > 0)
        return ended

    async def wait(self) -> Exit:
        """Wait for the end of the first process."""
        await asyncio.shield(self._gone)
        if self._exit is None:
            fence = await asyncio.wrap_future(self._fence)
            orphan = await self._runtime.exits.of(self._pid, fence.start)
            self._exit = self._judge(orphan)
        return self._exit

    def signal(self, number: int) -> None:
        """Signal the process group."""
        if not self._gone.done():
            self._signal_group(number)

    def _signal_group(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._pid, number)

    async def kill(self) -> None:
        """Kill the process, its session and its control group; returns when all are gone."""
        self.signal(signal.SIGKILL)
        async with self._killing:
            if not self._cleared:
                await asyncio.to_thread(self._kill_all)
                self._cleared = True
        await self.wait()

    def _kill_all(self) -> None:
        fence = self._fence.result(KILL_PATIENCE)
        group = fence.group

        def left() -> bool:
            inside = group.kill()
            found = procfs.belonging(self._pid, self._mark, fence.start)
            kill_all(found)
            tree = fence.first is None or fence.first.kill()
            return bool(inside or found) or not tree or not group.remove()

        if not self._runtime.until_gone(left):
            _log.warning("a killed process does not end", pid=self._pid, pod=self._uid)

    async def execute(self, command: tuple[str, ...], seconds: float) -> tuple[int, str]:
        """Run `command` in the environment and directory of the process."""
        with tempfile.TemporaryFile() as output:
            inner = self._beside(commands.execute(self._pid, command, output.fileno()))
            try:
                async with asyncio.timeout(seconds):
                    ended = await inner.wait()
            finally:
                await inner.kill()
            size = output.seek(0, os.SEEK_END)
            output.seek(max(0, size - _OUTPUT_LIMIT))
            return ended.code, output.read().decode(errors="replace")

    async def converse(self, command: tuple[str, ...], caller: Caller) -> int:
        """Run `command` for `caller` beside the process, within its limits."""

        def begun(child: subprocess.Popen[bytes]) -> ProcessInstance:
            if self._fence.done():
                self._runtime.join(self._fence.result().group, child.pid)
            return self._beside(child)

        return await commands.converse(self._pid, command, caller, begun)

    def _beside(self, child: subprocess.Popen[bytes]) -> "ProcessInstance":
        fence: Future[Fence] = Future()
        fence.set_result(Fence(Group(), 0))
        return ProcessInstance(self._runtime, child.pid, (self._uid, ""), fence, child)

    async def listening(self) -> frozenset[int]:
        """The TCP ports on which the process, or what it has started, listens."""
        fence = await asyncio.wrap_future(self._fence)
        return await asyncio.to_thread(self._listening, fence)

    async def brake(self) -> Brake:
        """Its control group's, or signals to each of its processes where it has none."""
        fence = await asyncio.wrap_future(self._fence)
        find = partial(procfs.belonging, self._pid, self._mark, fence.start)
        inside = fence.group.directories if fence.group.pids() else ()
        return GroupBrake.among(inside) or SignalBrake(find)

    def _listening(self, fence: Fence) -> frozenset[int]:
        pids = fence.group.pids() or procfs.belonging(self._pid, self._mark, fence.start)
        return procfs.listening(pids)
