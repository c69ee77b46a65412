"""Where the output of containers is, and its last lines."""

import os
from pathlib import Path

from utsuwa.kit.documents import Document, dig
from utsuwa.node.log_times import LogTimes

TAIL_BYTES = 2048
TAIL_LINES = 80
"""As FallbackToLogsOnError takes them (`spec/conformance.md` §5, termination message)."""


class PodLogs:
    """Files `<namespace>/<pod>_<uid>/<container>/<restart>.log` below `root`; they outlive the
    Pod."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.times = LogTimes()
        """Who notes when they grew."""

    def file(self, pod: Document, container: str, restart: int) -> Path:
        """The file of one life of a container."""
        metadata = pod["metadata"]
        directory = f"{metadata['name']}_{metadata['uid']}"
        namespace: str = metadata["namespace"]
        return self._root / namespace / directory / container / f"{restart}.log"

    def path(self, pod: Document, container: str, *, previous: bool) -> Path | None:
        """The file of the life now, or of the one before; None when there was none."""
        for status in dig(pod, "status", "containerStatuses", default=()):
            if status["name"] == container:
                restart = int(status.get("restartCount", 0))
                break
        else:
            restart = 0
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
