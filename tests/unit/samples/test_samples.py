"""The samples, run as the platform runs them: a process, a port, a SIGTERM in the end."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from threading import Thread
from typing import NamedTuple

import pytest
import yaml
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from utsuwa.kit.clock import SystemClock

pytestmark = pytest.mark.slow
SAMPLES = Path(__file__).parents[3] / "samples"
ALL = ("autoscale", "hello", "websocket")


class Running(NamedTuple):
    """A sample that listens."""

    process: subprocess.Popen[str]
    port: int

    def get(self, target: str) -> tuple[int, str]:
        """Status and body."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", target)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def raw(self, sent: bytes) -> bytes:
        """What comes back for some bytes, until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10)


def start(name: str) -> Running:
    """Run a sample on a free port until it says that it listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "main.py"],
        cwd=SAMPLES / name,
        env={"PORT": str(port), "K_REVISION": f"{name}-00001", "TARGET": "Test"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == f"listening on port {port}\n"
    return Running(process, port)


@pytest.fixture
def sample(request: pytest.FixtureRequest) -> Iterator[Running]:
    """The sample that the test names by parameter."""
    running = start(request.param)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait()
        assert running.process.stdout is not None
        running.process.stdout.close()


autoscale = pytest.mark.parametrize("sample", ["autoscale"], indirect=True)
hello = pytest.mark.parametrize("sample", ["hello"], indirect=True)
websocket = pytest.mark.parametrize("sample", ["websocket"], indirect=True)


@pytest.mark.parametrize("sample", ALL, indirect=True)
def test_sigterm_ends_a_sample_well(sample: Running) -> None:
    """Exit code 0, at once when nothing is in flight."""
    assert sample.stop() == 0


@pytest.mark.parametrize("name", ALL)
def test_a_sample_comes_with_a_readme_and_a_manifest(name: str) -> None:
    """The README shows how to deploy it."""
    manifest = yaml.safe_load((SAMPLES / name / "service.yaml").read_text())
    assert (manifest["apiVersion"], manifest["kind"]) == ("serving.knative.dev/v1", "Service")
    image = manifest["spec"]["template"]["spec"]["containers"][0]["image"]
    readme = (SAMPLES / name / "README.md").read_text()
    assert f"utsuwa build samples/{name} -t {image}" in readme
    assert "utsuwa deploy" in readme


# --- autoscale ---------------------------------------------------------------------------------


@autoscale
def test_autoscale_says_what_it_did_and_which_revision_did(sample: Running) -> None:
    """All three kinds of work."""
    status, body = sample.get("/?sleep=5&prime=10000&bloat=1")
    assert status == 200
    slept, prime, bloat, revision = body.splitlines()
    assert slept.startswith("Slept for ")
    assert float(slept.split()[2]) >= 5
    assert prime == "The largest prime up to 10000 is 9973."
    assert bloat == "Allocated 1 MB of memory."
    assert revision == "Answered by autoscale-00001."


@autoscale
@pytest.mark.parametrize(
    ("limit", "answer"), [(0, "no prime"), (2, "is 2."), (9, "is 7."), (7919, "is 7919.")]
)
def test_autoscale_finds_primes(sample: Running, limit: int, answer: str) -> None:
    """The limit included."""
    assert answer in sample.get(f"/?prime={limit}")[1]


@autoscale
def test_autoscale_without_parameters_says_how_to_use_it(sample: Running) -> None:
    """And parameters of others are ignored."""
    assert sample.get("/")[1].startswith("Try /?sleep=100")
    assert sample.get("/?utm=x")[1].startswith("Try /?sleep=100")


@autoscale
@pytest.mark.parametrize("query", ["sleep=long", "prime=-1", "bloat=", "sleep=1.5", "sleep"])
def test_autoscale_refuses_what_is_no_number(sample: Running, query: str) -> None:
    """400, with the parameter's name."""
    status, body = sample.get(f"/?{query}")
    assert status == 400
    assert body.startswith(query.partition("=")[0])


@autoscale
def test_autoscale_answers_request_after_request_on_one_connection(sample: Running) -> None:
    """Pipelined ones and bodies too."""
    sent = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n\r\n"
    assert sample.raw(sent).count(b"HTTP/1.1 200 OK") == 2


@autoscale
@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", b"400 Bad Request"),
        (b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"400 Bad Request"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000, b"431 Request Header Fields Too Large"),
    ],
)
def test_autoscale_refuses_garbage(sample: Running, sent: bytes, status: bytes) -> None:
    """With a status, and the connection closed."""
    with socket.create_connection(("127.0.0.1", sample.port), timeout=10) as connection:
        connection.sendall(sent)
        assert connection.recv(65536).startswith(b"HTTP/1.1 " + status)


@autoscale
def test_autoscale_sleeps_for_many_at_a_time(sample: Running) -> None:
    """200 requests of 0.2 s take about as long as one."""
    clock = SystemClock()
    started = clock.monotonic()
    threads = [Thread(target=sample.get, args=("/?sleep=200",)) for _ in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.monotonic() - started < 5  # one after another they would take 40 s


@autoscale
def test_autoscale_answers_what_is_in_flight_before_it_stops(sample: Running) -> None:
    """SIGTERM comes in the middle of a request; an idle connection does not keep it."""
    with socket.create_connection(("127.0.0.1", sample.port), timeout=10) as idle:
        idle.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert idle.recv(65536).startswith(b"HTTP/1.1 200")
        with socket.create_connection(("127.0.0.1", sample.port), timeout=10) as busy:
            busy.sendall(b"GET /?sleep=300 HTTP/1.1\r\n\r\n")
            SystemClock().pause(0.1)
            sample.process.send_signal(signal.SIGTERM)
            assert busy.recv(65536).startswith(b"HTTP/1.1 200")
        assert sample.process.wait(10) == 0


# --- hello -------------------------------------------------------------------------------------


@hello
def test_hello_greets_and_names_its_revision(sample: Running) -> None:
    """From the environment."""
    assert sample.get("/") == (200, "Hello Test!\nThis is hello-00001.\n")


# --- websocket ---------------------------------------------------------------------------------


def talk(sample: Running) -> ClientConnection:
    """A real client."""
    return connect(f"ws://127.0.0.1:{sample.port}/", compression=None, open_timeout=10)


@websocket
def test_websocket_returns_what_it_gets(sample: Running) -> None:
    """Text, bytes, nothing, each size of the length field, and a message in pieces."""
    with talk(sample) as client:
        for message in ("hi", b"\0\xff", "", "ü" * 200, "x" * 70_000):
            client.send(message)
            assert client.recv(10) == message
        client.send(iter(["in ", "three ", "pieces"]))
        assert client.recv(10) == "in three pieces"


@websocket
def test_websocket_answers_pings(sample: Running) -> None:
    """With the same payload."""
    with talk(sample) as client:
        assert client.ping("are you there").wait(10)


@websocket
def test_websocket_tells_its_clients_that_it_goes(sample: Running) -> None:
    """Close code 1001: connect again, elsewhere."""
    with talk(sample) as client:
        client.send("hi")
        client.recv(10)
        sample.process.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(10)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1001
    assert sample.process.wait(10) == 0


@websocket
def test_websocket_refuses_a_message_that_is_too_big(sample: Running) -> None:
    """Close code 1009."""
    with talk(sample) as client:
        client.send(b"x" * (1024 * 1024 + 1))
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(10)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


@websocket
def test_websocket_asks_plain_requests_to_upgrade(sample: Running) -> None:
    """426, and which revision that was."""
    status, body = sample.get("/")
    assert status == 426
    assert "websocket-00001" in body


@websocket
def test_websocket_client_errors_leave_it_running(sample: Running) -> None:
    """An unmasked frame is answered by close code 1002; a connection that breaks by nothing."""
    handshake = (
        b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    assert sample.raw(handshake + b"\x81\x02hi").endswith(b"\x88\x02\x03\xea")
    assert b"101 Switching Protocols" in sample.raw(handshake + b"\x81\xfe")
    with talk(sample) as client:
        client.send("still there")
        assert client.recv(10) == "still there"
