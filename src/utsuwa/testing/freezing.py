"""Holds without files and brakes without processes: who has a share, and what stands."""

import asyncio
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from utsuwa.kit.freezing import Brake, NotAloneError

T = TypeVar("T")
_PAUSES = (0.0, 0.001, 0.01, 0.1)


class FakeBrake:
    """What was done with it. Mutable state: `down`, whether it stands; `stops`, how often it was
    stopped; `broken`: it cannot be. `watch` is called before it is stopped."""

    def __init__(self, watch: Callable[[], None] = lambda: None) -> None:
        self.down = False
        self.stops = 0
        self.broken = False
        self._watch = watch

    def line(self) -> str:
        """Nobody else can let go."""
        return ""

    def stop(self) -> None:
        """It stands."""
        if self.broken:
            raise OSError("it cannot be stopped")
        self._watch()
        self.stops += 1
        self.down = True

    def let_go(self) -> bool:
        """It runs."""
        stood, self.down = self.down, False
        return stood

    def stopped(self) -> bool:
        """Whether it stands."""
        return self.down


class FakeLock:
    """What several holds are hands on. Mutable state: `shares`, who has one; `brakes`, how to let
    go; `alone`: only the keeper can; `broken`: nobody can."""

    def __init__(self) -> None:
        self.shares: set[FakeHold] = set()
        self.brakes: list[Brake] = []
        self.alone = False
        self.broken = False

    def hand(self) -> "FakeHold":
        """One more process's."""
        return FakeHold(self)


class FakeHold:
    """As :class:`utsuwa.kit.freezing.Hold`."""

    def __init__(self, lock: FakeLock) -> None:
        self._lock = lock

    @property
    def shares(self) -> bool:
        """Whether it has one."""
        return self in self._lock.shares

    def use(self) -> bool:
        """As the original."""
        self._lock.shares.add(self)
        if self._lock.alone:
            raise NotAloneError
        if self._lock.broken:
            raise OSError("no such control group")
        stood = [brake.let_go() for brake in self._lock.brakes]
        return any(stood)

    def release(self) -> None:
        """As the original."""
        self._lock.shares.discard(self)

    def stop(self, brakes: Iterable[Brake]) -> bool:
        """As the original."""
        if self._lock.shares:
            return False
        self._lock.brakes = list(brakes)
        for brake in self._lock.brakes:
            brake.stop()
        return True

    def close(self) -> None:
        """As the original."""
        self.release()


def opener(lock: FakeLock) -> Callable[[Path], Any]:
    """Opens `lock`, whatever the path."""
    return lambda path: lock.hand()


async def at_once(work: Callable[[], T]) -> T:
    """In place of a thread."""
    return work()


class AtSomeTime:
    """In place of a thread that others overtake."""

    def __init__(self, source: random.Random) -> None:
        self._source = source

    async def __call__(self, work: Callable[[], T]) -> T:
        """The result of `work`, which is done some time from now."""
        await asyncio.sleep(self._source.choice(_PAUSES))
        result = work()
        await asyncio.sleep(self._source.choice(_PAUSES))
        return result
