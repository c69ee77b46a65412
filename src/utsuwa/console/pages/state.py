"""The state of an object in a word and a sentence, from its conditions. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from utsuwa.kit.documents import Document, dig
from utsuwa.model.meta import is_deleting


class Tone(StrEnum):
    """How a state is coloured; the word beside it says the same."""

    GOOD = "good"
    BUSY = "busy"
    BAD = "bad"
    QUIET = "quiet"


@dataclass(frozen=True, slots=True)
class State:
    """A word; why, as the condition's reason and message say it."""

    tone: Tone
    word: str
    reason: str = ""
    message: str = ""


def state_of(document: Document) -> State:
    """What the Ready condition says."""
    if is_deleting(document):
        return State(Tone.BUSY, "Deleting")
    ready = condition(document, "Ready")
    if ready is None:
        return State(Tone.BUSY, "Starting")
    reason, message = ready.get("reason") or "", ready.get("message") or ""
    if ready["status"] == "True":
        return State(Tone.GOOD, "Ready", reason, message)
    if ready["status"] == "False":
        return State(Tone.BAD, "Failed", reason, message)
    return State(Tone.BUSY, "Deploying", reason, message)


def condition(document: Document, kind: str) -> Document | None:
    """The condition of that type."""
    conditions: list[Document] = dig(document, "status", "conditions", default=[])
    return next((one for one in conditions if one["type"] == kind), None)
