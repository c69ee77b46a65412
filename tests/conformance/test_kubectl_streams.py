"""kubectl exec, attach, port-forward and cp, with real processes behind them."""

import asyncio
import fcntl
import os
import pty
import signal
import socket
import struct
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from utsuwa.kit.clock import SystemClock
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import CORE_SERVICE, POD
from utsuwa.testing.apiserver import Serving, serving
from utsuwa.testing.containers import RunningPods
from utsuwa.testing.kubectl import KUBECTL, Kubectl

pytestmark = [pytest.mark.conformance, pytest.mark.slow]

SPDY = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false", "KUBECTL_PORT_FORWARD_WEBSOCKETS": "false"}
ECHO = """
import socket, sys, threading
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening", flush=True)
def serve(connection):
    with connection:
        data = b""
        while chunk := connection.recv(65536):
            data += chunk
        connection.sendall(data[::-1])
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
"""
"""Answers once the client has half closed."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
async def pods(tmp_path: Path) -> AsyncIterator[RunningPods]:
    running = RunningPods(tmp_path / "node", SystemClock())
    (tmp_path / "node").mkdir()
    yield running
    await running.close()


@pytest.fixture
async def api(tmp_path: Path, pods: RunningPods) -> AsyncIterator[Serving]:
    async with serving(tmp_path, containers=pods.containers) as running:
        yield running


@pytest.fixture
async def pod(api: Serving, pods: RunningPods) -> Document:
    """One that listens, given another port than it declares."""
    real = free_port()
    made = await make_pod(api, real)
    await pods.start(made, "app", sys.executable, "-c", ECHO, str(real), WHO="me")
    path = pods.logs.path(made, "app", previous=False)
    while path is None or not path.read_text():
        await asyncio.sleep(0.01)  # another process
    return made


async def make_pod(api: Serving, port: int, name: str = "web") -> Document:
    ports = [{"containerPort": 8080, "hostPort": port}]
    pod = POD.document(
        "default", name, spec={"containers": [{"name": "app", "image": "x", "ports": ports}]}
    )
    pod["metadata"]["labels"] = {"app": "web"}
    made = await api.cluster.create(pod)
    status = {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [
            {
                "name": "app", "image": "x", "imageID": "", "ready": True, "restartCount": 0,
                "state": {"running": {}},
            }
        ],
    }  # fmt: skip
    return await api.cluster.update_status({**made, "status": status})


@pytest.fixture(params=["websocket", "spdy"])
def way(request: pytest.FixtureRequest) -> dict[str, str]:
    """kubectl as it is, and as older ones are."""
    return SPDY if request.param == "spdy" else {}


# --- exec -----------------------------------------------------------------------------------------


async def test_exec_gives_output_error_and_exit_code(
    pod: Document, kubectl: Kubectl, pods: RunningPods, way: dict[str, str]
) -> None:
    """In the directory and with the environment of the container."""
    ran = await kubectl(
        "exec", "web", "--", "sh", "-c", "pwd; echo $WHO; echo oh >&2; exit 7", **way
    )
    assert ran.code == 7
    assert ran.out.splitlines()[1] == "me"
    assert ran.out.splitlines()[0].endswith("/node")
    assert ran.err == "oh\ncommand terminated with exit code 7\n"


async def test_exec_reads_a_pipe_to_its_end(
    pod: Document, kubectl: Kubectl, way: dict[str, str]
) -> None:
    """`cat` ends because the input does; nothing of half a megabyte is lost."""
    text = "".join(f"line {number}\n" for number in range(50_000))
    ran = await kubectl.ok("exec", "-i", "web", "--", "cat", stdin=text, **way)
    assert ran.out == text


async def test_exec_without_input_has_none(pod: Document, kubectl: Kubectl) -> None:
    """A command that reads does not wait for ever."""
    assert (await kubectl.ok("exec", "web", "--", "cat")).out == ""


async def test_exec_of_what_is_not_there_ends_as_in_a_shell(
    pod: Document, kubectl: Kubectl
) -> None:
    """126 and 127, with the reason on standard error."""
    ran = await kubectl("exec", "web", "--", "nothing-like-it")
    assert ran.code == 127
    assert 'exec: "nothing-like-it": executable file not found in $PATH' in ran.err
    ran = await kubectl("exec", "web", "--", "/etc/passwd")
    assert ran.code == 126
    assert "permission denied" in ran.err


async def test_exec_does_not_wait_for_what_goes_on_in_the_background(
    pod: Document, kubectl: Kubectl
) -> None:
    """It holds the output open, and its own end is not that of the command."""
    ran = await kubectl.ok("exec", "web", "--", "sh", "-c", "sleep 60 & echo started")
    assert ran.out == "started\n"


async def test_exec_ends_with_the_container(
    pod: Document, kubectl: Kubectl, pods: RunningPods
) -> None:
    """Whatever runs beside it is killed with it."""
    async with kubectl.running("exec", "web", "--", "sh", "-c", "echo up; sleep 60") as running:
        assert await running.line() == "up"
        instance = pods.instance(pod["metadata"]["uid"], "app")
        assert instance is not None
        await instance.kill()
        assert await running.ended() == 137


async def test_a_client_that_vanishes_hangs_up(
    pod: Document, kubectl: Kubectl, tmp_path: Path
) -> None:
    """Its command reads the end of its input."""
    mark = tmp_path / "heard"
    script = f"echo up; cat; echo end > {mark}"
    async with kubectl.running("exec", "-i", "web", "--", "sh", "-c", script) as running:
        assert await running.line() == "up"
        running.process.kill()
        async with asyncio.timeout(20):
            while not mark.exists():
                await asyncio.sleep(0.01)  # another process


@asynccontextmanager
async def on_a_terminal(
    kubectl: Kubectl, *arguments: str, size: tuple[int, int], **environment: str
) -> AsyncIterator[tuple[int, asyncio.subprocess.Process]]:
    """kubectl on a terminal with `size` rows and columns."""
    assert KUBECTL is not None
    master, slave = pty.openpty()
    resize(master, size)
    process = await asyncio.create_subprocess_exec(
        KUBECTL, *arguments, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
        env={"PATH": os.environ["PATH"], "HOME": str(kubectl.home), "TERM": "xterm",
             "KUBECONFIG": str(kubectl.kubeconfig), **environment},
    )  # fmt: skip
    os.close(slave)
    os.set_blocking(master, False)
    try:
        yield master, process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        os.close(master)


def resize(master: int, size: tuple[int, int]) -> None:
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))


async def until_shown(master: int, wanted: str, typed: str = "") -> str:
    """Read the screen until `wanted` is on it, typing `typed` again and again."""
    shown, pauses = "", 0
    async with asyncio.timeout(20):
        while wanted not in shown:
            if typed and pauses % 20 == 0:
                os.write(master, typed.encode())
            try:
                shown += os.read(master, 65536).decode(errors="replace")
            except BlockingIOError:
                await asyncio.sleep(0.02)  # another process
                pauses += 1
    return shown


async def test_exec_on_a_terminal(pod: Document, kubectl: Kubectl, way: dict[str, str]) -> None:
    """A shell with job control: size, resizing, interrupt and exit code."""
    async with on_a_terminal(kubectl, "exec", "-it", "web", "--", "sh", size=(30, 100), **way) as (
        master,
        process,
    ):
        await until_shown(master, "30 100", "stty size; test -t 0 && echo $TERM\n")
        resize(master, (40, 120))
        process.send_signal(signal.SIGWINCH)
        await until_shown(master, "40 120", "stty size\n")
        os.write(master, b"echo wai''ts; sleep 60; echo $?\n")
        await until_shown(master, "waits\r\n")
        os.write(master, b"\x03")
        os.write(master, b"echo a''gain; exit 5\n")
        await until_shown(master, "again")
        assert await process.wait() == 5


async def test_exec_needs_a_container_that_runs(api: Serving, kubectl: Kubectl) -> None:
    """One sentence."""
    await make_pod(api, 1, "idle")
    ran = await kubectl("exec", "idle", "--", "true")
    assert ran.code == 1
    assert "container not found" in ran.err
    ran = await kubectl("exec", "nobody", "--", "true")
    assert ran.err == 'Error from server (NotFound): pods "nobody" not found\n'


# --- cp -------------------------------------------------------------------------------------------


async def test_cp_both_ways(pod: Document, kubectl: Kubectl, tmp_path: Path) -> None:
    """A directory there and back, by way of tar."""
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "large").write_bytes(os.urandom(3_000_000))
    (source / "small").write_text("hello")
    await kubectl.ok("cp", str(source), "web:there")
    assert (tmp_path / "node" / "there" / "small").read_text() == "hello"
    await kubectl.ok("cp", "web:there", str(tmp_path / "back"))
    for name in ("small", "deep/large"):
        assert (tmp_path / "back" / name).read_bytes() == (source / name).read_bytes()


# --- attach ---------------------------------------------------------------------------------------


async def test_attach_shows_what_comes_and_ends_with_the_container(
    api: Serving, pods: RunningPods, kubectl: Kubectl, way: dict[str, str], tmp_path: Path
) -> None:
    """From now on: what was written before is what logs are for."""
    pod = await make_pod(api, 1)
    script = "echo before; while ! test -e $GO; do sleep 0.05; done; echo after; echo error >&2"
    go = tmp_path / "go"
    await pods.start(pod, "app", "sh", "-c", script, GO=str(go))
    await asyncio.sleep(0.2)  # let it write
    task = asyncio.create_task(kubectl("attach", "web", **way))
    await asyncio.sleep(1)  # nothing tells from outside that it is attached
    go.touch()
    ran = await task
    assert (ran.code, ran.out) == (0, "after\nerror\n")


# --- port-forward ---------------------------------------------------------------------------------


@asynccontextmanager
async def forwarding(kubectl: Kubectl, target: str, port: int, **way: str) -> AsyncIterator[int]:
    """The local port."""
    async with kubectl.running("port-forward", target, f":{port}", **way) as running:
        line = await running.line()
        yield int(line.split(" -> ")[0].rpartition(":")[2])


async def mirrored(port: int, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    await writer.drain()
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


async def test_port_forward_carries_several_connections_at_once(
    pod: Document, kubectl: Kubectl, way: dict[str, str]
) -> None:
    """To the port that the container declares, wherever it is; each may half close."""
    async with forwarding(kubectl, "pod/web", 8080, **way) as port, asyncio.timeout(30):
        sent = [bytes([65 + n]) * (300_000 + n) + b"end" for n in range(5)]
        answers = await asyncio.gather(*(mirrored(port, data) for data in sent))
        assert answers == [data[::-1] for data in sent]
        assert await mirrored(port, b"once more") == b"erom ecno"


async def test_port_forward_to_a_service(api: Serving, pod: Document, kubectl: Kubectl) -> None:
    """kubectl finds the pod by the Service's selector, and the port by its target."""
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}
    await api.cluster.create(CORE_SERVICE.document("default", "web", spec=spec))
    async with forwarding(kubectl, "service/web", 80) as port, asyncio.timeout(30):
        assert await mirrored(port, b"abc") == b"cba"


async def test_port_forward_says_when_nothing_listens(pod: Document, kubectl: Kubectl) -> None:
    """The ports of the machine are not those of the pod: the API server's own is out of reach."""
    own = int(kubectl.kubeconfig.read_text().partition("127.0.0.1:")[2].split()[0])
    async with kubectl.running("port-forward", "pod/web", f":{own}") as running:
        port = int((await running.line()).split(" -> ")[0].rpartition(":")[2])
        assert await mirrored(port, b"abc") == b""
        assert running.process.stderr is not None
        async with asyncio.timeout(20):
            told = (await running.process.stderr.readline()).decode()
    assert f"nothing in the pod listens on port {own}" in told
