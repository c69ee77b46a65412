r"""The few forms of JSONPath that printer columns use.

`.status.url`, `.metadata.labels['serving\.knative\.dev/configuration']`, `.items[0]`,
`.items[*].name` and `.status.conditions[?(@.type=='Ready')].status` (or with double quotes).
"""

import re
from collections.abc import Callable
from typing import Any, TypeAlias

_Step: TypeAlias = Callable[[list[Any]], list[Any]]

_TOKEN = re.compile(
    r"""\.(?P<member>[\w-]+)
      | \[\s*(?P<index>-?\d+)\s*\]
      | \[\s*(?P<all>\*)\s*\]
      | \[\s*'(?P<quoted>(?:[^'\\]|\\.)*)'\s*\]
      | \[\?\(\s*@\.(?P<key>[\w.-]+)\s*==\s*(?P<mark>['"])(?P<value>.*?)(?P=mark)\s*\)\]
    """,
    re.VERBOSE,
)


def compile_path(path: str) -> Callable[[Any], Any]:
    """A function that finds the first value at `path`, or None.

    Raises:
        ValueError: a form that is not known here.

    >>> compile_path(".items[?(@.type=='b')].n")({"items": [{"type": "b", "n": 2}]})
    2
    """
    steps: list[_Step] = []
    position = 0
    while position < len(path):
        match = _TOKEN.match(path, position)
        if match is None:
            raise ValueError(f"JSONPath {path!r}: cannot read {path[position:]!r}")
        steps.append(_step(match))
        position = match.end()

    def evaluate(document: Any) -> Any:
        values = [document]
        for step in steps:
            values = step(values)
        return values[0] if values else None

    return evaluate


def _step(match: re.Match[str]) -> _Step:
    if match["key"] is not None:
        return _filter(tuple(match["key"].split(".")), match["value"])
    if match["all"]:
        return lambda values: [item for value in values for item in _items(value)]
    if match["index"] is not None:
        return _at(int(match["index"]))
    member = match["member"]
    if member is None:
        member = re.sub(r"\\(.)", r"\1", match["quoted"])
    return _member(member)


def _member(name: str) -> _Step:
    def step(values: list[Any]) -> list[Any]:
        found = [value.get(name) for value in values if isinstance(value, dict)]
        return [value for value in found if value is not None]

    return step


def _at(index: int) -> _Step:
    def step(values: list[Any]) -> list[Any]:
        lists = [value for value in values if isinstance(value, list)]
        return [value[index] for value in lists if -len(value) <= index < len(value)]

    return step


def _filter(path: tuple[str, ...], wanted: str) -> _Step:
    def matches(item: Any) -> bool:
        for name in path:
            item = item.get(name) if isinstance(item, dict) else None
        return bool(item == wanted)

    return lambda values: [item for value in values for item in _items(value) if matches(item)]


def _items(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    return list(value.values()) if isinstance(value, dict) else []
