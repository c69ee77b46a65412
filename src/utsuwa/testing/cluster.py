"""A cluster in memory for tests, and one that fails on demand."""

import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from utsuwa.cluster.embedded import Embedded
from utsuwa.cluster.errors import ApiError
from utsuwa.cluster.port import Cluster, DeleteOptions, Key, ObjectList, WatchEvent
from utsuwa.kit.clock import Clock, LoopClock
from utsuwa.kit.documents import Document
from utsuwa.kit.ids import Ids
from utsuwa.model.kinds import NAMESPACE, Kind, kind_of
from utsuwa.store import Store

NAMESPACES = ("default", "knative-serving")


@asynccontextmanager
async def memory_cluster(
    clock: Clock | None = None, ids: Ids | None = None
) -> AsyncIterator[Embedded]:
    """An embedded cluster that keeps nothing, with the namespaces of :data:`NAMESPACES`.

    By default its time is the running loop's, and its uids and suffixes are the same every time.
    """
    store = Store(None)
    await store.open()
    cluster = Embedded(
        store,
        clock=clock if clock is not None else LoopClock(),
        ids=ids if ids is not None else Ids(random.Random(1)),
    )
    for name in NAMESPACES:
        await cluster.create(NAMESPACE.document("", name))
    try:
        yield cluster
    finally:
        await store.close()


class FailingCluster:
    """A cluster whose next calls of a chosen verb and kind fail as told.

    Verbs are the names of the port's methods. Mutable state: `_failures`, the errors still due.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._failures: dict[tuple[str, Kind], list[ApiError]] = {}

    def __repr__(self) -> str:
        due = {f"{verb} {kind}": len(errors) for (verb, kind), errors in self._failures.items()}
        return f"<FailingCluster over {self._cluster!r}: {due}>"

    def fail(self, verb: str, kind: Kind, error: ApiError | None = None, *, times: int = 1) -> None:
        """Let the next `times` calls of `verb` on `kind` raise `error` (default: code 500)."""
        error = error or ApiError(f"inducing failure for {verb} {kind.plural}")
        self._failures.setdefault((verb, kind), []).extend([error] * times)

    @property
    def outstanding(self) -> int:
        """How many induced failures have not happened yet."""
        return sum(len(errors) for errors in self._failures.values())

    async def get(self, kind: Kind, key: Key) -> Document:
        """As the port, or the induced failure."""
        self._check("get", kind)
        return await self._cluster.get(kind, key)

    async def list(
        self, kind: Kind, namespace: str = "", *, labels: Mapping[str, str] | None = None
    ) -> ObjectList:
        """As the port, or the induced failure."""
        self._check("list", kind)
        return await self._cluster.list(kind, namespace, labels=labels)

    def watch(self, kind: Kind, namespace: str = "", *, since: int) -> AsyncIterator[WatchEvent]:
        """As the port, or the induced failure."""
        self._check("watch", kind)
        return self._cluster.watch(kind, namespace, since=since)

    async def create(self, document: Document, *, dry_run: bool = False) -> Document:
        """As the port, or the induced failure."""
        self._check("create", kind_of(document))
        return await self._cluster.create(document, dry_run=dry_run)

    async def update(self, document: Document, *, dry_run: bool = False) -> Document:
        """As the port, or the induced failure."""
        self._check("update", kind_of(document))
        return await self._cluster.update(document, dry_run=dry_run)

    async def update_status(self, document: Document, *, dry_run: bool = False) -> Document:
        """As the port, or the induced failure."""
        self._check("update_status", kind_of(document))
        return await self._cluster.update_status(document, dry_run=dry_run)

    async def merge(
        self, kind: Kind, key: Key, patch: Document, *, subresource: str = ""
    ) -> Document:
        """As the port, or the induced failure."""
        self._check("merge", kind)
        return await self._cluster.merge(kind, key, patch, subresource=subresource)

    async def delete(
        self, kind: Kind, key: Key, options: DeleteOptions | None = None
    ) -> Document | None:
        """As the port, or the induced failure."""
        self._check("delete", kind)
        return await self._cluster.delete(kind, key, options)

    def _check(self, verb: str, kind: Kind) -> None:
        due = self._failures.get((verb, kind))
        if due:
            raise due.pop(0)
