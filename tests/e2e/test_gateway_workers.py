"""`--gateway-workers 3`: several gateways behind one port, and one hard limit for all of them."""

import json
import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest
from tests.e2e.conftest import Up, running, until
from tests.e2e.test_crashes import HOST, Load

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

COUNTING = """
import asyncio, json, os

inside = most = served = 0

class Client(asyncio.Protocol):
    timer = None

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        global inside, most
        if data.startswith(b"GET /counts"):
            self.answer(json.dumps({"inside": inside, "most": most, "served": served}))
            return
        inside += 1
        most = max(most, inside)
        self.timer = asyncio.get_running_loop().call_later(0.01, self.done)

    def done(self):
        global inside, served
        self.timer = None
        inside -= 1
        served += 1
        self.answer("done")

    def answer(self, text):
        self.transport.write(
            f"HTTP/1.1 200 OK\\r\\nContent-Length: {len(text)}\\r\\n\\r\\n{text}".encode()
        )

    def connection_lost(self, error):
        global inside
        if self.timer is not None:
            self.timer.cancel()
            inside -= 1

async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Client, "127.0.0.1", int(os.environ["PORT"]), backlog=512)
    await server.serve_forever()

asyncio.run(main())
"""

ONE_BY_ONE = """
import os
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

HTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
"""

WORKERS = ["gateway-0", "gateway-1", "gateway-2"]


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Up]:
    with running(tmp_path / "data", "--gateway-workers", "3") as up:
        yield up


def deploy(up: Up, tmp_path: Path, source: str, *arguments: str) -> None:
    app = tmp_path / "app"
    app.mkdir()
    (app / "main.py").write_text(source)
    up.run("build", str(app), "-t", "app:1")
    up.run("deploy", "load", "--image", "app:1", "--max-scale", "1", *arguments)


def connections(pid: int, port: int) -> int:
    """Clients' connections that the process has."""
    found = psutil.Process(pid).net_connections("tcp")
    return sum(1 for one in found if one.laddr.port == port and one.status == "ESTABLISHED")


def replaced(up: Up, name: str, old: int) -> bool:
    """Whether `name` is another process than `old` now."""
    return up.pid_of(name) != old


def test_the_limit_holds_for_all_of_them_and_the_death_of_one_costs_its_own_requests_alone(
    shared: Up, tmp_path: Path
) -> None:
    deploy(shared, tmp_path, COUNTING, "--concurrency", "2")
    with Load(shared, 24, path="/") as load:
        until(partial(load.has_served, 300), 30)
        pids = [shared.pid_of(name) for name in WORKERS]
        own = {pid: connections(pid, shared.gateway_port) for pid in pids}
        assert all(own.values()), f"connections are spread: {own}"
        os.kill(pids[1], signal.SIGKILL)
        until(partial(replaced, shared, "gateway-1", pids[1]), 20, "another worker")
        until(partial(load.has_served, load.served + 300), 30)
    counts = json.loads(shared.call(HOST, "/counts")[1])
    assert counts["most"] == 2
    assert counts["inside"] == 0
    assert load.failed <= own[pids[1]], (load.statuses, load.errors[:3])
    assert load.statuses.keys() <= {200, "broken"}


def test_the_broker_may_die_and_nobody_notices(shared: Up, tmp_path: Path) -> None:
    deploy(shared, tmp_path, COUNTING, "--concurrency", "2")
    with Load(shared, 24, path="/") as load:
        for _ in range(2):
            old = shared.pid_of("slots")
            os.kill(old, signal.SIGKILL)
            until(partial(replaced, shared, "slots", old), 20, "another broker")
            until(partial(load.has_served, load.served + 300), 30)
    assert load.failed == 0, (load.statuses, load.errors[:3])
    assert json.loads(shared.call(HOST, "/counts")[1])["most"] == 2


def test_all_of_them_are_replaced_without_a_failure(shared: Up, tmp_path: Path) -> None:
    deploy(shared, tmp_path, COUNTING, "--concurrency", "2")
    assert shared.process is not None
    with Load(shared, 24, path="/") as load:
        old = {name: shared.pid_of(name) for name in (*WORKERS, "slots")}
        shared.process.send_signal(signal.SIGHUP)
        for name, pid in old.items():
            until(partial(replaced, shared, name, pid), 30, f"another {name}")
        until(partial(load.has_served, load.served + 300), 30)
    assert load.failed == 0, (load.statuses, load.errors[:3])
    assert json.loads(shared.call(HOST, "/counts")[1])["most"] == 2


def test_a_program_that_serves_one_connection_at_a_time_never_waits_on_an_idle_one(
    shared: Up, tmp_path: Path
) -> None:
    """Kept open by one worker, it would hold up the requests that another has."""
    deploy(shared, tmp_path, ONE_BY_ONE, "--concurrency", "1")
    with Load(shared, 12, path="/") as load:
        until(partial(load.has_served, 1000), 30)
    assert load.failed == 0, (load.statuses, load.errors[:3])
    for _ in range(12):  # each over a connection of its own, at any of the three
        assert shared.call(HOST, timeout=5)[0] == 200
