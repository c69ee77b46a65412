"""The broker's book: who holds which slot, who waits, who is next.

Pure and synchronous: every call tells what has happened, and `tell` what to say about it.

Invariants (held by a property test): of no pod more slots are held than it has; a slot that is
free here goes to a gateway that waits and can use it, in the same call; the first to ask is the
first to get.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from utsuwa.gateway.slots.words import (
    Grant,
    Join,
    Need,
    Return,
    Serve,
    ToBroker,
    ToGateway,
    Wanted,
)

Tell = Callable[[int, ToGateway], None]


@dataclass(eq=False)
class _Pod:
    """One pod: its slots, who holds how many, who can use it."""

    limit: int = 0
    held: dict[int, int] = field(default_factory=dict)
    serving: set[int] = field(default_factory=set)

    @property
    def free(self) -> int:
        return self.limit - sum(self.held.values())

    def change(self, gateway: int, count: int) -> None:
        """`gateway` holds `count` more, or less, but never less than none."""
        now = self.held.get(gateway, 0) + count
        if now > 0:
            self.held[gateway] = now
        else:
            self.held.pop(gateway, None)


@dataclass(eq=False)
class _Line:
    """One revision: its pods, and the line of those that wait, one place a request."""

    pods: dict[str, _Pod] = field(default_factory=dict)
    places: list[int] = field(default_factory=list)
    """Gateways in the order in which they asked, each as often as it waits for a slot."""
    granted: dict[int, list[int]] = field(default_factory=dict)
    """The numbers of the grants that a gateway may not have seen yet."""
    told: dict[int, bool] = field(default_factory=dict)

    def forget(self, gateway: int) -> None:
        """`gateway` neither waits nor serves."""
        self.places = [place for place in self.places if place != gateway]
        self.granted.pop(gateway, None)
        self.told.pop(gateway, None)
        for pod in self.pods.values():
            pod.serving.discard(gateway)

    def under_way(self, gateway: int, seen: int) -> int:
        """Grants that `gateway` has not seen yet."""
        left = [number for number in self.granted.get(gateway, ()) if number > seen]
        self.granted[gateway] = left
        return len(left)

    def tidy(self) -> None:
        """Drop the pods of whom nobody has anything to say."""
        for uid in [uid for uid, pod in self.pods.items() if not pod.held and not pod.serving]:
            del self.pods[uid]


class Ledger:
    """The slots of every revision. Gateways are known by their process ids.

    Mutable state: `_lines` by revision; `_joined`, the gateways we can speak to,
    and how many grants each was sent; `_expected`,
    those that live and have not told us yet what they hold: until then nothing is granted.
    """

    def __init__(self, tell: Tell, expected: Iterable[int] = ()) -> None:
        self._tell = tell
        self._lines: dict[str, _Line] = {}
        self._joined: dict[int, int] = {}
        self._expected = set(expected)

    def __repr__(self) -> str:
        return f"<Ledger {len(self._joined)} gateways, {len(self._lines)} revisions>"

    def held(self, revision: str, uid: str) -> int:
        """Slots of the pod that are out."""
        line = self._lines.get(revision)
        pod = line.pods.get(uid) if line is not None else None
        return sum(pod.held.values()) if pod is not None else 0

    # --- what gateways say ------------------------------------------------------------------------

    def heard(self, gateway: int, message: ToBroker) -> None:
        """Act on what `gateway` says."""
        if isinstance(message, Join):
            self._join(gateway, message)
            return
        line = self._lines.setdefault(message.revision, _Line())
        match message:
            case Need(waiting=waiting, seen=seen):
                self._need(line, gateway, waiting - line.under_way(gateway, seen))
            case Return(uid=uid, count=count):
                if uid in line.pods:
                    line.pods[uid].change(gateway, -count)
            case Serve(uid=uid, limit=limit):
                pod = line.pods.setdefault(uid, _Pod())
                if limit:
                    pod.limit = limit
                    pod.serving.add(gateway)
                else:
                    pod.serving.discard(gateway)
        self._settle(message.revision, line)

    def lost(self, gateway: int) -> None:
        """`gateway` cannot be spoken to. What it holds it may still use."""
        self._joined.pop(gateway, None)
        for name, line in list(self._lines.items()):
            line.forget(gateway)
            self._settle(name, line)

    def gone(self, gateway: int) -> None:
        """The process has ended, and with it every connection it had: what it held is free."""
        self._joined.pop(gateway, None)
        self._expected.discard(gateway)
        for line in self._lines.values():
            line.forget(gateway)
            for pod in line.pods.values():
                pod.held.pop(gateway, None)
        self._settle_all()

    def _join(self, gateway: int, message: Join) -> None:
        self._joined[gateway] = 0
        for line in self._lines.values():
            line.forget(gateway)
            for pod in line.pods.values():
                pod.held.pop(gateway, None)
        for lease in message.held:
            line = self._lines.setdefault(lease.revision, _Line())
            line.pods.setdefault(lease.uid, _Pod()).held[gateway] = lease.count
        self._expected.discard(gateway)
        self._settle_all()

    @staticmethod
    def _need(line: _Line, gateway: int, count: int) -> None:
        """`count` places are `gateway`'s: new ones at the end of the line, and those given up are
        the last it took."""
        change = count - line.places.count(gateway)
        if change > 0:
            line.places += [gateway] * change
        for _ in range(min(-change, line.places.count(gateway))):
            last = len(line.places) - 1 - line.places[::-1].index(gateway)
            del line.places[last]

    # --- what follows -----------------------------------------------------------------------------

    def _settle_all(self) -> None:
        for name, line in list(self._lines.items()):
            self._settle(name, line)

    def _settle(self, name: str, line: _Line) -> None:
        """Grant what can be granted, in order; then say who is waited for."""
        if not self._expected:
            self._grant(name, line)
        self._say_wanted(name, line)
        line.tidy()
        if not line.pods and not line.places:
            del self._lines[name]

    def _grant(self, name: str, line: _Line) -> None:
        vain: set[int] = set()
        index = 0
        while index < len(line.places):
            gateway = line.places[index]
            uid = None if gateway in vain else self._roomiest(line, gateway)
            if uid is None:
                vain.add(gateway)
                index += 1
                if len(vain) == len(self._joined):
                    return
                continue
            del line.places[index]
            line.pods[uid].change(gateway, 1)
            number = self._joined[gateway] = self._joined[gateway] + 1
            line.granted.setdefault(gateway, []).append(number)
            self._tell(gateway, Grant(name, uid))

    @staticmethod
    def _roomiest(line: _Line, gateway: int) -> str | None:
        """The pod with the most free slots among those that `gateway` can use."""
        free = [(pod.free, uid) for uid, pod in line.pods.items() if gateway in pod.serving]
        most, uid = max(free, key=lambda pair: pair[0], default=(0, ""))
        return uid if most > 0 else None

    def _say_wanted(self, name: str, line: _Line) -> None:
        waiting = set(line.places)
        for gateway in self._joined:
            wanted = bool(waiting - {gateway})
            if wanted != line.told.get(gateway, False):
                line.told[gateway] = wanted
                self._tell(gateway, Wanted(name, wanted))
