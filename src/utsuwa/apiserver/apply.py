"""Server-side apply: who owns which field, and what a new intent changes (`spec/kubernetes-api.md` §7).

Each manager's fields are kept in `metadata.managedFields`. Applying sets the fields of the intent,
removes those that the same manager applied before and now leaves out (unless another owns them),
and refuses to change a field that another manager owns, unless forced. Other writes are recorded
once an object has been applied: their changes then belong to an `Update` manager. Pure.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from utsuwa.apiserver.fieldsets import (
    MISSING,
    Path,
    Paths,
    from_fields,
    leaves,
    remove,
    show,
    to_fields,
    value_at,
)
from utsuwa.apiserver.lists import applied_keys, identity, is_set
from utsuwa.cluster.errors import Cause, ConflictError
from utsuwa.kit.clock import parse_rfc3339
from utsuwa.kit.documents import Document, copy, dig, without
from utsuwa.model.kinds import Kind

APPLY, UPDATE = "Apply", "Update"


@dataclass(frozen=True, slots=True)
class Owner:
    """One entry of `managedFields`."""

    manager: str
    operation: str
    api_version: str
    time: str
    paths: Paths
    subresource: str = ""

    @property
    def who(self) -> tuple[str, str, str]:
        """What tells owners apart."""
        return self.manager, self.operation, self.subresource


@dataclass(frozen=True, slots=True)
class Intent:
    """What one manager applies: its document, and whether it takes fields from others."""

    kind: Kind
    document: Document
    manager: str
    time: str
    force: bool = False
    subresource: str = ""


def created(intent: Intent) -> Document:
    """The object that an intent creates."""
    document = copy(intent.document)
    return _with_owners(document, [_owner(intent, leaves(intent.kind, document))])


def applied(intent: Intent, live: Document) -> Document:
    """`live` after the intent.

    Raises:
        ConflictError: it would change fields that others own, and does not force.
    """
    kind, wanted = intent.kind, leaves(intent.kind, intent.document)
    owners = _owners(live)
    mine = _owner(intent, wanted)
    others = [owner for owner in owners if owner.who != mine.who]
    merged = _merge(kind, "", copy(live), intent.document)
    conflicts = _conflicts(kind, live, merged, others)
    if conflicts and not intent.force:
        raise _refusal(intent, conflicts)
    taken = frozenset(path for _, path in conflicts)
    others = [replace(owner, paths=owner.paths - taken) for owner in others]
    before = next((owner for owner in owners if owner.who == mine.who), None)
    kept = frozenset().union(*(owner.paths for owner in others))
    dropped = (before.paths if before else frozenset()) - wanted - kept
    for path in sorted(dropped, key=lambda path: (-len(path), path)):
        if not any(_within(path, other) for other in wanted | kept):
            remove(kind, merged, path)
    if before is not None and before.paths == wanted:
        mine = replace(mine, time=before.time)
    return _with_owners(merged, [*others, mine])


def recorded(
    kind: Kind, old: Document, new: Document, *, manager: str, time: str, subresource: str = ""
) -> Document:
    """`new` with the changes from `old` noted as `manager`'s, once the object has been applied by
    anyone; else as it is. A write that leaves `managedFields` out keeps them."""
    owners = _owners(old)
    if not any(owner.operation == APPLY for owner in owners):
        return new
    if dig(new, "metadata", "managedFields") == []:
        return new
    before, after = leaves(kind, old), leaves(kind, new)
    changed = frozenset(
        path
        for path in after
        if path not in before or value_at(kind, old, path) != value_at(kind, new, path)
    )
    gone = before - after
    if not changed and not gone:
        return _with_owners(new, owners)
    who = (manager, UPDATE, subresource)
    mine = next((owner for owner in owners if owner.who == who), None)
    others = [replace(o, paths=o.paths - changed - gone) for o in owners if o.who != who]
    paths = ((mine.paths if mine else frozenset()) | changed) - gone
    new_time = mine.time if mine and mine.paths == paths else time
    updated = Owner(manager, UPDATE, kind.api_version, new_time, paths, subresource)
    return _with_owners(new, [*others, updated])


def with_readable_owners(new: Document, old: Document | None) -> Document:
    """`new`; or, where a client has written what is no record of owners into `managedFields`,
    with those of `old`, as the original forgives it."""
    entries = dig(new, "metadata", "managedFields")
    if not entries:
        return new
    if isinstance(entries, list) and all(_read(entry) is not None for entry in entries):
        return new
    metadata = without(new["metadata"], ("managedFields",))
    if entries != [{}] and (kept := dig(old or {}, "metadata", "managedFields")):
        metadata["managedFields"] = kept
    return {**new, "metadata": metadata}


def _owner(intent: Intent, paths: Paths) -> Owner:
    return Owner(
        intent.manager, APPLY, intent.kind.api_version, intent.time, paths, intent.subresource
    )


def _owners(document: Document) -> list[Owner]:
    entries = dig(document, "metadata", "managedFields", default=[])
    found = [_read(entry) for entry in entries] if isinstance(entries, list) else []
    return [owner for owner in found if owner is not None]


def _read(entry: Any) -> Owner | None:
    """An entry as an owner; None for what clients may write there but nobody can read."""
    if not isinstance(entry, dict) or not isinstance(entry.get("fieldsV1"), dict):
        return None
    members = ("manager", "operation", "apiVersion", "time")
    try:
        paths = from_fields(entry["fieldsV1"])
        if "time" in entry:
            parse_rfc3339(str(entry["time"]))
    except ValueError:
        return None
    manager, operation, version, time = (str(entry.get(member, "")) for member in members)
    return Owner(manager, operation, version, time, paths, str(entry.get("subresource", "")))


def _with_owners(document: Document, owners: Iterable[Owner]) -> Document:
    entries = []
    for owner in owners:
        if not owner.paths - {()}:
            continue
        entry: Document = {
            "manager": owner.manager,
            "operation": owner.operation,
            "apiVersion": owner.api_version,
            "time": owner.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": to_fields(owner.paths - {()}),
        }
        if owner.subresource:
            entry["subresource"] = owner.subresource
        entries.append(entry)
    metadata = {**document.get("metadata", {}), "managedFields": entries}
    if not entries:
        metadata.pop("managedFields")
    return {**document, "metadata": metadata}


def _conflicts(
    kind: Kind, live: Document, merged: Document, others: list[Owner]
) -> list[tuple[Owner, Path]]:
    """Fields that another manager owns and that the intent would change."""
    return [
        (owner, path)
        for owner in others
        for path in sorted(owner.paths)
        if value_at(kind, live, path) != value_at(kind, merged, path)
        and value_at(kind, live, path) is not MISSING
        and path[-1:] != (".",)
    ]


def _within(path: Path, other: Path) -> bool:
    """Whether `other` lies below the item that `path` (ending in `.`) stands for."""
    base = path[:-1] if path[-1:] == (".",) else path
    return other[: len(base)] == base and other != path


def _refusal(intent: Intent, conflicts: list[tuple[Owner, Path]]) -> ConflictError:
    causes = tuple(
        Cause(
            f'conflict with "{owner.manager}"'
            + (f' with subresource "{owner.subresource}"' if owner.subresource else "")
            + (f" using {owner.api_version}" if owner.operation == UPDATE else ""),
            field=show(path),
            reason="FieldManagerConflict",
        )
        for owner, path in conflicts
    )
    count = f"{len(causes)} conflict{'' if len(causes) == 1 else 's'}"
    if len(causes) == 1:
        told = f"{causes[0].message}: {causes[0].field}"
    else:
        told = "conflicts" + "".join(_grouped(causes))
    return ConflictError(f"Apply failed with {count}: {told}", causes=causes)


def _grouped(causes: tuple[Cause, ...]) -> list[str]:
    by_message: dict[str, list[str]] = {}
    for cause in causes:
        who = cause.message.replace("conflict ", "", 1)
        by_message.setdefault(who, []).append(cause.field)
    return [
        f" {who}:\n" + "\n".join(f"- {field}" for field in fields)
        for who, fields in by_message.items()
    ]


def _merge(kind: Kind, place: str, live: Any, wanted: Any) -> Any:
    if isinstance(wanted, dict) and isinstance(live, dict):
        for key, value in wanted.items():
            inner = f"{place}.{key}" if place else key
            live[key] = _merge(kind, inner, live[key], value) if key in live else copy_any(value)
        return live
    if isinstance(wanted, list) and isinstance(live, list):
        if is_set(place):
            return [*live, *(item for item in wanted if item not in live)]
        keys = applied_keys(kind, place)
        if keys:
            return _merge_items(kind, place, keys, live, wanted)
    return copy_any(wanted)


def _merge_items(
    kind: Kind, place: str, keys: tuple[str, ...], live: list[Any], wanted: list[Any]
) -> list[Any]:
    places = {identity(item, keys): index for index, item in enumerate(live)}
    result = list(live)
    for item in wanted:
        index = places.get(identity(item, keys))
        if index is None:
            result.append(copy_any(item))
        else:
            result[index] = _merge(kind, place, result[index], item)
    return result


def copy_any(value: Any) -> Any:
    """A deep copy of any JSON value."""
    return copy({"": value})[""]
