"""The functions that templates may call, with the meaning they have in Go's text/template."""

import html
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote_plus


class TemplateError(ValueError):
    """A template that cannot be parsed or rendered; the message says which part and why."""


def truth(value: Any) -> bool:
    """What `if` takes for true: anything but zero, nothing and empty."""
    return bool(value)


def show(value: Any) -> str:
    """A value as it appears in the text."""
    if isinstance(value, str):
        return value
    if value is None:
        return "<no value>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        inner = " ".join(f"{key}:{show(member)}" for key, member in sorted(value.items()))
        return f"map[{inner}]"
    if isinstance(value, list):
        return f"[{' '.join(map(show, value))}]"
    return str(value)


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(value, Mapping):
            value = value.get(key, "")
        elif isinstance(value, list) and isinstance(key, int) and 0 <= key < len(value):
            value = value[key]
        else:
            raise TemplateError(f"cannot index {show(value)!r} with {show(key)!r}")
    return value


def _equal(first: Any, *others: Any) -> bool:
    if not others:
        raise TemplateError("eq: expected at least two values")
    return any(first == other for other in others)


def _printf(form: Any, *values: Any) -> str:
    left = list(values)

    def fill(match: re.Match[str]) -> str:
        flags, verb = match.groups()
        if verb == "%":
            return "%"
        if not left:
            raise TemplateError(f"printf: too few values for {form!r}")
        value = left.pop(0)
        if verb == "d":
            return f"%{flags}d" % value if isinstance(value, int) else f"%!d({show(value)})"
        if verb == "q":
            return '"' + show(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
        return f"%{flags}s" % show(value)

    text = re.sub(r"%([-+0-9.]*)([sdvq%])", fill, str(form))
    if left:
        raise TemplateError(f"printf: too many values for {form!r}")
    return text


def _and(*values: Any) -> Any:
    return next((value for value in values if not truth(value)), values[-1] if values else False)


def _or(*values: Any) -> Any:
    return next((value for value in values if truth(value)), values[-1] if values else False)


def _length(value: Any) -> int:
    if isinstance(value, Mapping | list | str):
        return len(value)
    raise TemplateError(f"len: {show(value)!r} has no length")


_ESCAPED = str.maketrans(
    {chr(code): f"\\u{code:04X}" for code in (*range(32), *map(ord, "<>&="))}
    | {"\\": "\\\\", "'": "\\'", '"': '\\"'}
)


def _javascript(*values: Any) -> str:
    return "".join(map(show, values)).translate(_ESCAPED)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "index": _index,
    "eq": _equal,
    "ne": lambda one, other: one != other,
    "printf": _printf,
    "print": lambda *values: "".join(show(value) for value in values),
    "println": lambda *values: " ".join(show(value) for value in values) + "\n",
    "and": _and,
    "or": _or,
    "not": lambda value: not truth(value),
    "len": _length,
    "js": _javascript,
    "html": lambda *values: html.escape("".join(show(value) for value in values)),
    "urlquery": lambda *values: quote_plus("".join(show(value) for value in values)),
}
"""By name; arguments in Go's order."""
