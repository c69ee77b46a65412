"""`python -m benchmarks.gateway`: one table, ratios in one run.

Options: `--seconds N` a run (3), `--connections 50,500`, `--only NAME,...`, `--browser` (each
request carries the head of a browser).
"""

import argparse

import uvloop
from benchmarks.gateway import peers
from benchmarks.gateway.load import Result, load
from benchmarks.gateway.measures import cpu_seconds, rss_mib
from benchmarks.gateway.peers import HOST, Peer

_BROWSER = (
    "Connection: keep-alive",
    'sec-ch-ua: "Chromium";v="140", "Not;A=Brand";v="24", "Google Chrome";v="140"',
    "sec-ch-ua-mobile: ?0",
    'sec-ch-ua-platform: "Linux"',
    "Upgrade-Insecure-Requests: 1",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Sec-Fetch-Site: none",
    "Sec-Fetch-Mode: navigate",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Accept-Language: en-US,en;q=0.9",
    "Cookie: session=0123456789abcdef0123456789abcdef",
)


Row = tuple[str, int, Result, float, float]


async def measure(peer: Peer, name: str, connections: int, options: argparse.Namespace) -> Row:
    """One run against one peer."""
    headers = _BROWSER if options.browser else ()
    await load(peer.port, HOST, connections=connections, seconds=1, headers=headers)
    pids = (peer.pid, *peer.others)
    before = sum(map(cpu_seconds, pids))
    result = await load(
        peer.port, HOST, connections=connections, seconds=options.seconds, headers=headers
    )
    used = sum(map(cpu_seconds, pids)) - before
    memory = sum(map(rss_mib, pids))
    return name, connections, result, used / result.requests * 1000, memory


async def rows(options: argparse.Namespace) -> list[Row]:
    """Every peer at every number of connections."""
    found: list[Row] = []

    async def run(peer: Peer | None, name: str) -> None:
        if peer is None:
            print(f"{name}: not installed, left out")
            return
        found.extend([await measure(peer, name, count, options) for count in options.connections])

    only = set(options.only.split(",")) if options.only else set()
    async with peers.backend(options.body) as target:
        if not only or "direct" in only:
            await run(target, "direct")
        if not only or "utsuwa" in only:
            async with peers.gateway(1, target) as peer:
                await run(peer, "utsuwa")
        if not only or "limit" in only:
            async with peers.gateway(4, target, concurrency=10) as peer:
                await run(peer, "utsuwa 4 pods x 10")
        for limit in (0, 10) if not only or "workers" in only else ():
            async with peers.workers(2, 4, target, limit) as peer:
                await run(peer, f"utsuwa x 2, 4 pods x {limit or 'any'}")
        if not only or "envoy" in only:
            async with peers.envoy(target) as other:
                await run(other, "envoy")
        if not only or "nginx" in only:
            async with peers.nginx(target) as other:
                await run(other, "nginx")
        if not only or "haproxy" in only:
            async with peers.haproxy(target) as other:
                await run(other, "haproxy")
    return found


def table(found: list[Row]) -> str:
    """The rows, with the ratio to Envoy at the same number of connections."""
    envoy = {count: (result, cpu) for name, count, result, cpu, _ in found if name == "envoy"}
    lines = [
        "| hop | connections | requests/s | p50 ms | p99 ms | CPU s per 1,000 | MiB | CPU vs Envoy | rate vs Envoy | errors |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, count, result, cpu, memory in found:
        rate = result.requests / result.seconds
        ratios = "| |"
        if count in envoy:
            base, base_cpu = envoy[count]
            ratios = f"{cpu / base_cpu:.2f} | {rate / (base.requests / base.seconds):.2f} |"
        lines.append(
            f"| {name} | {count} | {rate:,.0f} | {result.p50 * 1e3:.2f} | {result.p99 * 1e3:.2f} "
            f"| {cpu:.4f} | {memory:.0f} | {ratios} {result.errors} |"
        )
    return "\n".join(lines)


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def main(arguments: list[str] | None = None) -> None:
    """Entry point; without arguments the standard table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gateway")
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--connections", type=_numbers, default=[50, 500])
    parser.add_argument("--only", default="")
    parser.add_argument("--browser", action="store_true")
    parser.add_argument("--body", type=int, default=13, help="bytes of each answer's body")
    options = parser.parse_args(arguments or [])
    print(table(uvloop.run(rows(options))))


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
