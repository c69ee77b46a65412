"""What the parts of one gateway process share."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar, cast
from weakref import WeakSet

from utsuwa.gateway.accounting import Accounts
from utsuwa.gateway.certificates import Certificates
from utsuwa.gateway.tracing import Tracer
from utsuwa.kit.clock import Clock
from utsuwa.kit.tasks import TaskSet
from utsuwa.routing.messages import Elsewhere

if TYPE_CHECKING:
    from pathlib import Path

    from utsuwa.gateway.host import Host
    from utsuwa.gateway.pod import Pod
    from utsuwa.gateway.request_log import RequestLogger
    from utsuwa.gateway.revision import Revision
    from utsuwa.kit.freezing import Share
    from utsuwa.routing.messages import ColdStart, ToControl

P = TypeVar("P", bound=asyncio.BaseProtocol)
T = TypeVar("T")


class Connect(Protocol):
    """Opens TCP connections, as `loop.create_connection` does."""

    async def __call__(
        self, factory: Callable[[], P], host: str, port: int
    ) -> tuple[asyncio.BaseTransport, P]:
        """A connected transport and its protocol; raises OSError."""
        ...


class Aside(Protocol):
    """Does in a thread what blocks."""

    def __call__(self, work: Callable[[], T]) -> Awaitable[T]:
        """The result of `work`."""
        ...


@dataclass(frozen=True)
class Limits:
    """What one client may use, in bytes and seconds, and how many may wait."""

    replay: int = 64 * 1024
    """Of a request's body, kept so that it can be sent again."""
    hold: int = 64 * 1024
    """Of what a client sent ahead (a body while it waits, the next requests), before we stop
    reading from it."""
    header_timeout: float = 60.0
    body_timeout: float = 60.0
    """How long we wait for more of a request's body whose answer has not begun; 0 is for ever."""
    tunnel_drain: float = 60.0
    """How long an upgraded connection may stay on a pod that is to go (`spec/dataplane.md` §8)."""
    linger: float = 2.0
    """How long a connection that we are to close is still read from, so that the client sees our
    answer and not a reset (RFC 9112 §9.6)."""
    discard: int = 256 * 1024
    """The rest of a request's body that we read and drop to keep the connection."""
    connect_timeout: float = 1.0
    queue: int = 100_000
    """Requests of one revision that may wait (`spec/dataplane.md` §3.1: unbounded in practice)."""


def _unheard(message: "ToControl") -> None:
    """There is no link yet."""


class Sweepable(Protocol):
    """A connection with a deadline."""

    deadline: float

    def expired(self, now: float) -> None:
        """`deadline` has passed."""
        ...

    def retire(self) -> None:
        """Take no further request; close as soon as nothing is under way."""
        ...

    def part(self) -> None:
        """End what is under way now, as cleanly as can be, and close."""
        ...

    def abort(self) -> None:
        """Close at once."""
        ...


class Connecting(Protocol):
    """A connection whose handshake is under way."""


class Core:
    """Clock, loop, table and books of one gateway, handed to each of its parts.

    Mutable state: `hosts`, `redirected` (hosts that are served over TLS alone), `inside` (hosts for
    connections to one of `inside_addresses` alone; none where there is no such address),
    `certificates` and `revisions` (changed by :mod:`table`), `connections`, `handshakes` under way (a failed one just
    goes away), `https_port` that clients are redirected to (0: none), `draining`, and
    `idle_patience`: how long a connection between two requests may stay once we drain;
    `cold_starts` that are still to be told; `drains`: pods that get no new request and have some
    left; `hold`: that of a pod, by uid (None: no pod is ever frozen); `aside`: does in a thread
    what blocks; `elsewhere`: what other gateways hold; `successor`: where the one listens that replaces us;
    `request_log`, who logs requests, None while nobody does, and `logs`, below which that is; `tracer` (None
    while nothing is traced).
    """

    __slots__ = (
        "accounts", "aside", "certificates", "clock", "cold_starts", "connect", "connections", "draining", "drains", "elsewhere",
        "handshakes", "hold", "hosts", "https_port", "idle_patience", "inside", "inside_addresses", "lessened", "limits", "logs", "loop", "monotonic",
        "random", "redirected", "request_log", "revisions", "send", "successor", "tasks", "tracer",
    )  # fmt: skip

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        source: random.Random,
        tasks: TaskSet,
        connect: Connect | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.connect = connect or cast("Connect", loop.create_connection)
        self.loop = loop
        self.clock = clock
        self.monotonic = clock.monotonic
        self.random = source
        self.tasks = tasks
        self.limits = limits or Limits()
        self.accounts = Accounts(clock.now, clock.monotonic())
        self.hosts: dict[bytes, Host] = {}
        self.redirected: dict[bytes, Host] = {}
        self.inside: dict[bytes, Host] = {}
        self.inside_addresses: frozenset[str] = frozenset()
        self.certificates = Certificates()
        self.handshakes: WeakSet[Connecting] = WeakSet()
        self.https_port = 0
        self.revisions: dict[str, Revision] = {}
        self.connections: set[Sweepable] = set()
        self.cold_starts: list[ColdStart] = []
        self.draining = False
        self.drains: dict[Pod, None] = {}
        self.idle_patience = 0.0
        self.elsewhere = Elsewhere()
        self.successor: tuple[str, int] | None = None
        self.hold: Callable[[str], Share] | None = None
        self.aside: Aside = partial(loop.run_in_executor, None)
        self.tracer: Tracer | None = None
        self.lessened: Callable[[], None] = lambda: None
        self.logs: Path | None = None
        self.request_log: RequestLogger | None = None
        self.send: Callable[[ToControl], None] = _unheard

    def __repr__(self) -> str:
        return f"<Core {len(self.hosts)} hosts, {len(self.connections)} connections>"

    def trace(self, rate: float) -> None:
        """Trace this share of the requests from now on; below 0: none at all."""
        self.tracer = Tracer(rate, self.random) if rate >= 0 else None
        if self.tracer is not None:
            for revision in self.revisions.values():
                revision.prepares = True

    def within(self, name: bytes, transport: asyncio.BaseTransport) -> "Host | None":
        """The host `name` that is for pods alone, if the connection came where only they call."""
        host = self.inside.get(name)
        if host is None:
            return None
        address = transport.get_extra_info("sockname")
        return host if address and address[0] in self.inside_addresses else None

    def now(self) -> float:
        """Monotonic seconds, for the books: closes the second that has ended before."""
        now = self.monotonic()
        if now >= self.accounts.boundary:
            self.accounts.roll(now)
        return now
