"""A cluster as seen over a bad line: writes fail, answers are lost, watches lag and break off."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from utsuwa.cluster.errors import ApiError, ConflictError, ExpiredError
from utsuwa.cluster.port import Cluster, Key, WatchEvent
from utsuwa.kit.clock import Clock
from utsuwa.model.kinds import Kind
from utsuwa.testing.interposed import InterposedCluster

T = TypeVar("T")

LAGS = (0.0, 0.0, 0.0, 0.002, 0.05, 1.0)
"""Seconds that an event may come late, while watches lag."""


class UnreliableCluster(InterposedCluster):
    """`cluster` with the faults that a test orders.

    Mutable state: `_storm`, how many more writes may fail; `_lost`, how often all watches were
    broken off; :attr:`lagging`.
    """

    def __init__(self, cluster: Cluster, clock: Clock, source: random.Random) -> None:
        super().__init__(cluster)
        self._clock = clock
        self._random = source
        self._storm = 0
        self._lost = 0
        self.lagging = False

    def __repr__(self) -> str:
        return f"<UnreliableCluster: {self._storm} writes at risk, lagging: {self.lagging}>"

    def storm(self, writes: int) -> None:
        """Of the next `writes` writes, half fail: by conflict, by an error, or by an answer that
        is lost although the write was done."""
        self._storm = writes

    def lose_watches(self) -> None:
        """Each watch breaks off at its next event, which is lost with it."""
        self._lost += 1

    def calm(self) -> None:
        """From now on everything goes well."""
        self._storm = 0
        self.lagging = False

    async def watch(
        self, kind: Kind, namespace: str = "", *, since: int
    ) -> AsyncIterator[WatchEvent]:
        """As the port; late, and broken off, as ordered."""
        lost = self._lost
        async for event in self._cluster.watch(kind, namespace, since=since):
            if self.lagging:
                await self._clock.sleep(self._random.choice(LAGS))
            if lost != self._lost:
                raise ExpiredError(f"the watch of {kind.plural} broke off")
            yield event

    async def write(self, verb: str, kind: Kind, key: Key, call: Callable[[], Awaitable[T]]) -> T:
        """Do it, fail, or do it and lose the answer."""
        fault = ""
        if self._storm > 0:
            self._storm -= 1
            fault = self._random.choice(("", "", "", "conflict", "error", "lost"))
        if not fault:
            return await call()
        if fault == "lost":
            await call()
        if fault == "conflict":
            raise ConflictError(f"{verb} {kind} {key}: inducing a conflict")
        raise ApiError(f"{verb} {kind} {key}: inducing an error ({fault})")
