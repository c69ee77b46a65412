"""Pods that speak HTTP/2: many requests on one connection, a further one when its streams are used up.

A pod is known to speak it because its revision says so (protocol `h2c`): the connection begins
with the preface, nothing is negotiated (`spec/dataplane.md` §9).
"""

from collections.abc import Callable
from typing import Any, ClassVar, cast

from h2 import events

from utsuwa.gateway.core import Core
from utsuwa.gateway.exchange import Caller
from utsuwa.gateway.http1.errors import BadMessageError
from utsuwa.gateway.http2 import framing, translate
from utsuwa.gateway.http2.exchange import Consumer
from utsuwa.gateway.http2.framing import CANCEL, NO_ERROR, PROTOCOL_ERROR, REFUSED_STREAM
from utsuwa.gateway.http2.session import Handler, Session, Stream
from utsuwa.gateway.http2.translate import Fields
from utsuwa.gateway.pod import Pod
from utsuwa.gateway.upstream import PodConnection
from utsuwa.kit.log import get_logger

_log = get_logger(__name__)
_FIRST_STREAMS = 100
"""Streams opened before a pod has said how many it wants: what every peer should allow
(RFC 9113 §6.5.2)."""
_MOST_STREAMS = 256
_MOST_CONNECTIONS = 64
_LAST_ID = 2**31 - 1


class OnceConnection(PodConnection):
    """A connection of HTTP/1.1 for one request, which asks the pod to switch protocols."""

    __slots__ = ()

    def _release(self, reusable: bool) -> None:
        super()._release(False)


class Http2Pod(Pod):
    """An endpoint that speaks HTTP/2.

    Mutable state: next to that of :class:`Pod` (whose `idle` stays empty), `sessions` in use for
    new requests, oldest first, and `_dialling`.
    """

    __slots__ = ("_dialling", "sessions")

    def __init__(self, core: Core, revision: Any, uid: str, host: str, port: int) -> None:
        super().__init__(core, revision, uid, host, port)
        self.sessions: dict[PodSession, None] = {}
        self._dialling = False

    def dial(self, caller: Caller) -> None:
        """Carry `caller` on a connection that has room, or on a new one."""
        self.dialled += 1
        if caller.wants_upgrade:
            self.core.tasks.start(self._dial_once(caller), name="dial")
            return
        self.wanting[caller] = None
        self.serve()

    def _dial_more(self) -> None:
        # One at a time, and none while the newest has not said how many streams it takes.
        if (
            not self._dialling
            and len(self.sessions) < _MOST_CONNECTIONS
            and all(session.settled for session in self.sessions)
        ):
            self._dialling = True
            self.core.tasks.start(self._dial(), name="dial")

    async def _dial(self) -> None:
        try:
            await super()._dial()
        finally:
            self._dialling = False
        self.serve()

    async def _dial_once(self, caller: Caller) -> None:
        self.wanting[caller] = None
        try:
            connection = await self.connect(lambda: OnceConnection(self))
        except OSError:
            if caller in self.wanting:
                del self.wanting[caller]
                self.revision.unreachable(self, [caller])
            return
        if caller in self.wanting:
            del self.wanting[caller]
            caller.connected(connection)
        else:
            connection.close()

    async def warm_up(self) -> None:
        """Open a connection and give those that want one their streams."""
        session = await self.connect(lambda: PodSession(self))
        if session.closed:
            raise ConnectionResetError(f"{self.host}:{self.port} closed a new connection")
        if self.draining and not self.wanting:
            session.close()
            return
        self.sessions[session] = None
        self.serve()

    def serve(self) -> None:
        """Give streams to those that want one, first come first served."""
        while self.wanting:
            caller = next((one for one in self.wanting if not one.wants_upgrade), None)
            if caller is None:
                return
            session = next((one for one in self.sessions if one.has_room()), None)
            if session is None:
                self._dial_more()
                return
            del self.wanting[caller]
            caller.joined(session)

    @property
    def quiet(self) -> bool:
        """Whether nothing of it is in use, or about to be."""
        return super().quiet and not self._dialling and not any(s.streams for s in self.sessions)

    def served(self) -> int:
        """Each request is dialled, connection or not."""
        return self.dialled

    def close_idle(self) -> None:
        """Close the connections without streams."""
        for session in [one for one in self.sessions if not one.streams]:
            session.close()

    def trim(self) -> None:
        """Close those that have not been used since the last call."""
        for session in list(self.sessions):
            if not session.streams and session.served == session.served_before:
                session.close()
            session.served_before = session.served


class PodStream(Stream):
    """A request on its way to a pod, and the answer on its way back.

    Mutable state, next to that of :class:`Stream`: `_began` (its answer has), `_silent` (nothing
    has come on the connection since it began), `_consumer` (None once it is given up).
    """

    __slots__ = ("_consumer", "begun", "session_bytes")

    def __init__(self, session: "PodSession", stream_id: int, consumer: Consumer) -> None:
        super().__init__(session, stream_id)
        self._consumer: Consumer | None = consumer
        self.begun = False
        self.session_bytes = session.received

    def __repr__(self) -> str:
        return f"<PodStream {self.id} begun={self.begun} queued={self._queued}>"

    # --- Carrier --------------------------------------------------------------------------------

    def send(self, data: bytes, *, end: bool) -> None:
        """More of the request's content."""
        self.write(data, end=end)

    def finish(self, trailers: Fields) -> None:
        """The request is complete."""
        self.write_end(trailers)

    def took(self, size: int) -> None:
        """The client has taken content."""
        self.take(size)

    def cancel(self) -> None:
        """The request is given up."""
        self._consumer = None
        self.reset(CANCEL)

    # --- from the pod ---------------------------------------------------------------------------

    def sent(self, size: int) -> None:
        """The pod takes content."""
        if self._consumer is not None:
            self._consumer.uploaded(size)

    def head(self, block: Fields) -> None:
        """The answer begins; `got_end` says whether it is all."""
        status, fields = translate.read_response(block)
        if self._consumer is None:
            return
        if status < 200:
            self._consumer.inform(status, fields)
            return
        self.begun = True
        self._consumer.respond(status, fields, end=self.got_end)
        if self.got_end:
            self.complete(None)

    def content(self, data: bytes) -> None:
        """More of it."""
        if self._consumer is not None:
            self._consumer.content(data, end=self.got_end)
        if self.got_end:
            self.complete(None)

    def complete(self, trailers: Fields | None) -> None:
        """All of it: the pod needs no more of the request."""
        consumer, self._consumer = self._consumer, None
        if self.sent_end:
            self.session.forget(self)
        else:
            self.reset(NO_ERROR)
        if consumer is not None:
            consumer.complete(trailers)

    def fail(self, reason: str, code: int) -> None:
        """The pod's answer is no answer."""
        consumer, self._consumer = self._consumer, None
        self.reset(code)
        if consumer is not None:
            consumer.upstream_lost(reason, begun=self.begun, stale=False)

    def was_reset(self, code: int) -> None:
        """The pod has broken the stream off."""
        consumer, self._consumer = self._consumer, None
        if consumer is None:
            return
        if code == REFUSED_STREAM and not self.begun:
            consumer.unprocessed()
        else:
            consumer.upstream_reset(code, begun=self.begun)

    def unprocessed(self) -> None:
        """The pod closes, and has not looked at this request."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.unprocessed()

    def lost(self, reason: str) -> None:
        """The connection is gone."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            session = cast("PodSession", self.session)
            stale = session.served > 1 and session.received == self.session_bytes
            consumer.upstream_lost(f"the pod: {reason}", begun=self.begun, stale=stale)


class PodSession(Session[PodStream]):
    """One connection to a pod.

    Mutable state, next to that of :class:`Session`: `settled` (the pod has sent its settings),
    `leaving` (it has announced its end), `served` requests so far, `received` reads so far.
    """

    __slots__ = ("leaving", "pod", "received", "served", "served_before", "settled")

    def __init__(self, pod: Http2Pod) -> None:
        super().__init__(pod.core, framing.towards_pod())
        self.pod = pod
        self.settled = False
        self.leaving = False
        self.served = 0
        self.served_before = -1
        self.received = 0

    def __repr__(self) -> str:
        return f"<PodSession to {self.pod.uid} streams={len(self.streams)} served={self.served}>"

    # --- Opener ---------------------------------------------------------------------------------

    def has_room(self) -> bool:
        """Whether one more stream may be opened."""
        if self.closed or self.leaving:
            return False
        limit = _FIRST_STREAMS
        if self.settled:
            limit = min(self.framing.remote_settings.max_concurrent_streams, _MOST_STREAMS)
        return len(self.streams) < limit

    def open(self, consumer: Consumer, fields: Fields, *, end: bool) -> PodStream:
        """Begin a request."""
        stream_id = self.framing.get_next_available_stream_id()
        stream = PodStream(self, stream_id, consumer)
        self.streams[stream_id] = stream
        self.served += 1
        if stream_id >= _LAST_ID - 2:
            self._leave()
        stream.write_head(fields, end=end)
        return stream

    # --- the loop's side ------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Frames from the pod."""
        self.received += 1
        super().data_received(data)

    def close(self, *, abort: bool = False) -> None:
        """Close; no new request comes here."""
        self.pod.sessions.pop(self, None)
        super().close(abort=abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """Closed, by whomever."""
        self.pod.sessions.pop(self, None)
        super().connection_lost(exc)
        self.pod.serve()

    def broken(self, reason: str) -> None:
        """The pod does not speak HTTP/2, or breaks its rules."""
        _log.info("pod breaks HTTP/2", revision=self.pod.revision.name, reason=reason)
        self.close(abort=True)
        self.lose_streams(f"it does not speak HTTP/2 as its port's name h2c promises ({reason})")

    def forget(self, stream: Stream) -> None:
        """There is room for another."""
        super().forget(stream)
        if self.pod.wanting:
            self.pod.serve()
        if self.leaving and not self.streams:
            self.close()

    # --- events ---------------------------------------------------------------------------------

    def _guarded(self, stream: PodStream, act: Callable[[], None]) -> None:
        try:
            act()
        except BadMessageError as error:
            stream.fail(error.text, PROTOCOL_ERROR)

    def _head(self, event: events.ResponseReceived | events.InformationalResponseReceived) -> None:
        stream = self.streams.get(event.stream_id)
        if stream is not None:
            stream.got_end = getattr(event, "stream_ended", None) is not None
            block = event.headers
            self._guarded(stream, lambda: stream.head(block))

    def _content(self, event: events.DataReceived) -> None:
        size = event.flow_controlled_length
        self.content_came(size)
        stream = self.streams.get(event.stream_id)
        if stream is not None:
            stream.got_end = event.stream_ended is not None
            if size > len(event.data):
                stream.take(size - len(event.data))
            stream.content(event.data)

    def _trailers(self, event: events.TrailersReceived) -> None:
        stream = self.streams.get(event.stream_id)
        if stream is not None:
            stream.got_end = True
            block = event.headers
            self._guarded(stream, lambda: stream.complete(translate.read_trailers(block)))

    def _reset(self, event: events.StreamReset) -> None:
        stream = self.streams.get(event.stream_id)
        if stream is not None:
            self.forget(stream)
            stream.was_reset(int(event.error_code))

    def _settings(self, event: events.RemoteSettingsChanged) -> None:
        self.settled = True
        self.control(event)
        self.unblock()
        self.pod.serve()

    def _goaway(self, event: events.ConnectionTerminated) -> None:
        """The pod takes no more streams; those it has seen it will finish."""
        self._leave()
        last = event.last_stream_id
        unseen = [stream for key, stream in self.streams.items() if last is not None and key > last]
        for stream in unseen:
            self.forget(stream)
        for stream in unseen:
            stream.unprocessed()
        if not self.streams or event.error_code:
            self.close(abort=bool(event.error_code))

    def _leave(self) -> None:
        self.leaving = True
        self.pod.sessions.pop(self, None)

    handlers: ClassVar[dict[type[events.Event], Handler]] = {
        events.ResponseReceived: _head,
        events.InformationalResponseReceived: _head,
        events.DataReceived: _content,
        events.TrailersReceived: _trailers,
        events.StreamReset: _reset,
        events.PingReceived: Session.control,
        events.WindowUpdated: Session.window_updated,
        events.RemoteSettingsChanged: _settings,
        events.ConnectionTerminated: _goaway,
    }
