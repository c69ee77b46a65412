"""A WebSocket echo: what you send comes back, for as long as the connection stays open.

The protocol (RFC 6455) is spelled out below instead of taken from a library, because it is short
and worth seeing once: an HTTP request that asks for an upgrade, then frames in both directions.
A connection that is open counts as one request in flight: the pod stays while somebody listens.
"""

import base64
import hashlib
import os
import signal
import socket
import struct
import threading
from typing import NamedTuple

ACCEPT_SUFFIX = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3: a fixed value
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
GOING_AWAY, PROTOCOL_ERROR, TOO_BIG = 1001, 1002, 1009  # section 7.4.1: why a side closes
LONGEST_MESSAGE = 1024 * 1024
PATIENCE = 5.0  # seconds for which a client may go on sending after we have closed


class Goodbye(Exception):
    """We close the connection, for the reason given by a status code."""

    def __init__(self, code: int) -> None:
        self.code = code


class Frame(NamedTuple):
    final: bool
    opcode: int
    payload: bytes


# --- frames (section 5.2) ------------------------------------------------------------------------


def read_frame(stream) -> Frame | None:
    """The next frame from a client; None when it has closed the connection."""
    start = stream.read(2)
    if len(start) < 2:
        return None
    first, second = start
    length = second & 0x7F
    if length == 126:
        (length,) = struct.unpack("!H", stream.read(2))
    elif length == 127:
        (length,) = struct.unpack("!Q", stream.read(8))
    if not second & 0x80 or first & 0x70:  # clients must mask; we agreed on no extension
        raise Goodbye(PROTOCOL_ERROR)
    if length > LONGEST_MESSAGE:
        raise Goodbye(TOO_BIG)
    mask, masked = stream.read(4), stream.read(length)
    return Frame(bool(first & 0x80), first & 0x0F, unmask(masked, mask))


def unmask(data: bytes, mask: bytes) -> bytes:
    """`data` XOR `mask` repeated; done on one big number, which is far faster than byte by byte."""
    repeated = (mask * (len(data) // 4 + 1))[: len(data)]
    number = int.from_bytes(data, "big") ^ int.from_bytes(repeated, "big")
    return number.to_bytes(len(data), "big")


def frame(opcode: int, payload: bytes) -> bytes:
    """A whole message in one frame. Servers do not mask."""
    length = len(payload)
    if length < 126:
        head = struct.pack("!BB", 0x80 | opcode, length)
    elif length < 65536:
        head = struct.pack("!BBH", 0x80 | opcode, 126, length)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 127, length)
    return head + payload


# --- one client ----------------------------------------------------------------------------------


class Client:
    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.stream = connection.makefile("rb")

    def serve(self) -> None:
        try:
            try:
                if self.shake_hands():
                    self.echo()
            except Goodbye as goodbye:
                self.say_goodbye(goodbye.code)
        except (OSError, struct.error):
            pass  # the client has gone in the middle of something: nobody is left to tell
        finally:
            self.stream.close()
            self.connection.close()

    def shake_hands(self) -> bool:
        """Answer the HTTP request; True when it was an upgrade to WebSocket (section 4.2)."""
        self.stream.readline(8192)  # the request line: every path is welcome
        headers = {}
        while (line := self.stream.readline(8192)) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        key = headers.get("sec-websocket-key", "")
        if headers.get("upgrade", "").lower() != "websocket" or not key:
            revision = os.environ.get("K_REVISION", "a process that was started by hand")
            body = f"This is {revision}. I speak WebSocket: wscat -c ws://HOST/\n".encode()
            self.connection.sendall(
                b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: close\r\n"
                b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
            )
            return False
        accept = base64.b64encode(hashlib.sha1(key.encode() + ACCEPT_SUFFIX).digest())
        self.connection.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        return True

    def echo(self) -> None:
        kind, message = TEXT, b""  # a message may come in several frames
        while (received := read_frame(self.stream)) is not None:
            if received.opcode == CLOSE:
                self.connection.sendall(frame(CLOSE, received.payload[:2]))
                return
            if received.opcode == PING:
                self.connection.sendall(frame(PONG, received.payload))
            if received.opcode not in (CONTINUATION, TEXT, BINARY):
                continue
            if received.opcode != CONTINUATION:
                kind, message = received.opcode, b""
            message += received.payload
            if len(message) > LONGEST_MESSAGE:
                raise Goodbye(TOO_BIG)
            if received.final:
                self.connection.sendall(frame(kind, message))

    def say_goodbye(self, code: int) -> None:
        """Close, and let what the client still sends run off: if it were left unread, the kernel
        would reset the connection, and our reason might never arrive."""
        self.connection.sendall(frame(CLOSE, struct.pack("!H", code)))
        self.connection.shutdown(socket.SHUT_WR)
        self.connection.settimeout(PATIENCE)
        while self.stream.read(65536):
            pass

    def leave(self) -> None:
        """We are being stopped: tell the client to go elsewhere. It answers, and the echo ends."""
        try:
            self.connection.sendall(frame(CLOSE, struct.pack("!H", GOING_AWAY)))
        except OSError:
            pass  # has gone by itself


# --- from start to stop --------------------------------------------------------------------------


def main() -> None:
    port = int(os.environ.get("PORT", "8080"))
    listener = socket.create_server(("", port), backlog=256)
    clients: set[Client] = set()

    def stop(*_: object) -> None:
        listener.shutdown(socket.SHUT_RDWR)  # `accept` below fails, and the loop ends

    def serve(client: Client) -> None:
        clients.add(client)
        client.serve()
        clients.discard(client)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    print(f"listening on port {port}", flush=True)
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            break
        threading.Thread(target=serve, args=(Client(connection),), daemon=True).start()
    for client in list(clients):
        client.leave()


if __name__ == "__main__":
    main()
