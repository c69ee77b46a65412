"""`python -m benchmarks.gateway.rate [SECONDS]`: latency at 1,000 requests/s over 4 connections.

An open loop: each request has its moment, and its latency counts from that moment even when the
connection was still busy with the one before.
"""

import asyncio
import sys
import time
from contextlib import AbstractAsyncContextManager
from typing import cast

import uvloop
from benchmarks.gateway import peers
from benchmarks.gateway.measures import cpu_seconds, markdown, quantile
from benchmarks.gateway.peers import HOST, Peer

_RATE = 1000
_CONNECTIONS = 4
_REQUEST = f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
_ANSWER_BODY = 13


class _Client(asyncio.Protocol):
    """One keep-alive connection; requests that are due while one is out wait their turn."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self._due: list[float] = []
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def request(self, due: float) -> None:
        """One is due at `due`, in seconds of `time.perf_counter`."""
        self._due.append(due)
        if len(self._due) == 1:
            self.transport.write(_REQUEST)

    def data_received(self, data: bytes) -> None:
        self._rest += data
        end = self._rest.find(b"\r\n\r\n")
        if end < 0 or len(self._rest) < end + 4 + _ANSWER_BODY:
            return
        assert self._rest.startswith(b"HTTP/1.1 200"), self._rest
        self._rest = b""
        self.latencies.append(time.perf_counter() - self._due.pop(0))
        if self._due:
            self.transport.write(_REQUEST)


async def load(port: int, seconds: float) -> list[float]:
    """Latencies in seconds, sorted."""
    loop = asyncio.get_running_loop()
    clients = [
        (await loop.create_connection(_Client, "127.0.0.1", port))[1] for _ in range(_CONNECTIONS)
    ]
    start = time.perf_counter()
    for number in range(int(_RATE * seconds)):
        due = start + number / _RATE
        wait = due - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        clients[number % _CONNECTIONS].request(due)
    await asyncio.sleep(0.2)
    for client in clients:
        client.transport.close()
    return sorted(latency for client in clients for latency in client.latencies)


async def _row(
    name: str, opened: AbstractAsyncContextManager[Peer | None], seconds: float
) -> list[str]:
    async with opened as peer:
        if peer is None:
            return [name, "not installed", "", "", ""]
        await load(peer.port, 1)
        before = cpu_seconds(peer.pid)
        latencies = await load(peer.port, seconds)
        used = cpu_seconds(peer.pid) - before
    assert len(latencies) == int(_RATE * seconds), "an answer is missing"
    times = [f"{quantile(latencies, share) * 1e3:.2f}" for share in (0.5, 0.99, 0.999)]
    return [name, *times, f"{used / len(latencies) * 1e3:.4f}"]


async def _main(seconds: float) -> None:
    async with peers.backend(_ANSWER_BODY) as target:
        rows = [
            await _row("utsuwa", peers.gateway(1, target), seconds),
            await _row("envoy", peers.envoy(target), seconds),
            await _row("nginx", peers.nginx(target), seconds),
            await _row("haproxy", peers.haproxy(target), seconds),
        ]
    head = ("1,000/s over 4", "p50 ms", "p99 ms", "p99.9 ms", "CPU s per 1,000")
    print(markdown(head, rows))


def main(seconds: float = 10) -> None:
    """Print the table."""
    uvloop.run(_main(seconds))


if __name__ == "__main__":
    main(*map(float, sys.argv[1:2]))
