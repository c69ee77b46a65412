"""`python -m benchmarks.gateway.share`: what the books cost of a request.

The calls that a request makes into `utsuwa.gateway.accounting` (entered, left, and its share of
closing the second), timed alone, against the gateway's CPU per request under `wrk`.
"""

import timeit

import uvloop
from benchmarks.gateway import peers
from benchmarks.gateway.load import load
from benchmarks.gateway.measures import cpu_seconds
from benchmarks.gateway.peers import HOST

from utsuwa.gateway.accounting import Accounts

_CALLS = 200_000


def _books() -> float:
    """Seconds of CPU that one request costs."""
    accounts = Accounts(lambda: 1_000_000.0, 0.0)
    usage = accounts.open("default/hello-00001", 0.0, waiting=lambda: 0, forgotten=lambda: None)
    now = 0.0

    def request() -> None:
        nonlocal now
        now += 2e-5
        if now >= accounts.boundary:
            accounts.roll(now)
        usage.enter(now)
        now += 2e-5
        if now >= accounts.boundary:
            accounts.roll(now)
        usage.leave(now, 200, 2e-5)

    def empty() -> None:
        nonlocal now
        now += 2e-5
        now += 2e-5

    spent, idle = (min(timeit.repeat(call, number=_CALLS, repeat=5)) for call in (request, empty))
    return (spent - idle) / _CALLS


async def _request() -> float:
    async with peers.backend(13) as target, peers.gateway(1, target) as peer:
        await load(peer.port, HOST, connections=50, seconds=1)
        before = cpu_seconds(peer.pid)
        result = await load(peer.port, HOST, connections=50, seconds=3)
        return (cpu_seconds(peer.pid) - before) / result.requests


def main() -> None:
    """Print the share."""
    books, whole = _books(), uvloop.run(_request())
    print(
        f"accounting: {books * 1e6:.2f} µs of {whole * 1e6:.1f} µs a request, "
        f"{books / whole:.1%} of the CPU"
    )


if __name__ == "__main__":
    main()
