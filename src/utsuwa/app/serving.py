"""Where a running cluster is served, written down by the supervisor for other commands.

The file is there while the supervisor runs; whether it does, the lock on the data directory says,
for a supervisor that is killed leaves the file behind.
"""

import dataclasses
import fcntl
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from utsuwa.app.options import Layout


@dataclass(frozen=True, slots=True)
class Serving:
    """`address` is "" where port 443 could not be bound on one; `gke_port` is 0 likewise."""

    domain: str
    gateway_port: int
    api_port: int
    address: str
    gke_port: int

    def write(self, layout: Layout) -> None:
        """Write it down, in one step."""
        path = _path(layout)
        scratch = path.with_suffix(".tmp")
        scratch.write_text(json.dumps(dataclasses.asdict(self)))
        scratch.rename(path)

    @classmethod
    def read(cls, layout: Layout) -> Self | None:
        """What runs on this data directory; None when nothing does, or it only just starts."""
        if not _held(layout.run / "lock"):
            return None
        try:
            members = json.loads(_path(layout).read_text())
        except FileNotFoundError:
            return None
        return cls(**members)


def forget(layout: Layout) -> None:
    """Nothing is served any more."""
    _path(layout).unlink(missing_ok=True)


def _path(layout: Layout) -> Path:
    return layout.run / "serving.json"


def _held(lock: Path) -> bool:
    try:
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
