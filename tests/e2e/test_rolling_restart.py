"""SIGHUP: a new gateway behind the same sockets, and nobody who notices."""

import signal
import socket
from functools import partial
from pathlib import Path

import pytest
from tests.e2e.conftest import SAMPLES, Up, until
from tests.e2e.test_crashes import HOST, Load

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

REQUEST = f"GET /?sleep={{}} HTTP/1.1\r\nHost: {HOST}\r\n\r\n"


@pytest.fixture
def loaded(up: Up) -> Up:
    """A service that holds 200 clients with room to spare."""
    up.run("build", str(SAMPLES / "autoscale"), "-t", "autoscale:1")
    up.run("deploy", "load", "--image", "autoscale:1", "--concurrency", "100", "--min-scale", "3")
    until(lambda: len(up.get("pods")["items"]) >= 3, 20)
    return up


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def replace_gateway(up: Up) -> int:
    """Ask for another gateway and wait until it has taken over; its pid."""
    assert up.process is not None
    old = up.pid_of("gateway")
    up.process.send_signal(signal.SIGHUP)
    until(lambda: up.pid_of("gateway") != old, 20, "another gateway")
    return up.pid_of("gateway")


def test_two_restarts_under_load_of_200_connections_fail_no_request(loaded: Up) -> None:
    with Load(loaded, 200, path="/?sleep=20") as load:
        for _ in range(2):
            old = loaded.pid_of("gateway")
            replace_gateway(loaded)
            until(partial(load.has_served, load.served + 1000), 20)
            until(partial(gone, old), 20, "the old one's end")
    assert load.failed == 0, (load.statuses, load.errors[:3])


def test_a_request_under_way_ends_and_its_connection_with_it(loaded: Up) -> None:
    with socket.create_connection(("127.0.0.1", loaded.gateway_port)) as client:
        client.sendall(REQUEST.format(1500).encode())
        replace_gateway(loaded)
        answer = client.makefile("rb").read()  # until the gateway closes
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"Connection: close" in answer


def test_a_connection_between_two_requests_gets_its_next_answer(loaded: Up) -> None:
    """Never closed in between: the request might be on its way."""
    with socket.create_connection(("127.0.0.1", loaded.gateway_port)) as client:
        client.sendall(REQUEST.format(1).encode())
        first = client.recv(65536)
        assert first.startswith(b"HTTP/1.1 200")
        assert b"Connection: close" not in first
        replace_gateway(loaded)
        client.sendall(REQUEST.format(1).encode())
        second = client.makefile("rb").read()
    assert second.startswith(b"HTTP/1.1 200")
    assert b"Connection: close" in second


def test_the_end_of_everything_does_not_wait_for_connections_of_an_old_gateway(
    loaded: Up,
) -> None:
    with socket.create_connection(("127.0.0.1", loaded.gateway_port)) as client:
        client.sendall(REQUEST.format(1).encode())
        client.recv(65536)
        old = loaded.pid_of("gateway")
        replace_gateway(loaded)
        assert loaded.stop() == 0
        assert not Path(f"/proc/{old}").exists()


def test_a_hard_limit_holds_for_the_old_and_the_new_gateway_together(
    up: Up, tmp_path: Path
) -> None:
    """`containerConcurrency: 1`: never two inside, whoever sends them; and nobody starves."""
    app = tmp_path / "alone"
    app.mkdir()
    (app / "main.py").write_text(ALONE)
    up.run("build", str(app), "-t", "alone:1")
    up.run("deploy", "load", "--image", "alone:1", "--concurrency", "1", "--max-scale", "2")
    with Load(up, 12) as load:
        for _ in range(3):
            replace_gateway(up)
            until(partial(load.has_served, load.served + 60), 20)
    assert load.failed == 0, (load.statuses, load.errors[:3])


ALONE = """
import os, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

inside = threading.Lock()

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        alone = inside.acquire(blocking=False)
        time.sleep(0.03)
        if alone:
            inside.release()
        self.send_response(200 if alone else 500)
        self.send_header("Content-Length", "0")
        self.end_headers()

ThreadingHTTPServer.daemon_threads = True
ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
"""
