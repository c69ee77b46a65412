"""What survives us: one small file per Pod, enough to find its processes again."""

import contextlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from utsuwa.kit.documents import Document


@dataclass(slots=True)
class PodRecord:
    """A Pod that was started here. `containers`: what the runtime adopts, by container; empty
    for one that was about to be started."""

    uid: str
    namespace: str
    name: str
    port: int
    containers: dict[str, Document] = field(default_factory=dict)


class Records:
    """The records below `directory`, each in its own file `<uid>.json`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    def scratch(self, uid: str) -> Path:
        """The Pod's own directory, for its temporary files."""
        return self._directory / uid

    def write(self, record: PodRecord) -> None:
        """Replace the record; a reader sees the old or the new one, never half of it."""
        temporary = self._directory / f".{record.uid}"
        temporary.write_text(json.dumps(asdict(record)))
        temporary.rename(self._directory / f"{record.uid}.json")

    def remove(self, uid: str) -> None:
        """Forget the Pod."""
        (self._directory / f"{uid}.json").unlink(missing_ok=True)

    def all(self) -> list[PodRecord]:
        """Every record that can be read."""
        found = []
        for path in sorted(self._directory.glob("*.json")):
            with contextlib.suppress(OSError, ValueError, TypeError):
                found.append(PodRecord(**json.loads(path.read_text())))
        return found
