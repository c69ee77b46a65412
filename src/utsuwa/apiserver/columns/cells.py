"""What a column is, and the cells that many kinds share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from utsuwa.apiserver.columns.jsonpath import compile_path
from utsuwa.kit.clock import parse_rfc3339
from utsuwa.kit.documents import Document, dig
from utsuwa.kit.units import format_age

Cell: TypeAlias = Callable[[Document, float], Any]
"""The value of a cell, given the object and the present time (Unix seconds)."""

NONE = "<none>"
UNKNOWN = "<unknown>"


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `priority` above 0 shows with `-o wide` only; an `urgent` one shows in any list
    with an object that has failed."""

    name: str
    cell: Cell
    type: str = "string"
    format: str = ""
    priority: int = 0
    urgent: bool = False

    def definition(self, *, failed: bool = False) -> Document:
        """Its entry in `columnDefinitions`; `failed`: an object of the list is not Ready."""
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": self.name,
            "priority": 0 if failed and self.urgent else self.priority,
        }


def wide(name: str, cell: Cell) -> Column:
    """A column that shows with `-o wide` only."""
    return Column(name, cell, priority=1)


def at(path: str) -> Cell:
    """The value at a JSONPath; empty when there is none, as for columns of custom resources."""
    evaluate = compile_path(path)
    return lambda document, _: evaluate(document)


def in_one_line(cell: Cell) -> Cell:
    """`cell`, of several lines the first and the last: kubectl cuts at the first line's end, and
    what an app said last is what matters."""

    def shown(document: Document, now: float) -> Any:
        text = cell(document, now)
        lines = str(text).strip().splitlines() if text else []
        if not lines:
            return text
        return lines[0] if len(lines) == 1 else f"{lines[0]} … {lines[-1]}"

    return shown


def name_of(document: Document, _: float) -> str:
    """The object's name."""
    return str(dig(document, "metadata", "name", default=""))


def age_of(document: Document, now: float) -> str:
    """Time since the object was made."""
    return since(dig(document, "metadata", "creationTimestamp"), now)


def since(time: str | None, now: float) -> str:
    """Time since `time` (RFC 3339), as kubectl writes it."""
    if not time:
        return UNKNOWN
    try:
        return format_age(now - parse_rfc3339(time))
    except ValueError:
        return UNKNOWN


def selector_of(labels: dict[str, str] | None) -> str:
    """A map of labels as `a=b,c=d`."""
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or NONE


NAME = Column("Name", name_of, format="name")
AGE = Column("Age", age_of)
