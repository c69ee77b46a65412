"""Table tests of reconcilers: objects before, one pass, the writes and events wanted.

A row names its rule, puts objects into a cluster in memory, lets one pass run over one key, perhaps
with failures induced, and compares what the pass wrote with what was wanted, as one line a write:

    create Configuration hello
    update Route hello
    merge Revision hello-00001 {"metadata":{"labels":{…}}}
    delete Service v1-hello
    status Service hello Ready=Unknown(OutOfDate) …

Events are told apart from writes, as `Normal Created`, `Warning InternalError`.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from utsuwa.cluster.errors import ApiError
from utsuwa.cluster.informer import Informers
from utsuwa.cluster.port import Cluster, Key
from utsuwa.controllers.events import EventRecorder
from utsuwa.controllers.framework import Context, Reconciler
from utsuwa.controllers.live_settings import LiveSettings
from utsuwa.kit.clock import LoopClock
from utsuwa.kit.documents import Document, copy, encode, without
from utsuwa.kit.ids import Ids
from utsuwa.kit.tasks import TaskSet
from utsuwa.model.kinds import EVENT, KINDS, Kind, kind_of
from utsuwa.model.meta import name_of
from utsuwa.model.settings import Settings
from utsuwa.testing.cluster import FailingCluster, memory_cluster
from utsuwa.testing.interposed import InterposedCluster, T

Maps = Mapping[str, Mapping[str, str]]


class Stage:
    """Where a row puts the objects that are there before the pass."""

    def __init__(self, cluster: Cluster, tasks: TaskSet) -> None:
        self.cluster = cluster
        self.tasks = tasks

    async def put(self, document: Document, status: Document | None = None) -> Document:
        """Store `document`, then `status` for it; answers it as stored."""
        stored = await self.cluster.create(document)
        if status is not None:
            stored = await self.cluster.update_status({**stored, "status": copy(status)})
        return stored

    async def get(self, kind: Kind, name: str) -> Document:
        """The object in namespace `default` as it is now. Raises NotFoundError."""
        return await self.cluster.get(kind, Key("default", name))


@dataclass(frozen=True)
class Failure:
    """Let the first call of `verb` (a method of the port) on `kind` fail."""

    verb: str
    kind: Kind
    error: ApiError | None = None


@dataclass(frozen=True)
class Row:
    """One line of a table; `rule` is its name and says what is expected."""

    rule: str
    given: Callable[[Stage], Awaitable[object]]
    writes: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    name: str = "hello"
    namespace: str = "default"
    failures: tuple[Failure, ...] = ()
    raises: type[Exception] | None = None
    again: float | None = None
    settings: Maps = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What a pass did. `objects` is what each create or update sent, by its line."""

    writes: list[str]
    events: list[str]
    objects: dict[str, Document]
    again: float | None
    error: Exception | None


async def play(row: Row, make: Callable[[Context, Stage], Reconciler]) -> Outcome:
    """Run one pass of the reconciler that `make` builds, over the row's key."""
    async with memory_cluster() as cluster:
        failing = FailingCluster(cluster)
        recording = RecordingCluster(failing)
        died: list[str] = []
        tasks = TaskSet(on_death=lambda name, error: died.append(f"{name}: {error!r}"))
        stage = Stage(cluster, tasks)
        await row.given(stage)
        context = await context_for(recording, row, tasks)
        reconciler = make(context, stage)
        for failure in row.failures:
            failing.fail(failure.verb, failure.kind, failure.error)
        again, error = None, None
        try:
            again = await reconciler.reconcile(Key(row.namespace, row.name))
        except Exception as raised:  # handed to the row, which says whether it was wanted
            error = raised
        await tasks.close()
        if died:
            raise AssertionError(f"background tasks died: {died}")
        return Outcome(recording.writes, recording.events, recording.objects, again, error)


async def check(row: Row, make: Callable[[Context, Stage], Reconciler]) -> Outcome:
    """Play `row` and compare. Raises AssertionError."""
    outcome = await play(row, make)
    if outcome.error is not None and row.raises is None:
        raise outcome.error
    if row.raises is not None and not isinstance(outcome.error, row.raises):
        raise AssertionError(f"expected {row.raises.__name__}, found {outcome.error!r}")
    for what, wanted, found in (
        ("writes", row.writes, outcome.writes),
        ("events", row.events, outcome.events),
    ):
        if wanted != found:
            lines = "\n  ".join(found)
            expected = "\n  ".join(wanted)
            raise AssertionError(f"{row.rule}: {what}: expected\n  {expected}\nfound\n  {lines}")
    if row.again != outcome.again:
        raise AssertionError(f"{row.rule}: expected again {row.again}, found {outcome.again}")
    return outcome


async def context_for(cluster: Cluster, row: Row, tasks: TaskSet) -> Context:
    """What a reconciler is given that plays `row` over `cluster`."""
    clock = LoopClock()
    informers = Informers(cluster)
    for kind in KINDS:
        informers.of(kind)
    informers.start(tasks)
    await informers.synced()
    return Context(
        cluster=cluster,
        informers=informers,
        clock=clock,
        ids=Ids(random.Random(1)),
        settings=LiveSettings(Settings.parse(row.settings)),
        events=EventRecorder(cluster, clock),
    )


class RecordingCluster(InterposedCluster):
    """Notes each write that goes through. Mutable state: :attr:`writes`, :attr:`events`,
    :attr:`objects`."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self.writes: list[str] = []
        self.events: list[str] = []
        self.objects: dict[str, Document] = {}

    async def write(self, verb: str, kind: Kind, key: Key, call: Callable[[], Awaitable[T]]) -> T:
        """Do `call`; the methods below have noted it, but a deletion."""
        if verb == "delete":
            self.writes.append(f"delete {kind.name} {key.name}")
        return await call()

    async def create(self, document: Document, *, dry_run: bool = False) -> Document:
        """As the port, and noted."""
        self._note("create", document)
        return await super().create(document, dry_run=dry_run)

    async def update(self, document: Document, *, dry_run: bool = False) -> Document:
        """As the port, and noted."""
        self._note("update", document)
        return await super().update(document, dry_run=dry_run)

    async def update_status(self, document: Document, *, dry_run: bool = False) -> Document:
        """As the port, and noted with its conditions."""
        self._note("status", document, conditions(document))
        return await super().update_status(document, dry_run=dry_run)

    async def merge(
        self, kind: Kind, key: Key, patch: Document, *, subresource: str = ""
    ) -> Document:
        """As the port, and noted with the patch; the version it was made for does not matter."""
        shown = {**patch}
        if "metadata" in shown:
            shown["metadata"] = without(shown["metadata"], ("resourceVersion",))
        if subresource == "status":
            self.writes.append(f"status {kind.name} {key.name} {conditions(patch)}".rstrip())
        elif kind != EVENT:
            self.writes.append(f"merge {kind.name} {key.name} {encode(shown).decode()}")
        return await super().merge(kind, key, patch, subresource=subresource)

    def _note(self, verb: str, document: Document, more: str = "") -> None:
        if kind_of(document) == EVENT:
            self.events.append(f"{document['type']} {document['reason']}")
            return
        line = f"{verb} {document['kind']} {name_of(document)}"
        self.objects[line] = copy(document)
        self.writes.append(f"{line} {more}".rstrip())


def conditions(document: Document) -> str:
    """The conditions of `document` in one line: `Ready=False(RevisionMissing) …`."""
    return " ".join(
        f"{entry['type']}={entry['status']}"
        + (f"({entry['reason']})" if entry.get("reason") else "")
        for entry in (document.get("status") or {}).get("conditions") or ()
    )


async def until(condition: Callable[[], bool]) -> None:
    """Let others run until `condition` holds; at most a thousand steps."""
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("expected the condition to hold within a thousand steps")
