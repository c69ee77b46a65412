"""`python -m benchmarks.gateway.bodies`: 200 MB down and up by curl, 64 KiB answers by wrk.

Memory is the most that was resident during the transfers; behind the hop stands
`benchmarks.gateway.store`, which reads and sends as fast as it may.
"""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import uvloop
from benchmarks.gateway import peers
from benchmarks.gateway.load import load
from benchmarks.gateway.measures import cpu_seconds, forget_peak, markdown, peak_mib, rss_mib
from benchmarks.gateway.peers import HOST, Peer

_SIZE = 200 << 20
_TIMES = 3
_HOPS = ("utsuwa", "envoy", "nginx", "haproxy")


@asynccontextmanager
async def _store() -> AsyncIterator[Peer]:
    port = peers.free_port()
    command = (sys.executable, "-m", "benchmarks.gateway.store", str(port))
    async with peers.process(*command) as child:
        await peers.reachable(port)
        yield Peer("direct", port, child.pid)


def _hop(name: str, target: Peer) -> AbstractAsyncContextManager[Peer | None]:
    if name == "utsuwa":
        return peers.gateway(1, target)
    return {"envoy": peers.envoy, "nginx": peers.nginx, "haproxy": peers.haproxy}[name](target)


async def _curl(port: int, *options: str) -> None:
    child = await asyncio.create_subprocess_exec(
        "curl", "-sS", "--fail", "-o", "/dev/null", "-H", f"Host: {HOST}", "-H", "Expect:",
        *options, f"http://127.0.0.1:{port}/{_SIZE}",
    )  # fmt: skip
    if await child.wait():
        raise RuntimeError(f"curl {' '.join(options)} failed with {child.returncode}")


async def _transfer(peer: Peer, options: tuple[str, ...]) -> tuple[float, float]:
    """CPU seconds a GB, and MiB that memory grew by at most."""
    await _curl(peer.port, *options)
    forget_peak(peer.pid)
    start, before = rss_mib(peer.pid), cpu_seconds(peer.pid)
    for _ in range(_TIMES):
        await _curl(peer.port, *options)
    used = cpu_seconds(peer.pid) - before
    return used / (_TIMES * _SIZE / 1e9), peak_mib(peer.pid) - start


async def _row(name: str, store: Peer, small: Peer, upload: Path) -> list[str]:
    cells = [name]
    async with _hop(name, store) as peer:
        if peer is None:
            return [name, "not installed", "", "", "", ""]
        for options in ((), ("-T", str(upload))):
            cpu, grown = await _transfer(peer, options)
            cells += [f"{cpu:.2f}", f"{grown:.1f}"]
    async with _hop(name, small) as peer:
        assert peer is not None
        await load(peer.port, HOST, connections=50, seconds=1)
        before = cpu_seconds(peer.pid)
        result = await load(peer.port, HOST, connections=50, seconds=3)
        cells.append(f"{(cpu_seconds(peer.pid) - before) / result.requests * 1e3:.4f}")
    return cells


async def _main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        upload = Path(directory) / "body"
        with upload.open("wb") as file:
            file.truncate(_SIZE)
        async with _store() as store, peers.backend(64 << 10) as small:
            rows = [await _row(name, store, small, upload) for name in _HOPS]
    head = (
        "hop", "200 MB down: CPU s a GB", "MiB grown", "200 MB up: CPU s a GB", "MiB grown",
        "64 KiB answers: CPU s per 1,000",
    )  # fmt: skip
    print(markdown(head, rows))


def main() -> None:
    """Print the table."""
    uvloop.run(_main())


if __name__ == "__main__":
    main()
