"""The `h2` library as the gateway uses it: frames, header compression and the rules of both.

Header fields are checked in :mod:`translate`, with one search a field instead of one step a byte,
and as an error of the stream instead of the connection (RFC 9113 §8.1.1).
"""

import struct
from typing import TYPE_CHECKING, cast

from h2.config import H2Configuration
from h2.connection import AllowedStreamIDs, ConnectionInputs, H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, Event
from h2.exceptions import FrameTooLargeError, StreamClosedError, StreamIDTooLowError
from h2.settings import SettingCodes, Settings
from h2.stream import StreamInputs
from hyperframe.frame import Frame, GoAwayFrame, RstStreamFrame

from utsuwa.gateway.http2.compression import Compressor, Decompressor

if TYPE_CHECKING:
    from typing_extensions import Buffer

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client that knows that we speak HTTP/2 sends first (RFC 9113 §3.4)."""
MAX_STREAMS = 250
"""Requests under way that a client may have on one connection."""
WINDOW = 128 * 1024
"""Bytes of one body that may be on their way to us, not yet taken by the other side."""
CONNECTION_WINDOW = 1024 * 1024
MAX_HEADER_LIST = 64 * 1024
_SWEEP = 64
_HEAD = struct.Struct(">HBBBL")
_DATA, _HEADERS, _CONTINUATION = 0x0, 0x1, 0x9
_END_STREAM, _END_HEADERS = 0x1, 0x4

NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR = 0x0, 0x1, 0x2
REFUSED_STREAM, CANCEL, ENHANCE_YOUR_CALM = 0x7, 0x8, 0xB


class Framing(H2Connection):
    """One connection's frames.

    Unlike the library, it goes on after a GOAWAY without an error: the streams that are open are
    to be finished (RFC 9113 §6.8). And how many streams are open is ours to limit: a client that has
    not read yet how many it may is refused one by one, where the library would end the connection;
    so it does not count them at each new one, but only drops those that are closed, now and then.

    Mutable state: that of the library, and `_sweep_at`, the number of streams that makes it drop.
    """

    _sweep_at = _SWEEP

    def _open_streams(self, remainder: int) -> int:
        if len(self.streams) >= self._sweep_at:
            self._sweep_at = _SWEEP + 2 * super()._open_streams(remainder)
        return 0

    # --- out ------------------------------------------------------------------------------------
    # Written by hand: the library makes objects of what is a few bytes, and copies each field
    # twice. Its state machines are asked as it asks them.

    def write_block(self, stream_id: int, fields: list[tuple[bytes, bytes]], *, end: bool) -> None:
        """Write a header block; the first on a stream of ours opens it.

        Raises:
            h2.exceptions.ProtocolError: the stream is not in a state for it.
        """
        client = self.config.client_side
        self.state_machine.process_input(ConnectionInputs.SEND_HEADERS)
        stream = self.streams.get(stream_id)
        if stream is None:
            self._open_streams(0)
            stream = self._get_or_create_stream(stream_id, AllowedStreamIDs(client))
        machine = stream.state_machine
        name, value = fields[0]
        if not client and name == b":status" and value[:1] == b"1":
            machine.process_input(StreamInputs.SEND_INFORMATIONAL_HEADERS)
        else:
            machine.process_input(StreamInputs.SEND_HEADERS)
        if end:
            machine.process_input(StreamInputs.SEND_END_STREAM)
        if client and name == b":method":
            stream.request_method = value
        block, kind = self.encoder.encode(fields), _HEADERS
        flags = _END_STREAM if end else 0
        limit = self.max_outbound_frame_size
        while len(block) > limit:
            self._write(kind, flags, stream_id, block[:limit])
            block, kind, flags = block[limit:], _CONTINUATION, 0
        self._write(kind, flags | _END_HEADERS, stream_id, block)

    def write_content(self, stream_id: int, data: bytes, *, end: bool) -> None:
        """Write a frame of content, for which there is room in every window.

        Raises:
            h2.exceptions.ProtocolError: the stream is not in a state for it.
            KeyError: there is no such stream.
        """
        self.state_machine.process_input(ConnectionInputs.SEND_DATA)
        stream = self.streams[stream_id]
        stream.state_machine.process_input(StreamInputs.SEND_DATA)
        if end:
            stream.state_machine.process_input(StreamInputs.SEND_END_STREAM)
        size = len(data)
        stream.outbound_flow_control_window -= size
        self.outbound_flow_control_window -= size
        self._write(_DATA, _END_STREAM if end else 0, stream_id, data)

    def _write(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        size = len(payload)
        self._data_to_send += _HEAD.pack(size >> 8, size & 0xFF, kind, flags, stream_id) + payload

    # --- in -------------------------------------------------------------------------------------

    def _receive_frame(self, frame: Frame) -> list[Event]:
        if isinstance(frame, GoAwayFrame) and frame.error_code == NO_ERROR:
            event = ConnectionTerminated()
            event.error_code = frame.error_code
            event.last_stream_id = frame.last_stream_id
            return [event]
        # As the library does it, without a text of each frame for a log that nobody keeps.
        try:
            frames, happened = self._frame_dispatch_table[frame.__class__](frame)
        except StreamClosedError as error:
            if not self._stream_is_closed_by_reset(error.stream_id):
                raise
            return self._closed(error.stream_id, error.error_code, error._events)  # noqa: SLF001
        except StreamIDTooLowError as error:
            if self._stream_is_closed_by_reset(error.stream_id):
                return self._closed(error.stream_id, ErrorCodes.STREAM_CLOSED, [])
            if self._stream_is_closed_by_end(error.stream_id):
                raise StreamClosedError(error.stream_id) from error
            raise
        self._prepare_for_sending(frames)
        return cast("list[Event]", happened)

    def _closed(self, stream_id: int, code: int, happened: list[Event]) -> list[Event]:
        """A frame came on a stream that was reset: its sender may not know it yet."""
        self._prepare_for_sending([RstStreamFrame(stream_id, error_code=code)])
        return happened

    def receive_data(self, data: "Buffer") -> list[Event]:
        """Frames from the peer; one that is too long is refused before it has come whole.

        Raises:
            h2.exceptions.ProtocolError: the peer breaks the rules; a GOAWAY is written.
        """
        happened = super().receive_data(data)
        rest = self.incoming_buffer._data  # noqa: SLF001  (the library waits for the whole frame)
        if len(rest) >= 3 and int.from_bytes(rest[:3], "big") > self.max_inbound_frame_size:
            self._terminate_connection(ErrorCodes.FRAME_SIZE_ERROR)
            raise FrameTooLargeError(f"a frame is longer than {self.max_inbound_frame_size} bytes")
        return happened

    def say_goaway(self, last_stream_id: int) -> None:
        """Announce the end of the connection without ending it."""
        self._prepare_for_sending([GoAwayFrame(0, last_stream_id=last_stream_id)])

    def widen(self, stream_id: int | None, size: int) -> None:
        """Let the peer send `size` bytes more."""
        self.increment_flow_control_window(size, stream_id)


def _configured(*, client_side: bool, settings: dict[SettingCodes, int]) -> Framing:
    framing = Framing(
        H2Configuration(
            client_side=client_side,
            header_encoding=None,
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
            validate_inbound_headers=False,
            normalize_inbound_headers=False,
        )
    )
    framing.local_settings = Settings(client=client_side, initial_values=settings)
    framing.encoder = Compressor()
    framing.decoder = Decompressor(MAX_HEADER_LIST)
    return framing


def towards_client(settings: bytes | None = None) -> Framing:
    """Frames of a connection that a client opened, our own settings already to be sent.

    With `settings` (the value of HTTP2-Settings), stream 1 carries the request that asked for the
    upgrade.

    Raises:
        ValueError: `settings` is no settings frame.
        h2.exceptions.ProtocolError: they are not allowed.
    """
    told: dict[SettingCodes, int] = {
        SettingCodes.MAX_CONCURRENT_STREAMS: MAX_STREAMS,
        SettingCodes.INITIAL_WINDOW_SIZE: WINDOW,
        SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEADER_LIST,
    }
    framing = _configured(client_side=False, settings=told)
    if settings is None:
        framing.initiate_connection()
    else:
        framing.initiate_upgrade_connection(settings)
    framing.widen(None, CONNECTION_WINDOW - 65_535)
    return framing


def towards_pod() -> Framing:
    """Frames of a connection that we open, the preface already to be sent."""
    framing = _configured(
        client_side=True,
        settings={
            SettingCodes.ENABLE_PUSH: 0,
            SettingCodes.INITIAL_WINDOW_SIZE: WINDOW,
            SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEADER_LIST,
        },
    )
    framing.initiate_connection()
    framing.widen(None, CONNECTION_WINDOW - 65_535)
    return framing
