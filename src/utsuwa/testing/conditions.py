"""Every condition that our objects can have, asked of the code: `docs/reference/conditions.md`.

    python -m utsuwa.testing.conditions            # print the table
    python -m utsuwa.testing.conditions FILE       # replace the table in FILE

Each verb of :mod:`utsuwa.model.lifecycle` is called on a status of its own, with its parameters'
names in capitals as their values; what it sets is a row, and its docstring says when.
"""

import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

from utsuwa.model.conditions import READY, conditions_of
from utsuwa.model.lifecycle import (
    certificate,
    configuration,
    domainmapping,
    ingress,
    podautoscaler,
    revision,
    route,
    serverlessservice,
    service,
)

if TYPE_CHECKING:
    from utsuwa.kit.documents import Document

KINDS: dict[str, ModuleType] = {
    "Service": service,
    "Configuration": configuration,
    "Revision": revision,
    "Route": route,
    "DomainMapping": domainmapping,
    "PodAutoscaler": podautoscaler,
    "ServerlessService": serverlessservice,
    "Ingress": ingress,
    "Certificate": certificate,
}
BEGIN = "<!-- begin: python -m utsuwa.testing.conditions -->"
END = "<!-- end -->"


class Entry(NamedTuple):
    """A row of the table."""

    kind: str
    type: str
    status: str
    reason: str
    message: str
    when: str


def entries() -> list[Entry]:
    """Every condition that a verb sets, in the order of the kinds, then by type and reason."""
    found = [entry for kind in KINDS for entry in sorted(set(_entries_of(kind)))]
    if len(found) < len(KINDS):
        raise RuntimeError(f"expected verbs in each module of {list(KINDS)}, found {len(found)}")
    return found


def table() -> str:
    """The table as Markdown, between its two marks."""
    rows = [
        "| Kind | Type | Status | Reason | Message | When |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    rows += [
        f"| {one.kind} | `{one.type}` | {one.status} | {_code(one.reason)} | {one.message} | "
        f"{one.when} |"
        for one in entries()
    ]
    return "\n".join((BEGIN, "", *rows, "", END))


def written_into(text: str) -> str:
    """`text` with the table in the place of the one that it has."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{table()}{tail}"


def _entries_of(kind: str) -> Iterator[Entry]:
    module = KINDS[kind]
    for name, verb in vars(module).items():
        own = inspect.isfunction(verb) and verb.__module__ == module.__name__
        if own and name.startswith(("mark_", "set_")):
            yield from _set_by(kind, verb)


def _set_by(kind: str, verb: Callable[..., None]) -> Iterator[Entry]:
    status: Document = {}
    verb(status, **_arguments(verb))
    set_now = conditions_of(status)
    own = [one for one in set_now if one["type"] != READY] or set_now
    when = inspect.cleandoc(verb.__doc__ or "").split("\n\n")[0].replace("\n", " ")
    for one in own:
        message = str(one.get("message", "")).replace("|", r"\|")
        yield Entry(kind, one["type"], one["status"], one.get("reason", ""), message, when)


def _arguments(verb: Callable[..., None]) -> dict[str, object]:
    """A value for each parameter but the status that has none of its own."""
    values: dict[str, object] = {}
    for name, parameter in list(inspect.signature(verb).parameters.items())[1:]:
        if parameter.default is not inspect.Parameter.empty and name not in {"why", "reason"}:
            continue
        if parameter.annotation is int:
            values[name] = 1
        elif parameter.annotation is str:
            values[name] = name.upper()
        else:
            values[name] = []
    return values


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def main(arguments: list[str]) -> None:
    """See the module."""
    if not arguments:
        sys.stdout.write(table() + "\n")
        return
    path = Path(arguments[0])
    path.write_text(written_into(path.read_text()))


if __name__ == "__main__":
    main(sys.argv[1:])
