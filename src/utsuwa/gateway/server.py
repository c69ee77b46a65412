"""One gateway process put together: listeners, link, books, and the order in which it ends."""

import asyncio
import os
import random
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from utsuwa.gateway.core import Core, Limits
from utsuwa.gateway.http1.client import ClientConnection
from utsuwa.gateway.link import Link
from utsuwa.gateway.probing import Prober
from utsuwa.gateway.revision import Prove, Revision
from utsuwa.gateway.slots.client import SlotClient
from utsuwa.gateway.slots.revision import LeasedRevision
from utsuwa.gateway.table import OutOfStepError, Table
from utsuwa.gateway.tls import HANDSHAKE_TIMEOUT, SHUTDOWN_TIMEOUT, TlsConnection
from utsuwa.gateway.tracing import Tracer
from utsuwa.kit.clock import Clock
from utsuwa.kit.freezing import Hold, hold_path
from utsuwa.kit.log import get_logger
from utsuwa.kit.tasks import OnDeath, TaskSet
from utsuwa.routing.messages import (
    Ack,
    ColdStarts,
    Elsewhere,
    Hello,
    Leaving,
    RevisionStats,
    Stats,
    ToGateway,
    Tracing,
)
from utsuwa.routing.receipts import log_fields

_log = get_logger(__name__)
SWEEP = 0.125
"""Seconds between two looks at the deadlines: the precision of every timeout."""
_TRIM = 60.0
_PARTING = 0.3
"""Seconds for the last words of what is cut when the gateway ends."""
_AFTER_BOUNDARY = 0.003
_STARTS_A_MESSAGE = 500


class Paths(NamedTuple):
    """The unix sockets on which others listen for us."""

    link: str
    """Control."""
    logs: str = ""
    """No socket: the directory of logs, below which requests are logged."""
    slots: str = ""
    """The broker who shares hard limits out among several gateways; none where there is one."""
    holds: str = ""
    """No socket: the directory with the holds of pods; without it none is ever frozen."""


class Gateway:
    """The data plane of one process.

    Mutable state: `_servers` (empty until the first snapshot), `_listening`; `_heard` and `_told`,
    the numbers of the link's connections that have said something and that know everything;
    `_address`, one that we listen on and where every host is served; and `_leaving`, the message about our last requests
    that is due.
    """

    def __init__(  # noqa: PLR0913  (each one is a collaborator or an option, all by name)
        self,
        *,
        clock: Clock,
        source: random.Random,
        name: str,
        paths: Paths,
        sockets: Sequence[socket.socket],
        tls_sockets: Sequence[socket.socket] = (),
        inside: frozenset[str] = frozenset(),
        limits: Limits | None = None,
        on_death: OnDeath | None = None,
        on_serving: Callable[[], None] = lambda: None,
    ) -> None:
        """`inside`: the addresses that pods alone call. `on_serving` is called once connections are
        accepted."""
        self._tasks = TaskSet(on_death)
        self.core = Core(
            loop=asyncio.get_running_loop(),
            clock=clock,
            source=source,
            tasks=self._tasks,
            limits=limits,
        )
        if paths.holds:
            self.core.hold = lambda uid: Hold(hold_path(Path(paths.holds), uid))
        self.slots = SlotClient(paths.slots, name, clock) if paths.slots else None
        self.table = Table(self.core, Prober(self.core).start, self._revision)
        hello = Hello(gateway=f"{name}-{os.getpid()}", pid=os.getpid())
        self.link = Link(paths.link, hello, self._apply, clock)
        self.core.send = self.link.send
        self.core.logs = Path(paths.logs) if paths.logs else None
        self._sockets = sockets
        self._tls_sockets = tls_sockets
        self.core.inside_addresses = inside
        self.core.https_port = tls_sockets[0].getsockname()[1] if tls_sockets else 0
        self._address: tuple[str, int] | None = None
        self._on_serving = on_serving
        self._listening = False
        self._heard = 0
        self._told = 0
        self._leaving: asyncio.Handle | None = None
        self.core.lessened = self._say_leaving_soon
        self._servers: list[asyncio.Server] = []

    def __repr__(self) -> str:
        return f"<Gateway {self.core!r} {self.table!r} {self.link!r}>"

    def start(self) -> None:
        """Dial control; connections are accepted once it has sent the first snapshot."""
        self._tasks.spawn(self.link.run(), name="link")
        if self.slots is not None:
            self._tasks.spawn(self.slots.run(), name="slots")
        self._tasks.spawn(self._report(), name="statistics")
        self._tasks.spawn(self._sweep(), name="deadlines")
        self._tasks.spawn(self._trim(), name="idle connections")

    def _revision(self, core: Core, name: str, prove: Prove) -> Revision:
        if self.slots is None:
            return Revision(core, name, prove)
        return LeasedRevision(core, name, prove, self.slots)

    def _apply(self, message: ToGateway) -> Ack:
        if self._heard != self.link.connected:
            self._heard = self.link.connected
            self._occupied(Elsewhere())
            self.core.trace(-1)
        if isinstance(message, Tracing):
            self.core.trace(message.rate)
            return Ack(self.table.epoch, self.table.version)
        if isinstance(message, Elsewhere):
            self._occupied(message)
            return Ack(self.table.epoch, self.table.version)
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

    def _occupied(self, elsewhere: Elsewhere) -> None:
        if elsewhere != self.core.elsewhere:
            self.core.elsewhere = elsewhere
            for revision in self.core.revisions.values():
                revision.occupied(elsewhere)

    def _first_snapshot(self) -> None:
        """A control has just connected: tell it what it may have missed; and now we can serve."""
        for revision in self.core.revisions.values():
            revision.resend()
        if self.core.successor is not None:
            self._say_leaving()
        if not self._listening and not self.core.draining:
            self._listening = True
            self._tasks.start(self._listen(), name="listen")

    async def _listen(self) -> None:
        for sock in self._sockets:
            server = await self.core.loop.create_server(
                lambda: ClientConnection(self.core), sock=sock, backlog=4096
            )
            self._servers.append(server)
            address = sock.getsockname()
            if self._address is None or address[0] in self.core.inside_addresses:
                self._address = address[:2]
            _log.info("gateway accepts connections", address=address)
        for sock in self._tls_sockets:
            server = await self.core.loop.create_server(
                lambda: TlsConnection(self.core),
                sock=sock,
                backlog=4096,
                ssl=self.core.certificates.entrance,
                ssl_handshake_timeout=HANDSHAKE_TIMEOUT,
                ssl_shutdown_timeout=SHUTDOWN_TIMEOUT,
            )
            self._servers.append(server)
            _log.info("gateway accepts TLS connections", address=sock.getsockname())
        self._on_serving()

    async def drain(self, limit: float, *, idle: float = 0.0) -> None:
        """Accept no more, let requests end for up to `limit` seconds, close everything.

        Connections between two requests are closed at once, or `idle` seconds later unless a
        request comes, whose answer then ends them.
        """
        core = self.core
        core.draining = True
        core.idle_patience = idle
        if idle and self.slots is None:
            self._leave()
        for server in self._servers:
            server.close()
        for connection in list(core.connections):
            connection.retire()
        _log.info("gateway drains", connections=len(core.connections), limit=limit)
        end = core.monotonic() + limit
        await core.clock.sleep(0.02)  # what was accepted just before appears now
        while (core.connections or core.handshakes) and core.monotonic() < end:
            await core.clock.sleep(0.02)
        if core.connections:
            _log.warning("drain limit passed: cutting", connections=len(core.connections))
            for connection in list(core.connections):
                connection.part()
            end = core.monotonic() + _PARTING
            while core.connections and core.monotonic() < end:
                await core.clock.sleep(0.02)
            for connection in list(core.connections):
                connection.abort()
            await core.clock.sleep(0)
        await self._last_figures()
        if core.request_log is not None:
            await core.request_log.flush()
        await self._tasks.close()

    def _leave(self) -> None:
        """Leave the slots that we do not hold to the gateway that listens where we did."""
        core = self.core
        core.successor = self._address
        if self._address is not None:
            for revision in core.revisions.values():
                if revision.limit:
                    revision.leave(*self._address)
            self._say_leaving()

    def _say_leaving_soon(self) -> None:
        if self._leaving is None:
            self._leaving = self.core.loop.call_soon(self._say_leaving)

    def _say_leaving(self) -> None:
        self._leaving = None
        left = [revision for revision in self.core.revisions.values() if revision.successor]
        held = ((pod.uid, pod.own) for one in left for pod in one.pods.values())
        self.core.send(Leaving(tuple((uid, count) for uid, count in held if uid and count)))

    def _stats(self, second: int, figures: tuple[RevisionStats, ...]) -> Stats:
        """Without the requests that our successor counts as well."""
        if self.core.successor is not None:
            figures = tuple(self._without_handed_on(one) for one in figures)
        return Stats(second, figures)

    def _without_handed_on(self, figures: RevisionStats) -> RevisionStats:
        revision = self.core.revisions.get(figures.revision)
        count = revision.handed_on if revision is not None else 0
        return msgspec.structs.replace(
            figures,
            concurrency=max(0.0, figures.concurrency - count),
            in_flight=max(0, figures.in_flight - count),
        )

    async def _last_figures(self) -> None:
        """What happened in the second that we do not live to see the end of."""
        core = self.core
        now = core.now()
        self._tell_cold_starts()
        if core.tracer is not None:
            self._tell_traces(core.tracer)
        for second, revisions in (
            *core.accounts.take_closed(),
            (core.accounts.second, core.accounts.close(now)),
        ):
            if revisions:
                core.send(self._stats(second, revisions))
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
                    core.send(self._stats(second, revisions))
            if core.cold_starts:
                self._tell_cold_starts()
            if core.tracer is not None:
                self._tell_traces(core.tracer)
            for pod in core.drains:
                pod.revision.tell_left(pod)

    def _tell_cold_starts(self) -> None:
        """Here, in the log, and to control: once a second, so that it costs no cold start time."""
        starts, self.core.cold_starts = self.core.cold_starts, []
        for start in starts:
            _log.info("cold start", **log_fields(start))
        for first in range(0, len(starts), _STARTS_A_MESSAGE):
            self.core.send(ColdStarts(tuple(starts[first : first + _STARTS_A_MESSAGE])))

    def _tell_traces(self, tracer: Tracer) -> None:
        told = tracer.take()
        if told is not None:
            self.core.send(told)

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
