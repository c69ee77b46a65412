"""Documents in the form in which they are compared, defaulted and validated.

The original decodes every object into typed structures and encodes it again, so `ports: []`,
`hostNetwork: false` and `cpu: 1000m` leave no trace of how they were written. Everything behind
admission works on that form and may rely on types.
"""

from typing import Any

from utsuwa.kit.documents import Document
from utsuwa.model.kinds import kind_of
from utsuwa.model.schema import SCHEMAS, Node, normalise


def schema_of(document: Document) -> Node | None:
    """The schema of a document's kind; None for kinds that have none of ours."""
    try:
        return SCHEMAS.get(kind_of(document))
    except KeyError:
        return None


def normal(document: Document) -> Document:
    """A copy of `document` in normal form; of a kind without schema, the document itself."""
    schema = schema_of(document)
    if schema is None:
        return document
    result: Document = normalise(document, schema)
    return result


def same(one: Any, other: Any) -> bool:
    """Whether two values in normal form mean the same: nothing, null and empty are alike."""
    return bool(_bare(one) == _bare(other))


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        members = {key: _bare(member) for key, member in value.items()}
        return {key: member for key, member in members.items() if member not in (None, {}, [])}
    if isinstance(value, list):
        return [_bare(item) for item in value]
    return value
