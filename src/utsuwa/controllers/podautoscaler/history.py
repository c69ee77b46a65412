"""The last hour of decisions on one revision, for whoever asks why."""

import itertools
from collections import deque
from collections.abc import Sequence

import msgspec

from utsuwa.autoscale.decider import Decision
from utsuwa.autoscale.reasons import Reason
from utsuwa.autoscale.scaling import Scaling

KEPT = 3600.0
"""Seconds for which a decision is kept."""
SPACING = 10.0
"""Seconds between two entries when nothing changes."""
MOST = 720
"""Entries per revision, whatever happens."""
MOST_IN_ALL = 30_000
"""Entries of all active revisions together: about 1 KiB each."""
FEWEST = 10
"""Entries that a revision may keep however many others there are."""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A decision and what became of it."""

    time: float
    """Unix seconds."""
    decision: Decision | None
    """What the decider said; None before there was data."""
    scaling: Scaling | None
    """What the bounds and the way to zero made of it; None when not looked at yet."""

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Every rule that fired, the decider's first."""
        first = () if self.decision is None else self.decision.reasons
        return first if self.scaling is None else (*first, *self.scaling.reasons)

    @property
    def changes_at(self) -> float | None:
        """Unix seconds before which the number of pods cannot fall by itself; None when only new
        load can change it."""
        if self.scaling is not None and self.scaling.again is not None:
            return self.time + self.scaling.again
        return None if self.decision is None else self.decision.changes_at


class Budget(msgspec.Struct, frozen=True):
    """How much one history may keep, so that all of them together stay bounded."""

    spacing: float = SPACING
    most: int = MOST

    @classmethod
    def shared(cls, active: int) -> "Budget":
        """The share of one among `active` revisions: fewer entries, and unchanged ones further
        apart."""
        most = max(FEWEST, min(MOST, MOST_IN_ALL // max(1, active)))
        return cls(SPACING * MOST / most, most)


WHOLE_BUDGET = Budget()


class History:
    """A ring of entries, oldest first: every change, and one now and then in between.

    Mutable state: `_entries`, and `_outcome`, what the last of them is compared by; `current` is
    the newest, kept or not.
    """

    __slots__ = ("_entries", "_outcome", "current")

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque()
        self._outcome: tuple[object, ...] = ()
        self.current: Entry | None = None

    def __repr__(self) -> str:
        return f"<History {len(self._entries)} entries>"

    def add(self, entry: Entry, budget: Budget = WHOLE_BUDGET) -> None:
        """Note `entry`; kept when it differs from the last kept one, or that is old enough.
        One that only adds what became of the last decision takes that one's place."""
        self.current = entry
        entries = self._entries
        outcome = _outcome(entry)
        if entries and entries[-1].scaling is None and entries[-1].decision is entry.decision:
            entries.pop()
            self._outcome = _outcome(entries[-1]) if entries else ()
        while entries and entries[0].time < entry.time - KEPT:
            entries.popleft()
        old_enough = not entries or entry.time - entries[-1].time >= budget.spacing
        if old_enough or outcome != self._outcome:
            entries.append(entry)
            self._outcome = outcome
        while len(entries) > budget.most:
            entries.popleft()

    def entries(self) -> list[Entry]:
        """What is kept, oldest first."""
        return list(self._entries)

    def since(self, time: float) -> list[Entry]:
        """Those that are newer than `time`, oldest first."""
        found = list(itertools.takewhile(lambda one: one.time > time, reversed(self._entries)))
        found.reverse()
        return found

    def restore(self, entries: Sequence[Entry]) -> None:
        """What was kept before, oldest first; nothing is current because of it."""
        self._entries.extendleft(reversed(entries))
        if self._entries and not self._outcome:
            self._outcome = _outcome(self._entries[-1])


def _outcome(entry: Entry) -> tuple[object, ...]:
    """What two entries are compared by: made once for each, it is on the path of every tick."""
    decision, scaling = entry.decision, entry.scaling
    found: list[object] = []
    if decision is not None:
        found += (decision.desired, decision.panicking, decision.ready)
        found += [reason.code for reason in decision.reasons]
    if scaling is not None:
        found += ("scaling", scaling.want, scaling.apply)
        found += [reason.code for reason in scaling.reasons]
    return tuple(found)
