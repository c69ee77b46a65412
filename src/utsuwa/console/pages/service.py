"""One service: its head, its revisions, its pods. Pure: documents and figures in."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from utsuwa.console.pages.banners import NO_BANNERS, Banners
from utsuwa.console.pages.conditions import Told, told
from utsuwa.console.pages.services import Doing, Share, shares
from utsuwa.console.pages.short import UNKNOWN, UNKNOWN_ERRORS, Answer
from utsuwa.console.pages.state import State, Tone, state_of
from utsuwa.kit.clock import parse_rfc3339
from utsuwa.kit.documents import Document, dig
from utsuwa.model import labels
from utsuwa.model.meta import annotations_of, is_deleting, labels_of, name_of, namespace_of

MOST_REVISIONS = 7
"""Rows of revisions on a page: older ones that do nothing are counted."""


@dataclass(frozen=True, slots=True)
class Head:
    """What stands on top of each of a service's pages. `may_change`: whether he who looks may."""

    namespace: str
    name: str
    url: str
    state: State
    may_change: bool = False
    may_delete: bool = False

    @property
    def path(self) -> str:
        """Its first page."""
        return f"/services/{self.namespace}/{self.name}"


def head(document: Document, *, may_change: bool = False, may_delete: bool = False) -> Head:
    """The head of this service's pages."""
    return Head(
        namespace_of(document),
        name_of(document),
        dig(document, "status", "url", default=""),
        state_of(document),
        may_change,
        may_delete,
    )


@dataclass(frozen=True, slots=True)
class RevisionRow:
    """One revision: its part of the traffic, and what it does now."""

    name: str
    state: State
    percent: int
    tags: tuple[Share, ...]
    image: str
    created: float
    doing: Doing
    note: str = ""


@dataclass(frozen=True, slots=True)
class PodRow:
    """One pod."""

    name: str
    revision: str
    state: State
    restarts: int
    created: float


def revisions(
    documents: Iterable[Document], service: Document, doing: Mapping[str, Doing]
) -> tuple[RevisionRow, ...]:
    """The revisions of `service`, the newest first; `doing` by name."""
    told_of = shares(service)
    rows = [
        RevisionRow(
            name=name_of(one),
            state=revision_state(one),
            percent=sum(share.percent for share in told_of if share.revision == name_of(one)),
            tags=tuple(share for share in told_of if share.revision == name_of(one) and share.tag),
            image=dig(one, "spec", "containers", 0, "image", default=""),
            created=parse_rfc3339(one["metadata"]["creationTimestamp"]),
            doing=doing.get(name_of(one), Doing()),
            note=annotations_of(one).get(labels.ROLLOUT_TAKEN_BACK, ""),
        )
        for one in documents
    ]
    return tuple(sorted(rows, key=lambda row: (row.created, row.name), reverse=True))


def worth(rows: Sequence[RevisionRow]) -> tuple[RevisionRow, ...]:
    """Those of `rows` (the newest first) that a page has room for: first those with traffic, a tag
    or pods."""
    idle = [one for one in rows if not (one.percent or one.tags or one.doing.pods.total)]
    room = max(0, MOST_REVISIONS - (len(rows) - len(idle)))
    left_out = set(idle[room:])
    return tuple(one for one in rows if one not in left_out)[:MOST_REVISIONS]


def revision_state(document: Document) -> State:
    """A revision that is ready and has no pods rests."""
    state = state_of(document)
    active = next((one for one in told(document) if one.name == "Active"), None)
    if state.tone is Tone.GOOD and active is not None and active.tone in {Tone.BAD, Tone.QUIET}:
        return State(Tone.QUIET, "At zero", "", active.message)
    return state


def pods(documents: Iterable[Document]) -> tuple[PodRow, ...]:
    """Pods, by revision and age."""
    rows = [
        PodRow(
            name_of(one),
            labels_of(one).get(labels.REVISION, ""),
            pod_state(one),
            sum(status.get("restartCount") or 0 for status in _statuses(one)),
            parse_rfc3339(one["metadata"]["creationTimestamp"]),
        )
        for one in documents
    ]
    return tuple(sorted(rows, key=lambda row: (row.revision, row.created, row.name)))


def pod_state(pod: Document) -> State:
    """What a pod is doing, in a word; why it waits or ended."""
    if is_deleting(pod):
        return State(Tone.BUSY, "Ending")
    trouble = next((one for status in _statuses(pod) if (one := _trouble(status))), None)
    if trouble is not None:
        return trouble
    ready = _condition(pod, "Ready") or {}
    if ready.get("status") == "True":
        return State(Tone.GOOD, "Ready")
    phase = dig(pod, "status", "phase", default="Pending")
    if phase in {"Failed", "Succeeded"}:
        return State(Tone.BAD, "Ended", dig(pod, "status", "reason", default=""))
    word = "Not ready" if phase == "Running" else "Starting"
    return State(Tone.BUSY, word, message=ready.get("message") or "")


def _trouble(status: Document) -> State | None:
    """What is wrong with one container."""
    state = status.get("state") or {}
    waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
    if ended:
        reason = f"{ended.get('reason') or 'ended'}, exit code {ended.get('exitCode')}"
        return State(Tone.BAD, "Ended", reason, ended.get("message") or "")
    if waiting.get("reason") in {None, "ContainerCreating", "PodInitializing"}:
        return None
    last = dig(status, "lastState", "terminated", "message", default="")
    return State(Tone.BAD, "Waiting", waiting["reason"], waiting.get("message") or last)


def _condition(pod: Document, kind: str) -> Document | None:
    conditions: list[Document] = dig(pod, "status", "conditions", default=[])
    return next((one for one in conditions if one["type"] == kind), None)


def _statuses(pod: Document) -> Sequence[Document]:
    found: list[Document] = dig(pod, "status", "containerStatuses", default=[])
    return found


@dataclass(frozen=True, slots=True)
class ServicePage:
    """The first page of a service."""

    head: Head
    conditions: tuple[Told, ...]
    revisions: tuple[RevisionRow, ...]
    older: int
    """Revisions that there is no room for."""
    pods: tuple[PodRow, ...]
    windows: tuple[tuple[str, str], ...]
    now: float
    alerts: Banners = NO_BANNERS
    short: tuple[Answer, ...] = UNKNOWN
    errors: Answer = UNKNOWN_ERRORS
    """Both come when they are known: the first paint waits for nothing."""
