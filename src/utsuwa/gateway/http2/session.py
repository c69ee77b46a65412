"""What a connection to a client and one to a pod share: streams, windows, and when bytes go out.

Flow control is end to end. What arrives on a stream opens its window again only as the other side
takes it, so a stream holds at most :data:`framing.WINDOW` bytes each way; the window of the whole
connection is given back at once, so that one slow stream does not stop the others.
"""

import asyncio
from abc import ABC, ABCMeta, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Any, ClassVar, Generic, TypeVar, cast

from h2 import events
from h2.exceptions import ProtocolError

from utsuwa.gateway.core import Core
from utsuwa.gateway.http2.framing import CONNECTION_WINDOW, WINDOW, Framing
from utsuwa.gateway.http2.translate import Fields
from utsuwa.kit.log import get_logger

_log = get_logger(__name__)
_FRAME = 16 * 1024
"""Longest frame of content, though a peer may allow more: others get their turn."""

_UNREAD_ANSWERS = 1000
"""Pings and settings of a peer that does not read our answers to them."""


class Stream(ABC):
    """One stream of a :class:`Session`: its content out, and the window for content in.

    Mutable state: `_queue` and `_queued` (content that waits for a window, and its bytes),
    `_ending` (nothing follows the queue but `_trailers`), `sent_end`, `got_end`, `_taken` (bytes
    taken by the other side and not yet given back to the peer), `over` (forgotten by the session).
    """

    __slots__ = (
        "_ending", "_queue", "_queued", "_taken", "_trailers", "got_end", "id", "over", "sent_end",
        "session",
    )  # fmt: skip

    def __init__(self, session: "Session[Any]", stream_id: int) -> None:
        self.session = session
        self.id = stream_id
        self.sent_end = False
        self.got_end = False
        self.over = False
        self._queue: deque[bytes] = deque()
        self._queued = 0
        self._ending = False
        self._trailers: Fields | None = None
        self._taken = 0

    # --- out ------------------------------------------------------------------------------------

    def write_head(self, fields: Fields, *, end: bool) -> None:
        """Send a header block."""
        if not self.over:
            self._ending = self._ending or end
            self.session.send_headers(self, fields, end=end)

    def write(self, data: bytes, *, end: bool = False) -> None:
        """Send content, now or as soon as the peer takes it."""
        if self.over or self._ending or not (data or end):
            return
        self._queue.append(data)
        self._queued += len(data)
        self._ending = end
        self.pump()

    def write_end(self, trailers: Fields | None) -> None:
        """Nothing follows what was written but `trailers`."""
        if self.over or self._ending:
            return
        self._ending = True
        self._trailers = trailers
        self.pump()

    def pump(self) -> None:
        """Send as much of the content as the peer takes now."""
        session, queue = self.session, self._queue
        sent = 0
        while queue:
            data = queue[0]
            room = session.room(self.id)
            if room < len(data):
                if room <= 0:
                    break
                queue[0] = data[room:]
                data = data[:room]
            else:
                queue.popleft()
            last = self._ending and not queue and not self._trailers
            session.send_data(self, data, end=last)
            sent += len(data)
        if queue:
            session.blocked[self] = None
        elif self._ending and not self.sent_end:
            if self._trailers:
                session.send_headers(self, self._trailers, end=True)
            else:
                session.send_data(self, b"", end=True)
        if sent:
            self._queued -= sent
            self.sent(sent)
        if self.sent_end:
            session.ended(self)

    def reset(self, code: int) -> None:
        """Break the stream off, in both directions."""
        if not self.over:
            self.session.reset(self, code)

    # --- in -------------------------------------------------------------------------------------

    def take(self, size: int) -> None:
        """The other side has taken `size` bytes of what came: the peer may send as many more."""
        self._taken += size
        if self._taken >= WINDOW // 2 and not self.got_end and not self.over:
            taken, self._taken = self._taken, 0
            self.session.widen(self.id, taken)

    # --- for the heirs --------------------------------------------------------------------------

    @abstractmethod
    def sent(self, size: int) -> None:
        """`size` bytes of content have gone out."""

    @abstractmethod
    def lost(self, reason: str) -> None:
        """The connection is gone, and the stream with it."""


S = TypeVar("S", bound=Stream)
Handler = Callable[[Any, Any], None]


class Session(asyncio.Protocol, Generic[S], metaclass=ABCMeta):
    """One HTTP/2 connection.

    Mutable state: `streams` (all that are not over), `blocked` (those that wait for a window,
    longest first), `closed`, `write_paused`, `_unread` (bytes of the connection's window not yet
    given back), `_unanswered` (see `_UNREAD_ANSWERS`) and `_flushing` (what is written goes out later in this round of the loop).
    """

    __slots__ = (
        "_flushing", "_unanswered", "_unread", "blocked", "closed", "core", "framing", "streams", "transport",
        "write_paused",
    )  # fmt: skip

    handlers: ClassVar[dict[type[events.Event], Handler]] = {}
    transport: asyncio.Transport

    def __init__(self, core: Core, framing: Framing) -> None:
        self.core = core
        self.framing = framing
        self.streams: dict[int, S] = {}
        self.blocked: dict[Stream, None] = {}
        self.closed = False
        self.write_paused = False
        self._unread = 0
        self._unanswered = 0
        self._flushing = False

    # --- the loop's side ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected: say which settings are ours."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are none by class
        self.flush()

    def data_received(self, data: bytes) -> None:
        """Frames from the peer."""
        if self.closed:
            return
        self._flushing = True
        try:
            happened = self.framing.receive_data(data)
        except ProtocolError as error:
            self.broken(f"{type(error).__name__}: {error}")
            return
        handlers = self.handlers
        for event in happened:
            handler = handlers.get(type(event))
            if handler is not None:
                handler(self, event)
                if self.closed:
                    return
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Closed, by whomever."""
        self.closed = True
        self.lose_streams(f"the connection was closed: {exc or 'end of stream'}")

    def pause_writing(self) -> None:
        """The peer reads too slowly."""
        self.write_paused = True

    def resume_writing(self) -> None:
        """The peer reads again."""
        self.write_paused = False
        self._unanswered = 0
        self.unblock()

    # --- out ------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Hand what is written to the transport, in one piece."""
        self._flushing = False
        if not self.closed:
            data = self.framing.data_to_send()
            if data:
                self.transport.write(data)

    def _flush_later(self) -> None:
        # All that this round of the loop writes, whichever streams it belongs to, is one write.
        if not self._flushing:
            self._flushing = True
            self.core.loop.call_soon(self.flush)

    def room(self, stream_id: int) -> int:
        """Bytes of content that may be sent on the stream now."""
        if self.write_paused or self.closed:
            return 0
        try:
            window = self.framing.local_flow_control_window(stream_id)
        except ProtocolError:  # the peer has reset it: that event is about to be handled
            return 0
        return min(window, _FRAME, self.framing.max_outbound_frame_size)

    def send_headers(self, stream: Stream, fields: Fields, *, end: bool) -> None:
        """Write a header block."""
        stream.sent_end = end
        try:
            self.framing.write_block(stream.id, fields, end=end)
        except ProtocolError as error:
            _log.debug("stream is gone", stream=stream.id, error=error)
        self._flush_later()
        if end:
            self.ended(stream)

    def send_data(self, stream: Stream, data: bytes, *, end: bool) -> None:
        """Write content for which there is room."""
        stream.sent_end = end
        try:
            self.framing.write_content(stream.id, data, end=end)
        except (ProtocolError, KeyError) as error:
            _log.debug("stream is gone", stream=stream.id, error=error)
        self._flush_later()

    def widen(self, stream_id: int | None, size: int) -> None:
        """Let the peer send `size` bytes more, on one stream or on all together."""
        try:
            self.framing.widen(stream_id, size)
        except (ProtocolError, KeyError) as error:
            _log.debug("stream is gone", stream=stream_id, error=error)
        self._flush_later()

    def reset(self, stream: Stream, code: int) -> None:
        """Break a stream off."""
        self.forget(stream)
        try:
            self.framing.reset_stream(stream.id, code)
        except (ProtocolError, KeyError) as error:
            _log.debug("stream is gone", stream=stream.id, error=error)
        self._flush_later()

    def unblock(self) -> None:
        """There may be room again: let those that wait go on, in turn."""
        if self.blocked and not self.write_paused:
            blocked, self.blocked = self.blocked, {}
            for stream in blocked:
                if not stream.over:
                    stream.pump()

    def close(self, *, abort: bool = False) -> None:
        """Close the connection; safe to call twice."""
        if not self.closed:
            self.flush()
            self.closed = True
            if abort:
                self.transport.abort()
            else:
                self.transport.close()

    # --- in -------------------------------------------------------------------------------------

    def content_came(self, size: int) -> None:
        """`size` bytes of content came on whichever stream."""
        self._unread += size
        if self._unread >= CONNECTION_WINDOW // 2:
            unread, self._unread = self._unread, 0
            self.widen(None, unread)

    def control(self, event: events.Event) -> None:
        """A frame that we answer, or that at least costs us something."""
        if self.write_paused:
            self._unanswered += 1
            if self._unanswered > _UNREAD_ANSWERS:
                self.close(abort=True)

    def window_updated(self, event: events.WindowUpdated) -> None:
        """The peer takes more."""
        if self.blocked:
            stream = self.streams.get(event.stream_id)
            if event.stream_id == 0:
                self.unblock()
            elif stream in self.blocked and stream is not None:
                del self.blocked[stream]
                stream.pump()

    # --- streams that end -----------------------------------------------------------------------

    def ended(self, stream: Stream) -> None:
        """One direction of the stream has ended: it is over when both have."""
        if stream.sent_end and stream.got_end:
            self.forget(stream)

    def forget(self, stream: Stream) -> None:
        """The stream is over."""
        if not stream.over:
            stream.over = True
            del self.streams[stream.id]
            self.blocked.pop(stream, None)

    def lose_streams(self, reason: str) -> None:
        """Whatever was under way has failed."""
        self.blocked.clear()
        streams, self.streams = list(self.streams.values()), {}
        for stream in streams:
            stream.over = True
        for stream in streams:
            stream.lost(reason)

    # --- for the heirs --------------------------------------------------------------------------

    @abstractmethod
    def broken(self, reason: str) -> None:
        """The peer has sent what is no HTTP/2: the library has written a GOAWAY."""
