"""`docs/reference/settings.md` says of each key what the parsers and their readers say."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path

import pytest

from utsuwa.model.settings import Settings

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "reference" / "settings.md"
SOURCES = ROOT / "src" / "utsuwa"
NOT_READ = ("config-logging", "config-leader-election", "config-certmanager")
"""Maps that are checked and not kept, told in a paragraph."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table: a key or several, the first with its older spellings after it."""

    map: str
    keys: tuple[str, ...]
    default: str
    text: str

    @property
    def is_without_effect(self) -> bool:
        return "No effect" in self.text


def rows() -> Iterator[Row]:
    for section in re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)[1:]:
        name = section.partition("\n")[0]
        for keys, default, text in re.findall(
            r"^\| (`.+?) \| (.+?) \| (.+) \|$", section, re.MULTILINE
        ):
            yield Row(name, tuple(re.findall(r"`([^`]+)`", keys)), default, text)


ROWS = [row for row in rows() if row.map.startswith("config-")]
KEYS = [(row.map, key) for row in ROWS for key in row.keys]
VALUES = (
    "true", "false", "enabled", "Enabled", "disabled", "Disabled", "redirected", "none", "7", "90s",
    "0.5", "mine.example", "{{.Name}}-x.{{.Domain}}", "{{.Name}}-{{.Tag}}", "a: {selector: {b: c}}",
    "http://logs/${REVISION_UID}", "prometheus", "stdout", "900", "a: b", "2Mi",
)  # fmt: skip
NEEDS = {
    "metrics-endpoint": {"metrics-protocol": "grpc"},
    "request-metrics-endpoint": {"request-metrics-protocol": "grpc"},
    "tracing-endpoint": {"tracing-protocol": "grpc"},
    "max-scale-limit": {"max-scale": "5"},
}
"""Keys that can only be set beside another."""


def flat(settings: object, path: str = "") -> Iterator[tuple[str, object]]:
    for field in fields(settings):  # type: ignore[arg-type]  # a dataclass; the caller has looked
        value = getattr(settings, field.name)
        here = f"{path}.{field.name}"
        if is_dataclass(value) and path.count(".") < 1:
            yield from flat(value, here)
        else:
            yield here, repr(value)


@cache
def members_of(map_name: str, key: str) -> frozenset[str]:
    """The members of Settings that change when the key is set to something else."""
    beside = NEEDS.get(key, {})
    for value in VALUES:
        try:
            before = dict(flat(Settings.parse({map_name: beside})))
        except ValueError:
            before = dict(flat(Settings()))
        try:
            after = dict(flat(Settings.parse({map_name: {**beside, key: value}})))
        except ValueError:
            continue
        changed = {member for member in after if after[member] != before[member]}
        if changed:
            return frozenset(changed)
    return frozenset()


@pytest.mark.parametrize(("map_name", "key"), KEYS)
def test_every_key_of_the_page_is_one_that_the_parser_knows(map_name: str, key: str) -> None:
    """A line about a key that nothing looks for would send people astray."""
    assert members_of(map_name, key)


@cache
def attributes_read() -> frozenset[str]:
    """The names of all attributes that are read outside the settings' own package."""
    home = SOURCES / "model" / "settings"
    return frozenset(
        node.attr
        for file in SOURCES.rglob("*.py")
        if home not in file.parents and "testing" not in file.parts
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute)
    )


BY_METHOD = {
    "container_name_template": "container_name",
    "init_container_name_template": "init_container_name",
    "domain_template": "host",
    "tag_template": "tag_name",
}
"""Members that are read by a method of their own."""


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.keys[0])
def test_what_has_no_effect_is_what_nothing_reads(row: Row) -> None:
    """Whoever makes a key work, or takes away what it did, finds the page to be wrong."""
    for key in row.keys:
        names = {member.rpartition(".")[2] for member in members_of(row.map, key)}
        read = {BY_METHOD.get(name, name) for name in names} & attributes_read()
        assert bool(read) is not row.is_without_effect, key


@pytest.mark.parametrize(
    "row",
    [row for row in ROWS if row.default.startswith("`") or row.map == "config-features"],
    ids=lambda row: row.keys[0],
)
def test_the_default_that_is_told_changes_nothing(row: Row) -> None:
    """Of keys that share a line, the first has the default."""
    value = row.default.split("`")[1] if "`" in row.default else row.default
    assert Settings.parse({row.map: {row.keys[0]: value}}) == Settings()
