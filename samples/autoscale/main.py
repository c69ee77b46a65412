"""The sample of the autoscaling experiment: a web server that can be told how hard to work.

    GET /?sleep=100     hold the request for 100 milliseconds (concurrency without CPU)
    GET /?prime=10000   find the largest prime up to 10,000 (CPU)
    GET /?bloat=5       use 5 MB of memory
    GET /               say how to use it

The three may be combined. Each answer says what was done, and which revision did it.

It needs nothing but Python, and it starts fast on purpose. A service that scales to zero is
started again while somebody waits, so the time from "spawned" to "listening" is part of the first
answer: `import asyncio` alone would triple it (about 70 ms instead of 20). A thread for each
connection is enough here: a thread that sleeps costs no CPU, and a thousand of them fit easily.
"""

import os
import signal
import socket
import threading
import time

ENDINGS = {signal.SIGTERM, signal.SIGINT}
LONGEST_HEAD = 64 * 1024  # bytes of request line and headers that we are willing to read
USAGE = "Try /?sleep=100 (milliseconds), /?prime=10000 or /?bloat=5 (megabytes).\n"


# --- what a request can ask for ------------------------------------------------------------------


def sleep(milliseconds: int) -> str:
    started = time.monotonic()
    time.sleep(milliseconds / 1000)
    return f"Slept for {(time.monotonic() - started) * 1000:.2f} milliseconds.\n"


def prime(limit: int) -> str:
    """The largest prime up to `limit`, by the sieve of Eratosthenes."""
    if limit < 2:
        return f"There is no prime up to {limit}.\n"
    candidates = bytearray([1]) * (limit + 1)
    for number in range(2, int(limit**0.5) + 1):
        if candidates[number]:
            multiples = range(number * number, limit + 1, number)
            candidates[multiples.start :: number] = bytes(len(multiples))
    return f"The largest prime up to {limit} is {candidates.rindex(1)}.\n"


def bloat(megabytes: int) -> str:
    memory = bytearray(megabytes * 1024 * 1024)
    memory[::4096] = b"\1" * len(range(0, len(memory), 4096))  # touch each page, or it costs nothing
    return f"Allocated {megabytes} MB of memory.\n"


WORK = {"sleep": sleep, "prime": prime, "bloat": bloat}


def answer(target: str) -> tuple[str, str]:
    """The status line's end and the body for a request target such as `/?sleep=100&prime=1000`."""
    _, _, query = target.partition("?")
    done = ""
    for parameter in query.split("&") if query else []:
        name, _, value = parameter.partition("=")
        if name not in WORK:
            continue  # like most servers: a parameter we do not know is none of our business
        if not value.isdecimal():
            return "400 Bad Request", f"{name}={value}: expected a whole number, like {name}=100\n"
        done += WORK[name](int(value))
    revision = os.environ.get("K_REVISION", "no revision (started by hand)")
    return "200 OK", f"{done or USAGE}Answered by {revision}.\n"


# --- HTTP/1.1, as much of it as we need ----------------------------------------------------------


def converse(connection: socket.socket) -> None:
    """Answer the requests of one connection, one after another, until one side has had enough."""
    received = b""
    while True:
        while b"\r\n\r\n" not in received:
            more = connection.recv(65536)
            if not more:
                return  # the client has closed, or we are being stopped
            received += more
            if len(received) > LONGEST_HEAD:
                connection.sendall(response("431 Request Header Fields Too Large", "", close=True))
                return
        head, _, received = received.partition(b"\r\n\r\n")
        request_line, *header_lines = head.decode("latin-1").split("\r\n")
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in header_lines)
        }
        try:
            _, target, version = request_line.split(" ")
            remaining = int(headers.get("content-length", "0"))
        except ValueError:
            connection.sendall(response("400 Bad Request", "not HTTP\n", close=True))
            return
        while remaining > len(received):  # a body is of no interest, but it must be out of the way
            remaining -= len(received)
            received = connection.recv(65536)
            if not received:
                return
        received = received[remaining:]
        close = (
            version == "HTTP/1.0"
            or headers.get("connection", "").lower() == "close"
            or "transfer-encoding" in headers  # we do not decode chunks: answer and hang up
        )
        status, body = answer(target)
        connection.sendall(response(status, body, close=close))
        if close:
            return


def response(status: str, body: str, *, close: bool) -> bytes:
    end = "Connection: close\r\n" if close else ""
    content = body.encode()
    return (
        f"HTTP/1.1 {status}\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(content)}\r\n{end}\r\n"
    ).encode() + content


# --- from start to stop --------------------------------------------------------------------------


class Server:
    def __init__(self, port: int) -> None:
        self.listener = socket.create_server(("", port), backlog=1024)
        self.connections: set[socket.socket] = set()
        self.stopping = False

    def run(self) -> None:
        # A thread waits for the signals: Python runs a handler between two steps of the main thread
        # alone, so one that comes just before `accept` would have to wait for the next connection.
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDINGS)
        threading.Thread(target=self.stop, daemon=True).start()
        print(f"listening on port {self.listener.getsockname()[1]}", flush=True)
        while not self.stopping:
            try:
                connection, _ = self.listener.accept()
            except OSError:  # being stopped; or out of file descriptors, which passes
                time.sleep(0 if self.stopping else 0.05)
                continue
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections.add(connection)
            threading.Thread(target=self.serve, args=(connection,)).start()
        # End well: no byte more is read, requests that are being worked on are still answered.
        # Their threads are not daemons, so Python waits for them before it exits.
        self.listener.close()
        for connection in list(self.connections):
            try:
                connection.shutdown(socket.SHUT_RD)
            except OSError:
                continue  # has gone by itself
        print("stopping", flush=True)

    def serve(self, connection: socket.socket) -> None:
        try:
            converse(connection)
        except OSError:
            return  # the client has gone in the middle of something
        finally:
            self.connections.discard(connection)
            connection.close()

    def stop(self) -> None:
        """SIGTERM: the platform wants this pod to end. Wakes `accept`, which then fails."""
        signal.sigwait(ENDINGS)
        self.stopping = True
        self.listener.shutdown(socket.SHUT_RDWR)


if __name__ == "__main__":
    Server(port=int(os.environ.get("PORT", "8080"))).run()  # the platform says where it knocks
