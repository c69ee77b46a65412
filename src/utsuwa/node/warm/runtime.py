"""The process runtime, with warm parents before it: forks where it can, else starts as ever."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from utsuwa.cluster.informer import Informer
from utsuwa.kit.clock import Clock
from utsuwa.kit.documents import Document
from utsuwa.kit.tasks import TaskSet
from utsuwa.node import view
from utsuwa.node.process_runtime import ProcessRuntime
from utsuwa.node.procfs import POD_VARIABLE
from utsuwa.node.runtime import Instance, Launch, LaunchError, Warmth
from utsuwa.node.spawn import layer_of, mounts_of
from utsuwa.node.warm.entry import NotWarmError, entry_of
from utsuwa.node.warm.line import Child
from utsuwa.node.warm.parents import FIRST, PROGRAM, QUIET, Parent, Parents, Plan

TIDY = 60.0
"""Seconds between two looks for parents that nobody uses."""


class WarmRuntime:
    """Launches that wish for warmth are forked; all others, and those that cannot be, go to
    `processes`. Mutable state: `_ahead`, by uid of their Pod the children that wait for a word.
    """

    def __init__(
        self, processes: ProcessRuntime, directory: Path, clock: Clock, *, quiet: float = QUIET
    ) -> None:
        self._processes = processes
        self._parents = Parents(processes, directory, clock, quiet=quiet)
        self._clock = clock
        self._ahead: dict[str, _Waiting] = {}

    def __repr__(self) -> str:
        return f"<WarmRuntime {self._processes!r}, {self._parents!r}>"

    @property
    def version(self) -> str:
        """As the port."""
        return self._processes.version

    async def start(self, tasks: TaskSet, revisions: Informer) -> None:
        """Find the parents of before again, and end those whose Revision goes. Before Pods are
        adopted: parents tell how some of them have ended."""
        await self.adopt_parents()
        known = {revision["metadata"]["uid"] for revision in revisions.list()}
        for parent in self._parents.running():
            if parent.revision_uid not in known:
                await self._parents.end(parent.key)

        def changed(old: Document | None, new: Document | None) -> None:
            if old is not None and new is None:
                uid = old["metadata"]["uid"]
                tasks.start(self._parents.forget(uid), name=f"end of warm parents of {uid}")

        revisions.on_change(changed)
        tasks.spawn(self._tidy(), name="warm parents")

    async def adopt_parents(self) -> None:
        """Find the parents of before again."""
        await self._parents.adopt()

    async def _tidy(self) -> None:
        while True:
            await self._clock.sleep(TIDY)
            await self._parents.tidy()

    async def settled(self) -> None:
        """Wait until no parent is being started."""
        await self._parents.settled()

    async def stop(self) -> None:
        """End the parents, for the end of the node."""
        await self._parents.stop()

    async def close(self) -> None:
        """Let go of everything; it runs on."""
        await self._parents.close()
        self._processes.close()

    def use(self) -> Iterator[tuple[str, int]]:
        """Each parent's Revision and the bytes of memory that it holds."""
        for parent in self._parents.running():
            used = parent.instance.consumption()
            yield parent.revision, 0 if used is None else used.memory

    async def launch(self, launch: Launch) -> Instance:
        """As the port."""
        wish = launch.warmth
        if wish is None:
            return await self._processes.launch(launch)
        if (waiting := self._ahead.pop(launch.uid, None)) is not None:
            if waiting.launch == launch and waiting.go():
                _tell(wish, waiting.parent)
                return waiting.instance
            waiting.child.drop()
        try:
            plan = _plan(launch, wish)
        except NotWarmError as error:
            wish.told = f"not from a warm parent: {error}"
            return await self._processes.launch(launch)
        try:
            waiting = await self._fork(self._parents.of(plan), plan)
            if not waiting.go():
                raise NotWarmError("the forked process has ended")
        except NotWarmError as error:
            return await self._spawn(plan, str(error))
        _tell(wish, waiting.parent)
        return waiting.instance

    async def ahead(self, launch: Launch) -> None:
        """As the port: the process is forked, and waits for a word."""
        wish = launch.warmth
        if wish is None:
            await self._processes.ahead(launch)
            return
        try:
            plan = _plan(launch, wish)
            self._ahead[launch.uid] = await self._fork(self._parents.of(plan), plan)
        except NotWarmError as error:
            raise LaunchError(str(error)) from error

    async def _spawn(self, plan: Plan, why: str) -> Instance:
        plan.warmth.told = f"not from a warm parent: {why}"
        launch = plan.launch
        if why == FIRST:
            imports = self._parents.imports(plan)
            imports.parent.mkdir(exist_ok=True, mode=0o700)
            entry = plan.entry
            scout = (str(PROGRAM), "scout", str(imports), entry.kind, entry.target)
            command = (entry.python, *entry.options, *scout, *entry.arguments)
            launch = replace(launch, command=command)
        if why.startswith("stale: "):
            await self._parents.end(plan.key)
        instance = await self._processes.launch(launch)
        self._parents.prepare(plan)
        return instance

    async def _fork(self, parent: Parent, plan: Plan) -> "_Waiting":
        launch, entry = plan.launch, plan.entry
        order = {
            "env": {**launch.env, POD_VARIABLE: f"{launch.uid}/{launch.container}"},
            "entry": entry.words,
            "title": list(launch.command),
            "directory": str(launch.directory),
            "view": self._processes.starter.has_views(launch),
        }
        launch.log.parent.mkdir(parents=True, exist_ok=True)
        log = os.open(launch.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            child = await parent.line.fork(order, log)
        finally:
            os.close(log)
        parent.used = self._clock.monotonic()
        return _Waiting(launch, parent, child, self._furnished(parent, launch, child))

    def _furnished(self, parent: Parent, launch: Launch, child: Child) -> Instance:
        """The pod that a child will be which waits."""
        try:
            if self._processes.starter.has_views(launch):
                assert launch.tree is not None
                layer, mounts = layer_of(launch), mounts_of(launch)
                view.with_layer_anew(child.pid, launch.tree, layer, mounts, lambda: None)
            instance = self._processes.take(launch, child.pid)
        except OSError as error:
            child.drop()
            raise NotWarmError(f"the forked process could not be prepared: {error}") from error
        parent.recent = [*parent.recent[-32:], instance]
        return instance

    async def adopt(self, record: Document) -> Instance | None:
        """As the port."""
        return await self._processes.adopt(record)

    async def sweep(self, uid: str) -> int:
        """As the port."""
        if (waiting := self._ahead.pop(uid, None)) is not None:
            waiting.child.drop()
        return await self._processes.sweep(uid)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A forked child, all of whose surroundings are made, that waits for a word."""

    launch: Launch
    parent: Parent
    child: Child
    instance: Instance

    def go(self) -> bool:
        """Be the pod; False if it has ended meanwhile."""
        try:
            self.child.go()
        except OSError:
            return False
        return self.instance.alive


def _tell(wish: Warmth, parent: Parent) -> None:
    wish.forked = True
    wish.told = f"forked from a warm parent with {parent.line.modules} modules"
    if parent.line.skipped:
        left = "; ".join(f"{name}, {why}" for name, why in parent.line.skipped.items())
        wish.told += f"; not imported ahead: {left}"


def _plan(launch: Launch, wish: Warmth) -> Plan:
    if launch.tree is None:
        raise NotWarmError("it has no bundle")
    if launch.user is not None or launch.group is not None:
        raise NotWarmError("runAsUser and runAsGroup need a process that is started anew")
    return Plan(launch, wish, entry_of(launch.command, launch.env), launch.tree)
