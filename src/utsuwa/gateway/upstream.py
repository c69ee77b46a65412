"""Pods and the connections to them: a warm one waits for each request, newest first.

A :class:`PodConnection` carries one exchange at a time. It finds the head and the end of each
response; the bytes of bodies pass through as they came.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, cast

from utsuwa.gateway.admission import Backend
from utsuwa.gateway.births import Birth
from utsuwa.gateway.core import Core
from utsuwa.gateway.exchange import Caller, Exchange
from utsuwa.gateway.http1 import response
from utsuwa.gateway.http1.chunked import ChunkedBody
from utsuwa.gateway.http1.errors import BadMessageError
from utsuwa.gateway.http1.fields import CHUNKED, UNTIL_CLOSE
from utsuwa.gateway.http1.response import ResponseHead
from utsuwa.kit.log import get_logger
from utsuwa.routing.messages import Draining

if TYPE_CHECKING:
    from utsuwa.gateway.resting import Rest
    from utsuwa.gateway.table import Revision

_log = get_logger(__name__)
_MAX_HEAD = 256 * 1024
_DIALS = 32
"""Connections to one pod that are opened at the same time. When many wait, most are served by
those that the first of them free, which costs a tenth of one connection each."""
_NONE, _HEAD, _BODY, _TUNNEL = range(4)


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

    def offer(self, connection: "PodConnection") -> None:
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

    def adopt(self, connection: "PodConnection") -> None:
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


class PodConnection(asyncio.Protocol):
    """One connection to a pod.

    Mutable state: `exchange` (the request it carries, None while it is idle), where in the
    response it is (`_state`, `_left`, `_chunks`, `_buffer`), and the last head, which is not
    parsed again when the next one is the same.
    """

    __slots__ = (
        "_begun", "_buffer", "_chunks", "_head", "_left", "_raw", "_state", "closed", "exchange",
        "pod", "served", "served_before", "transport", "write_paused",
    )  # fmt: skip

    transport: asyncio.Transport

    def __init__(self, pod: Pod) -> None:
        self.pod = pod
        self.exchange: Exchange | None = None
        self.served = 0
        self.served_before = -1
        self.closed = False
        self.write_paused = False
        self._state = _NONE
        self._begun = False
        self._left = 0
        self._chunks: ChunkedBody | None = None
        self._buffer = b""
        self._raw = b""
        self._head: ResponseHead | None = None

    def __repr__(self) -> str:
        return f"<PodConnection to {self.pod.uid} state={self._state} served={self.served}>"

    # --- the owner's side -----------------------------------------------------------------------

    def begin(self, exchange: Exchange, data: bytes) -> None:
        """Carry `exchange`, whose head and first body bytes are `data`."""
        self.exchange = exchange
        self.served += 1
        self._state = _HEAD
        self._begun = False
        self.transport.write(data)

    def detach(self) -> None:
        """The exchange is given up: whatever is under way, the connection is of no more use."""
        self.exchange = None
        self.close(abort=True)

    def finish(self) -> None:
        """The exchange is over on the client's side: send what is written, then close."""
        self.exchange = None
        self.close()

    def close(self, *, abort: bool = False) -> None:
        """Close; safe to call twice."""
        self.pod.idle.pop(self, None)
        if not self.closed:
            self.closed = True
            if abort:
                self.transport.abort()
            else:
                self.transport.close()

    # --- the loop's side ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are none by class
        self.pod.connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Bytes from the pod."""
        exchange = self.exchange
        if exchange is None:
            self.close(abort=True)  # bytes nobody asked for: whose would they be?
        elif self._state == _HEAD:
            try:
                self._read_head(exchange, data)
            except BadMessageError as error:
                self._fail(error.text)
        elif self._state == _BODY:
            self._read_body(exchange, data)
        else:
            exchange.tunnel_data(data)

    def _read_head(self, exchange: Exchange, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        end = data.find(b"\r\n\r\n") + 4
        if end == 3:
            if len(data) > _MAX_HEAD:
                raise BadMessageError(502, "the head of the pod's answer is too long")
            self._buffer = data
            return
        size = len(data)
        raw = data if end == size else data[:end]
        head = self._head
        if head is None or raw != self._raw:
            head = self._head = response.parse(raw)
            self._raw = raw
        if exchange.plain and head.untouched and head.length == size - end and head.status >= 200:
            self._release(head.keep_alive)
            exchange.answered(data, head.status)
        else:
            self._start(exchange, head, data, end)

    def _start(self, exchange: Exchange, head: ResponseHead, data: bytes, end: int) -> None:
        if head.status == 101:
            if not exchange.head.upgrade:
                raise BadMessageError(502, "the pod switched protocols, which nobody asked for")
            self._begun = True
            self._state = _TUNNEL
            exchange.switched(head, data[end:])
            return
        exchange.response_head(head)
        if head.status < 200:
            if len(data) > end and self.exchange is exchange:
                self._read_head(exchange, data[end:])
            return
        self._begun = True
        length = 0 if exchange.head.head_only else head.length
        self._left = length
        self._chunks = ChunkedBody() if length == CHUNKED else None
        self._state = _BODY
        if length == 0:
            self._finish(exchange, clean=len(data) == end)
        elif len(data) > end:
            self._read_body(exchange, data[end:])

    def _read_body(self, exchange: Exchange, data: bytes) -> None:
        left = self._left
        if left > 0:
            size = len(data)
            if size > left:
                data = data[:left]
            self._left = max(0, left - size)
            exchange.response_body(data, None)
            if size >= left:
                self._finish(exchange, clean=size == left)
        elif left == UNTIL_CLOSE:
            exchange.response_body(data, None)
        else:
            try:
                ended = exchange.response_body(data, self._chunks)
            except BadMessageError as error:
                self._fail(error.text)
                return
            if ended:
                self._finish(exchange, clean=True)

    def _finish(self, exchange: Exchange, *, clean: bool) -> None:
        if self.exchange is exchange:  # a client that left meanwhile has detached itself
            head = self._head
            whole = clean and exchange.sent_whole()
            self._release(whole and head is not None and head.keep_alive)
            exchange.response_end()

    def _release(self, reusable: bool) -> None:
        self.exchange = None
        self._state = _NONE
        self._chunks = None
        pod = self.pod
        if reusable and not self.closed and not pod.draining and not self.write_paused:
            pod.idle[self] = None
            if pod.wanting:  # in the loop's next round: this exchange is still to be told
                pod.core.loop.call_soon(pod.offer, self)
        else:
            self.close()

    def _fail(self, reason: str) -> None:
        exchange, self.exchange = self.exchange, None
        self.close(abort=True)
        if exchange is not None:
            exchange.upstream_lost(reason, begun=self._begun, stale=False)

    def eof_received(self) -> bool:
        """The pod sends no more."""
        self.pod.idle.pop(self, None)
        exchange = self.exchange
        if exchange is not None and self._state == _TUNNEL:
            exchange.tunnel_eof()
            return True
        if exchange is not None and self._state == _BODY and self._left == UNTIL_CLOSE:
            self.exchange = None
            self.closed = True
            exchange.response_end()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Closed, by whomever."""
        self.closed = True
        self.pod.idle.pop(self, None)
        self.pod.connections.discard(self)
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            reason = f"the pod closed the connection: {exc or 'end of stream'}"
            stale = self.served > 1 and not self._buffer
            exchange.upstream_lost(reason, begun=self._begun, stale=stale)

    def pause_writing(self) -> None:
        """The pod reads too slowly."""
        self.write_paused = True
        if self.exchange is not None:
            self.exchange.pause_upload()

    def resume_writing(self) -> None:
        """The pod reads again."""
        self.write_paused = False
        if self.exchange is not None:
            self.exchange.resume_upload()
