"""Which log files there are below `logs/`, and whose they are.

    NAMESPACE/POD_UID/about.json               whose it is: written once the pod runs
    NAMESPACE/POD_UID/CONTAINER/RESTART.log    the output of one life of a container
    NAMESPACE/POD_UID/CONTAINER/RESTART.times  when it grew
    NAMESPACE/_requests/SERVICE.log            the request log, where it is on

Nothing here asks a cluster: what is kept of pods that are gone tells of itself.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from utsuwa.kit.documents import Document, dig

ABOUT = "about.json"
REQUESTS = "_requests"
"""No name of a pod begins like this."""
_CONFIGURATION = "serving.knative.dev/configuration"
_REVISION = "serving.knative.dev/revision"
_SERVICE = "serving.knative.dev/service"


@dataclass(frozen=True, slots=True)
class Life:
    """The output of one life of a container."""

    path: Path
    container: str
    restart: int


@dataclass(frozen=True, slots=True)
class PodPlace:
    """The directory of one Pod's logs. What is not known is empty."""

    directory: Path
    namespace: str
    pod: str
    uid: str
    service: str = ""
    configuration: str = ""
    revision: str = ""
    containers: tuple[str, ...] = field(default=(), compare=False)

    def lives(self) -> list[Life]:
        """The output that is there, by container and in the order of its lives."""
        found = []
        for path in self.directory.glob("*/*.log"):
            with suppress(ValueError):  # somebody else's file
                found.append(Life(path, path.parent.name, int(path.stem)))
        return sorted(found, key=lambda life: (life.container, life.restart))


def directory_of(root: Path, pod: Document) -> Path:
    """Where the logs of a Pod are."""
    metadata = pod["metadata"]
    return root / str(metadata["namespace"]) / f"{metadata['name']}_{metadata['uid']}"


def describe(root: Path, pod: Document) -> None:
    """Write down whose logs a Pod's are."""
    labels = dig(pod, "metadata", "labels", default={}) or {}
    about = {
        "service": labels.get(_SERVICE, ""),
        "configuration": labels.get(_CONFIGURATION, ""),
        "revision": labels.get(_REVISION, ""),
    }
    path = directory_of(root, pod) / ABOUT
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(about))


def place(directory: Path) -> PodPlace:
    """What is known of a Pod's directory; of pods from before it was written down, their revision
    by their name, which is `REVISION-deployment-HASH-SUFFIX`."""
    pod, _, uid = directory.name.partition("_")
    about = {}
    with suppress(OSError, ValueError):
        about = json.loads((directory / ABOUT).read_text())
    if not about and "-deployment-" in pod:
        about = {"revision": pod.rpartition("-deployment-")[0]}
    return PodPlace(directory, directory.parent.name, pod, uid, **about)


def pods(namespace: Path) -> Iterator[PodPlace]:
    """The Pods of which anything is kept below `logs/NAMESPACE`."""
    for directory in _directories(namespace):
        if "_" in directory.name and directory.name != REQUESTS:
            yield place(directory)


def namespaces(root: Path) -> list[Path]:
    """The directory of each namespace below `logs/`."""
    return list(_directories(root))


def request_log(root: Path, namespace: str, service: str) -> Path:
    """The file of a Service's request log."""
    return root / namespace / REQUESTS / f"{service}.log"


def _directories(directory: Path) -> Iterator[Path]:
    try:
        yield from (entry for entry in sorted(directory.iterdir()) if entry.is_dir())
    except OSError:
        return  # none yet
