"""The control process: API server, store, controllers, autoscaler and node agent in one loop.

Started by the supervisor as `python -m utsuwa.app.control`. Order of the start: store, what a
cluster holds from the beginning, API server, controllers, node agent (which adopts the pods that
still run), link to the gateway; then it reports ready. The end is the same in reverse. A
background task that dies takes the process down, and the supervisor starts it anew.
"""

import asyncio
import contextlib
import gc
import json
import os
import signal
import socket
import sys
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import uvloop

from utsuwa.app.malformed import tell_in_a_line
from utsuwa.app.options import USER_MISTAKE, ControlOptions
from utsuwa.app.plane import ControlPlane
from utsuwa.app.processes import die_with_parent, keep_large_blocks_apart
from utsuwa.kit import log
from utsuwa.kit.clock import SystemClock
from utsuwa.kit.ids import Ids
from utsuwa.store import StoreError

_log = log.get_logger(__name__)

_COLLECT_AFTER = (10_000, 20, 50)
"""Containers made, and collections of the next younger generation, after which each is collected.
Documents hold no cycles; a full collection looks at every one of them (85 ms for those of a
thousand Services) and holds up whoever asks meanwhile."""


@dataclass
class _End:
    """Why the process ends, and the event that says so."""

    asked: asyncio.Event
    code: int = 0

    def ask(self) -> None:
        """Told to end."""
        self.asked.set()

    def died(self, name: str, error: BaseException | None) -> None:
        """A background task died."""
        _log.error("ending because a background task died", task=name, reason=error)
        self.code = 1
        self.asked.set()


async def serve(options: ControlOptions) -> int:
    """Run the control plane until told to end; returns the exit code."""
    end = _End(asyncio.Event())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end.ask)
    plane = ControlPlane(options, clock=SystemClock(), ids=Ids(), on_death=end.died)
    sockets = [socket.socket(fileno=fd) for fd in options.api_fds]
    gke = [socket.socket(fileno=fd) for fd in options.gke_fds]
    metrics = [socket.socket(fileno=fd) for fd in options.metrics_fds]
    console = [socket.socket(fileno=fd) for fd in options.console_fds]
    try:
        notes = await plane.start(
            sockets, gke_sockets=gke, metrics_sockets=metrics, console_sockets=console
        )
        await _first(plane.serving(), end.asked.wait())
        if not end.asked.is_set():
            _report_ready(options.ready_fd, notes, await plane.console_link())
            gc.collect()
            gc.freeze()
            gc.set_threshold(*_COLLECT_AFTER)
        await end.asked.wait()
    finally:
        await plane.stop(keep_pods=end.code != 0)
    return end.code


async def _first(*coroutines: Coroutine[Any, Any, object]) -> None:
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


def _report_ready(fd: int, notes: list[str], console: str) -> None:
    with contextlib.suppress(BrokenPipeError):  # the supervisor may be gone already
        os.write(fd, json.dumps({"notes": notes, "console": console}).encode() + b"\n")


def main() -> int:
    """Entry of the process."""
    options = ControlOptions.from_environment(os.environ["UTSUWA_CONTROL"])
    die_with_parent(os.getppid())
    keep_large_blocks_apart()
    log.configure(options.log_level)
    tell_in_a_line()
    try:
        # uvloop's TLS buffers are a fifth of asyncio's, and every watch has one.
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(serve(options))
    except StoreError as error:
        sys.stderr.write(f"{error}\n")
        return USER_MISTAKE


if __name__ == "__main__":
    sys.exit(main())
