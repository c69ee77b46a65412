"""The link: a unix socket on which gateways dial in (words in :mod:`utsuwa.routing.messages`).

A gateway that connects gets a snapshot, then every delta; what it says goes to the sink and to
whoever waits for acknowledgements and drains.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol, cast

import msgspec

from utsuwa.kit.framing import FrameDecoder, FrameError, encode_frame
from utsuwa.kit.log import get_logger
from utsuwa.model.draining import Remaining, total
from utsuwa.routing.messages import (
    Ack,
    ColdStarts,
    Delta,
    Drained,
    Draining,
    Elsewhere,
    EndpointUp,
    Hello,
    Leaving,
    Resting,
    RevisionName,
    Said,
    Snapshot,
    Stats,
    ToControl,
    Traces,
    Tracing,
    Wake,
    Woken,
    to_control,
)

_log = get_logger(__name__)

Told = Callable[[Remaining], None]


def _nobody(remaining: Remaining) -> None:
    """Somebody who only waits."""


class StatsSink(Protocol):
    """Who wants to know of traffic: the autoscaler."""

    def wake(self, message: Wake) -> None:
        """A first request came for an idle revision."""
        ...

    def stats(self, gateway: str, message: Stats) -> None:
        """One gateway's figures of one second."""
        ...


class ColdStartSink(Protocol):
    """Who knows when pods were decided on, and wants to know what came of it: the autoscaler."""

    def cold_starts(self, message: ColdStarts) -> None:
        """What requests that found no pod have waited for."""
        ...

    def raised(self, revision: RevisionName) -> float:
        """When it was last decided that the revision shall have more pods; Unix seconds, 0 is
        unknown."""
        ...


class RestSink(Protocol):
    """Who freezes pods: the node."""

    def rests(self, uid: str, idle: float) -> None:
        """A gateway has not needed the pod for so many seconds, and will wake it first."""
        ...

    def woken(self, uid: str, *, help: bool) -> None:  # noqa: A002  (as the message has it)
        """A gateway needs the pod; it has thawed it, unless it wants `help`."""
        ...


class _Gateway(asyncio.Protocol):
    """One connected gateway. Mutable state: `version` acknowledged, `drained` uids, what is `left`
    by uid, `order` in which it came, `held` requests by uid once it leaves (None before), `told` of other's."""

    def __init__(self, server: "LinkServer") -> None:
        self._server = server
        self._frames = FrameDecoder()
        self._transport: asyncio.Transport | None = None
        self.name = ""
        self.version = -1
        self.drained: set[str] = set()
        self.left: dict[str, Remaining] = {}
        self.order = 0
        self.held: tuple[tuple[str, int], ...] | None = None
        self.told = Elsewhere()

    def __repr__(self) -> str:
        return f"<Gateway {self.name or 'unnamed'} at v{self.version}>"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are none by class

    def data_received(self, data: bytes) -> None:
        try:
            for body in self._frames.feed(data):
                self._server.received(self, to_control.decode(body))
        except (FrameError, msgspec.MsgspecError) as error:
            _log.warning("gateway speaks nonsense, hanging up", gateway=self.name, reason=error)
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.left(self)

    def send(self, frame: bytes) -> None:
        if self._transport is not None:
            self._transport.write(frame)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class LinkServer:
    """Listens for gateways and keeps them at the table's present version.

    Mutable state: `_gateways`, those that have said Hello; `_arrivals`, how many ever did;
    `_waiters` by pod uid, and `_told`: who of them wants to hear what is left; `_tracing`, what
    they were last told of it, and who hears of traced requests, `_traces`.
    """

    def __init__(
        self,
        path: Path,
        *,
        snapshot: Callable[[], Snapshot],
        sink: StatsSink,
        on_acknowledged: Callable[[int], None],
        starts: ColdStartSink | None = None,
    ) -> None:
        self._path = path
        self._snapshot = snapshot
        self._sink = sink
        self._starts = starts
        self.rests: RestSink | None = None
        """Who hears of pods that rest, or nobody."""
        self._on_acknowledged = on_acknowledged
        self._gateways: set[_Gateway] = set()
        self._arrivals = 0
        self._epoch = snapshot().epoch
        self._server: asyncio.Server | None = None
        self._waiters: dict[str, list[asyncio.Future[None]]] = {}
        self._told: dict[str, Told] = {}
        self._connected = asyncio.Event()
        self._tracing: Tracing | None = None
        self._traces: Callable[[Traces], None] = lambda message: None

    def __repr__(self) -> str:
        return f"<LinkServer {len(self._gateways)} gateways>"

    @property
    def acknowledged(self) -> int:
        """The version that every connected gateway has in force; -1 while there is none."""
        return min((gateway.version for gateway in self._gateways), default=-1)

    @property
    def count(self) -> int:
        """Connected gateways."""
        return len(self._gateways)

    async def open(self) -> None:
        """Listen; a socket file left by a dead process is replaced."""
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(self.connection, str(self._path))
        self._path.chmod(0o600)

    def connection(self) -> asyncio.Protocol:
        """The protocol of one more connection: for the listening socket, and for tests that have
        another kind of wire."""
        return _Gateway(self)

    async def close(self) -> None:
        """Stop listening and hang up; gateways serve on with what they have."""
        if self._server is not None:
            self._server.close()
        for gateway in list(self._gateways):
            gateway.close()

    async def connected(self) -> None:
        """Wait until at least one gateway has acknowledged a table."""
        await self._connected.wait()

    def broadcast(self, delta: Delta) -> None:
        """Tell every gateway what changed."""
        frame = encode_frame(delta)
        for gateway in self._gateways:
            gateway.send(frame)

    def trace(self, rate: float) -> None:
        """Tell each gateway, now and when it connects, which requests to trace."""
        self._tracing = Tracing(rate)
        for gateway in self._gateways:
            gateway.send(encode_frame(self._tracing))

    def traces_to(self, listener: Callable[[Traces], None]) -> None:
        """Hand `listener` what gateways tell of traced requests."""
        self._traces = listener

    async def drained(self, uid: str, told: Told = _nobody) -> None:
        """Wait until no connected gateway has a request left on the pod `uid`; `told` of what is
        left whenever that is known to have changed."""
        if self._is_drained(uid):
            return
        self._told[uid] = told
        self._tell(uid)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(uid, []).append(future)
        try:
            await future
        finally:
            waiting = self._waiters.get(uid, [])
            if future in waiting:
                waiting.remove(future)
            if not waiting:
                self._waiters.pop(uid, None)
                self._told.pop(uid, None)

    def forget(self, uid: str) -> None:
        """The pod `uid` is gone for good."""
        for gateway in self._gateways:
            gateway.drained.discard(uid)
            gateway.left.pop(uid, None)

    def received(self, gateway: _Gateway, message: ToControl) -> None:
        """Act on one message of a gateway."""
        match message:
            case Wake() | Stats() | ColdStarts() | Traces():
                self._traffic(gateway, message)
            case EndpointUp() | Drained() | Draining() | Resting() | Woken():
                self._endpoint(gateway, message)
            case Ack(epoch=epoch, version=version):
                if epoch == self._epoch:
                    gateway.version = version
                    self._connected.set()
                    self._on_acknowledged(self.acknowledged)
            case Leaving(held=held):
                gateway.held = held
                self._share_out()
            case Hello(gateway=name):
                gateway.name = name
                self._arrivals += 1
                gateway.order = self._arrivals
                self._gateways.add(gateway)
                self._share_out()
                gateway.send(encode_frame(self._snapshot()))
                if self._tracing is not None:
                    gateway.send(encode_frame(self._tracing))
                _log.info("gateway connected", gateway=name)

    def _endpoint(self, gateway: _Gateway, message: Said) -> None:
        """What a gateway says of one pod."""
        uid = message.uid
        match message:
            case EndpointUp():
                # The node sees readiness for itself; this is for whoever reads along.
                _log.debug("endpoint answers", revision=message.revision, uid=uid)
            case Drained():
                gateway.drained.add(uid)
                gateway.left.pop(uid, None)
                self._release()
                self._tell(uid)
            case Draining():
                gateway.left[uid] = Remaining(
                    message.requests, message.tunnels, message.tunnel_seconds
                )
                self._tell(uid)
            case Resting() if self.rests is not None:
                self.rests.rests(uid, message.idle)
            case Woken() if self.rests is not None:
                self.rests.woken(uid, help=message.help)

    def _traffic(self, gateway: _Gateway, message: Wake | Stats | ColdStarts | Traces) -> None:
        match message:
            case Wake():
                self._sink.wake(message)
            case Stats():
                self._sink.stats(gateway.name, message)
            case ColdStarts():
                if self._starts is not None:
                    self._starts.cold_starts(message)
            case Traces():
                self._traces(message)

    def left(self, gateway: _Gateway) -> None:
        """A gateway hung up; what only it was asked for is settled."""
        if gateway in self._gateways:
            self._gateways.discard(gateway)
            _log.info("gateway disconnected", gateway=gateway.name)
            self._release()
            for uid in gateway.left:
                self._tell(uid)
            self._share_out()
            if self._gateways:
                self._on_acknowledged(self.acknowledged)

    def _share_out(self) -> None:
        """Tell each gateway what others hold: a hard limit holds for all of them together.

        The one that came last gets nothing until those before it leave, then what they have not.
        """
        leaving = [one for one in self._gateways if one.held is not None]
        held = _sum(one.held for one in leaving if one.held)
        first = min((one.order for one in self._gateways if one.held is None), default=0)
        for gateway in self._gateways:
            elsewhere = Elsewhere(held=held, all=gateway.order > first)
            if gateway.held is None and gateway.told != elsewhere:
                gateway.told = elsewhere
                gateway.send(encode_frame(elsewhere))

    def _tell(self, uid: str) -> None:
        """Whoever waits for the pod `uid` hears what is left; not before a gateway has said so."""
        left = [one.left[uid] for one in self._gateways if uid in one.left]
        if left and uid in self._told:
            self._told[uid](total(left))

    def _is_drained(self, uid: str) -> bool:
        return all(uid in gateway.drained for gateway in self._gateways)

    def _release(self) -> None:
        for uid in [uid for uid in self._waiters if self._is_drained(uid)]:
            for future in self._waiters.pop(uid):
                if not future.done():
                    future.set_result(None)


def _sum(several: Iterable[tuple[tuple[str, int], ...]]) -> tuple[tuple[str, int], ...]:
    """Requests by uid, of several gateways together."""
    total: Counter[str] = Counter()
    for held in several:
        total.update(dict(held))
    return tuple(sorted(total.items()))
