"""`python -m utsuwa.gateway`: one gateway process, configured by its environment.

UTSUWA_GATEWAY_FDS     listening sockets handed down, such as `3,4`
UTSUWA_GATEWAY_TLS_FDS likewise, for connections that begin with a TLS handshake (optional)
UTSUWA_INSIDE          addresses that pods alone call, such as `127.128.0.2,10.88.0.1`: names inside the
                       cluster are served there and nowhere else (optional: they are served anywhere)
UTSUWA_LINK            path of control's unix socket
UTSUWA_GATEWAY_NAME    such as `gateway-0`
UTSUWA_LOGS            directory of logs; requests are logged below it where that is on (optional)
UTSUWA_SLOTS           path of the unix socket of the broker of slots, where several gateways run
UTSUWA_HOLDS           directory with the holds of pods, which say who may be frozen (optional)
UTSUWA_LOG_LEVEL       such as `INFO`
UTSUWA_DRAIN_SECONDS   how long requests may still run after SIGTERM or SIGINT (30)
UTSUWA_BODY_SECONDS    how long to wait for more of a request's body (60; 0 is for ever)
UTSUWA_TUNNEL_DRAIN_SECONDS  how long a WebSocket may stay on a pod that is to go (60)
UTSUWA_SERVING_FD      where to say, in a line of JSON, that connections are accepted (optional)

SIGTERM and SIGINT end it: connections between two requests are closed at once. SIGHUP says that
another gateway accepts on the same sockets: it accepts no more, every connection is closed with
the answer to its next request, and it ends when all have gone (at the latest after ten minutes).

It lives on when its parent dies: whoever comes next finds it serving and replaces it.
"""

import asyncio
import contextlib
import gc
import json
import os
import random
import resource
import signal
import socket
import sys
from math import inf
from typing import Any

import uvloop

from utsuwa.gateway.core import Limits
from utsuwa.gateway.server import Gateway, Paths
from utsuwa.kit import log
from utsuwa.kit.clock import SystemClock

_log = log.get_logger("utsuwa.gateway")
HANDOVER = 630.0
"""Seconds that requests may still run after SIGHUP: more than the longest `timeoutSeconds` (600)."""
HANDOVER_IDLE = 30.0
"""Seconds after SIGHUP for which a connection without a request is kept for its next one."""


def sockets(text: str) -> list[socket.socket]:
    """The listening sockets of a comma-separated list of descriptors.

    Raises:
        ValueError: it is not such a list, or one of them is no socket.
    """
    found: list[socket.socket] = []
    for part in text.split(","):
        try:
            sock = socket.socket(fileno=int(part))
        except (ValueError, OSError) as error:
            raise ValueError(
                f"UTSUWA_GATEWAY_FDS={text!r}: expected numbers of listening sockets such as "
                f"`3,4`, found {part!r} ({error}); `utsuwa up` sets it"
            ) from error
        sock.setblocking(False)
        found.append(sock)
    return found


def limits(environment: dict[str, str]) -> Limits:
    """The limits that an operator may set.

    Raises:
        ValueError: a setting is not a number of seconds.
    """
    return Limits(
        body_timeout=_seconds(environment, "UTSUWA_BODY_SECONDS", Limits.body_timeout),
        tunnel_drain=_seconds(environment, "UTSUWA_TUNNEL_DRAIN_SECONDS", Limits.tunnel_drain),
    )


def _seconds(environment: dict[str, str], name: str, default: float) -> float:
    text = environment.get(name, "")
    try:
        value = float(text) if text else default
    except ValueError:
        value = -1.0
    if not 0 <= value < inf:
        raise ValueError(f"{name}={text!r}: expected seconds such as `60`, or 0 for no limit")
    return value


def tune() -> None:
    """Open files up to the hard limit; collect rarely: requests make no cycles."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


def _say_serving(fd: int) -> None:
    """Tell the supervisor that we serve."""
    with contextlib.suppress(BrokenPipeError):  # it may be gone: we serve on
        os.write(fd, json.dumps({"serving": os.getpid()}).encode() + b"\n")


async def run(environment: dict[str, str]) -> int:
    """Serve until told to stop; answers the exit code."""
    loop = asyncio.get_running_loop()
    stop: asyncio.Future[int] = loop.create_future()
    replaced = asyncio.Event()
    serving_fd = int(environment.get("UTSUWA_SERVING_FD", "-1"))

    def end(code: int) -> None:
        if not stop.done():
            stop.set_result(code)

    gateway = Gateway(
        clock=SystemClock(),
        source=random.Random(),
        name=environment.get("UTSUWA_GATEWAY_NAME", "gateway-0"),
        paths=Paths(
            environment["UTSUWA_LINK"],
            logs=environment.get("UTSUWA_LOGS", ""),
            slots=environment.get("UTSUWA_SLOTS", ""),
            holds=environment.get("UTSUWA_HOLDS", ""),
        ),
        sockets=sockets(environment["UTSUWA_GATEWAY_FDS"]),
        tls_sockets=sockets(tls) if (tls := environment.get("UTSUWA_GATEWAY_TLS_FDS")) else (),
        inside=frozenset(filter(None, environment.get("UTSUWA_INSIDE", "").split(","))),
        limits=limits(environment),
        on_death=lambda name, error: end(1),
        on_serving=(lambda: _say_serving(serving_fd)) if serving_fd >= 0 else lambda: None,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end, 0)
    loop.add_signal_handler(signal.SIGHUP, replaced.set)
    gateway.start()
    tune()
    handover = loop.create_task(_hand_over(gateway, replaced), name="hand over")
    either: list[asyncio.Future[Any]] = [stop, handover]
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if handover.done():
        handover.result()
        return 0
    handover.cancel()
    code = stop.result()
    if code == 0:
        await gateway.drain(float(environment.get("UTSUWA_DRAIN_SECONDS", "30")))
    return code


async def _hand_over(gateway: Gateway, replaced: asyncio.Event) -> None:
    """Once another gateway has taken our place: end when the last client has gone to it."""
    await replaced.wait()
    await gateway.drain(HANDOVER, idle=HANDOVER_IDLE)


def main() -> None:
    """Entry point."""
    log.configure(os.environ.get("UTSUWA_LOG_LEVEL", "INFO"))
    missing = [name for name in ("UTSUWA_GATEWAY_FDS", "UTSUWA_LINK") if name not in os.environ]
    if missing:
        _log.error("environment is incomplete: `utsuwa up` starts the gateway", missing=missing)
        sys.exit(2)
    try:
        code = uvloop.run(run(dict(os.environ)))
    except ValueError as error:
        _log.error("cannot start", reason=error)
        code = 2
    sys.exit(code)


if __name__ == "__main__":
    main()
