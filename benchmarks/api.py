"""How fast the API is: durable creates, watch events, many writers, large lists, idle watches.

The server is the real control process; the clients are in this one, over HTTPS, on raw connections,
so that they cost little of the two cores. The column beside ours is a real API server (1.36 with
etcd) on the same machine, by the same kind of client.
"""

import asyncio
import json
import ssl
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop
from benchmarks.cluster import percentile
from benchmarks.crash import Control
from benchmarks.idle import cpu, pss

from utsuwa.apiserver import Authority
from utsuwa.kit.clock import SystemClock

MAPS = "/api/v1/namespaces/default/configmaps"
SERVICES = "/apis/serving.knative.dev/v1/namespaces/default/services"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
WRITERS = 20
WATCHES = 500


@dataclass
class Connection:
    """One kept connection, one request at a time."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, method: str, path: str, body: bytes = b"", accept: str = "*/*") -> bytes:
        """The body of the answer, which must be a good one."""
        self.send(method, path, body, accept)
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        answer = await self.reader.readexactly(length)
        if head[9:11] != b"20":
            raise RuntimeError(f"{method} {path}: {answer.decode()}")
        return answer

    def send(self, method: str, path: str, body: bytes = b"", accept: str = "*/*") -> None:
        """Ask, and leave the answer to the caller."""
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self.writer.write(head.encode() + body)


@dataclass
class Api:
    """Where the server is, and who we are to it."""

    port: int
    context: ssl.SSLContext

    async def connect(self) -> Connection:
        """A connection of its own."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=self.context, limit=1 << 22
        )
        return Connection(reader, writer)


def config_map(name: str) -> bytes:
    """About 300 bytes."""
    return json.dumps({"metadata": {"name": name}, "data": {"key": "v" * 200}}).encode()


def service(name: str) -> bytes:
    """A Service that asks for nothing that could run."""
    template = {"spec": {"containers": [{"image": "nowhere.invalid/bench:1"}]}}
    return json.dumps({
        "apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"template": template},
    }).encode()  # fmt: skip


async def creates(api: Api, count: int, prefix: str = "one") -> list[float]:
    """Seconds of each durable create, one after the other."""
    connection, taken = await api.connect(), []
    for number in range(count):
        body = config_map(f"{prefix}-{number}")
        began = time.perf_counter()
        await connection.ask("POST", MAPS, body)
        taken.append(time.perf_counter() - began)
    connection.writer.close()
    return taken


async def events(api: Api, count: int) -> list[float]:
    """Seconds from sending a write to the arrival of its watch event at another client."""
    watching, writing, taken = await api.connect(), await api.connect(), []
    listed: Any = json.loads(await writing.ask("GET", MAPS))
    version = listed["metadata"]["resourceVersion"]
    watching.send("GET", f"{MAPS}?watch=true&resourceVersion={version}")
    await watching.reader.readuntil(b"\r\n\r\n")
    for number in range(count):
        name = f"seen-{number}"
        began = time.perf_counter()
        writing.send("POST", MAPS, config_map(name))
        await watching.reader.readuntil(f'"name":"{name}"'.encode())
        taken.append(time.perf_counter() - began)
        head = await writing.reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await writing.reader.readexactly(length)
    for connection in (watching, writing):
        connection.writer.close()
    return taken


async def writes(api: Api, seconds: float) -> float:
    """Durable writes a second from twenty clients."""
    connections = [await api.connect() for _ in range(WRITERS)]
    deadline = time.perf_counter() + seconds

    async def write(index: int, connection: Connection) -> int:
        count = 0
        while time.perf_counter() < deadline:
            await connection.ask("POST", MAPS, config_map(f"many-{index}-{count}"))
            count += 1
        connection.writer.close()
        return count

    began = time.perf_counter()
    done = await asyncio.gather(*(write(i, c) for i, c in enumerate(connections)))
    return sum(done) / (time.perf_counter() - began)


async def table(api: Api, count: int) -> tuple[float, float]:
    """Median seconds of a Table of `count` Services, and the slowest small get meanwhile."""
    connection, other = await api.connect(), await api.connect()
    for number in range(count):
        await connection.ask("POST", SERVICES, service(f"s-{number:04}"))
    await asyncio.sleep(20)  # controllers have their say about each
    taken, small = [], []
    for _ in range(9):
        began = time.perf_counter()
        asked = asyncio.create_task(connection.ask("GET", SERVICES, accept=TABLE))
        await asyncio.sleep(0)
        while not asked.done():
            start = time.perf_counter()
            await other.ask("GET", f"{MAPS}/one-0")
            small.append(time.perf_counter() - start)
        taken.append(time.perf_counter() - began)
    alone = []
    for _ in range(9):
        began = time.perf_counter()
        await connection.ask("GET", SERVICES, accept=TABLE)
        alone.append(time.perf_counter() - began)
    for each in (connection, other):
        each.writer.close()
    return percentile(alone, 0.5), max(small, default=0.0)


async def watches(api: Api, pid: int) -> float:
    """MiB that idle watches cost the server."""
    before, connections = pss(pid), []
    for _ in range(WATCHES):
        connection = await api.connect()
        connection.send("GET", f"{SERVICES}?watch=true&resourceVersion=0&timeoutSeconds=600")
        await connection.reader.readuntil(b"\r\n\r\n")
        connections.append(connection)
    await asyncio.sleep(2)
    after = pss(pid)
    for connection in connections:
        connection.writer.close()
    return after - before


async def measure(directory: Path, services: int = 1000) -> list[tuple[str, str, str]]:
    """Rows: what, ours, a real API server's."""
    control = Control(directory)
    authority = Authority.open(control.layout.pki, SystemClock())
    control.start()
    try:
        api = Api(control.port, leaf_alone(authority))
        await (await api.connect()).ask("GET", "/readyz")
        await creates(api, 50, "warm")  # warm
        idle = await watches(api, control.pid)
        create, event = await creates_and_events(api)
        before = cpu(control.pid)
        rate = await writes(api, 5.0)
        used = (cpu(control.pid) - before) / 5.0
        listed, small = await table(api, services)
    finally:
        control.kill(15)
        control.close()
    return [
        ("create, durable, p50", f"{create * 1e3:.2f} ms", "2.5 ms"),
        ("watch event after the write, p50", f"{event * 1e3:.2f} ms", "2.5 ms"),
        (f"writes/s from {WRITERS} clients", f"{rate:,.0f}", "-"),
        ("  of control's CPU meanwhile", f"{used:.0%}", "-"),
        (f"list of {services:,} Services as Table", f"{listed * 1e3:.1f} ms", "8.6 ms for 500"),
        ("  slowest small get meanwhile", f"{small * 1e3:.1f} ms", "-"),
        (f"{WATCHES} idle watches", f"{idle:.1f} MiB", "-"),
    ]


def leaf_alone(authority: Authority) -> ssl.SSLContext:
    """A client as kubectl is one: it sends its certificate, and not the authority's with it, as
    OpenSSL does where it trusts that authority (5 KiB a connection on the server's side)."""
    pair = authority.admin()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # it is our own server, behind our own socket
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(pair.certificate + pair.key)
        file.flush()
        context.load_cert_chain(file.name)
    return context


async def creates_and_events(api: Api) -> tuple[float, float]:
    """Medians in seconds."""
    return percentile(await creates(api, 500), 0.5), percentile(await events(api, 300), 0.5)


def main(services: int = 1000) -> None:
    """Print the table."""
    with (
        tempfile.TemporaryDirectory(prefix="utsuwa-bench-") as directory,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        rows = runner.run(measure(Path(directory), services))
    print(f"{'API':<36} {'Utsuwa':>12}   Kubernetes")
    for what, ours, theirs in rows:
        print(f"{what:<36} {ours:>12}   {theirs}")


if __name__ == "__main__":
    main()
