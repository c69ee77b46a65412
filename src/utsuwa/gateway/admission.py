"""Which request may go to which pod, and who waits: one revision's line.

Pure and synchronous: no clock, no I/O. A request that may go learns it by the return value of
:meth:`Admission.arrive` or, when it had to wait, by its :meth:`Requester.granted`.

Invariants (held by a property test): no backend ever holds more requests than `limit`; no slot is
free while a request waits; those that wait are granted in the order of their arrival; every
request is granted, abandoned or refused exactly once.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar


class Backend:
    """A pod as admission sees it.

    Mutable state: `usable` (may get new requests), `in_flight`, and `elsewhere`, how many of
    `in_flight` are not ours but another gateway's; only :class:`Admission` writes them.
    """

    __slots__ = ("elsewhere", "in_flight", "usable")

    def __init__(self) -> None:
        self.usable = False
        self.in_flight = 0
        self.elsewhere = 0

    @property
    def own(self) -> int:
        """Requests that we ourselves have on it."""
        return self.in_flight - self.elsewhere

    def lessened(self) -> None:
        """A request of a backend that is no longer usable has ended."""


B = TypeVar("B", bound=Backend)
B_contra = TypeVar("B_contra", bound=Backend, contravariant=True)


class Requester(Protocol[B_contra]):
    """A request that waits."""

    def granted(self, backend: B_contra) -> None:
        """A slot on `backend` is this request's until :meth:`Admission.end`."""
        ...

    def refused(self, reason: str) -> None:
        """The request waits no longer and will not be granted."""
        ...


class QueueFullError(Exception):
    """As many requests wait as may."""


class Admission(Generic[B]):
    """The line of one revision before its backends.

    Mutable state: `waiting` (first in, first out) and `_levels`: usable backends by the number of
    requests they hold, longest at that level first, which makes the pick "least loaded, ties in
    turn" in constant time (if it `packs`: ties to the one used last). `_lowest` is at most the lowest level that is not empty.
    """

    __slots__ = ("_levels", "_lowest", "limit", "packs", "queue_limit", "waiting")

    def __init__(self, limit: int, queue_limit: int) -> None:
        self.limit = limit
        self.queue_limit = queue_limit
        self.packs = False
        self.waiting: OrderedDict[Requester[B], None] = OrderedDict()
        self._levels: list[OrderedDict[B, None]] = []
        self._lowest = 0

    def __repr__(self) -> str:
        held = ",".join(str(n) for n, level in enumerate(self._levels) for _ in level)
        return (
            f"<{type(self).__name__} limit={self.limit} held=[{held}] waiting={len(self.waiting)}>"
        )

    def arrive(self, request: Requester[B]) -> B | None:
        """The backend `request` goes to at once, or None: it waits for its `granted`.

        Raises:
            QueueFullError: it cannot even wait.
        """
        waiting = self.waiting
        if not waiting:
            backend = self._take()
            if backend is not None:
                return backend
        elif len(waiting) >= self.queue_limit:
            raise QueueFullError
        waiting[request] = None
        return None

    @property
    def has_backends(self) -> bool:
        """Whether any backend is usable, however full."""
        return any(self._levels)

    def arrive_at(self, backend: B, request: Requester[B]) -> B | None:
        """As :meth:`arrive`, but preferably at `backend`: if it may get one request more."""
        if backend.usable and not self.waiting and not backend.in_flight >= self.limit > 0:
            del self._levels[backend.in_flight][backend]
            self._put(backend, backend.in_flight + 1)
            return backend
        return self.arrive(request)

    def end(self, backend: B) -> None:
        """A request on `backend` is over; its slot goes to the first that waits."""
        level = backend.in_flight
        if not backend.usable:
            backend.in_flight = level - 1
            backend.lessened()
            return
        if self.waiting and level <= self.limit:
            self.waiting.popitem(last=False)[0].granted(backend)
            return
        levels = self._levels
        del levels[level][backend]
        level -= 1
        backend.in_flight = level
        levels[level][backend] = None
        if level < self._lowest:  # noqa: PLR1730  (min() costs three times as much, per request)
            self._lowest = level

    def abandon(self, request: Requester[B]) -> bool:
        """`request` waits no longer; answers whether it did."""
        return self.waiting.pop(request, self) is None

    def give_back(self, backend: B, requests: Sequence[Requester[B]]) -> None:
        """`backend`, already closed, could not serve `requests` (oldest first).

        They were granted before all that wait, so they go elsewhere or stand first in line.
        """
        for request in reversed(requests):
            self.waiting[request] = None
            self.waiting.move_to_end(request, last=False)
        for _ in requests:
            self.end(backend)
        self._dispatch()

    def open(self, backend: B) -> None:
        """`backend` may get requests; those that wait go to it at once."""
        if not backend.usable:
            backend.usable = True
            self._place(backend)

    def close(self, backend: B) -> None:
        """`backend` gets no new request; those it holds go on."""
        if backend.usable:
            backend.usable = False
            del self._levels[backend.in_flight][backend]

    def occupy(self, backend: B, count: int) -> None:
        """`count` of the backend's slots are taken by another gateway: room for so many less."""
        change = count - backend.elsewhere
        if not change:
            return
        if backend.usable:
            del self._levels[backend.in_flight][backend]
        backend.elsewhere = count
        backend.in_flight += change
        if backend.usable:
            self._place(backend)

    def pass_on(self, backend: B) -> None:
        """A request on `backend` is over; its slot goes to another gateway, not to who waits here:
        the backend stays as full as it was."""
        backend.elsewhere += 1
        if not backend.usable:
            backend.lessened()

    def set_limit(self, limit: int) -> None:
        """Hold at most `limit` requests per backend from now on; 0 is no limit."""
        self.limit = limit
        self._dispatch()

    def refuse_waiting(self, reason: str) -> None:
        """Send away every request that waits."""
        waiting, self.waiting = self.waiting, OrderedDict()
        for request in waiting:
            request.refused(reason)

    def _place(self, backend: B) -> None:
        level = backend.in_flight
        while len(self._levels) <= level:
            self._levels.append(OrderedDict())
        self._levels[level][backend] = None
        self._lowest = min(self._lowest, level)
        self._dispatch()

    def _dispatch(self) -> None:
        waiting = self.waiting
        while waiting:
            backend = self._take()
            if backend is None:
                return
            waiting.popitem(last=False)[0].granted(backend)

    def _take(self) -> B | None:
        levels = self._levels
        level, top = self._lowest, len(levels)
        while level < top and not levels[level]:
            level += 1
        self._lowest = level
        if level == top or (level >= self.limit > 0):
            return None
        backend = levels[level].popitem(last=self.packs)[0]
        self._put(backend, level + 1)
        return backend

    def _put(self, backend: B, level: int) -> None:
        backend.in_flight = level
        if level == len(self._levels):
            self._levels.append(OrderedDict())
        self._levels[level][backend] = None
