"""One supervised process: started with its output in a log, started again with a back-off."""

import os
import sys
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from utsuwa.app import processes
from utsuwa.kit.backoff import Backoff

STEADY = 10.0
"""A child that ran this long starts its back-off anew."""


@dataclass(eq=False)
class Child:
    """One supervised process. `due` is when to start it, None while it runs."""

    name: str
    arguments: list[str]
    environment: dict[str, str]
    log: Path
    number: str = ""
    """Names it among all that a supervisor ever watched over."""
    identity: processes.Identity | None = None
    started: float = 0.0
    due: float | None = 0.0
    failures: int = 0
    restarts: int = 0
    life: tuple[float, float, int] | None = None
    """Its last life: when it began and ended, and the exit code, negative for a signal."""
    ends: deque[float] = field(default_factory=lambda: deque(maxlen=16))
    """When it ended unasked, Unix seconds, the newest last."""
    backoff: Backoff = field(default_factory=lambda: Backoff(first=0.05, most=5.0))

    def __repr__(self) -> str:
        state = f"pid {self.identity.pid}" if self.identity else "down"
        return f"<Child {self.name}: {state}, {self.failures} failures>"

    @property
    def pid(self) -> int:
        """Its pid, 0 while it is down."""
        return self.identity.pid if self.identity else 0

    def start(self, now: float) -> None:
        """Start the process, its output appended to its log."""
        output = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            pid = os.posix_spawn(
                sys.executable,
                [sys.executable, *self.arguments],
                {**os.environ, **self.environment},
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, output, 1),
                    (os.POSIX_SPAWN_DUP2, output, 2),
                ],
                setpgroup=0,  # a Ctrl-C in the terminal is for the supervisor alone
            )
        finally:
            os.close(output)
        self.identity = processes.identify(pid)
        self.started, self.due = now, None

    def signal(self, number: int) -> None:
        """Send a signal if it runs."""
        if self.identity is not None:
            self.identity.signal(number)

    def ended(self, now: float) -> None:
        """The process ended unasked: appoint its next start."""
        self.restarts += 1
        self.failures = 1 if now - self.started >= STEADY else self.failures + 1
        self.identity = None
        self.due = now + (0.0 if self.failures == 1 else self.backoff.delay(self.failures - 1))

    def last_line(self) -> str:
        """The last line of its log, for the user."""
        try:
            with self.log.open("rb") as lines:
                tail = deque(lines, maxlen=1)
        except OSError:
            return ""
        return tail[0].decode(errors="replace").strip() if tail else ""
