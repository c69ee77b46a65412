"""The official Python client's streams: exec and port-forward, with real processes behind them."""

import asyncio
import gc
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from utsuwa.kit.clock import SystemClock
from utsuwa.model.kinds import POD
from utsuwa.testing.apiserver import Serving, serving
from utsuwa.testing.containers import RunningPods

pytestmark = [
    pytest.mark.conformance,
    pytest.mark.slow,
    # The client leaves its own sockets to the collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

GREETS = """
import socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening", flush=True)
while True:
    connection, _ = server.accept()
    with connection:
        connection.sendall(b"you said " + connection.recv(100))
"""


@pytest.fixture(autouse=True)
def swept() -> Iterator[None]:
    """What the client leaves to the collector is collected here, not in somebody else's test."""
    yield
    gc.collect()


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[tuple[Serving, RunningPods]]:
    (tmp_path / "node").mkdir()
    pods = RunningPods(tmp_path / "node", SystemClock())
    async with serving(tmp_path, containers=pods.containers) as running:
        yield running, pods
    await pods.close()


@pytest.fixture
async def core(api: tuple[Serving, RunningPods]) -> Any:
    """The client's API, and a Pod called web behind it."""
    client = pytest.importorskip("kubernetes", reason="the official Python client is missing")
    serving_now, pods = api
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        real = probe.getsockname()[1]
    ports = [{"containerPort": 8080, "hostPort": real}]
    spec = {"containers": [{"name": "app", "image": "x", "ports": ports}]}
    made = await serving_now.cluster.create(POD.document("default", "web", spec=spec))
    pod = await serving_now.cluster.update_status({**made, "status": {"phase": "Running"}})
    await pods.start(pod, "app", sys.executable, "-c", GREETS, str(real))
    path = pods.logs.path(pod, "app", previous=False)
    while path is None or not path.read_text():
        await asyncio.sleep(0.01)  # another process
    await asyncio.to_thread(client.config.load_kube_config, str(serving_now.kubeconfig))
    return client.client.CoreV1Api()


async def test_exec_in_one_call(core: Any) -> None:
    """Both outputs as one text."""
    from kubernetes import stream

    def run() -> str:
        out: str = stream.stream(
            core.connect_get_namespaced_pod_exec, "web", "default",
            command=["sh", "-c", "echo out; echo error >&2"],
            stdin=False, stdout=True, stderr=True, tty=False,
        )  # fmt: skip
        return out

    assert sorted((await asyncio.to_thread(run)).splitlines()) == ["error", "out"]


async def test_exec_as_a_conversation(core: Any) -> None:
    """Lines there and back, then the exit code."""
    from kubernetes import stream

    def run() -> tuple[str, str, int]:
        talk = stream.stream(
            core.connect_get_namespaced_pod_exec, "web", "default",
            command=["sh", "-c", 'read a; echo "heard $a"; read b; echo bad >&2; exit 4'],
            stdin=True, stdout=True, stderr=True, tty=False, _preload_content=False,
        )  # fmt: skip
        talk.write_stdin("hello\n")
        # The client gives no line once the connection is closed: it ends when we have it.
        line = talk.readline_stdout(timeout=20)
        talk.write_stdin("bye\n")
        talk.run_forever(timeout=20)
        error = talk.read_stderr(timeout=20)
        code: int = talk.returncode
        talk.close()
        return line, error, code

    assert await asyncio.to_thread(run) == ("heard hello", "bad\n", 4)


async def test_port_forward(core: Any) -> None:
    """A socket that leads into the pod; a port on which nothing listens tells so."""
    from kubernetes import stream

    def run() -> tuple[bytes, str]:
        forward = stream.portforward(
            core.connect_get_namespaced_pod_portforward, "web", "default", ports="8080,81"
        )
        connection = forward.socket(8080)
        connection.setblocking(True)
        connection.settimeout(20)
        connection.sendall(b"hello")
        answer = b""
        while len(answer) < len(b"you said hello"):
            answer += connection.recv(100)
        connection.close()
        told = forward.error(81)
        for _ in range(200):
            if told:
                break
            time.sleep(0.05)  # its own thread reads
            told = forward.error(81)
        return answer, told or ""

    answer, told = await asyncio.to_thread(run)
    assert answer == b"you said hello"
    assert "nothing in the pod listens on port 81" in told
