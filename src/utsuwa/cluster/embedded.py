"""The embedded cluster: the port over the store, with the semantics of Kubernetes.

Each write is decided in one step against the store's pending state and queued in the same step:
no await lies between, so of two writers that race only one wins. What is answered is durable; a
refusal, too, is told only once what it rests on is durable.
"""

from collections.abc import AsyncIterator, Callable, Mapping

from utsuwa.cluster import refusals, semantics
from utsuwa.cluster.deletion import deleted
from utsuwa.cluster.errors import AlreadyExistsError, ApiError, ExpiredError
from utsuwa.cluster.informer import labels_match
from utsuwa.cluster.port import DeleteOptions, EventType, Key, ObjectList, WatchEvent
from utsuwa.cluster.semantics import Outcome
from utsuwa.kit.clock import Clock
from utsuwa.kit.documents import Document, copy, dig
from utsuwa.kit.ids import Ids
from utsuwa.model.kinds import NAMESPACE, Kind, kind_of
from utsuwa.store import Change, HistoryGoneError, ObjectKey, Store, StoreError, Watcher

_NAME_ATTEMPTS = 8


class Embedded:
    """Implements :class:`utsuwa.cluster.port.Cluster` over an open store.

    A write that the disk refuses, or that comes after the store was closed, raises ApiError (500).
    """

    def __init__(self, store: Store, *, clock: Clock, ids: Ids) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids

    def __repr__(self) -> str:
        return f"<Embedded over {self._store!r}>"

    @property
    def resource_version(self) -> int:
        """The newest committed version."""
        return self._store.version

    async def get(self, kind: Kind, key: Key) -> Document:
        """The object. Raises NotFoundError."""
        document = self._store.get(_place(kind, key))
        if document is None:
            raise refusals.not_found(kind, key.name)
        return document

    async def list(
        self, kind: Kind, namespace: str = "", *, labels: Mapping[str, str] | None = None
    ) -> ObjectList:
        """All objects, or those of one namespace, whose labels include `labels`, by name."""
        items = self._store.list(kind.resource, namespace if kind.namespaced else "")
        if labels:
            items = [document for document in items if labels_match(document, labels)]
        return ObjectList(items, self._store.version)

    def watch(self, kind: Kind, namespace: str = "", *, since: int) -> AsyncIterator[WatchEvent]:
        """Changes after `since`. Raises ExpiredError at once when that is no longer known."""
        try:
            watcher = self._store.watch(
                kind.resource, namespace if kind.namespaced else "", since=since
            )
        except HistoryGoneError as error:
            raise ExpiredError(str(error)) from error
        return _Watch(watcher)

    async def create(self, document: Document, *, dry_run: bool = False, uid: str = "") -> Document:
        """Store a new object, with the `uid` that was chosen for it beforehand, or one of its own;
        clients of the API cannot choose. Raises AlreadyExistsError, NotFoundError or ForbiddenError (its
        namespace is missing or ends), InvalidError, BadRequestError."""
        kind = _kind(document)
        attempts = 1 if dig(document, "metadata", "name") else _NAME_ATTEMPTS
        while True:
            attempts -= 1
            try:
                return await self._write(lambda: self._create(kind, document, uid), dry_run=dry_run)
            except AlreadyExistsError:
                if attempts <= 0:
                    raise

    async def update(self, document: Document, *, dry_run: bool = False) -> Document:
        """Replace everything but status. Raises ConflictError, NotFoundError, InvalidError."""
        kind = _kind(document)
        key = semantics.key_for(kind, document)
        return await self._apply(kind, key, lambda _: document, "", dry_run=dry_run)

    async def update_status(self, document: Document, *, dry_run: bool = False) -> Document:
        """Replace status alone. Raises ConflictError, NotFoundError."""
        kind = _kind(document)
        key = semantics.key_for(kind, document)
        return await self._apply(kind, key, lambda _: document, "status", dry_run=dry_run)

    async def merge(
        self, kind: Kind, key: Key, patch: Document, *, subresource: str = ""
    ) -> Document:
        """Lay a merge patch over the object as it is now, atomically. Beside the sub-resources of
        the port, `finalize` sets a Namespace's `spec.finalizers`."""
        return await self._apply(
            kind, key, lambda current: semantics.merged(current, patch), subresource
        )

    async def transform(
        self,
        kind: Kind,
        key: Key,
        function: Callable[[Document], Document],
        *,
        subresource: str = "",
        dry_run: bool = False,
    ) -> Document:
        """Replace the object by `function(a copy of it as it is now)`, atomically.

        `function` must not wait; what it raises reaches the caller and nothing is written.
        """
        return await self._apply(
            kind, key, lambda current: function(copy(current)), subresource, dry_run=dry_run
        )

    async def delete(
        self, kind: Kind, key: Key, options: DeleteOptions | None = None
    ) -> Document | None:
        """Delete; None when the object is gone, else the object as it stays."""
        gone = False

        def decide() -> tuple[ObjectKey, Outcome]:
            nonlocal gone
            place = _place(kind, key)
            outcome = deleted(kind, self._current(kind, key), options, now=self._clock.now())
            gone = outcome.gone
            return place, outcome

        document = await self._write(decide, dry_run=options is not None and options.dry_run)
        return None if gone else document

    # --- one write --------------------------------------------------------------------------------

    async def _apply(
        self,
        kind: Kind,
        key: Key,
        function: Callable[[Document], Document],
        subresource: str,
        *,
        dry_run: bool = False,
    ) -> Document:
        def decide() -> tuple[ObjectKey, Outcome]:
            current = self._current(kind, key)
            outcome = semantics.written(kind, current, function(current), subresource)
            return _place(kind, key), outcome

        return await self._write(decide, dry_run=dry_run)

    async def _write(
        self, decide: Callable[[], tuple[ObjectKey, Outcome]], *, dry_run: bool
    ) -> Document:
        """Decide and queue in one step, then wait until that is durable."""
        try:
            try:
                place, outcome = decide()
            except ApiError:
                await self._store.settled()
                raise
            if dry_run or (not outcome.gone and outcome.document is self._store.pending(place)):
                await self._store.settled()
            elif outcome.gone:
                await self._store.remove(place, outcome.document)
            else:
                await self._store.put(place, outcome.document)
        except StoreError as error:
            raise ApiError(str(error)) from error
        return outcome.document

    def _create(self, kind: Kind, document: Document, uid: str) -> tuple[ObjectKey, Outcome]:
        new = semantics.created(kind, document, now=self._clock.now(), ids=self._ids, uid=uid)
        key = semantics.key_for(kind, new)
        place = _place(kind, key)
        if kind.namespaced:
            self._check_namespace(kind, key)
        if self._store.pending(place) is not None:
            raise refusals.already_exists(kind, key.name)
        return place, Outcome(new)

    def _check_namespace(self, kind: Kind, key: Key) -> None:
        namespace = self._store.pending(ObjectKey(NAMESPACE.resource, "", key.namespace))
        if namespace is None:
            raise refusals.no_namespace(key.namespace)
        if "deletionTimestamp" in namespace["metadata"]:
            raise refusals.terminating(kind, key.name, key.namespace)

    def _current(self, kind: Kind, key: Key) -> Document:
        document = self._store.pending(_place(kind, key))
        if document is None:
            raise refusals.not_found(kind, key.name)
        return document


class _Watch:
    """Turns the store's changes into events of the port."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher

    def __aiter__(self) -> AsyncIterator[WatchEvent]:
        return self

    async def __anext__(self) -> WatchEvent:
        try:
            change = await self._watcher.__anext__()
        except HistoryGoneError as error:
            raise ExpiredError(str(error)) from error
        return _event(change)


def _event(change: Change) -> WatchEvent:
    if change.removed:
        event = EventType.DELETED
    else:
        event = EventType.ADDED if change.previous is None else EventType.MODIFIED
    return WatchEvent(event, change.document, change.version, change.previous)


def _place(kind: Kind, key: Key) -> ObjectKey:
    return ObjectKey(kind.resource, key.namespace if kind.namespaced else "", key.name)


def _kind(document: Document) -> Kind:
    try:
        return kind_of(document)
    except KeyError as error:
        what = f"{document.get('apiVersion')!r}, kind {document.get('kind')!r}"
        raise refusals.bad_request(f"no kind is served for apiVersion {what}") from error
