"""Admission of the operator's ConfigMaps (`spec/config.md` §1)."""

import re
import zlib

from utsuwa.kit.documents import Document
from utsuwa.model.meta import annotations_of, name_of, namespace_of
from utsuwa.model.settings import check_map

SYSTEM_NAMESPACE = "knative-serving"
EXAMPLE = "_example"
EXAMPLE_CHECKSUM = "knative.dev/example-checksum"
_NEWLINES = re.compile(r"(?:\r?\n)+")


def example_checksum(example: str) -> str:
    """The checksum by which the documentation in a map is told from settings put there by mistake:
    CRC-32 in eight hex digits, blanks around it dropped and newlines collapsed."""
    # Each run of newlines becomes a backslash and an n: so do the published checksums.
    collapsed = _NEWLINES.sub(r"\\n", example.strip())
    return f"{zlib.crc32(collapsed.encode()):08x}"


def config_map_fault(document: Document) -> str:
    """What keeps one of the operator's maps from being stored; "" when nothing does, or when it
    is none of them."""
    name = name_of(document)
    if namespace_of(document) != SYSTEM_NAMESPACE or not name.startswith("config-"):
        return ""
    data = document.get("data") or {}
    expected = annotations_of(document).get(EXAMPLE_CHECKSUM)
    if EXAMPLE in data and expected not in {None, example_checksum(data[EXAMPLE])}:
        return (
            f"{name}: {EXAMPLE} was changed, which has no effect: "
            "put the setting beside it, directly below data"
        )
    try:
        check_map(name, data)
    except ValueError as error:
        return str(error)
    return ""
