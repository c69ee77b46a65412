"""The gateway and its replacement: a new one starts behind the same sockets, the old one leaves
when the new one serves.

The rules, without processes of their own (a :class:`Child` is started and signalled by whoever
owns it): one replacement at a time; a wish for another waits until this one is done; a
replacement that dies or does not serve in time is given up, and the old gateway serves on; an old
gateway that dies meanwhile is followed by its replacement, which is on its way already.
"""

import signal
from collections.abc import Callable

from utsuwa.app import processes
from utsuwa.app.child import Child

PATIENCE = 30.0
"""Seconds in which a replacement must serve."""


class Rolling:
    """The gateway that serves, the one that is to follow it, and those that still end requests.

    Mutable state: `current`, `successor` (None unless a replacement is under way), `leaving` and
    `asked` (another replacement is wanted).
    """

    def __init__(self, make: Callable[[], Child], say: Callable[[str], None]) -> None:
        self._make = make
        self._say = say
        self.current = make()
        self.successor: Child | None = None
        self.leaving: list[Child] = []
        self.asked = False

    def __repr__(self) -> str:
        return f"<Rolling {self.current!r} then {self.successor!r}, {len(self.leaving)} leaving>"

    @property
    def kept(self) -> list[Child]:
        """Those that are to run."""
        return [self.current, *([self.successor] if self.successor else [])]

    @property
    def all(self) -> list[Child]:
        """Everyone who may run, the one that serves first."""
        return [*self.kept, *self.leaving]

    def begin(self) -> None:
        """Start a replacement if one is wanted and none is under way."""
        if self.asked and self.successor is None:
            self.asked = False
            self.successor = self._make()
            self.successor.name = f"{self.current.name} (new)"

    def serving(self, pid: int) -> None:
        """The gateway `pid` accepts connections: if it is the replacement, the old one may go."""
        if self.successor is not None and self.successor.pid == pid:
            old = self.current
            self._promote()
            old.name = f"{old.name} (leaving)"
            self.leaving.append(old)
            old.signal(signal.SIGHUP)
            self._say(f"gateway {old.pid} is replaced by {pid} and ends its last requests")

    def exited(self, identity: processes.Identity, how: str) -> bool:
        """Whether `identity`'s end is settled here; otherwise its owner starts it again."""
        for old in self.leaving:
            if old.identity == identity:
                self.leaving.remove(old)
                old.identity = None
                return True
        if self.successor is None:
            return False
        if self.successor.identity == identity:
            failed, self.successor = self.successor, None
            self._say(
                f"the new gateway ended before it served ({how}): {failed.last_line()}; "
                f"the old one serves on, the log is {failed.log}"
            )
            return True
        if self.current.identity == identity:
            self._promote()
            self._say(f"gateway ended ({how}) while it was replaced: the new one takes over")
            return True
        return False

    def _promote(self) -> None:
        if self.successor is not None:
            self.successor.name = self.current.name
            self.current, self.successor = self.successor, None

    def overdue(self, now: float) -> float | None:
        """Seconds until the replacement must serve, None if there is none; kills it when late."""
        if self.successor is None or self.successor.identity is None:
            return None
        left = self.successor.started + PATIENCE - now
        if left <= 0:
            self.successor.signal(signal.SIGKILL)
            return PATIENCE
        return left
