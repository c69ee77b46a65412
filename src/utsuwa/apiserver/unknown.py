"""Fields that a kind does not have."""

from utsuwa.kit.documents import Document
from utsuwa.model.kinds import Kind


def unknown_fields(kind: Kind, document: Document) -> tuple[str, ...]:
    """The paths in `document` that its kind does not know, in the order of the document."""
    return ()
