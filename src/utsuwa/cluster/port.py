"""The port: what controllers, the node agent and the API server may ask of a cluster.

Objects are raw documents. What comes out is shared and must not be changed; what goes in is
copied. Semantics are those of Kubernetes (`spec/kubernetes-api.md` §5): one growing
resourceVersion for the whole cluster, optimistic concurrency where a written document carries a
resourceVersion, `generation` + 1 on a change outside metadata and status, no-op writes change
nothing and make no event, finalizers and deletion grace, cascading by ownerReferences.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, Protocol

from utsuwa.kit.documents import Document
from utsuwa.model.kinds import Kind


class Key(NamedTuple):
    """Where an object lives; `namespace` is empty for cluster-scoped kinds."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class EventType(Enum):
    """What happened to a watched object."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    BOOKMARK = "BOOKMARK"


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One change. A DELETED event carries the object's last state, at the deletion's version."""

    type: EventType
    object: Document
    resource_version: int
    previous: Document | None = None
    """The object before the change, where the adapter knows it: watches with a selector tell
    from it whether an object enters or leaves the selection."""


@dataclass(frozen=True, slots=True)
class ObjectList:
    """A consistent list: `resource_version` is the point to watch from."""

    items: list[Document]
    resource_version: int


@dataclass(frozen=True, slots=True)
class Preconditions:
    """What must hold for a delete to go through."""

    uid: str | None = None
    resource_version: str | None = None


class Propagation(Enum):
    """What becomes of the objects that a deleted one owns."""

    BACKGROUND = "Background"
    FOREGROUND = "Foreground"
    ORPHAN = "Orphan"


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """How to delete. `grace_seconds` matters for Pods alone: None is the Pod's own grace."""

    propagation: Propagation = Propagation.BACKGROUND
    grace_seconds: int | None = None
    preconditions: Preconditions = field(default_factory=Preconditions)
    dry_run: bool = False


class Cluster(Protocol):
    """Everything raises the errors of :mod:`utsuwa.cluster.errors`."""

    async def get(self, kind: Kind, key: Key) -> Document:
        """The object. Raises NotFoundError."""
        ...

    async def list(
        self, kind: Kind, namespace: str = "", *, labels: Mapping[str, str] | None = None
    ) -> ObjectList:
        """All objects, or those of one namespace, whose labels include `labels`."""
        ...

    def watch(self, kind: Kind, namespace: str = "", *, since: int) -> AsyncIterator[WatchEvent]:
        """Changes after version `since`, in order, for ever. Raises ExpiredError when `since` is
        older than the history kept, also in mid-stream to a reader that falls too far behind."""
        ...

    async def create(self, document: Document, *, dry_run: bool = False) -> Document:
        """Store a new object (status included only for kinds without a status sub-resource);
        `generateName` is resolved. Raises AlreadyExistsError, NotFoundError (its namespace)."""
        ...

    async def update(self, document: Document, *, dry_run: bool = False) -> Document:
        """Replace everything but status. Raises ConflictError when the document carries another
        resourceVersion (or uid) than the stored one, NotFoundError."""
        ...

    async def update_status(self, document: Document, *, dry_run: bool = False) -> Document:
        """Replace status alone. Raises as :meth:`update`."""
        ...

    async def merge(
        self, kind: Kind, key: Key, patch: Document, *, subresource: str = ""
    ) -> Document:
        """Lay an RFC 7386 merge patch over the object as it is now, atomically. `subresource`:
        "" (all but status), "status", or "scale" (`{"spec": {"replicas": n}}`)."""
        ...

    async def delete(
        self, kind: Kind, key: Key, options: DeleteOptions | None = None
    ) -> Document | None:
        """Delete; answers None when the object is gone, or the object when it stays with a
        deletionTimestamp (finalizers, foreground propagation, a Pod that ends in grace)."""
        ...
