"""How processes ended that are not our children: who saw it has told us, or has written it down."""

import contextlib
import json
import os
from pathlib import Path

from utsuwa.kit.clock import Clock
from utsuwa.node.runtime import UNKNOWN_EXIT, Exit

PATIENCE = 1.0
"""Seconds in which somebody must have told how a process ended."""
_PAUSE = 0.005
_KEPT = 4096


class Exits:
    """`directory`: where the supervisor writes how orphans ended. Mutable state: `_told`, what
    warm parents tell of their children, by pid and start."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._told: dict[tuple[int, int], int] = {}

    def __repr__(self) -> str:
        return f"<Exits {len(self._told)} told>"

    def tell(self, pid: int, start: int, status: int) -> None:
        """The process ended with this status, as waitpid gives it."""
        self._told[pid, start] = status
        while len(self._told) > _KEPT:
            self._told.pop(next(iter(self._told)))

    async def of(self, pid: int, start: int) -> Exit:
        """How that process ended."""
        path = self._directory / f"{pid}.json"
        deadline = self._clock.monotonic() + PATIENCE
        while True:
            status = self._told.get((pid, start))
            with contextlib.suppress(OSError, ValueError):
                found = json.loads(path.read_text())
                status = found["status"] if found["start"] == start else status
            if status is not None:
                return exit_of(os.waitstatus_to_exitcode(status))
            if self._clock.monotonic() >= deadline:
                return Exit(UNKNOWN_EXIT, seen=False)
            await self._clock.sleep(_PAUSE)


def exit_of(code: int) -> Exit:
    """From Python's return code (negative: a signal) to the way shells and Kubernetes count."""
    return Exit(128 - code, -code) if code < 0 else Exit(code)
