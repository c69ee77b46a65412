"""`python -m utsuwa.gateway.slots`: the broker of slots, where several gateways run.

UTSUWA_SLOTS       path of its unix socket
UTSUWA_GATEWAYS    process ids of the gateways that live already, such as `4711,4712` (may be empty)
UTSUWA_LOG_LEVEL   such as `INFO`

SIGTERM and SIGINT end it. It lives on when its parent dies, as the gateways do. When it dies, the
gateways go on with the slots they hold; the next one grants nothing before each of them has said
what that is.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

import uvloop

from utsuwa.gateway.slots.broker import Broker
from utsuwa.kit import log

_log = log.get_logger("utsuwa.gateway.slots")


def gateways(text: str) -> list[int]:
    """The process ids of a comma-separated list.

    Raises:
        ValueError: it is not such a list.
    """
    try:
        return [int(part) for part in text.split(",") if part]
    except ValueError as error:
        raise ValueError(
            f"UTSUWA_GATEWAYS={text!r}: expected process ids such as `4711,4712` ({error}); "
            "`utsuwa up` sets it"
        ) from error


async def run(environment: dict[str, str]) -> None:
    """Grant slots until told to end."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    path = Path(environment["UTSUWA_SLOTS"])
    broker = Broker(path, gateways(environment.get("UTSUWA_GATEWAYS", "")))
    await broker.open()
    await stop.wait()
    await broker.close()


def main() -> None:
    """Entry point."""
    log.configure(os.environ.get("UTSUWA_LOG_LEVEL", "INFO"))
    if "UTSUWA_SLOTS" not in os.environ:
        _log.error("environment is incomplete: `utsuwa up` starts it", missing=["UTSUWA_SLOTS"])
        sys.exit(2)
    try:
        uvloop.run(run(dict(os.environ)))
    except (ValueError, OSError) as error:
        _log.error("cannot start", reason=error)
        sys.exit(2)


if __name__ == "__main__":
    main()
