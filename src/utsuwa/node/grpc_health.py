"""The health question of gRPC (`grpc.health.v1.Health/Check`), over HTTP/2 without TLS.

One call on a connection of its own. The two messages have one field each, so they are put
together and taken apart here: no gRPC library is needed for that.
"""

import asyncio
import contextlib
import struct
from dataclasses import dataclass, field
from urllib.parse import unquote

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import ProtocolError

_PATH = "/grpc.health.v1.Health/Check"
_UNIMPLEMENTED = "12"
_SERVING = 1
_STATES = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}
_LIMIT = 65_536


async def check(host: str, port: int, service: str = "") -> str:
    """ "" when what listens there says that it is serving, else what it said.

    Raises:
        OSError: nobody answers.
    """
    reader, writer = await asyncio.open_connection(host, port, limit=_LIMIT)
    call = _Call(f"{host}:{port}", service)
    try:
        while not call.over:
            writer.write(call.to_send())
            data = await reader.read(_LIMIT)
            if not data:
                return "connection closed without an answer"
            call.receive(data)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    return call.verdict()


@dataclass
class _Call:
    """One call; no I/O. Mutable state: what has come so far."""

    authority: str
    service: str
    over: bool = False
    _fields: dict[str, str] = field(default_factory=dict)
    _body: bytearray = field(default_factory=bytearray)
    _broken: str = ""

    def __post_init__(self) -> None:
        self._http2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self._http2.initiate_connection()
        self._http2.send_headers(
            1,
            [
                (":method", "POST"),
                (":scheme", "http"),
                (":path", _PATH),
                (":authority", self.authority),
                ("content-type", "application/grpc"),
                ("te", "trailers"),
                ("user-agent", "kube-probe//"),
            ],
        )
        self._http2.send_data(1, _request(self.service), end_stream=True)

    def to_send(self) -> bytes:
        return self._http2.data_to_send()

    def receive(self, data: bytes) -> None:
        try:
            # To the library this is the head of a frame of 4 MiB, for which it would wait.
            happened = None if data.startswith(b"HTTP/") else self._http2.receive_data(data)
        except ProtocolError:
            happened = None
        if happened is None:
            self._broken, self.over = "the answer is not HTTP/2", True
            return
        for event in happened:
            self._take(event)

    def _take(self, event: Event) -> None:
        match event:
            case ResponseReceived(headers=headers) | TrailersReceived(headers=headers):
                self._fields.update((str(name), str(value)) for name, value in headers or ())
            case DataReceived(data=data):
                self._body += data or b""
            case StreamReset(error_code=code) | ConnectionTerminated(error_code=code):
                name = code.name if isinstance(code, ErrorCodes) else code
                self._broken, self.over = f"the call was ended with {name}", True
            case StreamEnded():
                self.over = True
            case _:
                pass

    def verdict(self) -> str:
        """What the answer means."""
        if self._broken:
            return self._broken
        status = self._fields.get("grpc-status", "")
        if status == _UNIMPLEMENTED:
            return f"it does not implement {_PATH}"
        if status != "0":
            said = unquote(self._fields.get("grpc-message", ""))
            what = f"grpc-status {status}" if status else "the answer is not gRPC"
            return f"{what}{f': {said}' if said else ''}"
        state = _state(bytes(self._body[5:]))
        return "" if state == _SERVING else f"it says {_STATES.get(state, str(state))}"


def _request(service: str) -> bytes:
    """HealthCheckRequest{service = 1}, with gRPC's own head: not compressed, length."""
    name = service.encode()
    message = b"\x0a" + _varint(len(name)) + name if name else b""
    return struct.pack("!BI", 0, len(message)) + message


def _varint(number: int) -> bytes:
    """Seven bits at a time, the low ones first: 300 is AC 02."""
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def _state(message: bytes) -> int:
    """The field `status = 1` of a HealthCheckResponse; 0 where it is left out."""
    return message[1] if len(message) >= 2 and message[0] == 0x08 else 0
