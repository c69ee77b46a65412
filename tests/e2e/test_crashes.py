"""Kill -9 of each process under load: what a client of a service may see, and what not."""

import http.client
import os
import signal
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import pytest
from tests.e2e.conftest import SAMPLES, Up, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

HOST = "load.default.localhost"


@dataclass
class Load:
    """Closed-loop clients, each with a connection of its own, until told to stop."""

    up: Up
    clients: int
    path: str = "/?sleep=50"
    statuses: dict[object, int] = field(default_factory=dict)
    stopping: threading.Event = field(default_factory=threading.Event)
    errors: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._threads = [threading.Thread(target=self._client) for _ in range(self.clients)]
        self._lock = threading.Lock()
        for thread in self._threads:
            thread.start()
        until(lambda: self.statuses.get(200, 0) > self.clients, 30, "first answers")
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        for thread in self._threads:
            thread.join()

    @property
    def served(self) -> int:
        return self.statuses.get(200, 0)

    def has_served(self, count: int) -> bool:
        """Whether `count` answers of 200 have come."""
        return self.served > count

    @property
    def failed(self) -> int:
        return sum(count for status, count in self.statuses.items() if status != 200)

    def connection(self) -> http.client.HTTPConnection:
        """A new connection of one client."""
        return http.client.HTTPConnection("127.0.0.1", self.up.gateway_port, timeout=30)

    def _client(self) -> None:
        connection = None
        while not self.stopping.is_set():
            try:
                if connection is None:
                    connection = self.connection()
                connection.request("GET", self.path, headers={"Host": HOST})
                response = connection.getresponse()
                response.read()
                self._count(response.status)
            except ConnectionRefusedError as error:
                self._count("refused", error)
            except OSError as error:
                self._count("broken", error)
                connection = None
            except http.client.HTTPException as error:
                self._count("broken", error)
                connection = None
        if connection is not None:
            connection.close()

    def _count(self, status: object, error: Exception | None = None) -> None:
        with self._lock:
            self.statuses[status] = self.statuses.get(status, 0) + 1
            if error is not None:
                self.errors.append(repr(error))


@pytest.fixture
def loaded(up: Up) -> Up:
    """A service that holds 200 clients with room to spare."""
    up.run("build", str(SAMPLES / "autoscale"), "-t", "autoscale:1")
    up.run("deploy", "load", "--image", "autoscale:1", "--concurrency", "100", "--min-scale", "3")
    until(lambda: len(up.get("pods")["items"]) >= 3, 20)
    return up


def pids(up: Up) -> set[int]:
    """Of the pods' processes, by the command line that only they have."""
    found = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            environment = (entry / "environ").read_bytes()
        except OSError:
            continue
        if b"K_SERVICE=load" in environment and str(up.data_dir).encode() in environment:
            found.add(int(entry.name))
    return found


def test_control_killed_under_load_fails_no_request_and_pods_are_adopted(loaded: Up) -> None:
    with Load(loaded, 200) as load:
        before, control = pids(loaded), loaded.pid_of("control")
        os.kill(control, signal.SIGKILL)
        started = time.monotonic()
        until(lambda: loaded.kubectl("get", "ksvc", check=False).returncode == 0, 10)
        back = time.monotonic() - started
        served = load.served
        until(lambda: load.served > served + 400, 20)
    assert load.failed == 0, (load.statuses, load.errors[:3])
    assert loaded.pid_of("control") != control
    assert before <= pids(loaded)
    print(f"kubectl answered {back:.2f} s after the kill; {load.served} requests, none failed")


def test_the_gateway_killed_under_load_refuses_nobody_and_serves_again(loaded: Up) -> None:
    with Load(loaded, 200) as load:
        gateway = loaded.pid_of("gateway")
        os.kill(gateway, signal.SIGKILL)
        started = time.monotonic()
        until(lambda: loaded.pid_of("gateway") != gateway, 10)
        assert loaded.call(HOST)[0] == 200
        back = time.monotonic() - started
        served = load.served
        until(lambda: load.served > served + 400, 20)
    assert load.statuses.get("refused", 0) == 0
    assert load.statuses.get("broken", 0) <= 200, "only what was in flight in it may be lost"
    assert set(load.statuses) <= {200, "broken"}
    print(f"served again {back:.2f} s after the kill; lost in flight: {load.failed}")


def test_a_pod_killed_under_load_is_replaced_and_the_others_requests_are_untouched(
    loaded: Up,
) -> None:
    with Load(loaded, 200) as load:
        before = pids(loaded)
        victim = min(before)
        os.kill(victim, signal.SIGKILL)
        until(lambda: len(pids(loaded) - before) >= 1, 20, "a replacement")
        served = load.served
        until(lambda: load.served > served + 400, 20)
    in_flight_on_one_pod = 100
    assert load.failed <= in_flight_on_one_pod, load.statuses


def test_the_supervisor_killed_leaves_pods_that_the_next_start_adopts_and_says_so(
    loaded: Up,
) -> None:
    assert loaded.process is not None
    before = pids(loaded)
    loaded.process.kill()
    loaded.process.wait(5)
    again = Up(loaded.data_dir, (), loaded.gateway_port, loaded.api_port).start().ready()
    try:
        assert again.call(HOST)[0] == 200
        told = "\n".join(again.lines)
        assert "replaced the gateway" in told
        assert "adopted 3 pods" in told
        assert before <= pids(again)
    finally:
        again.stop()
    assert pids(again) == set()
