"""Informers: a shared, watched view of one kind each, read without asking the cluster.

What an informer returns may be a moment old; a reconciler that is about to create children asks
the cluster itself. Documents are shared: read, never change.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import TypeAlias

from utsuwa.cluster.errors import ExpiredError
from utsuwa.cluster.port import Cluster, EventType, Key, WatchEvent
from utsuwa.kit.documents import Document, dig
from utsuwa.kit.log import get_logger
from utsuwa.kit.tasks import TaskSet
from utsuwa.model.kinds import Kind

_log = get_logger(__name__)

Documents: TypeAlias = list[Document]
"""Spelled here: inside the class, `list` is a method."""

ChangeHandler: TypeAlias = Callable[[Document | None, Document | None], None]
"""Called with (old, new): old is None for an added object, new is None for a removed one."""


def key_of(document: Document) -> Key:
    """Where `document` lives."""
    metadata = document["metadata"]
    return Key(metadata.get("namespace", ""), metadata["name"])


def owner_uid(document: Document) -> str:
    """The uid of the controller that owns `document`, or ""."""
    for reference in dig(document, "metadata", "ownerReferences", default=()):
        if reference.get("controller"):
            return str(reference["uid"])
    return ""


def labels_match(document: Document, labels: Mapping[str, str] | None) -> bool:
    """Whether the object's labels include all of `labels`."""
    if not labels:
        return True
    own = dig(document, "metadata", "labels", default={})
    return all(own.get(name) == value for name, value in labels.items())


class Informer:
    """All objects of one kind, kept current by list and watch.

    Mutable state: `_objects` and `_owned` (the same objects by owner), changed synchronously by
    one task; handlers are called in the same step, so they see the view that they are told of.
    """

    def __init__(self, cluster: Cluster, kind: Kind) -> None:
        self.kind = kind
        self._cluster = cluster
        self._objects: dict[Key, Document] = {}
        self._owned: dict[str, dict[Key, Document]] = {}
        self._handlers: list[ChangeHandler] = []
        self._synced = asyncio.Event()

    def __repr__(self) -> str:
        state = "synced" if self._synced.is_set() else "not synced"
        return f"<Informer {self.kind}: {len(self._objects)} objects, {state}>"

    def get(self, key: Key) -> Document | None:
        """The object at `key`, or None."""
        return self._objects.get(key)

    def list(self, namespace: str = "", labels: Mapping[str, str] | None = None) -> Documents:
        """All objects, or those of one namespace, whose labels include `labels`."""
        return [
            document
            for key, document in self._objects.items()
            if (not namespace or key.namespace == namespace) and labels_match(document, labels)
        ]

    def owned_by(self, uid: str) -> Documents:
        """The objects whose controller is the one with `uid`."""
        return list(self._owned.get(uid, {}).values())

    def on_change(self, handler: ChangeHandler) -> None:
        """Call `handler(old, new)` on each change from now on, and with (None, object) at once
        for each object already known."""
        self._handlers.append(handler)
        for document in list(self._objects.values()):
            handler(None, document)

    async def synced(self) -> None:
        """Wait until the first list is in."""
        await self._synced.wait()

    async def run(self) -> None:
        """List, then watch, for ever; list anew when the watch's start is no longer kept."""
        while True:
            listed = await self._cluster.list(self.kind)
            self._replace(listed.items)
            self._synced.set()
            try:
                async for event in self._cluster.watch(self.kind, since=listed.resource_version):
                    self._apply(event)
            except ExpiredError:
                _log.debug("watch fell behind, listing anew", kind=str(self.kind))

    def _replace(self, items: Documents) -> None:
        fresh = {key_of(document): document for document in items}
        for key in [key for key in self._objects if key not in fresh]:
            self._put(key, None)
        for key, document in fresh.items():
            known = self._objects.get(key)
            if known is None or known["metadata"] != document["metadata"] or known != document:
                self._put(key, document)

    def _apply(self, event: WatchEvent) -> None:
        if event.type is EventType.BOOKMARK:
            return
        gone = event.type is EventType.DELETED
        self._put(key_of(event.object), None if gone else event.object)

    def _put(self, key: Key, new: Document | None) -> None:
        old = self._objects.pop(key, None)
        if old is not None:
            owned = self._owned.get(owner_uid(old), {})
            owned.pop(key, None)
            if not owned:
                self._owned.pop(owner_uid(old), None)
        if new is not None:
            self._objects[key] = new
            if uid := owner_uid(new):
                self._owned.setdefault(uid, {})[key] = new
        if old is not None or new is not None:
            for handler in self._handlers:
                handler(old, new)


class Informers:
    """One shared informer a kind, made when first asked for."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._informers: dict[Kind, Informer] = {}
        self._tasks: TaskSet | None = None

    def of(self, kind: Kind) -> Informer:
        """The informer of `kind`; it runs from :meth:`start` on, or at once if started."""
        if kind not in self._informers:
            informer = self._informers[kind] = Informer(self._cluster, kind)
            if self._tasks is not None:
                self._tasks.spawn(informer.run(), name=f"informer {kind}")
        return self._informers[kind]

    def start(self, tasks: TaskSet) -> None:
        """Run every informer asked for so far, and later ones as they are asked for."""
        self._tasks = tasks
        for kind, informer in self._informers.items():
            tasks.spawn(informer.run(), name=f"informer {kind}")

    async def synced(self) -> None:
        """Wait until all of them have listed once."""
        for informer in list(self._informers.values()):
            await informer.synced()
