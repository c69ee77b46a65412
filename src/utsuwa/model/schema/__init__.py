"""What each kind of serving may contain, as data: pruned, checked and documented from one tree."""

from utsuwa.model.schema.kinds import METADATA, REVISION_SPEC, SCHEMAS
from utsuwa.model.schema.node import Node, Type
from utsuwa.model.schema.openapi import open_api
from utsuwa.model.schema.walk import Fault, faults, fill, normalise, prune, unknown_fields

__all__ = [
    "METADATA",
    "REVISION_SPEC",
    "SCHEMAS",
    "Fault",
    "Node",
    "Type",
    "faults",
    "fill",
    "normalise",
    "open_api",
    "prune",
    "unknown_fields",
]
