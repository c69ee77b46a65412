"""The output of a container, from the engine's log into the file of its Pod.

The engine keeps all of it, from the start and in order, and our file is a beginning of that: so
its length alone says where to go on, after a restart of ours as after one of the engine.
"""

import os
from pathlib import Path

import aiohttp

from utsuwa.kit.backoff import Backoff
from utsuwa.kit.clock import Clock
from utsuwa.kit.log import get_logger
from utsuwa.node.engine.wire import Wire

_log = get_logger(__name__)

_AGAIN = Backoff(first=0.2, most=5.0)
NOT_FOUND = 404


async def follow(wire: Wire, clock: Clock, container: str, path: Path) -> None:
    """Write what `container` writes to `path` until it ends."""
    failures = 0
    while True:
        try:
            await _copy(wire, container, path)
        except aiohttp.ClientResponseError as error:
            if error.status == NOT_FOUND:
                return
            reason = str(error)
        except (aiohttp.ClientError, OSError) as error:
            reason = str(error)
        else:
            return
        failures += 1
        delay = _AGAIN.delay(failures)
        _log.warning("output not read", container=container[:12], reason=reason, retry_in=delay)
        await clock.sleep(delay)


def ensure(path: Path) -> None:
    """Let the file be there, empty if it was not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


async def _copy(wire: Wire, container: str, path: Path) -> None:
    with path.open("ab", buffering=0) as file:
        known = file.seek(0, os.SEEK_END)
        async for data in wire.output(container):
            skipped = min(known, len(data))
            known -= skipped
            if len(data) > skipped:
                file.write(data[skipped:])
