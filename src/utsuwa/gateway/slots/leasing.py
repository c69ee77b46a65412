"""Admission where several gateways share the slots: a slot must be held before it is used.

A slot that we do not hold counts as taken by others (:meth:`Admission.occupy`), so that everything
else stays as it is, and a request that finds a slot we hold costs no message. Held slots are kept
when they fall idle, until requests wait at another gateway. Then an idle slot is returned at once,
and one that falls free likewise, except that it serves our own line for the rest of its turn.
"""

from abc import ABCMeta, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from utsuwa.gateway.admission import Admission, Backend, Requester
from utsuwa.gateway.slots.words import MOST, Lease, Need, Return, Serve, ToBroker

TURN = 0.02
"""Seconds for which a slot may serve the line of its gateway while others wait: long enough that
a move costs little beside what it carries, short beside what anybody notices."""

B = TypeVar("B", bound=Backend)


class Broker(Protocol):
    """Whoever takes our words to the broker."""

    @property
    def seen(self) -> int:
        """Grants that have come on this connection."""
        ...

    def send(self, message: ToBroker) -> None:
        """Say it; lost while there is no connection (all is told anew when there is one)."""
        ...


class Leases:
    """What one revision knows of its slots.

    Mutable state: `turns`, when the turn of each slot that was granted ends, oldest first (slots
    without one have had theirs); `wanted`, requests wait at other gateways; `told`, the places
    that the broker believes are ours; `counting`, a count is due.
    """

    __slots__ = ("broker", "counting", "later", "now", "told", "turns", "wanted")

    def __init__(
        self,
        broker: Broker,
        now: Callable[[], float],
        later: Callable[[Callable[[], None]], object],
    ) -> None:
        """`later` calls once what is happening now is over."""
        self.broker = broker
        self.now = now
        self.later = later
        self.turns: deque[float] = deque()
        self.wanted = False
        self.told = 0
        self.counting = False

    def __repr__(self) -> str:
        return f"<Leases {len(self.turns)} in turn, wanted={self.wanted}, told {self.told}>"


_NONE: tuple[str, ...] = ()
"""The slots are the heirs': a class cannot have two ancestors that have some."""


class Leasing(Admission[B], metaclass=ABCMeta):
    """An :class:`Admission` that holds leases. Without a limit it is one like any other.

    Mutable state, kept by the heirs: `leases`, and `held`, how many slots of each backend are
    ours, in use or not (none: not in it).
    """

    __slots__ = _NONE

    leases: Leases
    held: dict[B, int]

    # --- what the heirs know ----------------------------------------------------------------------

    @property
    @abstractmethod
    def known_as(self) -> str:
        """The name of what the line is for."""

    @abstractmethod
    def backends(self) -> Iterable[tuple[str, B]]:
        """All of them, by uid."""

    @abstractmethod
    def uid_of(self, backend: B) -> str:
        """By which the broker knows `backend`."""

    @abstractmethod
    def find(self, uid: str) -> B | None:
        """The backend that is known as `uid`."""

    def spare(self, backend: B) -> None:
        """Close the connections to `backend` for which no slot is held.

        A program that serves one connection at a time would wait on ours for a request that
        another gateway has.
        """

    # --- requests ---------------------------------------------------------------------------------

    def arrive(self, request: Requester[B]) -> B | None:
        """As :meth:`Admission.arrive`; if it must wait, the broker hears of it."""
        backend = super().arrive(request)
        if backend is None:
            self._count_later()
        return backend

    def end(self, backend: B) -> None:
        """As :meth:`Admission.end`; the slot may be another gateway's then."""
        held = self.held.get(backend, 0)
        if not held or (backend.usable and not self._must_return()):
            super().end(backend)
            if self.waiting:
                self._count_later()
            return
        if self.limit >= held > 0:
            self.pass_on(backend)
        else:
            super().end(backend)
        self._give(backend, held, 1)

    def abandon(self, request: Requester[B]) -> bool:
        """As :meth:`Admission.abandon`."""
        waited = super().abandon(request)
        if waited:
            self._count_later()
        return waited

    def give_back(self, backend: B, requests: Sequence[Requester[B]]) -> None:
        """As :meth:`Admission.give_back`."""
        super().give_back(backend, requests)
        self._count_later()

    def refuse_waiting(self, reason: str) -> None:
        """As :meth:`Admission.refuse_waiting`."""
        super().refuse_waiting(reason)
        self._count_later()

    def _must_return(self) -> bool:
        leases = self.leases
        if not leases.wanted:
            return False
        return not (self.waiting and leases.turns and leases.turns[0] > leases.now())

    # --- backends ---------------------------------------------------------------------------------

    def open(self, backend: B) -> None:
        """As :meth:`Admission.open`; the broker hears that we can use its slots."""
        was_usable = backend.usable
        super().open(backend)
        if backend.usable and not was_usable and self.limit:
            self.leases.broker.send(Serve(self.known_as, self.uid_of(backend), self.limit))
            self.spare(backend)

    def close(self, backend: B) -> None:
        """As :meth:`Admission.close`; idle slots go back."""
        was_usable = backend.usable
        super().close(backend)
        if was_usable and self.limit:
            self.leases.broker.send(Serve(self.known_as, self.uid_of(backend), 0))
            self._return_idle(backend)

    def set_limit(self, limit: int) -> None:
        """As :meth:`Admission.set_limit`. In force for idle slots at once, for others when they
        fall free."""
        waiting, self.waiting = self.waiting, type(self.waiting)()
        for _, backend in self.backends():
            self._return_idle(backend)
        super().set_limit(limit)
        for uid, backend in self.backends():
            self.occupy(backend, self.taken(backend))
            if backend.usable:
                self.leases.broker.send(Serve(self.known_as, uid, limit))
        self.waiting = waiting
        self._dispatch()
        self._count_later()

    def taken(self, backend: B) -> int:
        """Slots of `backend` that are not ours."""
        return max(0, self.limit - self.held.get(backend, 0))

    # --- the broker -------------------------------------------------------------------------------

    def granted(self, uid: str) -> None:
        """One more slot of the backend is ours."""
        backend = self.find(uid)
        leases = self.leases
        leases.told = max(0, leases.told - 1)
        if backend is None or not backend.usable or not self.limit:
            leases.broker.send(Return(self.known_as, uid, 1))
            self._count_later()
            return
        self.held[backend] = self.held.get(backend, 0) + 1
        leases.turns.append(leases.now() + TURN)
        self.occupy(backend, self.taken(backend))
        if leases.wanted:
            self._return_idle(backend)
        self._count_later()

    def wanted(self, elsewhere: bool) -> None:
        """Requests wait at other gateways, or no longer."""
        self.leases.wanted = elsewhere
        if elsewhere:
            for backend in list(self.held):
                self._return_idle(backend)

    def lost_broker(self) -> None:
        """Nobody can take our slots: we use what we hold."""
        self.leases.wanted = False

    def introduce(self) -> None:
        """Say to a broker that knows nothing of us what we can use, and who waits."""
        self.leases.told = 0  # whatever was said while nobody heard
        if self.limit:
            for uid, backend in self.backends():
                if backend.usable:
                    self.leases.broker.send(Serve(self.known_as, uid, self.limit))
            self._count_later()

    def hold(self) -> list[Lease]:
        """What we hold."""
        return [Lease(self.known_as, self.uid_of(one), n) for one, n in self.held.items()]

    def _return_idle(self, backend: B) -> None:
        held = self.held.get(backend, 0)
        idle = held - backend.own
        if idle > 0:
            self._give(backend, held, idle)
            self.occupy(backend, self.taken(backend))

    def _give(self, backend: B, held: int, count: int) -> None:
        if held > count:
            self.held[backend] = held - count
        else:
            del self.held[backend]
        turns = self.leases.turns
        for _ in range(min(count, len(turns))):
            turns.popleft()
        self.spare(backend)
        self.leases.broker.send(Return(self.known_as, self.uid_of(backend), count))

    def _count_later(self) -> None:
        leases = self.leases
        if self.limit and not leases.counting:
            leases.counting = True
            leases.later(self._count)

    def _count(self) -> None:
        """Tell how many wait, unless that is what the broker believes."""
        leases = self.leases
        leases.counting = False
        waiting = min(len(self.waiting), MOST) if self.limit else 0
        if waiting != leases.told:
            leases.told = waiting
            leases.broker.send(Need(self.known_as, waiting, leases.broker.seen))
