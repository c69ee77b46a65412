"""What a reconciler must survive: each of its writes fails once, in each way that writes fail.

:func:`survive` plays a row of a table undisturbed, then once for each of its writes and each
:class:`Way`. Passes go on as a controller would let them, until one has nothing left to write. The
end must be that of the undisturbed run; and a pass that met a failure and neither raised nor asked
to be called again must have done all that an undisturbed one does.
"""

import contextlib
import json
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import TypeVar

from utsuwa.cluster.errors import (
    AlreadyExistsError,
    ApiError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
)
from utsuwa.cluster.informer import key_of
from utsuwa.cluster.port import Cluster, DeleteOptions, Key
from utsuwa.controllers.framework import BlockedError, Context, Reconciler, TerminalError
from utsuwa.kit.tasks import TaskSet
from utsuwa.model.kinds import EVENT, KINDS, POD, Kind
from utsuwa.testing.cluster import memory_cluster
from utsuwa.testing.interposed import InterposedCluster
from utsuwa.testing.tables import Row, Stage, context_for

T = TypeVar("T")

PASSES = 12
"""More than any row needs to come to rest."""
BREATH = 0.01
"""Seconds between passes, in which informers catch up."""
_CHANGING = frozenset(
    {
        "resourceVersion", "uid", "generation", "observedGeneration", "lastTransitionTime",
        "lastUpdateTime", "creationTimestamp",
    }
)  # fmt: skip


class Way(Enum):
    """How a write fails."""

    CONFLICT = ConflictError
    NOT_FOUND = NotFoundError
    """The object has really gone the moment before: what comes of it is another end."""
    ALREADY_EXISTS = AlreadyExistsError
    FORBIDDEN = ForbiddenError
    LOST = ApiError
    """It is done, and the answer does not arrive."""


class FaultyCluster(InterposedCluster):
    """Lets write number `number` (from 0, events not counted) fail in its `way`.

    Mutable state: :attr:`written`, the verbs of all writes so far; :attr:`done`, how many of them
    were answered well (or failed by our doing).
    """

    def __init__(self, cluster: Cluster, number: int, way: Way | None) -> None:
        super().__init__(cluster)
        self._number = number
        self._way = way
        self.written: list[str] = []
        self.done = 0

    async def write(self, verb: str, kind: Kind, key: Key, call: Callable[[], Awaitable[T]]) -> T:
        """Do it, unless it is the one."""
        if kind == EVENT:
            return await call()
        self.written.append(verb)
        if self._way is None or len(self.written) != self._number + 1:
            answer = await call()
            self.done += 1
            return answer
        self.done += 1
        if self._way is Way.NOT_FOUND:
            await _wipe_out(self._cluster, kind, key)
        if self._way in {Way.LOST, Way.NOT_FOUND}:
            await call()
        raise self._way.value(f"{verb} {kind}: inducing {self._way.name}")


class Run:
    """What came of one row: the verbs of its writes, its states after the first pass and at the
    end, and whether the first pass told of a failure."""

    def __init__(self) -> None:
        self.verbs: list[str] = []
        self.first = ""
        self.last = ""
        self.quiet = False


async def survive(row: Row, make: Callable[[Context, Stage], Reconciler]) -> int:
    """See the module; answers how many failures were survived. Raises AssertionError."""
    calm = await run(row, make, 0, None)
    survived = 0
    for number, verb in enumerate(calm.verbs):
        for way in Way:
            if (way is Way.ALREADY_EXISTS) != (verb == "create") and way in {
                Way.ALREADY_EXISTS,
                Way.NOT_FOUND,
            }:
                continue
            found = await run(row, make, number, way)
            survived += 1
            if way is Way.NOT_FOUND:
                continue
            where = f"{row.rule}: write {number} ({verb}) fails: {way.name}"
            if found.last != calm.last:
                raise AssertionError(f"{where}: ends as\n{found.last}\ninstead of\n{calm.last}")
            if found.quiet and way is not Way.LOST and found.first != calm.first:
                raise AssertionError(f"{where}: nobody was told that it failed")
    return survived


async def run(
    row: Row, make: Callable[[Context, Stage], Reconciler], number: int, way: Way | None
) -> Run:
    """Passes over `row` until nothing is left to write."""
    result = Run()
    async with memory_cluster() as cluster:
        faulty = FaultyCluster(cluster, number, way)
        tasks = TaskSet()
        stage = Stage(cluster, tasks)
        await row.given(stage)
        context = await context_for(faulty, row, tasks)
        reconciler = make(context, stage)
        before = -1
        for _ in range(PASSES):
            if before == faulty.done:
                break
            before = faulty.done
            told = await _pass(reconciler, row, context)
            if not result.first:
                result.first = await state(cluster)
                result.quiet = not told
        else:
            raise AssertionError(f"{row.rule}: expected rest after {PASSES} passes, found none")
        await tasks.close()
        result.verbs = faulty.written
        result.last = await state(cluster)
    return result


async def _wipe_out(cluster: Cluster, kind: Kind, key: Key) -> None:
    """Somebody is faster, and does not ask finalizers."""
    await cluster.merge(kind, key, {"metadata": {"finalizers": None}})
    with contextlib.suppress(NotFoundError):  # it was waiting for just that
        await cluster.delete(kind, key, DeleteOptions(grace_seconds=0))


async def _pass(reconciler: Reconciler, row: Row, context: Context) -> bool:
    """One pass; whether it raised or asked to be called again."""
    again = None
    try:
        again = await reconciler.reconcile(Key(row.namespace, row.name))
    except (ApiError, BlockedError, TerminalError):
        again = 0.0
    await context.clock.sleep(BREATH)
    return again is not None


async def state(cluster: Cluster) -> str:
    """Everything in the cluster but events and times, a line each; names of Pods are random."""
    lines = []
    for kind in KINDS:
        if kind != EVENT:
            lines += [
                f"{kind} {'' if kind == POD else key_of(one)} {json.dumps(_lasting(one))}"
                for one in (await cluster.list(kind)).items
            ]
    return "\n".join(sorted(lines))


def _lasting(value: object) -> object:
    if isinstance(value, dict):
        if value.get("type") == "Progressing":  # how a Deployment came there, not where it is
            return value["status"]
        generated = "generateName" in value
        return {
            key: _lasting(inner)
            for key, inner in sorted(value.items())
            if key not in _CHANGING and not (generated and key == "name")
        }
    if isinstance(value, list):
        return [_lasting(inner) for inner in value]
    return value
