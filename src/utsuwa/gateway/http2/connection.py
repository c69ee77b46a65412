"""A client's connection over HTTP/2: its streams, what it may ask of us, and how it ends."""

import asyncio
from math import inf
from typing import ClassVar

from h2 import events
from h2.exceptions import ProtocolError

from utsuwa.gateway.core import Core
from utsuwa.gateway.http1.errors import BadMessageError
from utsuwa.gateway.http1.request import peer_behind
from utsuwa.gateway.http2 import framing, translate
from utsuwa.gateway.http2.budget import Budget
from utsuwa.gateway.http2.framing import (
    ENHANCE_YOUR_CALM,
    MAX_STREAMS,
    NO_ERROR,
    REFUSED_STREAM,
    Framing,
)
from utsuwa.gateway.http2.session import Handler, Session, Stream
from utsuwa.gateway.http2.stream import ClientStream
from utsuwa.gateway.http2.translate import Fields
from utsuwa.kit.log import get_logger

_log = get_logger(__name__)
_GRACE = 1.0
"""Seconds for a client to hear that we go, before its new streams are refused."""
_RESETS = (500.0, 100.0)
"""Requests that a client may give up: at once, and a second (CVE-2023-44487: each costs it a few
bytes, and us a place in line and on a pod)."""
_CONTROLS = (10_000.0, 1000.0)
"""Frames that carry no request, likewise: pings, settings, priorities, empty content."""
_LAST_ID = 2**31 - 1
_PING = b"goodbye?"
_SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"


class ClientSession(Session[ClientStream]):
    """One client over HTTP/2.

    Mutable state, next to that of :class:`Session`: `deadline`, at most the earliest of its
    streams'; `_parting`: we have announced our end, and `_refusing`: new streams come too late.
    """

    __slots__ = (
        "_controls", "_parting", "_refusing", "_resets", "_settled", "deadline",
        "peer",
    )  # fmt: skip

    def __init__(self, core: Core, frames: Framing) -> None:
        super().__init__(core, frames)
        now = core.monotonic()
        self.deadline = now + core.limits.header_timeout
        self._settled = False
        self._parting = False
        self._refusing = False
        self._resets = Budget(*_RESETS, now)
        self._controls = Budget(*_CONTROLS, now)

    def __repr__(self) -> str:
        return f"<ClientSession streams={len(self.streams)} blocked={len(self.blocked)}>"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client speaks HTTP/2."""
        self.peer = peer_behind(transport)
        self.core.connections.add(self)
        super().connection_made(transport)
        if self.core.draining:
            self.retire()

    def upgraded(self, fields: Fields) -> None:
        """Stream 1 carries the request that asked for the upgrade."""
        self._open(1, fields, ended=True)
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self.core.connections.discard(self)
        super().connection_lost(exc)

    def broken(self, reason: str) -> None:
        """What came is no HTTP/2."""
        _log.debug("client breaks HTTP/2", reason=reason)
        self._linger()

    # --- from the clock and the server ----------------------------------------------------------

    def expired(self, now: float) -> None:
        """A limit of time has passed: a stream's, or our own."""
        if self.closed:
            self.transport.abort()
            return
        if self._parting and not self._refusing:
            self._refuse_new()
        elif not self._settled:
            self.abort()
            return
        for stream in list(self.streams.values()):
            if stream.deadline <= now:
                stream.expired(now)
        self.deadline = min((stream.deadline for stream in self.streams.values()), default=inf)

    def retire(self) -> None:
        """Take no further request; close as soon as nothing is under way.

        A client's request may be on its way to us: first we say that we go, and only when it has
        heard that which stream was the last (RFC 9113 §6.8).
        """
        if not self._parting and not self.closed:
            self._parting = True
            self.framing.say_goaway(_LAST_ID)
            self.framing.ping(_PING)
            self.deadline = min(self.deadline, self.core.monotonic() + _GRACE)
            self.flush()

    def part(self) -> None:
        """End what is under way now, as cleanly as can be, and close."""
        for stream in list(self.streams.values()):
            stream.part()
        self._parting = True
        if not self.closed:
            self._refuse_new()

    def abort(self) -> None:
        """Close at once."""
        self.closed = True
        self.transport.abort()

    def _refuse_new(self) -> None:
        self._refusing = True
        self.framing.say_goaway(self.framing.highest_inbound_stream_id)
        if self.streams:
            self.flush()
        else:
            self.close()

    # --- streams --------------------------------------------------------------------------------

    def ended(self, stream: Stream) -> None:
        """Our answer is out: what the client still sends of its request is of no use."""
        if stream.sent_end and not stream.over:
            if stream.got_end:
                self.forget(stream)
            else:
                self.reset(stream, NO_ERROR)

    def forget(self, stream: Stream) -> None:
        """A stream is over; the last one ends a connection that is to end."""
        super().forget(stream)
        if self._refusing and not self.streams:
            self.core.loop.call_soon(self.close)

    def _open(self, stream_id: int, block: Fields, *, ended: bool) -> None:
        stream = ClientStream(self, stream_id, self.peer)
        stream.got_end = ended
        self.streams[stream_id] = stream
        try:
            head = translate.read_request(block)
        except BadMessageError as error:
            stream.refuse(error)
            return
        stream.begin(head)
        self.deadline = min(self.deadline, stream.deadline)

    def _too_much(self, what: str) -> None:
        """More than a client may cost us."""
        _log.warning("client cut off", client=self.peer.address.decode(), reason=what)
        self.framing.close_connection(ENHANCE_YOUR_CALM, what.encode())
        self._linger()

    def _linger(self) -> None:
        # As in HTTP/1.1: closing while the client still sends would reset what we said last.
        self.flush()
        self.closed = True
        self.lose_streams("the connection was broken off")
        self.deadline = self.core.monotonic() + self.core.limits.linger
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()

    # --- events ---------------------------------------------------------------------------------

    def _request(self, event: events.RequestReceived) -> None:
        stream_id = event.stream_id
        if self._refusing or len(self.streams) >= MAX_STREAMS:
            self.framing.reset_stream(stream_id, REFUSED_STREAM)
            self._count_reset()
            return
        block = event.headers
        self._open(stream_id, block, ended=event.stream_ended is not None)

    def _content(self, event: events.DataReceived) -> None:
        size = event.flow_controlled_length
        self.content_came(size)
        stream = self.streams.get(event.stream_id)
        if stream is None:
            return
        data = event.data
        stream.got_end = event.stream_ended is not None
        if size > len(data):
            stream.take(size - len(data))
        if not data and not stream.got_end:
            self.control(event)
        stream.upload(data, end=stream.got_end)

    def _trailers(self, event: events.TrailersReceived) -> None:
        stream = self.streams.get(event.stream_id)
        if stream is None:
            return
        stream.got_end = True
        try:
            trailers = translate.read_trailers(event.headers)
        except BadMessageError as error:
            stream.refuse(error)
            return
        stream.upload_trailers(trailers)

    def _reset(self, event: events.StreamReset) -> None:
        stream = self.streams.get(event.stream_id)
        if stream is not None:
            self.forget(stream)
            stream.left()
            self._count_reset()

    def _count_reset(self) -> None:
        if not self._resets.spend(self.core.monotonic()):
            self._too_much("too many streams were opened in vain")

    def _settings(self, event: events.RemoteSettingsChanged) -> None:
        if not self._settled:
            self._settled = True
            self.deadline = min((one.deadline for one in self.streams.values()), default=inf)
            if self._parting:
                self.deadline = min(self.deadline, self.core.monotonic() + _GRACE)
        self.control(event)
        self.unblock()

    def control(self, event: events.Event) -> None:
        """A frame that carries no request."""
        super().control(event)
        if not self.closed and not self._controls.spend(self.core.monotonic()):
            self._too_much("too many frames that carry no request")

    def _pong(self, event: events.PingAckReceived) -> None:
        if self._parting and not self._refusing and event.ping_data == _PING:
            self._refuse_new()

    def _goaway(self, event: events.ConnectionTerminated) -> None:
        """The client opens no more streams."""
        self._parting = self._refusing = True
        if event.error_code or not self.streams:
            self.close(abort=bool(event.error_code))

    handlers: ClassVar[dict[type[events.Event], Handler]] = {
        events.RequestReceived: _request,
        events.DataReceived: _content,
        events.TrailersReceived: _trailers,
        events.StreamReset: _reset,
        events.WindowUpdated: Session.window_updated,
        events.RemoteSettingsChanged: _settings,
        events.PingReceived: control,
        events.PriorityUpdated: control,
        events.UnknownFrameReceived: control,
        events.PingAckReceived: _pong,
        events.ConnectionTerminated: _goaway,
    }


def take_over(
    core: Core, transport: asyncio.Transport, data: bytes, *, settings: bytes | None, end: int
) -> None:
    """Go on in HTTP/2 on a connection that began in HTTP/1.1.

    `settings` is the HTTP2-Settings field of the request that asked for it, the first `end` bytes
    of `data`; None where the client began with the preface.
    """
    if settings is not None:
        transport.write(_SWITCH)
    try:
        session = ClientSession(core, framing.towards_client(settings))
    except (ProtocolError, ValueError) as error:
        _log.debug("client's HTTP2-Settings are none", error=error)
        transport.close()
        return
    transport.set_protocol(session)
    session.connection_made(transport)
    if settings is not None:
        session.upgraded(translate.from_http1(data[:end]))
    if len(data) > end:
        session.data_received(data[end:])
