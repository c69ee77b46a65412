"""Where the output of containers is, and its last lines."""

import os
from pathlib import Path

from utsuwa.kit.clock import Clock
from utsuwa.kit.documents import Document, dig
from utsuwa.kit.tasks import TaskSet
from utsuwa.logs.places import directory_of
from utsuwa.node.log_keeping import Keeper

TAIL_BYTES = 2048
TAIL_LINES = 80
"""As FallbackToLogsOnError takes them (`spec/conformance.md` §5, termination message)."""


class PodLogs:
    """Files `<namespace>/<pod>_<uid>/<container>/<restart>.log` below `root`; they outlive the
    Pod."""

    def __init__(self, root: Path, keeper: Keeper | None = None) -> None:
        self._root = root
        self._keeper = keeper or Keeper(root)

    def __repr__(self) -> str:
        return f"<PodLogs below {self._root}: {self._keeper!r}>"

    def open(self) -> None:
        """Before :meth:`start`: what begins is followed."""
        self._keeper.open()

    def start(self, clock: Clock, tasks: TaskSet) -> None:
        """From now on it is noted when they grow, and they are kept within their bounds."""
        self._keeper.start(clock, tasks)

    def began(self, pod: Document, path: Path) -> None:
        """A life of one of its containers has begun, or goes on, whose output is `path`."""
        self._keeper.began(pod, path)

    def ended(self, path: Path) -> None:
        """That life is over."""
        self._keeper.ended(path)

    def file(self, pod: Document, container: str, restart: int) -> Path:
        """The file of one life of a container."""
        return directory_of(self._root, pod) / container / f"{restart}.log"

    def path(self, pod: Document, container: str, *, previous: bool) -> Path | None:
        """The file of the life now, or of the one before; None when there was none."""
        restart = next(
            (
                int(status.get("restartCount", 0))
                for member in ("containerStatuses", "initContainerStatuses")
                for status in dig(pod, "status", member, default=())
                if status["name"] == container
            ),
            0,
        )
        for number in range(restart - previous, -1, -1):
            path = self.file(pod, container, number)
            if path.exists():
                return path
            if previous:
                break
        return None


def tail(path: Path) -> str:
    """The last lines of a log: at most 80, at most 2 KiB."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - TAIL_BYTES))
            data = file.read(TAIL_BYTES)
    except OSError:
        return ""
    lines = data.decode(errors="replace").rstrip("\n").split("\n")
    if size > TAIL_BYTES and len(lines) > 1:
        lines = lines[1:]  # the first one is cut
    return "\n".join(lines[-TAIL_LINES:])
