"""Peers that speak HTTP/2 over fake transports: a client, and a pod."""

from collections import defaultdict
from dataclasses import dataclass, field

from h2 import events
from h2.config import H2Configuration

from utsuwa.gateway.http2.framing import Framing
from utsuwa.testing.gateway import FakeTransport

Field = tuple[bytes, bytes]


@dataclass
class Message:
    """What has come on one stream so far."""

    fields: list[Field] = field(default_factory=list)
    interim: list[list[Field]] = field(default_factory=list)
    body: bytes = b""
    trailers: list[Field] | None = None
    ended: bool = False
    reset: int | None = None

    def get(self, name: str) -> str:
        """The value of a field; empty where it is missing."""
        return dict(self.fields).get(name.encode(), b"").decode()

    @property
    def status(self) -> int:
        """Of an answer; 0 before it has begun."""
        return int(self.get(":status") or "0")


class Http2Peer:
    """The other end of a connection to the gateway.

    Mutable state: `messages` by stream, `goaways` (their last stream ids), `happened` (all events),
    and `frames`: the library, which with us goes on after a GOAWAY, as real peers do.
    """

    def __init__(
        self, transport: FakeTransport, *, client: bool, take: bool = True, upgraded: bool = False
    ) -> None:
        self.transport = transport
        self.take = take
        self.messages: defaultdict[int, Message] = defaultdict(Message)
        self.goaways: list[int] = []
        self.happened: list[events.Event] = []
        self.frames = Framing(
            H2Configuration(
                client_side=client, header_encoding=None, validate_outbound_headers=False
            )
        )
        self.settings = b""
        if upgraded:
            self.settings = self.frames.initiate_upgrade_connection() or b""
        else:
            self.frames.initiate_connection()

    # --- bytes ----------------------------------------------------------------------------------

    def flush(self) -> None:
        """Send what is written."""
        data = self.frames.data_to_send()
        if data and not self.transport.closed:
            self.transport.feed(data)

    def read(self) -> None:
        """Read what the gateway has sent, and answer as the protocol demands."""
        for event in self.frames.receive_data(self.transport.take()):
            self.happened.append(event)
            self._heard(event)
        self.flush()

    def _heard(self, event: events.Event) -> None:
        message = self.messages[getattr(event, "stream_id", 0) or 0]
        if isinstance(event, events.InformationalResponseReceived):
            message.interim.append(list(event.headers))
        elif isinstance(event, events.RequestReceived | events.ResponseReceived):
            message.fields = list(event.headers)
        elif isinstance(event, events.DataReceived):
            message.body += event.data
            if self.take and event.flow_controlled_length:
                self.frames.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, events.TrailersReceived):
            message.trailers = list(event.headers)
        elif isinstance(event, events.StreamEnded):
            message.ended = True
        elif isinstance(event, events.StreamReset):
            message.reset = int(event.error_code)
        elif isinstance(event, events.ConnectionTerminated):
            self.goaways.append(event.last_stream_id or 0)

    # --- messages -------------------------------------------------------------------------------

    def request(
        self,
        *fields: tuple[str, str],
        method: str = "GET",
        path: str = "/",
        host: str = "hello.default.example.com",
        end: bool = True,
    ) -> int:
        """Begin a request; answers its stream."""
        stream_id = self.frames.get_next_available_stream_id()
        head = [(":method", method), (":scheme", "http"), (":authority", host), (":path", path)]
        block = [(name.encode(), value.encode()) for name, value in (*head, *fields)]
        self.frames.send_headers(stream_id, block, end_stream=end)
        self.flush()
        return stream_id

    def respond(
        self, stream_id: int, *fields: tuple[str, str], status: int = 200, end: bool = False
    ) -> None:
        """Begin an answer."""
        head = [(":status", str(status)), *fields]
        block = [(name.encode(), value.encode()) for name, value in head]
        self.frames.send_headers(stream_id, block, end_stream=end)
        self.flush()

    def send(self, stream_id: int, data: bytes, *, end: bool = False) -> None:
        """Content, which must fit the gateway's window."""
        while len(data) > 16384:
            self.frames.send_data(stream_id, data[:16384])
            data = data[16384:]
        self.frames.send_data(stream_id, data, end_stream=end)
        self.flush()

    def trailers(self, stream_id: int, *fields: tuple[str, str]) -> None:
        """The end, with trailers."""
        block = [(name.encode(), value.encode()) for name, value in fields]
        self.frames.send_headers(stream_id, block, end_stream=True)
        self.flush()

    def reset(self, stream_id: int, code: int = 8) -> None:
        """Break a stream off."""
        self.frames.reset_stream(stream_id, code)
        self.flush()


def http2_client(transport: FakeTransport, *, take: bool = True) -> Http2Peer:
    """A client that begins with the preface; with `take` False it never widens a window."""
    peer = Http2Peer(transport, client=True, take=take)
    peer.flush()
    return peer


def http2_pod(transport: FakeTransport, *, take: bool = True) -> Http2Peer:
    """A pod behind a connection of the gateway's, which has sent its preface."""
    peer = Http2Peer(transport, client=False, take=take)
    peer.read()
    return peer
