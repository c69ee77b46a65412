"""Garbage collection by ownerReferences, and the end of namespaces.

An object whose owners are all gone is deleted in the background. An owner that is deleted in the
foreground waits for the dependents that block it; one that orphans its dependents first takes
itself out of their ownerReferences (`spec/kubernetes-api.md` §5). A Namespace that is being
deleted takes everything in it along.

Informers tell where to look; what is done rests on the cluster's own answer, so a view that lags
can delay a deletion but never cause a wrong one. One controller a kind, so that a key is enough.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from utsuwa.cluster.errors import NotFoundError
from utsuwa.cluster.informer import Informers, key_of
from utsuwa.cluster.port import Cluster, DeleteOptions, Key, Preconditions, Propagation
from utsuwa.controllers.framework import Context, Controller
from utsuwa.kit.documents import Document, dig
from utsuwa.kit.log import get_logger
from utsuwa.model.kinds import KINDS, NAMESPACE, Kind

_log = get_logger(__name__)

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"

_CONTENT = tuple(kind for kind in reversed(KINDS) if kind.namespaced)
"""What a namespace holds, makers before what they make: so little is made anew meanwhile."""

_BY_NAME = {(kind.group, kind.name): kind for kind in KINDS}


@dataclass(frozen=True, slots=True)
class Place:
    """One object of any kind."""

    kind: Kind
    key: Key

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


class OwnerState(Enum):
    """What an ownerReference is worth."""

    SOLID = "solid"
    """The owner lives (or cannot be judged: nothing is deleted on a guess)."""
    GONE = "gone"
    """There is no such object, or another one has its name."""
    WAITING = "waiting"
    """The owner is being deleted in the foreground: it waits for its dependents."""


class Graph:
    """Who owns whom, by uid. Mutable state, all changed by :meth:`changed`: `_dependents` (owner's
    uid to the objects that name it), `_known` (the uids that exist), `_ending` (those whose
    deletion waits for the collector)."""

    def __init__(self) -> None:
        self._dependents: dict[str, dict[str, Place]] = {}
        self._known: set[str] = set()
        self._ending: dict[str, Place] = {}

    def __repr__(self) -> str:
        return f"<Graph {len(self._known)} objects, {len(self._dependents)} owners>"

    def changed(self, kind: Kind, old: Document | None, new: Document | None) -> set[Place]:
        """Take in a change; answers the objects that must be looked at because of it."""
        looks: set[Place] = set()
        if old is not None and (new is None or _uid(old) != _uid(new)):
            looks |= self._removed(kind, old)
        elif old is not None:
            looks |= self._let_go(old, _owners(old) - _owners(new or {}))
        if new is not None:
            looks |= self._put(kind, new)
        return looks

    def dependents(self, uid: str) -> list[Place]:
        """The objects that name the one with `uid` as an owner."""
        return list(self._dependents.get(uid, {}).values())

    def _put(self, kind: Kind, new: Document) -> set[Place]:
        place = Place(kind, key_of(new))
        uid = _uid(new)
        self._known.add(uid)
        for owner in _owners(new):
            self._dependents.setdefault(owner, {})[uid] = place
        if _collector_waits(new):
            self._ending[uid] = place
            return {place}
        self._ending.pop(uid, None)
        return {place} if _owners(new) - self._known else set()

    def _removed(self, kind: Kind, old: Document) -> set[Place]:
        uid = _uid(old)
        self._known.discard(uid)
        self._ending.pop(uid, None)
        return self._let_go(old, _owners(old)) | set(self.dependents(uid))

    def _let_go(self, dependent: Document, owners: Iterable[str]) -> set[Place]:
        """`dependent` no longer names `owners`: each may have waited for that."""
        looks: set[Place] = set()
        for owner in owners:
            dependents = self._dependents.get(owner, {})
            dependents.pop(_uid(dependent), None)
            if not dependents:
                self._dependents.pop(owner, None)
            if owner in self._ending:
                looks.add(self._ending[owner])
        return looks


@dataclass(frozen=True, slots=True)
class Collector:
    """Decides on one object of `kind`; the reconciler of the kind's controller."""

    kind: Kind
    cluster: Cluster
    graph: Graph

    async def reconcile(self, key: Key) -> None:
        """Delete the object if its owners are gone; end its deletion if that waits for us."""
        try:
            document = await self.cluster.get(self.kind, key)
        except NotFoundError:
            return
        finalizers = dig(document, "metadata", "finalizers", default=())
        if "deletionTimestamp" in document["metadata"]:
            if ORPHAN in finalizers:
                await self._orphan(document)
            elif FOREGROUND in finalizers:
                await self._end_foreground(document)
        elif document["metadata"].get("ownerReferences"):
            await self._collect(document)

    async def _collect(self, document: Document) -> None:
        references: list[Document] = document["metadata"]["ownerReferences"]
        states = [await self._judge(document, reference) for reference in references]
        if all(state is OwnerState.SOLID for state in states):
            return
        if OwnerState.SOLID in states:
            keep = [
                reference
                for reference, state in zip(references, states, strict=True)
                if state is OwnerState.SOLID
            ]
            await _set(self.cluster, self.kind, document, ownerReferences=keep)
            return
        waited_for = OwnerState.WAITING in states and self.graph.dependents(_uid(document))
        await self._delete(
            document, Propagation.FOREGROUND if waited_for else Propagation.BACKGROUND
        )

    async def _judge(self, document: Document, reference: Document) -> OwnerState:
        kind = _kind_of(reference)
        namespace = document["metadata"].get("namespace", "")
        if kind is None or (kind.namespaced and not namespace):
            return OwnerState.SOLID
        key = Key(namespace if kind.namespaced else "", reference["name"])
        try:
            owner = await self.cluster.get(kind, key)
        except NotFoundError:
            return OwnerState.GONE
        if _uid(owner) != reference["uid"]:
            return OwnerState.GONE
        metadata = owner["metadata"]
        if "deletionTimestamp" in metadata and FOREGROUND in metadata.get("finalizers", ()):
            return OwnerState.WAITING
        return OwnerState.SOLID

    async def _end_foreground(self, owner: Document) -> None:
        """Let `owner` go once no dependent blocks it; till then see to its dependents."""
        blocked = False
        for place in self.graph.dependents(_uid(owner)):
            blocking = await self._blocking(place, owner)
            if blocking is None:
                continue
            blocked = True
            if "deletionTimestamp" not in blocking["metadata"]:
                await Collector(place.kind, self.cluster, self.graph).reconcile(place.key)
        if not blocked:
            await self._drop_finalizer(owner, FOREGROUND)

    async def _blocking(self, place: Place, owner: Document) -> Document | None:
        """The object at `place` if it exists and holds `owner` back."""
        try:
            document = await self.cluster.get(place.kind, place.key)
        except NotFoundError:
            return None
        references = document["metadata"].get("ownerReferences", ())
        blocks = any(
            reference["uid"] == _uid(owner) and reference.get("blockOwnerDeletion")
            for reference in references
        )
        return document if blocks else None

    async def _orphan(self, owner: Document) -> None:
        """Set the dependents free. All kinds are read anew: one overlooked would be deleted."""
        uid = _uid(owner)
        namespace = owner["metadata"].get("namespace", "")
        for kind in KINDS:
            listed = await self.cluster.list(kind, namespace if kind.namespaced else "")
            for document in listed.items:
                if uid in _owners(document):
                    references = document["metadata"]["ownerReferences"]
                    keep = [reference for reference in references if reference["uid"] != uid]
                    await _set(self.cluster, kind, document, ownerReferences=keep)
        await self._drop_finalizer(owner, ORPHAN)

    async def _drop_finalizer(self, document: Document, finalizer: str) -> None:
        known: list[str] = document["metadata"]["finalizers"]
        keep = [name for name in known if name != finalizer]
        await _set(self.cluster, self.kind, document, finalizers=keep)

    async def _delete(self, document: Document, propagation: Propagation) -> None:
        key = key_of(document)
        version = document["metadata"]["resourceVersion"]
        options = DeleteOptions(
            propagation=propagation,
            preconditions=Preconditions(uid=_uid(document), resource_version=version),
        )
        _log.debug("deleting what its owners left behind", kind=str(self.kind), object=key)
        await self.cluster.delete(self.kind, key, options)


@dataclass(frozen=True, slots=True)
class NamespaceEnd:
    """Empties a Namespace that is being deleted, then lets it go."""

    cluster: Cluster
    informers: Informers

    async def reconcile(self, key: Key) -> None:
        """Delete what is in the namespace; when nothing is left, declare it empty."""
        try:
            namespace = await self.cluster.get(NAMESPACE, key)
        except NotFoundError:
            return
        if "deletionTimestamp" not in namespace["metadata"]:
            return
        left = 0
        for kind in _CONTENT:
            for document in (await self.cluster.list(kind, key.name)).items:
                left += not await self._ended(kind, document)
        if not left:
            await self.cluster.merge(
                NAMESPACE, key, {"spec": {"finalizers": None}}, subresource="finalize"
            )

    async def _ended(self, kind: Kind, document: Document) -> bool:
        if "deletionTimestamp" in document["metadata"]:
            return False
        try:
            return await self.cluster.delete(kind, key_of(document), DeleteOptions()) is None
        except NotFoundError:
            return True

    def of(self, document: Document) -> Iterable[Key]:
        """The namespace of `document`, if it is being deleted and may have waited for it."""
        key = Key("", document["metadata"].get("namespace", ""))
        namespace = self.informers.of(NAMESPACE).get(key)
        if namespace is not None and "deletionTimestamp" in namespace["metadata"]:
            yield key


def build(context: Context) -> list[Controller]:
    """A collector for each kind, and the one that ends namespaces."""
    graph = Graph()
    collectors = {
        kind: Controller(
            f"garbage.{kind.plural}", Collector(kind, context.cluster, graph), workers=1
        )
        for kind in KINDS
    }
    end = NamespaceEnd(context.cluster, context.informers)
    namespaces = Controller("garbage.end-of-namespaces", end, workers=1)
    namespaces.watch(context.informers.of(NAMESPACE))
    for kind in KINDS:
        informer = context.informers.of(kind)
        informer.on_change(_listener(kind, graph, collectors))
        if kind.namespaced:
            namespaces.watch(informer, end.of)
    return [*collectors.values(), namespaces]


def _listener(
    kind: Kind, graph: Graph, collectors: Mapping[Kind, Controller]
) -> Callable[[Document | None, Document | None], None]:
    def changed(old: Document | None, new: Document | None) -> None:
        for place in graph.changed(kind, old, new):
            collectors[place.kind].queue.add(place.key)

    return changed


async def _set(
    cluster: Cluster, kind: Kind, document: Document, **members: list[str] | list[Document]
) -> None:
    """Set lists in metadata, if the object is still as it was read (else ConflictError)."""
    metadata = {
        "uid": _uid(document),
        "resourceVersion": document["metadata"]["resourceVersion"],
        **{name: value or None for name, value in members.items()},
    }
    await cluster.merge(kind, key_of(document), {"metadata": metadata})


def _uid(document: Document) -> str:
    return str(document["metadata"]["uid"])


def _owners(document: Document) -> set[str]:
    references = dig(document, "metadata", "ownerReferences", default=())
    return {str(reference["uid"]) for reference in references}


def _collector_waits(document: Document) -> bool:
    """Whether the deletion of `document` cannot end without us."""
    metadata = document["metadata"]
    finalizers = metadata.get("finalizers", ())
    return "deletionTimestamp" in metadata and (ORPHAN in finalizers or FOREGROUND in finalizers)


def _kind_of(reference: Document) -> Kind | None:
    """The kind of an owner, whatever version names it; None when it is not served here."""
    group, slash, _ = str(reference.get("apiVersion", "")).rpartition("/")
    return _BY_NAME.get((group if slash else "", str(reference.get("kind", ""))))
