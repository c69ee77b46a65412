"""The status of a Configuration (`spec/reconcilers.md` §3): `Ready` alone, no dependents."""

from utsuwa.kit.documents import Document
from utsuwa.model.conditions import READY, ConditionSet
from utsuwa.model.lifecycle.revision import PULLING_IMAGE

CONDITIONS = ConditionSet()
REVISION_FAILED = "RevisionFailed"


def set_latest_created(status: Document, name: str) -> None:
    """Revision `name` is the newest; until it is ready, nobody knows about us."""
    status["latestCreatedRevisionName"] = name
    if status.get("latestReadyRevisionName") != name:
        CONDITIONS.mark_unknown(status, READY)


def mark_pulling(status: Document, message: str) -> None:
    """An image of the newest Revision is being fetched; `message` says how far it has come."""
    CONDITIONS.mark_unknown(status, READY, PULLING_IMAGE, message)


def set_latest_ready(status: Document, name: str) -> None:
    """Revision `name` is the newest that is ready; if it is the newest of all, so are we."""
    status["latestReadyRevisionName"] = name
    if status.get("latestCreatedRevisionName") == name:
        CONDITIONS.mark_true(status, READY)


def mark_latest_created_failed(status: Document, name: str, message: str) -> None:
    """The newest Revision cannot become ready, for the reason in its own `message`."""
    CONDITIONS.mark_false(
        status, READY, REVISION_FAILED, f'Revision "{name}" failed: {message or "no reason given"}'
    )


def mark_revision_creation_failed(status: Document, message: str) -> None:
    """The newest Revision could not even be created."""
    CONDITIONS.mark_false(
        status, READY, REVISION_FAILED, f"The Revision could not be created: {message}"
    )
