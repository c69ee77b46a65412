"""What becomes of one object: collected with its owners, kept, or let go in its order."""

from dataclasses import dataclass
from enum import Enum

from utsuwa.cluster.deletion import FOREGROUND, ORPHAN
from utsuwa.cluster.errors import NotFoundError
from utsuwa.cluster.informer import key_of
from utsuwa.cluster.port import Cluster, DeleteOptions, Key, Preconditions, Propagation
from utsuwa.controllers.garbage.graph import (
    Graph,
    Place,
    owners_of,
    uid_of,
)
from utsuwa.kit.documents import Document, dig
from utsuwa.kit.log import get_logger
from utsuwa.model.kinds import KINDS, Kind

_log = get_logger(__name__)

_BY_NAME = {(kind.group, kind.name): kind for kind in KINDS}


class OwnerState(Enum):
    """What an ownerReference is worth."""

    SOLID = "solid"
    """The owner lives (or cannot be judged: nothing is deleted on a guess)."""
    GONE = "gone"
    """There is no such object, or another one has its name."""
    WAITING = "waiting"
    """The owner is being deleted in the foreground: it waits for its dependents."""


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
        waited_for = OwnerState.WAITING in states and self.graph.dependents(uid_of(document))
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
        if uid_of(owner) != reference["uid"]:
            return OwnerState.GONE
        metadata = owner["metadata"]
        if "deletionTimestamp" in metadata and FOREGROUND in metadata.get("finalizers", ()):
            return OwnerState.WAITING
        return OwnerState.SOLID

    async def _end_foreground(self, owner: Document) -> None:
        """Let `owner` go once no dependent blocks it; till then see to its dependents."""
        blocked = False
        for place in self.graph.dependents(uid_of(owner)):
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
            reference["uid"] == uid_of(owner) and reference.get("blockOwnerDeletion")
            for reference in references
        )
        return document if blocks else None

    async def _orphan(self, owner: Document) -> None:
        """Set the dependents free. All kinds are read anew: one overlooked would be deleted."""
        uid = uid_of(owner)
        namespace = owner["metadata"].get("namespace", "")
        for kind in KINDS:
            listed = await self.cluster.list(kind, namespace if kind.namespaced else "")
            for document in listed.items:
                if uid in owners_of(document):
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
            preconditions=Preconditions(uid=uid_of(document), resource_version=version),
        )
        _log.debug("deleting what its owners left behind", kind=str(self.kind), object=key)
        await self.cluster.delete(self.kind, key, options)


async def _set(
    cluster: Cluster, kind: Kind, document: Document, **members: list[str] | list[Document]
) -> None:
    """Set lists in metadata, if the object is still as it was read (else ConflictError)."""
    metadata = {
        "uid": uid_of(document),
        "resourceVersion": document["metadata"]["resourceVersion"],
        **{name: value or None for name, value in members.items()},
    }
    await cluster.merge(kind, key_of(document), {"metadata": metadata})


def _kind_of(reference: Document) -> Kind | None:
    """The kind of an owner, whatever version names it; None when it is not served here."""
    group, slash, _ = str(reference.get("apiVersion", "")).rpartition("/")
    return _BY_NAME.get((group if slash else "", str(reference.get("kind", ""))))
