"""The warm parents of this machine: started behind the first pod, found again, ended.

A parent is a process of the process runtime like any other, and is adopted like one. It is kept
while its Revision is there and somebody uses it; there are at most :data:`MOST` of them, and the
one unused for longest makes room. One that ends unasked is started again once; pods go on.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from utsuwa.kit.clock import Clock
from utsuwa.kit.documents import Document
from utsuwa.kit.log import get_logger
from utsuwa.node.logs import tail
from utsuwa.node.process_runtime import ProcessRuntime
from utsuwa.node.runtime import Instance, Launch, LaunchError, Warmth
from utsuwa.node.spawn import layer_of
from utsuwa.node.warm.entry import Entry, NotWarmError
from utsuwa.node.warm.line import Line, listen

_log = get_logger(__name__)

MOST = 16
"""Parents on one machine."""
UNUSED = 3600.0
"""Seconds without a fork after which a parent ends."""
QUIET = 1.0
"""Seconds without a new import after which an app has imported what it needs."""
IMPORTS = 60.0
"""Most seconds that a parent may import."""
REFUSED = 600.0
"""Seconds until it is tried again where a parent was not possible."""
STEADY = 60.0
"""A parent that ends sooner is not started again."""
PROGRAM = Path(__file__).parent / "inside" / "start.py"
FIRST = "this is its first start: what it imports is written down"
_SOON = "its warm parent is not ready yet"
_ROOM = "x" * 16384
_TITLE_ROOM = "x" * 4096


@dataclass(frozen=True, slots=True)
class Plan:
    """What a parent is started for: a life of a container that may be forked."""

    launch: Launch
    warmth: Warmth
    entry: Entry
    tree: Path

    @property
    def key(self) -> str:
        """One for each container of a Revision, bundle and command."""
        wish = self.warmth
        return _digest(wish.revision_uid, self.launch.container, *self._what)

    @property
    def imports(self) -> str:
        """Names the list of what is imported: the same for all Revisions of a bundle."""
        return _digest(*self._what)

    @property
    def _what(self) -> tuple[str, ...]:
        entry = self.entry
        place = str(self.launch.directory)
        return place, str(self.warmth.everything), entry.python, *entry.options, entry.target


@dataclass(slots=True)
class Parent:
    """One that runs. `used`: when it last forked."""

    key: str
    revision: str
    revision_uid: str
    instance: Instance
    line: Line
    used: float
    began: float
    plan: Plan | None = None
    recent: list[Instance] = field(default_factory=list)


class Parents:
    """Mutable state: `_running` by key; `_refused`, why there is none and until when; `_tasks` by
    key, the starts under way, and `_wanted` what for. Changed on the loop alone."""

    def __init__(
        self, processes: ProcessRuntime, directory: Path, clock: Clock, *, quiet: float = QUIET
    ) -> None:
        self._quiet = quiet
        self._processes = processes
        self._directory = directory
        self._clock = clock
        self._running: dict[str, Parent] = {}
        self._refused: dict[str, tuple[str, float]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._wanted: dict[str, str] = {}
        self._watchers: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<Parents {len(self._running)} running, {len(self._tasks)} starting>"

    def running(self) -> Iterable[Parent]:
        """Those that answer."""
        return tuple(self._running.values())

    def imports(self, plan: Plan) -> Path:
        """The list of what the app imports."""
        return self._directory / f"{plan.imports}.imports"

    def of(self, plan: Plan) -> Parent:
        """The parent to fork from.

        Raises:
            NotWarmError: there is none now.
        """
        why, until = self._refused.get(plan.key, ("", 0.0))
        if why and self._clock.monotonic() < until:
            raise NotWarmError(why)
        self._refused.pop(plan.key, None)
        parent = self._running.get(plan.key)
        if parent is None or not parent.line.ready.is_set():
            raise NotWarmError(_SOON if self.imports(plan).exists() else FIRST)
        return parent

    # --- starting -------------------------------------------------------------------------------

    def prepare(self, plan: Plan) -> None:
        """See to it that there will be a parent."""
        key = plan.key
        if key in self._running or key in self._tasks or key in self._refused:
            return
        self._wanted[key] = plan.warmth.revision_uid
        task = asyncio.create_task(self._prepare(plan), name=f"warm parent of {key}")
        self._tasks[key] = task

    async def settled(self) -> None:
        """Wait until none is being started."""
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _prepare(self, plan: Plan) -> None:
        key = plan.key
        try:
            await self._until_quiet(self.imports(plan))
            await self._make_room()
            await self._start(plan)
        except (NotWarmError, LaunchError, OSError) as error:
            self._refused[key] = str(error), self._clock.monotonic() + REFUSED
            _log.warning("no warm parent", revision=plan.warmth.revision, reason=error)
        finally:
            self._tasks.pop(key, None)
            self._wanted.pop(key, None)

    async def _until_quiet(self, imports: Path) -> None:
        """The app has been started, and imports nothing more for now."""
        size = -1
        while True:
            await self._clock.sleep(self._quiet)
            now = _size(imports)
            if now == size and now >= 0:
                return
            size = now

    async def _make_room(self) -> None:
        while len(self._running) >= MOST:
            oldest = min(self._running.values(), key=lambda parent: parent.used)
            _log.info("warm parent makes room", revision=oldest.revision)
            await self.end(oldest.key)

    async def _start(self, plan: Plan) -> None:
        key = plan.key
        self._directory.mkdir(exist_ok=True, mode=0o700)
        path = self._directory / f"{key}.sock"
        launch = self._launch(plan)
        assert launch.scratch is not None
        launch.scratch.mkdir(parents=True, exist_ok=True)
        launch.log.unlink(missing_ok=True)
        with listen(path) as listener:
            launch = replace(launch, stdin=listener.fileno())
            instance = await self._processes.launch(launch)
        try:
            record = {
                "instance": await instance.record(),
                "revision": plan.warmth.revision,
                "uid": plan.warmth.revision_uid,
            }
            (self._directory / f"{key}.json").write_text(json.dumps(record))
            parent = self._join(key, record, instance)
        except BaseException:
            await instance.kill()
            raise
        parent.plan = plan
        await self._until_ready(parent, launch)
        _log.info(
            "warm parent ready",
            revision=parent.revision,
            modules=parent.line.modules,
            left_out=", ".join(f"{name}: {why}" for name, why in parent.line.skipped.items()),
        )

    def _launch(self, plan: Plan) -> Launch:
        key, entry = plan.key, plan.entry
        scratch = self._directory / key
        settings = {
            "entry": entry.words,
            "tree": str(plan.tree),
            "everything": plan.warmth.everything,
            "skipped": {},
            "record": str(self.imports(plan)),
            "title": f"utsuwa: warm parent of {plan.warmth.revision}",
        }
        program = (entry.python, *entry.options, str(PROGRAM), "parent")
        own = {"HOME": str(scratch), "TMPDIR": str(scratch), "UTSUWA_ROOM": _ROOM}
        return replace(
            plan.launch,
            uid=f"warm-{key}",
            command=(*program, json.dumps(settings), _TITLE_ROOM),
            env={**plan.launch.env, **own},
            log=scratch / "parent.log",
            scratch=scratch,
            mounts=(),
            warmth=None,
        )

    async def _until_ready(self, parent: Parent, launch: Launch) -> None:
        waits = [parent.line.ready.wait(), parent.line.closed.wait()]
        tasks = [asyncio.create_task(wait, name="warm parent imports") for wait in waits]
        try:
            await asyncio.wait(tasks, timeout=IMPORTS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
        if not parent.line.ready.is_set():
            await self.end(parent.key)
            last = tail(launch.log).rpartition("\n")[2]
            raise NotWarmError(f"its warm parent could not import what it needs: {last}")
        written = layer_of(launch) / "upper"
        if written.exists() and (found := sorted(os.listdir(written))):
            await self.end(parent.key)
            raise NotWarmError(f"{found[0]} was written into its directory by an import")

    def _join(self, key: str, record: Document, instance: Instance) -> Parent:
        now = self._clock.monotonic()
        line = Line(self._directory / f"{key}.sock", self._processes.exits.tell)
        parent = Parent(key, record["revision"], record["uid"], instance, line, now, now)
        self._running[key] = parent
        self._keep(self._watch(parent), f"end of warm parent {key}")
        return parent

    def _keep(self, work: "asyncio._CoroutineLike[None]", name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._watchers.add(task)
        task.add_done_callback(self._watchers.discard)

    async def _watch(self, parent: Parent) -> None:
        ended = await parent.instance.wait()
        if self._running.get(parent.key) is not parent:
            return  # we have ended it
        _log.warning("warm parent ended", revision=parent.revision, exit_code=ended.code)
        await self.end(parent.key)
        if parent.plan is not None and self._clock.monotonic() - parent.began >= STEADY:
            self.prepare(parent.plan)

    # --- before and after -----------------------------------------------------------------------

    async def adopt(self) -> None:
        """Find those of before again."""
        if not self._directory.is_dir():
            return
        for path in self._directory.glob("*.json"):
            key = path.stem
            try:
                record = json.loads(path.read_text())
                instance = await self._processes.adopt(record["instance"])
                if instance is None or not instance.alive:
                    raise OSError("it has ended")
                parent = self._join(key, record, instance)
            except (OSError, ValueError, KeyError) as error:
                _log.info("warm parent not found again", parent=key, reason=error)
                await self._processes.sweep(f"warm-{key}")
                self._remove(key)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await parent.line.ready.wait()
            _log.info("warm parent adopted", revision=parent.revision)

    async def end(self, key: str) -> None:
        """End a parent; its pods go on."""
        task = self._tasks.get(key)
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        parent = self._running.pop(key, None)
        if parent is None:
            return
        # None of its pods may still be within its own fence when that is cleared.
        await asyncio.gather(*(pod.record() for pod in parent.recent), return_exceptions=True)
        parent.line.close()
        await parent.instance.kill()
        await asyncio.to_thread(self._remove, key)

    def _remove(self, key: str) -> None:
        for ending in ("json", "sock"):
            (self._directory / f"{key}.{ending}").unlink(missing_ok=True)
        shutil.rmtree(self._directory / key, ignore_errors=True)

    async def forget(self, revision_uid: str) -> None:
        """The Revision is gone."""
        running = [p.key for p in self._running.values() if p.revision_uid == revision_uid]
        starting = [key for key, uid in self._wanted.items() if uid == revision_uid]
        for key in {*running, *starting}:
            await self.end(key)

    async def tidy(self) -> None:
        """End those that nobody uses."""
        now = self._clock.monotonic()
        for parent in self.running():
            if now - parent.used >= UNUSED:
                _log.info("warm parent unused", revision=parent.revision)
                await self.end(parent.key)

    async def stop(self) -> None:
        """End all, for the end of the node."""
        await asyncio.gather(*(self.end(key) for key in {*self._running, *self._tasks}))

    async def close(self) -> None:
        """Let go of all; they run on."""
        tasks = [*self._watchers, *self._tasks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for parent in self._running.values():
            parent.line.close()
        self._running.clear()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else -1


def _digest(*words: str) -> str:
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:16]
