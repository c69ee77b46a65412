"""The operator's settings: each key with what it means, its default and its value. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from utsuwa.console.pages.reference import Map, Setting, Text
from utsuwa.kit.documents import Document
from utsuwa.model.config_maps import EXAMPLE
from utsuwa.model.meta import name_of

KEY = "key."
"""Before a key: the field that has its value."""
NEW_KEY, NEW_VALUE = "new-key", "new-value"


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One key; `value` is None where it is not set."""

    key: str
    value: str | None
    default: str
    values: tuple[Text, ...] = ()
    meaning: tuple[Text, ...] = ()
    older: tuple[str, ...] = ()
    known: bool = True
    wrong: str = ""

    @property
    def long(self) -> bool:
        """Whether it needs more than a line."""
        return "\n" in (self.value or "") or len(self.value or "") > 60


@dataclass(frozen=True, slots=True)
class SettingsPage:
    """One map, and the names of all."""

    maps: tuple[str, ...]
    name: str
    about: tuple[Text, ...]
    rows: tuple[SettingRow, ...]
    version: str
    may_change: bool = False
    wrong: str = ""
    free: bool = False
    """Whether keys may be anything: domains."""
    new: tuple[str, str] = field(default=("", ""))


def page(
    documents: Iterable[Document],
    reference: Mapping[str, Map],
    name: str,
    *,
    may_change: bool,
    asked: Mapping[str, str] | None = None,
    wrong: str = "",
) -> SettingsPage:
    """The page of the map `name`; `asked` is data that a person wanted and did not get."""
    by_name = {name_of(one): one for one in documents}
    document = by_name.get(name) or {}
    data = _data(document) if asked is None else dict(asked)
    known = reference.get(name) or Map(name, (), ())
    rows = [_row(one, data) for one in known.settings]
    told = {spelling for one in known.settings for spelling in (one.key, *one.older)}
    rows += [SettingRow(key, data[key], "", known=False) for key in data if key not in told]
    at_fault = max(
        (row for row in rows if row.key in wrong), key=lambda row: len(row.key), default=None
    )
    shown = tuple(row if row is not at_fault else _with_fault(row, wrong) for row in rows)
    return SettingsPage(
        maps=tuple(sorted(one for one in by_name if one in reference)),
        name=name,
        about=known.about,
        rows=shown,
        version=(document.get("metadata") or {}).get("resourceVersion", ""),
        may_change=may_change,
        wrong=wrong,
        free=not known.settings,
    )


def asked(form: Mapping[str, str], document: Document) -> dict[str, str]:
    """The data that a form asks for: an empty field is a key that is not set. The example stays,
    and keys that the form does not show."""
    before = document.get("data") or {}
    data = {key: value for key, value in before.items() if f"{KEY}{key}" not in form}
    for name, value in form.items():
        if name.startswith(KEY):
            key, text = name.removeprefix(KEY), value.replace("\r\n", "\n").strip()
            if text or (key in before and not before[key].strip() and f"keep.{key}" in form):
                data[key] = text
    new = form.get(NEW_KEY, "").strip()
    if new:
        data[new] = form.get(NEW_VALUE, "").replace("\r\n", "\n").strip()
    return data


def patch(data: Mapping[str, str], document: Document) -> Document:
    """What turns the map's data into `data`; nothing where they are the same."""
    before = document.get("data") or {}
    changed: Document = {key: value for key, value in data.items() if before.get(key) != value}
    return changed | dict.fromkeys(key for key in before if key not in data)


def _data(document: Document) -> dict[str, str]:
    return {key: value for key, value in (document.get("data") or {}).items() if key != EXAMPLE}


def _row(one: Setting, data: Mapping[str, str]) -> SettingRow:
    key = next((name for name in (one.key, *one.older) if name in data), one.key)
    return SettingRow(key, data.get(key), one.default, one.values, one.meaning, one.older)


def _with_fault(row: SettingRow, wrong: str) -> SettingRow:
    return SettingRow(
        row.key, row.value, row.default, row.values, row.meaning, row.older, row.known, wrong
    )
