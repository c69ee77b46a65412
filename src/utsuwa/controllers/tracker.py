"""Who waits for whom: objects that must be looked at when another one, perhaps one that does
not exist yet, changes (`spec/reconcilers.md` §5)."""

from collections.abc import Iterable

from utsuwa.cluster.informer import key_of
from utsuwa.cluster.port import Key
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import Kind, kind_of

Tracked = tuple[Kind, Key]


class Tracker:
    """From tracked objects to their followers.

    Mutable state: `_follows` and `_followers`, each the other's inverse; changed synchronously.
    """

    def __init__(self) -> None:
        self._follows: dict[Key, frozenset[Tracked]] = {}
        self._followers: dict[Tracked, set[Key]] = {}

    def __repr__(self) -> str:
        return f"<Tracker {len(self._follows)} followers of {len(self._followers)} objects>"

    def follow(self, follower: Key, tracked: Iterable[Tracked]) -> None:
        """From now on `follower` follows exactly `tracked`; none means it is forgotten."""
        wanted = frozenset(tracked)
        known = self._follows.pop(follower, frozenset())
        if wanted:
            self._follows[follower] = wanted
        for target in known - wanted:
            followers = self._followers[target]
            followers.discard(follower)
            if not followers:
                del self._followers[target]
        for target in wanted - known:
            self._followers.setdefault(target, set()).add(follower)

    def followers_of(self, document: Document) -> Iterable[Key]:
        """Who follows `document`: made for :meth:`Controller.watch`."""
        return tuple(self._followers.get((kind_of(document), key_of(document)), ()))
