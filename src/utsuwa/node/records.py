"""What survives us: a directory and one small file per Pod, enough to find its processes again.

The directory `<uid>` is made before anything of the Pod is started, the file `<uid>.json` as soon
as the identity of a process is known. A directory without a file is a start that was cut short:
its processes are known by their mark alone.
"""

import contextlib
import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path

from utsuwa.kit.documents import Document
from utsuwa.kit.freezing import hold_path
from utsuwa.node import memory


@dataclass(slots=True)
class PodRecord:
    """A Pod that was started here. `containers`: what the runtime adopts, by container."""

    uid: str
    namespace: str = ""
    name: str = ""
    port: int = 0
    containers: dict[str, Document] = field(default_factory=dict)


class Records:
    """The records below `directory`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    def scratch(self, uid: str) -> Path:
        """The Pod's own directory, for its temporary files."""
        return self._directory / uid

    def begin(self, uid: str) -> None:
        """Something of the Pod is about to be started."""
        self.scratch(uid).mkdir(exist_ok=True)
        self.hold(uid).touch(0o600)  # the very file for as long as the Pod lives: a lock is on it

    def hold(self, uid: str) -> Path:
        """Says who may freeze the Pod when; gateways have a hand on it as well."""
        return hold_path(self._directory, uid)

    def write(self, record: PodRecord) -> None:
        """Replace the record; a reader sees the old or the new one, never half of it."""
        temporary = self._directory / f".{record.uid}"
        temporary.write_text(json.dumps(asdict(record)))
        temporary.rename(self._directory / f"{record.uid}.json")

    def remove(self, uid: str) -> None:
        """Forget the Pod, and remove what it has written. Blocks."""
        memory.give_back(self.scratch(uid) / "volumes")
        shutil.rmtree(self.scratch(uid), ignore_errors=True)
        (self._directory / f"{uid}.json").unlink(missing_ok=True)
        self.hold(uid).unlink(missing_ok=True)

    def all(self) -> list[PodRecord]:
        """Every record that can be read, and an empty one for each start that was cut short."""
        found: dict[str, PodRecord] = {}
        for path in self._directory.iterdir():
            if path.is_dir():
                found.setdefault(path.name, PodRecord(path.name))
            elif path.suffix == ".json":
                with contextlib.suppress(OSError, ValueError, TypeError):
                    found[path.stem] = PodRecord(**json.loads(path.read_text()))
        return sorted(found.values(), key=lambda record: record.uid)
