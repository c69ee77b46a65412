"""The applications of Knative's conformance suite, as far as its tests look at them.

The suite deploys images by name; `push.py` packs this one file once for each of them, started with
that name. What each must do is in `spec/conformance.md` §6. Standard library only, so that every
bundle starts in a tenth of a second and none needs an installer.
"""

import base64
import hashlib
import os
import signal
import struct
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

VOLUME = Path("/hello/world")
"""Where `hellovolume` finds its file."""
CONFIG = Path("/etc/config")
"""Where `configmimic` finds what it is to pretend."""


class Handler(BaseHTTPRequestHandler):
    """One request; `answer` of the image decides what is said."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    answer: Callable[["Handler"], None]

    def do_GET(self) -> None:
        type(self).answer(self)

    def do_POST(self) -> None:
        type(self).answer(self)

    @property
    def route(self) -> str:
        return urlsplit(self.path).path

    def query(self, name: str) -> str:
        return parse_qs(urlsplit(self.path).query).get(name, [""])[0]

    def say(self, body: str, status: int = 200) -> None:
        """A whole answer."""
        content = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        print(f"{self.command} {self.path} {code}", flush=True)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


def _handler(answer: Callable[[Handler], None]) -> type[Handler]:
    return type("ImageHandler", (Handler,), {"answer": staticmethod(answer)})


def _leave(*_: object) -> None:
    sys.exit(0)


def serve(
    answer: Callable[[Handler], None], port: int = 0, on_leaving: Callable[..., None] = _leave
) -> None:
    """Answer until told to leave."""
    where = port or int(os.environ.get("PORT", "8080"))
    signal.signal(signal.SIGTERM, on_leaving)
    server = Server(("", where), _handler(answer))
    print(f"listening on port {where}", flush=True)
    server.serve_forever(poll_interval=3600)


def saying(text: str) -> Callable[[], None]:
    """An image that always says the same."""
    return lambda: serve(lambda request: request.say(text))


# --- load --------------------------------------------------------------------------------------


def autoscale() -> None:
    """Sleeps, counts, and takes memory, as it is asked to."""
    serve(_autoscale)


def _autoscale(request: Handler) -> None:
    try:
        seconds = _duration(request.query("sleep"))
        megabytes = _positive(request.query("bloat"))
        limit = _positive(request.query("prime"))
    except ValueError as error:
        request.say(f"{error}\n", 400)
        return
    said = []
    if seconds is not None:
        time.sleep(seconds)
        said.append(f"Slept for {seconds:g}s.\n")
    if limit:
        said.append(f"The largest prime less than {limit} is {_largest_prime(limit)}.\n")
    if megabytes:
        taken = bytearray(b"\x01") * (megabytes << 20)
        said.append(f"Allocated {len(taken) >> 20} Mb of memory.\n")
    request.say("".join(said))


def _duration(text: str) -> float | None:
    """Milliseconds, or a number with a unit."""
    if not text:
        return None
    units = {"ms": 0.001, "s": 1.0, "m": 60.0}
    for unit, factor in units.items():
        if text.endswith(unit):
            seconds = float(text.removesuffix(unit)) * factor
            break
    else:
        seconds = int(text) / 1000
    if seconds < 0:
        raise ValueError(f"sleep={text}: must not be negative")
    return seconds


def _positive(text: str) -> int:
    number = int(text) if text else 0
    if text and number <= 0:
        raise ValueError(f"{text}: must be more than 0")
    return number


def _largest_prime(limit: int) -> int:
    sieve = bytearray(b"\x01") * (limit + 1)
    for number in range(2, int(limit**0.5) + 1):
        if sieve[number]:
            sieve[number * number :: number] = bytes(len(sieve[number * number :: number]))
    return next((number for number in range(limit, 1, -1) if sieve[number]), 0)


def timeout() -> None:
    """Waits before its head, and before its body."""

    def answer(request: Handler) -> None:
        time.sleep(int(request.query("initialTimeout") or 0) / 1000)
        milliseconds = int(request.query("timeout") or 0)
        body = f"Slept for {milliseconds} milliseconds".encode()
        request.send_response(200)
        request.send_header("Content-Type", "text/plain; charset=utf-8")
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        request.wfile.flush()
        time.sleep(milliseconds / 1000)
        request.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))

    serve(answer)


def singlethreaded() -> None:
    """Half a second for each request; a second one meanwhile is an error."""
    busy = threading.Lock()

    def answer(request: Handler) -> None:
        if not busy.acquire(blocking=False):
            request.say("", 500)
            return
        try:
            time.sleep(0.5)
        finally:
            busy.release()
        request.say("One at a time")

    serve(answer)


def failing() -> None:
    """Gives up after ten seconds, without ever having listened."""
    time.sleep(10)
    sys.exit(5)


def slowstart() -> None:
    """Sleeps for `-sleep SECONDS`, and ends."""
    arguments = sys.argv[2:]
    text = next((a.partition("=")[2] for a in arguments if a.lstrip("-").startswith("sleep=")), "0")
    time.sleep(float(text))


# --- files -------------------------------------------------------------------------------------


def hellovolume() -> None:
    """Serves the file of its volume, and the files beside it."""

    def answer(request: Handler) -> None:
        wanted = VOLUME.parent / request.route.lstrip("/")
        path = VOLUME if wanted == VOLUME.parent else wanted
        if ".." in path.parts:
            request.say("there is no escape\n", 400)
            return
        try:
            request.say(path.read_text() + "\n")
        except OSError as error:
            request.say(f"{error}\n", 500)

    serve(answer)


def volumes() -> None:
    """Writes a file, and serves it; each half can be left to another container."""
    path = Path(os.environ.get("DATA_PATH") or "/data") / "testfile"
    if not _true("SKIP_DATA_WRITE"):
        path.write_text("From file in empty dir!")
    if _true("SKIP_DATA_SERVE"):
        return

    def answer(request: Handler) -> None:
        try:
            request.say(path.read_text())
        except OSError as error:
            request.say(f"{error}\n", 500)

    serve(answer)


def _true(variable: str) -> bool:
    return os.environ.get(variable, "").lower() in {"1", "t", "true"}


def configmimic() -> None:
    """Is as ready and as alive as a file of its volume says: the first there is of those named
    like its service, configuration, revision and pod. It looks every five seconds."""
    names = [os.environ.get(f"K_{what}", "") for what in ("SERVICE", "CONFIGURATION", "REVISION")]
    names.append(os.environ.get("POD_NAME") or os.environ.get("HOSTNAME", ""))
    states: set[str] = set()

    def look() -> None:
        found: set[str] = set()
        for name in names:
            path = CONFIG / name
            if name and path.is_file():
                found = {word.strip() for word in path.read_text().split(",")}
        states.clear()
        states.update(found)

    def keep_looking() -> None:
        while True:
            time.sleep(5)
            look()

    def answer(request: Handler) -> None:
        if request.route.startswith("/healthz/"):
            state = request.route.removeprefix("/healthz/")
            request.say("", 200 if state in states else 503)
            return
        request.say(f"Hello {os.environ.get('NAME', '')}! How about some tasty noodles?")

    look()
    threading.Thread(target=keep_looking, daemon=True).start()
    serve(answer)


# --- probes ---------------------------------------------------------------------------------------


class Health:
    """What `readiness` says of itself when it is probed. Mutable state: all of it."""

    def __init__(self) -> None:
        self.good = True
        self.asked = 0

    def answer(self, request: Handler) -> None:
        """As main program, and at the paths under which it is probed."""
        place = request.route.removeprefix("/healthz")
        if place in {"/readiness", "/liveness"}:
            self.probed(request, alive=place == "/liveness")
        elif place == "/livenessCounter":
            request.say(str(self.asked))
        elif place == "/start-failing":
            self.good = False
            request.say("will now fail readiness")
        elif place == "/start-failing-sidecar":
            urllib.request.urlopen(f"http://localhost:{os.environ['FORWARD_PORT']}/start-failing")
            request.say("")
        elif place == "/query":
            fine = request.query("probe") == "ok"
            request.say(HELLO if fine else "no query\n", 200 if fine else 500)
        else:
            request.say(HELLO)

    def probed(self, request: Handler, *, alive: bool) -> None:
        self.asked += alive and self.good
        said = str(self.asked) if alive else HELLO
        request.say(said if self.good else "not healthy\n", 200 if self.good else 500)

    def recover(self) -> None:
        self.good = True


def readiness() -> None:
    """As healthy as it was told to be; `probe` as argument is its exec probe."""
    if "probe" in sys.argv[2:]:
        _probe()
    health = Health()
    if delay := os.environ.get("READY_DELAY"):
        health.good = False
        threading.Timer(_duration(delay) or 0, health.recover).start()
    time.sleep(_duration(os.environ.get("LISTEN_DELAY", "")) or 0)
    if port := os.environ.get("HEALTHCHECK_PORT"):
        server = Server(("", int(port)), _handler(health.answer))
        threading.Thread(target=server.serve_forever, daemon=True).start()
    serve(health.answer)


def _probe() -> None:
    try:
        urllib.request.urlopen(
            f"http://localhost:{os.environ.get('PORT', '8080')}/healthz/readiness"
        )
    except OSError as error:
        sys.exit(f"failed to probe: {error}")
    sys.exit(0)


# --- several containers, other services ----------------------------------------------------------


def servingcontainer() -> None:
    """Says what its neighbour on FORWARD_PORT says."""

    def answer(request: Handler) -> None:
        with urllib.request.urlopen(f"http://localhost:{os.environ['FORWARD_PORT']}") as neighbour:
            request.say(neighbour.read().decode() + "\n")

    serve(answer)


def sidecarcontainer() -> None:
    """The neighbour. It listens on a port of its own choice, as sidecars do."""
    serve(lambda request: request.say("Yay!! multi-container works\n"), 8882)


def httpproxy() -> None:
    """Asks TARGET_HOST, at the address of GATEWAY_HOST where there is one."""
    target = os.environ.get("TARGET_HOST", "")
    gateway = os.environ.get("GATEWAY_HOST") or target

    def answer(request: Handler) -> None:
        asked = urllib.request.Request(f"http://{gateway}{request.path}", headers={"Host": target})
        try:
            with urllib.request.urlopen(asked) as response:
                request.say(response.read().decode(), response.status)
        except urllib.error.HTTPError as error:
            request.say(error.read().decode(), error.code)
        except OSError as error:
            request.say(f"{error}\n", 502)

    serve(answer)


# --- WebSockets ----------------------------------------------------------------------------------

_WEBSOCKET_KEY = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CLOSE = 8


def wsserver() -> None:
    """Sends back what it is sent, with SUFFIX; when asked to leave, it says goodbye first."""
    talking: set[Handler] = set()
    suffix = os.environ.get("SUFFIX", "")

    def leave(*_: object) -> None:
        for request in list(talking):
            _send_frame(request, _CLOSE, struct.pack(">H", 1000) + b"bye")
        sys.exit(0)

    def answer(request: Handler) -> None:
        key = request.headers.get("Sec-WebSocket-Key", "").encode()
        if not key:
            request.say("")
            return
        digest = hashlib.sha1(key + _WEBSOCKET_KEY, usedforsecurity=False).digest()
        request.send_response(101)
        request.send_header("Upgrade", "websocket")
        request.send_header("Connection", "Upgrade")
        request.send_header("Sec-WebSocket-Accept", base64.b64encode(digest).decode())
        request.end_headers()
        request.wfile.flush()
        request.close_connection = True
        talking.add(request)
        try:
            converse(request)
        except OSError as error:
            print(f"the client has left: {error}", flush=True)
        finally:
            talking.discard(request)

    def converse(request: Handler) -> None:
        delay = float(request.query("delay") or 0)
        while frame := _read_frame(request):
            kind, content = frame
            if kind == _CLOSE:
                _send_frame(request, _CLOSE, content[:2])
                return
            time.sleep(delay)
            _send_frame(request, kind, content + (f" {suffix}".encode() if suffix else b""))

    serve(answer, on_leaving=leave)


def _read_frame(request: Handler) -> tuple[int, bytes] | None:
    """Kind and content of the client's next message; None when it is gone."""
    head = request.rfile.read(2)
    if len(head) < 2:
        return None
    size = head[1] & 127
    if size > 125:
        width, form = (2, ">H") if size == 126 else (8, ">Q")
        (size,) = struct.unpack(form, request.rfile.read(width))
    mask = request.rfile.read(4)
    content = bytes(byte ^ mask[i % 4] for i, byte in enumerate(request.rfile.read(size)))
    return head[0] & 15, content


def _send_frame(request: Handler, kind: int, content: bytes) -> None:
    size = bytes([len(content)]) if len(content) < 126 else struct.pack(">BH", 126, len(content))
    request.wfile.write(bytes([128 | kind]) + size + content)
    request.wfile.flush()


HELLO = "Hello World! How about some tasty noodles?\n"

IMAGES: dict[str, Callable[[], None]] = {
    "autoscale": autoscale,
    "configmimic": configmimic,
    "failing": failing,
    "hellovolume": hellovolume,
    "helloworld": saying(HELLO),
    "httpproxy": httpproxy,
    "pizzaplanetv1": saying("What a spaceport!\n"),
    "pizzaplanetv2": saying("Re-energize yourself with a slice of pepperoni!\n"),
    "readiness": readiness,
    "servingcontainer": servingcontainer,
    "sidecarcontainer": sidecarcontainer,
    "singlethreaded": singlethreaded,
    "slowstart": slowstart,
    "timeout": timeout,
    "volumes": volumes,
    "wsserver": wsserver,
}

if __name__ == "__main__":
    IMAGES[sys.argv[1]]()
