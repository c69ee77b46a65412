"""`python -m benchmarks.gateway.calls [CALLS]`: gRPC unary, 4 connections of 25 calls at a time.

Client and server are `grpcio` (C), in processes of their own. On few processors they, not the hop,
bound the rate: CPU per call is the figure, and what it allows a core.
"""

import asyncio
import sys
from concurrent import futures

import grpc
import grpc.aio
from benchmarks.gateway import peers
from benchmarks.gateway.measures import cpu_seconds
from benchmarks.gateway.peers import HOST, Peer

from utsuwa.kit.clock import SystemClock

_CONNECTIONS = 4
_AT_A_TIME = 25
_MESSAGE = b"x" * 100


def serve(port: int) -> None:
    """A server that answers each message with itself; runs until killed."""
    server = grpc.server(futures.ThreadPoolExecutor(4))
    echo = grpc.unary_unary_rpc_method_handler(lambda message, _: message)
    handler = grpc.method_handlers_generic_handler("echo", {"Unary": echo})
    server.add_generic_rpc_handlers((handler,))
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


async def load(port: int, calls: int) -> float:
    """Seconds that `calls` take; raises AioRpcError at the first that fails."""
    share = calls // (_CONNECTIONS * _AT_A_TIME)
    # The number keeps channels of equal options from sharing a connection.
    channels = [
        grpc.aio.insecure_channel(
            f"127.0.0.1:{port}", [("grpc.default_authority", HOST), ("bench.channel", number)]
        )
        for number in range(_CONNECTIONS)
    ]

    async def caller(channel: grpc.aio.Channel) -> None:
        call = channel.unary_unary("/echo/Unary")
        for _ in range(share):
            assert await call(_MESSAGE) == _MESSAGE

    clock = SystemClock()
    start = clock.monotonic()
    await asyncio.gather(*(caller(one) for one in channels for _ in range(_AT_A_TIME)))
    seconds = clock.monotonic() - start
    for channel in channels:
        await channel.close()
    return seconds


async def measure(peer: Peer, calls: int) -> str:
    """One row."""
    await load(peer.port, calls // 4)
    before = cpu_seconds(peer.pid)
    seconds = await load(peer.port, calls)
    cpu = (cpu_seconds(peer.pid) - before) / calls
    return f"| {peer.name} | {calls / seconds:,.0f} | {cpu * 1e6:.0f} | {1 / cpu:,.0f} |"


async def _main(calls: int) -> None:
    print("| hop | calls/s here | CPU µs per call | calls/s a core |")
    print("|---|---|---|---|")
    port = peers.free_port()
    command = (sys.executable, "-m", "benchmarks.gateway.calls", "serve", str(port))
    async with peers.process(*command) as child:
        await peers.reachable(port)
        target = Peer("direct", port, child.pid)
        async with peers.gateway(1, target, protocol="h2c") as peer:
            print(await measure(peer, calls))
        async with peers.envoy(target, protocol="h2c") as other:
            print(
                "envoy: not installed, left out" if other is None else await measure(other, calls)
            )


def main(calls: int = 20_000) -> None:
    """Print the table."""
    asyncio.run(_main(calls))


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(int(sys.argv[2]))
    else:
        main(*map(int, sys.argv[1:2]))
