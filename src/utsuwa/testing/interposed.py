"""A cluster through which every write passes one place: base of those that fail on purpose."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TypeVar

from utsuwa.cluster.port import Cluster, DeleteOptions, Key, ObjectList, WatchEvent
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import Kind, kind_of

T = TypeVar("T")


class InterposedCluster(ABC):
    """`cluster`, with :meth:`write` between."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    @abstractmethod
    async def write(self, verb: str, kind: Kind, key: Key, call: Callable[[], Awaitable[T]]) -> T:
        """Do `call`, or do not. `verb` is the port's method."""

    async def get(self, kind: Kind, key: Key) -> Document:
        """As the port."""
        return await self._cluster.get(kind, key)

    async def list(
        self, kind: Kind, namespace: str = "", *, labels: Mapping[str, str] | None = None
    ) -> ObjectList:
        """As the port."""
        return await self._cluster.list(kind, namespace, labels=labels)

    def watch(self, kind: Kind, namespace: str = "", *, since: int) -> AsyncIterator[WatchEvent]:
        """As the port."""
        return self._cluster.watch(kind, namespace, since=since)

    async def create(self, document: Document, *, dry_run: bool = False) -> Document:
        """As the port, through :meth:`write`."""
        return await self.write(
            "create",
            kind_of(document),
            _key(document),
            lambda: self._cluster.create(document, dry_run=dry_run),
        )

    async def update(self, document: Document, *, dry_run: bool = False) -> Document:
        """As the port, through :meth:`write`."""
        return await self.write(
            "update",
            kind_of(document),
            _key(document),
            lambda: self._cluster.update(document, dry_run=dry_run),
        )

    async def update_status(self, document: Document, *, dry_run: bool = False) -> Document:
        """As the port, through :meth:`write`."""
        return await self.write(
            "update_status",
            kind_of(document),
            _key(document),
            lambda: self._cluster.update_status(document, dry_run=dry_run),
        )

    async def merge(
        self, kind: Kind, key: Key, patch: Document, *, subresource: str = ""
    ) -> Document:
        """As the port, through :meth:`write`."""
        return await self.write(
            "merge",
            kind,
            key,
            lambda: self._cluster.merge(kind, key, patch, subresource=subresource),
        )

    async def delete(
        self, kind: Kind, key: Key, options: DeleteOptions | None = None
    ) -> Document | None:
        """As the port, through :meth:`write`."""
        return await self.write(
            "delete", kind, key, lambda: self._cluster.delete(kind, key, options)
        )


def _key(document: Document) -> Key:
    """Where it is, or (a name that the cluster completes) will be."""
    metadata = document["metadata"]
    return Key(metadata.get("namespace", ""), metadata.get("name", ""))
