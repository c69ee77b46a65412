"""The status of a Certificate of the serving network."""

from utsuwa.kit.documents import Document
from utsuwa.model.conditions import READY, ConditionSet

CONDITIONS = ConditionSet(())


def mark_ready(status: Document) -> None:
    """The certificate is in its Secret."""
    CONDITIONS.mark_true(status, READY)


def mark_unknown_class(status: Document) -> None:
    """Somebody else is to issue it."""
    message = "Waiting for the controller of this certificate class, which is not ours."
    CONDITIONS.mark_unknown(status, READY, "UnknownClass", message)


def mark_invalid(status: Document, message: str) -> None:
    """The spec asks for nothing that could be issued."""
    CONDITIONS.mark_false(status, READY, "Invalid", message)


def mark_secret_not_owned(status: Document, name: str) -> None:
    """The Secret's name is in use."""
    message = (
        f'Secret "{name}" exists and does not belong to this Certificate: rename or delete it.'
    )
    CONDITIONS.mark_false(status, READY, "SecretNotOwned", message)
