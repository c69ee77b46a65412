"""One gateway process put together: listeners, link, books, and the order in which it ends."""

import asyncio
import os
import random
import socket
from collections.abc import Callable, Sequence

from utsuwa.gateway.core import Core, Limits
from utsuwa.gateway.http1.client import ClientConnection
from utsuwa.gateway.link import Link
from utsuwa.gateway.probing import Prober
from utsuwa.gateway.table import OutOfStepError, Table
from utsuwa.kit.clock import Clock
from utsuwa.kit.log import get_logger
from utsuwa.kit.tasks import OnDeath, TaskSet
from utsuwa.routing.messages import Ack, Delta, Hello, Snapshot, Stats

_log = get_logger(__name__)
SWEEP = 0.125
"""Seconds between two looks at the deadlines: the precision of every timeout."""
_TRIM = 60.0
_AFTER_BOUNDARY = 0.003


class Gateway:
    """The data plane of one process.

    Mutable state: `_servers` (empty until the first snapshot), `_listening`, and `_told`, the
    number of the link's connection to which everything has been said.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        source: random.Random,
        name: str,
        link: str,
        sockets: Sequence[socket.socket],
        limits: Limits | None = None,
        on_death: OnDeath | None = None,
        on_serving: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_serving` is called once connections are accepted."""
        self._tasks = TaskSet(on_death)
        self.core = Core(
            loop=asyncio.get_running_loop(),
            clock=clock,
            source=source,
            tasks=self._tasks,
            limits=limits,
        )
        self.table = Table(self.core, Prober(self.core).start)
        hello = Hello(gateway=f"{name}-{os.getpid()}", pid=os.getpid())
        self.link = Link(link, hello, self._apply, clock)
        self.core.send = self.link.send
        self._sockets = sockets
        self._on_serving = on_serving
        self._listening = False
        self._told = 0
        self._servers: list[asyncio.Server] = []

    def __repr__(self) -> str:
        return f"<Gateway {self.core!r} {self.table!r} {self.link!r}>"

    def start(self) -> None:
        """Dial control; connections are accepted once it has sent the first snapshot."""
        self._tasks.spawn(self.link.run(), name="link")
        self._tasks.spawn(self._report(), name="statistics")
        self._tasks.spawn(self._sweep(), name="deadlines")
        self._tasks.spawn(self._trim(), name="idle connections")

    def _apply(self, message: Snapshot | Delta) -> Ack:
        try:
            self.table.apply(message)
        except OutOfStepError as error:
            _log.warning("out of step with control: asking for a snapshot", error=error)
            self.link.reset()
        else:
            if self._told != self.link.connected:
                self._told = self.link.connected
                self._first_snapshot()
        return Ack(self.table.epoch, self.table.version)

    def _first_snapshot(self) -> None:
        """A control has just connected: tell it what it may have missed; and now we can serve."""
        for revision in self.core.revisions.values():
            revision.resend()
        if not self._listening and not self.core.draining:
            self._listening = True
            self._tasks.start(self._listen(), name="listen")

    async def _listen(self) -> None:
        for sock in self._sockets:
            server = await self.core.loop.create_server(
                lambda: ClientConnection(self.core), sock=sock, backlog=4096
            )
            self._servers.append(server)
            _log.info("gateway accepts connections", address=sock.getsockname())
        self._on_serving()

    async def drain(self, limit: float, *, idle: float = 0.0) -> None:
        """Accept no more, let requests end for up to `limit` seconds, close everything.

        Connections between two requests are closed at once, or `idle` seconds later unless a
        request comes, whose answer then ends them.
        """
        core = self.core
        core.draining = True
        core.idle_patience = idle
        for server in self._servers:
            server.close()
        for connection in list(core.connections):
            connection.retire()
        _log.info("gateway drains", connections=len(core.connections), limit=limit)
        end = core.monotonic() + limit
        await core.clock.sleep(0.02)  # what was accepted just before appears now
        while core.connections and core.monotonic() < end:
            await core.clock.sleep(0.02)
        if core.connections:
            _log.warning("drain limit passed: cutting", connections=len(core.connections))
            for connection in list(core.connections):
                connection.abort()
            await core.clock.sleep(0)
        await self._last_figures()
        await self._tasks.close()

    async def _last_figures(self) -> None:
        """What happened in the second that we do not live to see the end of."""
        core = self.core
        now = core.now()
        for second, revisions in (
            *core.accounts.take_closed(),
            (core.accounts.second, core.accounts.close(now)),
        ):
            if revisions:
                core.send(Stats(second, revisions))
        await core.clock.sleep(0.01)  # written in the loop's next round

    async def _report(self) -> None:
        """Tell control each second's figures, a few milliseconds after the second has ended."""
        core = self.core
        accounts = core.accounts
        while True:
            await core.clock.sleep(accounts.boundary - core.monotonic() + _AFTER_BOUNDARY)
            core.now()
            for second, revisions in accounts.take_closed():
                if revisions:
                    core.send(Stats(second, revisions))

    async def _sweep(self) -> None:
        core = self.core
        while True:
            await core.clock.sleep(SWEEP)
            now = core.monotonic()
            late = [one for one in core.connections if one.deadline <= now]
            for connection in late:
                connection.expired(now)

    async def _trim(self) -> None:
        while True:
            await self.core.clock.sleep(_TRIM)
            for revision in self.core.revisions.values():
                for pod in revision.pods.values():
                    pod.trim()
