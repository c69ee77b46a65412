"""What to do with Pods from before: objects, records and processes compared. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from utsuwa.kit.documents import Document, dig
from utsuwa.model.labels import MIRROR
from utsuwa.node.records import PodRecord


@dataclass(frozen=True, slots=True)
class Adoption:
    """An object and its record."""

    pod: Document
    record: PodRecord


@dataclass(frozen=True, slots=True)
class AdoptionPlan:
    """`known`: object and record are there. `strangers`: uids whose object is gone; their
    processes are killed. `lost`: bound here once, but without a record."""

    known: tuple[Adoption, ...]
    strangers: tuple[str, ...]
    lost: tuple[Document, ...]


@dataclass(frozen=True, slots=True)
class AdoptionReport:
    """How many Pods from before still ran and were adopted, had to be started or made anew, or
    were killed because their object was gone."""

    adopted: int = 0
    replaced: int = 0
    removed: int = 0

    @property
    def any(self) -> bool:
        """Whether there was anything from before."""
        return bool(self.adopted or self.replaced or self.removed)


def plan_adoption(
    pods: Iterable[Document], records: Iterable[PodRecord], node_name: str
) -> AdoptionPlan:
    """What to adopt, to kill and to replace."""
    by_uid = {record.uid: record for record in records}
    known: list[Adoption] = []
    lost: list[Document] = []
    for pod in pods:
        record = by_uid.pop(pod["metadata"]["uid"], None)
        if record is not None:
            known.append(Adoption(pod, record))
        elif dig(pod, "spec", "nodeName") == node_name and _ran(pod):
            lost.append(pod)
    return AdoptionPlan(tuple(known), tuple(by_uid), tuple(lost))


def _ran(pod: Document) -> bool:
    if dig(pod, "metadata", "annotations", MIRROR) is not None:
        return False
    return dig(pod, "status", "phase") not in {None, "Succeeded", "Failed"}
