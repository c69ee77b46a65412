"""Who owns whom, as the informers see it: where a change must be looked into."""

from collections.abc import Iterable
from dataclasses import dataclass

from utsuwa.cluster.deletion import FOREGROUND, ORPHAN
from utsuwa.cluster.informer import key_of
from utsuwa.cluster.port import Key
from utsuwa.kit.documents import Document, dig
from utsuwa.model.kinds import Kind


@dataclass(frozen=True, slots=True)
class Place:
    """One object of any kind."""

    kind: Kind
    key: Key

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


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
        if old is not None and (new is None or uid_of(old) != uid_of(new)):
            looks |= self._removed(kind, old)
        elif old is not None:
            looks |= self._let_go(old, owners_of(old) - owners_of(new or {}))
        if new is not None:
            looks |= self._put(kind, new)
        return looks

    def dependents(self, uid: str) -> list[Place]:
        """The objects that name the one with `uid` as an owner."""
        return list(self._dependents.get(uid, {}).values())

    def _put(self, kind: Kind, new: Document) -> set[Place]:
        place = Place(kind, key_of(new))
        uid = uid_of(new)
        self._known.add(uid)
        for owner in owners_of(new):
            self._dependents.setdefault(owner, {})[uid] = place
        if _collector_waits(new):
            self._ending[uid] = place
            return {place}
        self._ending.pop(uid, None)
        return {place} if owners_of(new) - self._known else set()

    def _removed(self, kind: Kind, old: Document) -> set[Place]:
        uid = uid_of(old)
        self._known.discard(uid)
        self._ending.pop(uid, None)
        return self._let_go(old, owners_of(old)) | set(self.dependents(uid))

    def _let_go(self, dependent: Document, owners: Iterable[str]) -> set[Place]:
        """`dependent` no longer names `owners`: each may have waited for that."""
        looks: set[Place] = set()
        for owner in owners:
            dependents = self._dependents.get(owner, {})
            dependents.pop(uid_of(dependent), None)
            if not dependents:
                self._dependents.pop(owner, None)
            if owner in self._ending:
                looks.add(self._ending[owner])
        return looks


def uid_of(document: Document) -> str:
    """Its uid."""
    return str(document["metadata"]["uid"])


def owners_of(document: Document) -> set[str]:
    """The uids of those that `document` names as its owners."""
    references = dig(document, "metadata", "ownerReferences", default=())
    return {str(reference["uid"]) for reference in references}


def _collector_waits(document: Document) -> bool:
    """Whether the deletion of `document` cannot end without us."""
    metadata = document["metadata"]
    finalizers = metadata.get("finalizers", ())
    return "deletionTimestamp" in metadata and (ORPHAN in finalizers or FOREGROUND in finalizers)
