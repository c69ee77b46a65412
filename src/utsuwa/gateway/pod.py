"""Pods: the address, the warm connections, and who waits for one that is being opened.

A connection that has come free waits for the next request, newest first.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, cast

from utsuwa.gateway.admission import Backend
from utsuwa.gateway.births import Birth
from utsuwa.gateway.core import Core
from utsuwa.gateway.exchange import Caller
from utsuwa.gateway.upstream import PodConnection
from utsuwa.kit.log import get_logger
from utsuwa.routing.messages import Draining

if TYPE_CHECKING:
    from utsuwa.gateway.resting import Rest
    from utsuwa.gateway.revision import Revision

_log = get_logger(__name__)
_DIALS = 32
"""Connections to one pod that are opened at the same time. When many wait, most are served by
those that the first of them free, which costs a tenth of one connection each."""

C = TypeVar("C", bound=asyncio.BaseProtocol)


class Pod(Backend):
    """One endpoint: its address, its warm connections and what its owner wants to know of it.

    Mutable state: `idle` (connections that wait, newest last), `connections` (all), `wanting`
    (exchanges that have a slot here and wait for a connection), `dialling` (connections that are
    being opened), `dialled` (how often one was asked for), `draining`, `proven`.
    """

    __slots__ = (
        "birth", "connections", "core", "dialled", "dialling", "draining", "host", "idle", "name", "port", "prober", "proven", "rest", "revision",
        "told_left", "told_ready",
        "uid", "wanting", "withdrawn",
    )  # fmt: skip

    def __init__(self, core: Core, revision: "Revision", uid: str, host: str, port: int) -> None:
        super().__init__()
        self.core = core
        self.revision = revision
        self.uid = uid
        self.name = ""
        self.host = host
        self.port = port
        self.idle: dict[PodConnection, None] = {}
        self.connections: set[PodConnection] = set()
        self.wanting: dict[Caller, None] = {}
        self.dialling = 0
        self.dialled = 0
        self.draining = False
        self.proven = False
        """We or control have seen it answer."""
        self.told_ready = False
        """Control knows that it answers."""
        self.withdrawn = False
        """Control has said that it is not ready any more: only control can bring it back."""
        self.told_left: Draining | None = None
        """What control was told of the requests that are left, while it drains."""
        self.prober: asyncio.Task[None] | None = None
        self.birth = Birth()
        self.rest: Rest | None = None
        """Given where it may be frozen while nobody needs it."""

    def __repr__(self) -> str:
        state = "usable" if self.usable else "draining" if self.draining else "unproven"
        return f"<Pod {self.uid} {self.host}:{self.port} {state} in_flight={self.in_flight}>"

    def lessened(self) -> None:
        """A request has ended on a pod that gets no new ones."""
        self.revision.lessened(self)

    def dial(self, caller: Caller) -> None:
        """Open a connection for `caller`, which has a slot."""
        self.dialled += 1
        self.wanting[caller] = None
        self._dial_if_wanted()

    def offer(self, connection: PodConnection) -> None:
        """`connection` has come free while others wait for one that is being opened."""
        if self.wanting and connection in self.idle:
            del self.idle[connection]
            caller = next(iter(self.wanting))
            del self.wanting[caller]
            caller.connected(connection)

    def _dial_if_wanted(self) -> None:
        if self.dialling < min(len(self.wanting), _DIALS):
            self.dialling += 1
            self.core.tasks.start(self._dial_on(), name="dial")

    async def _dial_on(self) -> None:
        try:
            await self._dial()
        finally:
            self.dialling -= 1
        self._dial_if_wanted()

    async def _dial(self) -> None:
        try:
            await self.warm_up()
        except OSError as error:
            _log.info(
                "pod refuses connections", revision=self.revision.name, pod=self.uid, error=error
            )
            wanting, self.wanting = list(self.wanting), {}
            self.revision.unreachable(self, wanting)

    async def warm_up(self) -> None:
        """Open a connection; it serves the first caller that wants one, or waits.

        Raises:
            OSError: there is none to be had (TimeoutError included).
        """
        self.adopt(await self.connect(lambda: PodConnection(self)))

    async def connect(self, factory: Callable[[], C]) -> C:
        """A new connection.

        Raises:
            OSError: there is none to be had (TimeoutError included).
        """
        async with asyncio.timeout(self.core.limits.connect_timeout):
            transport, connection = await self.core.connect(factory, self.host, self.port)
        if transport.get_extra_info("sockname") == transport.get_extra_info("peername"):
            # Nobody listens, and the kernel chose that very port for our side: TCP then connects
            # the socket to itself.
            cast("asyncio.Transport", transport).abort()
            raise ConnectionRefusedError(f"{self.host}:{self.port} is connected to itself")
        return connection

    def adopt(self, connection: PodConnection) -> None:
        """Use a new connection: for the first exchange that wants one, else it waits."""
        if connection.closed:
            # Accepted and closed at once. Whoever waits for it must hear of it.
            if self.wanting:
                caller = next(iter(self.wanting))
                del self.wanting[caller]
                caller.upstream_lost("the pod closed a new connection", begun=False, stale=False)
        elif self.wanting:
            caller = next(iter(self.wanting))
            del self.wanting[caller]
            caller.connected(connection)
        elif self.draining:
            connection.close()
        else:
            self.idle[connection] = None
            self.revision.spare(self)

    def leave(self) -> None:
        """Tell the requests under way that the pod is to go."""
        for connection in list(self.connections):
            if connection.exchange is not None:
                connection.exchange.pod_leaves()

    def left(self) -> Draining:
        """What is left on it."""
        exchanges = [c.exchange for c in self.connections if c.exchange is not None]
        tunnels = sum(exchange.is_tunnel for exchange in exchanges)
        seconds = self.core.limits.tunnel_drain
        return Draining(self.revision.name, self.uid, max(0, self.own - tunnels), tunnels, seconds)

    @property
    def quiet(self) -> bool:
        """Whether nothing of it is in use, or about to be."""
        if self.own or self.wanting or self.dialling or self.prober is not None:
            return False
        return self.usable or self.revision.successor is not None

    def served(self) -> int:
        """Another number whenever a request has come since the last question (but for a chance in
        thousands, when connections were closed as well)."""
        return self.dialled + sum(connection.served for connection in self.connections)

    def close_idle(self) -> None:
        """Close the connections that wait."""
        for connection in list(self.idle):
            connection.close()

    def trim(self) -> None:
        """Close those that have not been used since the last call."""
        for connection in list(self.idle):
            if connection.served == connection.served_before:
                connection.close()
            connection.served_before = connection.served
