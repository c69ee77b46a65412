"""What `kubectl explain` tells of the Knative kinds."""

from collections.abc import Iterator
from typing import Any

import pytest

from utsuwa.model import kinds
from utsuwa.model.kinds import Kind
from utsuwa.model.schema import SCHEMAS, open_api
from utsuwa.model.schema.words import with_words

EXPLAINED = (
    kinds.SERVICE, kinds.CONFIGURATION, kinds.ROUTE, kinds.REVISION, kinds.DOMAIN_MAPPING,
    kinds.POD_AUTOSCALER,
)  # fmt: skip


def untold(schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """The members, at any depth, that have no description."""
    inner = schema.get("items", schema)
    for name, member in inner.get("properties", {}).items():
        if not member.get("description"):
            yield f"{path}.{name}"
        yield from untold(member, f"{path}.{name}")


@pytest.mark.parametrize("kind", EXPLAINED, ids=str)
def test_every_member_is_described(kind: Kind) -> None:
    """A member that is added must be given its words, too."""
    told = with_words(kind.name, open_api(SCHEMAS[kind]))
    assert told["description"]
    assert list(untold(told)) == []


def test_words_depend_on_where_a_member_is() -> None:
    """`timeoutSeconds` of a probe is not that of a Revision."""
    told = with_words("Revision", open_api(SCHEMAS[kinds.REVISION]))
    spec = told["properties"]["spec"]["properties"]
    probe = spec["containers"]["items"]["properties"]["readinessProbe"]["properties"]
    assert probe["timeoutSeconds"]["description"] != spec["timeoutSeconds"]["description"]
