"""What the endurance run calls: answers at once or late, streams, takes uploads, echoes WebSockets.

Each answer says in `X-Inside` how many requests were inside this process at the most while it was
made, so that a caller sees a limit that does not hold. A caller that is going to leave says so in
`leaves`, and is not counted: its place is free at once, though we may only learn of it later.
"""

import base64
import hashlib
import os
import struct
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

ACCEPT_SUFFIX = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
TEXT, CLOSE = 1, 8


class Inside:
    """Counts who is inside. Mutable state: `now`, guarded by `_lock`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.now = 0

    def enter(self) -> int:
        with self._lock:
            self.now += 1
            return self.now

    def leave(self) -> None:
        with self._lock:
            self.now -= 1


INSIDE = Inside()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        left = "leaves=" in self.path
        inside = 0 if left else INSIDE.enter()

        def leave() -> None:
            # Before the last byte: the next request may come as soon as it is out.
            nonlocal left
            if not left:
                left = True
                INSIDE.leave()

        try:
            url = urlsplit(self.path)
            query = dict(parse_qsl(url.query))
            if self.headers.get("Upgrade", "").lower() == "websocket":
                self.websocket(inside)
            elif url.path == "/stream":
                self.stream(inside, int(query["parts"]), leave)
            else:
                time.sleep(int(query.get("sleep", "0")) / 1000)
                self.reply(inside, b"ok\n", leave)
        finally:
            leave()

    def do_POST(self) -> None:
        inside = INSIDE.enter()
        try:
            left = int(self.headers["Content-Length"])
            while left:
                data = self.rfile.read(min(left, 65536))
                if not data:
                    return
                left -= len(data)
        finally:
            INSIDE.leave()
        self.reply(inside, b"%d\n" % int(self.headers["Content-Length"]), lambda: None)

    def reply(self, inside: int, body: bytes, leave: Callable[[], None]) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Inside", str(inside))
        leave()
        self.end_headers()
        self.wfile.write(body)

    def stream(self, inside: int, parts: int, leave: Callable[[], None]) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("X-Inside", str(inside))
        self.end_headers()
        for _ in range(parts):
            self.wfile.write(b"5\r\npart\n\r\n")
            time.sleep(0.1)
        leave()
        self.wfile.write(b"0\r\n\r\n")

    def websocket(self, inside: int) -> None:
        key = self.headers["Sec-WebSocket-Key"].encode()
        accept = base64.b64encode(hashlib.sha1(key + ACCEPT_SUFFIX).digest()).decode()
        self.send_response(101)
        for name, value in (
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Accept", accept),
            ("X-Inside", str(inside)),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = True
        while True:
            start = self.rfile.read(2)
            if len(start) < 2:
                return
            opcode, length = start[0] & 0x0F, start[1] & 0x7F  # short masked messages alone
            mask, masked = self.rfile.read(4), self.rfile.read(length)
            text = bytes(byte ^ mask[i % 4] for i, byte in enumerate(masked))
            self.wfile.write(struct.pack("!BB", 0x80 | opcode, length) + text)
            if opcode == CLOSE:
                return

    def log_message(self, *arguments: object) -> None:
        """Silent."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024


if __name__ == "__main__":
    Server(("", int(os.environ.get("PORT", "8080"))), Handler).serve_forever()
