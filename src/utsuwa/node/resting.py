"""Pods that are frozen while nobody needs them: the node's part.

Gateways say when a Pod rests (:meth:`Rest.rests`), and have no share of its hold then; the node
freezes it if it is ready, if nobody here needs it, and if it gets the hold, which it does not
while any gateway has a share. Gateways thaw it themselves, and tell of it (:meth:`Rest.woken`).
Here it is thawed before a command is run in it and before it is ended, for good then.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

from utsuwa.kit.documents import Document
from utsuwa.kit.freezing import Brake, Hold
from utsuwa.kit.log import get_logger
from utsuwa.model.freezing import frozen_condition
from utsuwa.node.probes import Checks, Probe
from utsuwa.node.runtime import Instance

_log = get_logger(__name__)
T = TypeVar("T")
Aside = Callable[[Callable[[], T]], Awaitable[T]]


class Rest:
    """Whether one Pod is frozen.

    Mutable state: `_stopped`, the instances that were frozen, with their brakes; `_idle`, since how
    many seconds nobody has needed it (None: it was never frozen, or is in use), `_asked`: gateways
    say that it rests; `_users` here; `_calls`: how often somebody woke it; `_ending`.
    """

    def __init__(
        self,
        hold: Path,
        ready: Callable[[], Sequence[Instance]],
        *,
        changed: Callable[[], None],
        aside: Callable[..., Awaitable[bool]] = asyncio.to_thread,
        open_hold: Callable[[Path], Hold] = Hold,
    ) -> None:
        """`ready`: its instances if it is ready, else none; `changed` is called when it is frozen
        and when it is thawed."""
        self._path = hold
        self._open = open_hold
        self._hold: Hold | None = None
        self._ready = ready
        self._changed = changed
        self._aside = aside
        self._stopped: dict[Instance, Brake] = {}
        self._idle: float | None = None
        self._asked: float | None = None
        self._users = 0
        self._calls = 0
        self._ending = False
        self._moving = asyncio.Lock()
        self._runs = asyncio.Event()
        self._runs.set()

    def __repr__(self) -> str:
        return f"<Rest {self._path.stem}: {'frozen' if self.frozen else 'running'}>"

    @property
    def frozen(self) -> bool:
        """Whether it stands."""
        return bool(self._stopped)

    def condition(self) -> Document | None:
        """What the Pod says of it; None where it was never frozen."""
        return None if self._idle is None else frozen_condition(self.frozen, self._idle)

    # --- what gateways tell -----------------------------------------------------------------------

    async def rests(self, idle: float) -> None:
        """A gateway has not needed it for so many seconds: freeze it, if nobody needs it."""
        self._asked = idle
        if self.frozen and not self._idle:
            self._idle = idle  # found as it stands, and nobody knew for how long
            self._changed()
        await self._freeze()

    async def woken(self, *, help: bool) -> None:  # noqa: A002  (as the message has it)
        """A gateway needs it, and has thawed it unless it wants `help` with that."""
        self._asked = None
        self._calls += 1
        if help:
            await self._thaw()
        else:
            self._thawed()

    # --- freezing ---------------------------------------------------------------------------------

    async def adopt(self, *, shown: bool) -> None:
        """It ran, or stood, before us; `shown`: the Pod has a condition that says which."""
        async with self._moving:
            brakes = {one: await one.brake() for one in self._ready()}
            if brakes and await self._aside(lambda: any(b.stopped() for b in brakes.values())):
                self._stands(brakes, 0.0)
            elif shown:  # what it says may not be true any more
                self._idle = 0.0
                self._changed()

    async def _freeze(self) -> None:
        async with self._moving:
            instances = self._ready()
            idle = self._asked
            if idle is None or self._ending or self._users or not instances:
                return
            if self.frozen and await self._aside(self._is_standing):
                return
            brakes = {one: await one.brake() for one in instances}
            calls = self._calls
            try:
                done = await self._aside(lambda: self._opened().stop(brakes.values()))
            except OSError as error:
                _log.warning("pod is not frozen", pod=self._path.stem, reason=error)
                return
            if done and calls == self._calls:
                self._stands(brakes, idle)

    def _is_standing(self) -> bool:
        """A gateway may have let it go, and died before it could say so."""
        return all(brake.stopped() for brake in self._stopped.values())

    def _stands(self, brakes: dict[Instance, Brake], idle: float) -> None:
        self._stopped = brakes
        self._idle = idle
        self._runs.clear()
        self._changed()

    def _opened(self) -> Hold:
        if self._hold is None:
            self._hold = self._open(self._path)
        return self._hold

    # --- thawing ----------------------------------------------------------------------------------

    async def _thaw(self) -> None:
        """Whatever stands of it runs when this returns."""
        async with self._moving:
            brakes = list(self._stopped.values())
            try:
                for brake in brakes:
                    await self._aside(brake.let_go)
            except OSError as error:
                _log.error("pod is not thawed", pod=self._path.stem, reason=error)
            self._thawed()

    def _thawed(self) -> None:
        if self.frozen:
            self._stopped = {}
            self._runs.set()
            self._changed()

    async def end(self, instances: Sequence[Instance]) -> None:
        """It is to end: thaw it, for good. That costs nothing where it was never frozen, and does
        not rely on what we believe where it was."""
        self._ending = True
        await self._thaw()
        if self._path.exists() and self._path.stat().st_size:
            for instance in instances:
                with contextlib.suppress(OSError):
                    await self._aside((await instance.brake()).let_go)

    def look(self) -> bool:
        """Whether part of it has ended while it stood: the rest is to be thawed."""
        return any(not instance.alive for instance in self._stopped)

    async def again(self) -> None:
        """After :meth:`look`: the rest runs, and what has begun anew is another life."""
        await self._thaw()

    def close(self) -> None:
        """Nothing of it is left."""
        if self._hold is not None:
            self._hold.close()
            self._hold = None

    # --- users here -------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def awake(self) -> AsyncIterator[None]:
        """It runs, and goes on running meanwhile."""
        self._users += 1
        try:
            await self._thaw()
            yield
        finally:
            self._users -= 1
            await self._freeze()

    @contextlib.asynccontextmanager
    async def undisturbed(self) -> AsyncIterator[None]:
        """As :meth:`awake`, but what stands is left alone until it runs."""
        while True:
            self._users += 1
            async with self._moving:
                pass  # a freeze that has begun goes before
            if not self.frozen:
                break
            self._users -= 1
            await self._runs.wait()
        try:
            yield
        finally:
            self._users -= 1
            if self._asked is not None:
                await self._freeze()


class PatientChecks:
    """Asks nothing of a Pod that stands: it could not answer, and would be condemned for it."""

    def __init__(self, checks: Checks, rest: Rest) -> None:
        self._checks = checks
        self._rest = rest

    def __repr__(self) -> str:
        return f"<PatientChecks of {self._rest!r}>"

    async def check(self, probe: Probe, instance: Instance) -> str:
        """As the port, once it runs."""
        async with self._rest.undisturbed():
            return await self._checks.check(probe, instance)
