"""`python -m benchmarks.gateway.held`: requests held, and what a big table costs.

* 1,000 requests wait for a revision without pods; then its first pod is ready. Beside it the
  ideal: as many connections, all sending at that moment to the pod itself.
* A table of 5,000 revisions with a host each: memory, and the time from one change to the first
  request that is served by it.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import uvloop
from benchmarks.gateway import peers
from benchmarks.gateway.measures import markdown, rss_mib
from benchmarks.gateway.peers import HOST, REVISION, Linked

from utsuwa.routing.messages import (
    Ack,
    Delta,
    Endpoint,
    HostTable,
    RevisionTable,
    Snapshot,
    Split,
)

_HELD = 1000
_REVISIONS = 5000


class _Once(asyncio.Protocol):
    """One connection, one request, the first bytes of its answer."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def send(self, host: str = HOST) -> None:
        self.transport.write(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())

    def data_received(self, data: bytes) -> None:
        if not self.answer.done():
            self.answer.set_result(data)


async def _connect(port: int) -> _Once:
    loop = asyncio.get_running_loop()
    return (await loop.create_connection(_Once, "127.0.0.1", port))[1]


async def _ideal(port: int) -> float:
    clients = [await _connect(port) for _ in range(_HELD)]
    start = time.perf_counter()
    for client in clients:
        client.send()
    await asyncio.gather(*(client.answer for client in clients))
    took = time.perf_counter() - start
    for client in clients:
        client.transport.close()
    return took


async def _released(linked: Linked, port: int) -> float:
    """Seconds from the news of a pod until the last of the held has its answer."""
    clients = [await _connect(linked.peer.port) for _ in range(_HELD)]
    for client in clients:
        client.send()
    await asyncio.sleep(1)
    assert not any(client.answer.done() for client in clients)
    start = time.perf_counter()
    pod = Endpoint("pod-0", "127.0.0.1", port, ready=True)
    linked.control.send(
        Delta(version=2, revisions=(RevisionTable(name=REVISION, endpoints=(pod,)),))
    )
    answers = await asyncio.gather(*(client.answer for client in clients))
    took = time.perf_counter() - start
    assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers)
    for client in clients:
        client.transport.close()
    return took


def _many(count: int, port: int) -> Snapshot:
    pod = Endpoint("pod-0", "127.0.0.1", port, ready=True)
    names = [f"service-{number}" for number in range(count)]
    return Snapshot(
        epoch="e1",
        version=1,
        hosts=tuple(
            HostTable(f"{name}.default.example.com", (Split(f"default/{name}-00001"),))
            for name in names
        ),
        revisions=tuple(RevisionTable(f"default/{name}-00001", endpoints=(pod,)) for name in names),
    )


async def _change(linked: Linked, port: int, version: int) -> float:
    """Seconds from a new host's delta until a request to it is answered with 200."""
    host = f"new-{version}.default.example.com"
    pod = Endpoint("pod-0", "127.0.0.1", port, ready=True)
    client = await _connect(linked.peer.port)
    start = time.perf_counter()
    linked.control.send(
        Delta(
            version=version,
            hosts=(HostTable(host, (Split("default/new"),)),),
            revisions=(RevisionTable("default/new", endpoints=(pod,)),),
        )
    )
    await linked.control.wait_for(Ack, lambda ack: ack.version == version)
    client.send(host)
    answer = await client.answer
    took = time.perf_counter() - start
    assert answer.startswith(b"HTTP/1.1 200"), answer
    client.transport.close()
    return took


@asynccontextmanager
async def _empty() -> AsyncIterator[Linked]:
    async with peers.linked(
        Snapshot("e1", 1, (HostTable(HOST, (Split(REVISION),)),), (RevisionTable(REVISION),))
    ) as linked:
        yield linked


async def _main() -> None:
    rows: list[tuple[str, str, str]] = []
    async with peers.backend(13) as target:
        ideal = sorted([await _ideal(target.port) for _ in range(5)])[2]
        times = []
        for _ in range(5):
            async with _empty() as linked:
                times.append(await _released(linked, target.port))
        took = sorted(times)[2]
        rows.append((f"{_HELD} held, all answered after the first pod", f"{took * 1e3:.0f} ms",
                     f"{took / ideal:.2f} of the {ideal * 1e3:.0f} ms straight to the pod"))  # fmt: skip
        async with peers.linked(_many(1, target.port)) as linked:
            small = rss_mib(linked.peer.pid)
        async with peers.linked(_many(_REVISIONS, target.port)) as linked:
            large = rss_mib(linked.peer.pid)
            changes = sorted([await _change(linked, target.port, 2 + n) for n in range(21)])
        rows.append((f"table of {_REVISIONS:,} revisions", f"{large - small:.1f} MiB",
                     f"beside {small:.1f} MiB with one"))  # fmt: skip
        rows.append(("one change in it until the first request on the new route",
                     f"{changes[10] * 1e3:.1f} ms", f"slowest of 21: {changes[-1] * 1e3:.1f} ms"))  # fmt: skip
    print(markdown(("what", "measured", "beside"), rows))


def main() -> None:
    """Print the table."""
    uvloop.run(_main())


if __name__ == "__main__":
    main()
