"""What the documentation says of each setting: `docs/reference/settings.md`, read. Pure."""

import re
from collections.abc import Sequence
from typing import NamedTuple

_CODE = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")
_PARTS = re.compile(r"(`[^`]+`)")


class Text(NamedTuple):
    """A piece of a sentence; `code`: of a name or a value."""

    words: str
    code: bool = False


class Setting(NamedTuple):
    """What is said of a key. `older`: other spellings that count where it is absent."""

    key: str
    older: tuple[str, ...]
    default: str
    values: tuple[Text, ...]
    meaning: tuple[Text, ...]


class Map(NamedTuple):
    """What is said of a ConfigMap, and of its keys."""

    name: str
    about: tuple[Text, ...]
    settings: tuple[Setting, ...]


def read(text: str) -> dict[str, Map]:
    """Every map by name, from the page's text."""
    found = {}
    for section in text.split("\n## ")[1:]:
        title, _, body = section.partition("\n")
        names = [name.strip() for name in title.split(",") if name.strip().startswith("config-")]
        for name in names:
            found[name] = Map(name, _about(body, alone=len(names) == 1), tuple(_settings(body)))
    return found


def pieces(text: str) -> tuple[Text, ...]:
    """A sentence of Markdown: links are their words.

    >>> pieces("see [`a`](b.md) there")
    (Text(words='see ', code=False), Text(words='a', code=True), Text(words=' there', code=False))
    """
    plain = _LINK.sub(r"\1", text)
    return tuple(
        Text(part.strip("`"), part.startswith("`")) for part in _PARTS.split(plain) if part
    )


def _about(body: str, *, alone: bool) -> tuple[Text, ...]:
    lines = [line for line in body.strip().splitlines() if not line.startswith("|")]
    return pieces(" ".join(lines).strip()) if alone or lines else ()


def _settings(body: str) -> list[Setting]:
    rows = [
        [cell.strip() for cell in line.strip().strip("|").split("|")]
        for line in body.splitlines()
        if line.startswith("|")
    ]
    return [one for row in rows[2:] for one in _of_row(row)]


def _of_row(row: Sequence[str]) -> list[Setting]:
    """A row may tell of several keys; `key` (`older`) is one."""
    keys, default, *rest = row
    values, meaning = (rest[0], rest[1]) if len(rest) > 1 else ("", rest[0])
    found = []
    for part in re.split(r",\s*(?![^(]*\))", keys):
        names = _CODE.findall(part)
        if names:
            plain = default.replace("`", "")
            found.append(
                Setting(names[0], tuple(names[1:]), plain, pieces(values), pieces(meaning))
            )
    return found
