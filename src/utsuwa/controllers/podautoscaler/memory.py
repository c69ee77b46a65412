"""What is remembered of each revision: decisions, and what cold starts cost.

Kept apart from what steers it, so that it can be there before the first decision: whoever keeps it
on disk restores it at the start of control, and takes what is new now and then.
"""

from collections import deque
from collections.abc import Iterable, Sequence

from utsuwa.cluster.port import Key
from utsuwa.controllers.podautoscaler.history import Budget, Entry, History
from utsuwa.routing.messages import ColdStart

KEPT_COLD_STARTS = 100
"""Of each revision, the newest."""


class Past:
    """Of one revision. Mutable state: `history`, `starts`; what has been taken: `_until` (time of
    an entry) and `_untaken` (starts)."""

    __slots__ = ("_untaken", "_until", "history", "starts")

    def __init__(self) -> None:
        self.history = History()
        self.starts: deque[ColdStart] = deque(maxlen=KEPT_COLD_STARTS)
        self._until = 0.0
        self._untaken: deque[ColdStart] = deque(maxlen=KEPT_COLD_STARTS)

    def __repr__(self) -> str:
        return f"<Past {self.history!r}, {len(self.starts)} cold starts>"

    def started(self, start: ColdStart) -> None:
        """A request found no pod."""
        self.starts.append(start)
        self._untaken.append(start)

    def restore(self, items: Iterable[Entry | ColdStart]) -> None:
        """This was known before: oldest first."""
        items = list(items)
        entries = [one for one in items if isinstance(one, Entry)]
        self.history.restore(entries)
        self.starts.extendleft(
            reversed([one for one in items if isinstance(one, ColdStart)][-KEPT_COLD_STARTS:])
        )
        self._until = max([self._until, *(entry.time for entry in entries)])

    def take(self, *, all_of_it: bool) -> list[Entry | ColdStart]:
        """What is new since the last call; an entry that may still be replaced only with
        `all_of_it`."""
        fresh = self.history.since(self._until)
        if fresh and fresh[-1].scaling is None and not all_of_it:
            fresh.pop()
        if fresh:
            self._until = fresh[-1].time
        starts = list(self._untaken)
        self._untaken.clear()
        return [*fresh, *starts]


class Memory:
    """Of all revisions. Mutable state: `_pasts`, and `_changed` since they were last taken."""

    def __init__(self) -> None:
        self._pasts: dict[Key, Past] = {}
        self._changed: set[Key] = set()

    def __repr__(self) -> str:
        return f"<Memory of {len(self._pasts)} revisions>"

    def of(self, revision: Key) -> Past:
        """What is remembered of `revision`, from now on if nothing was."""
        found = self._pasts.get(revision)
        if found is None:
            found = self._pasts[revision] = Past()
        return found

    def known(self, revision: Key) -> Past | None:
        """What is remembered of `revision`, if anything is."""
        return self._pasts.get(revision)

    def note(self, revision: Key, entry: Entry, budget: Budget) -> None:
        """A decision, and what became of it."""
        self.of(revision).history.add(entry, budget)
        self._changed.add(revision)

    def started(self, revision: Key, start: ColdStart) -> None:
        """A request of `revision` found no pod."""
        self.of(revision).started(start)
        self._changed.add(revision)

    def forget(self, revision: Key) -> None:
        """The revision is gone."""
        self._pasts.pop(revision, None)
        self._changed.discard(revision)

    def restore(self, revision: Key, items: Sequence[Entry | ColdStart]) -> None:
        """This was known of `revision` before control was started."""
        self.of(revision).restore(items)

    def take(self, *, all_of_it: bool = False) -> list[tuple[Key, Entry | ColdStart]]:
        """What is new since the last call, to be kept elsewhere."""
        changed, self._changed = self._changed, set()
        return [
            (revision, item)
            for revision in changed
            if (past := self._pasts.get(revision)) is not None
            for item in past.take(all_of_it=all_of_it)
        ]
