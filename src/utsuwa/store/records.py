"""The values that move through the store."""

import asyncio
from dataclasses import dataclass, field
from typing import NamedTuple

from utsuwa.kit.documents import Document


class ObjectKey(NamedTuple):
    """Where an object lives: `kind` is any name unique to the kind, such as its resource."""

    kind: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Stored:
    """One object: its document, shared with every reader, and the same as JSON."""

    document: Document
    body: bytes
    version: int


@dataclass(frozen=True, slots=True)
class Change:
    """One change as watchers see it. `document` is the new state; of a removed object it is the
    last state, at the version of the removal. `previous` is None for a new object."""

    key: ObjectKey
    version: int
    document: Document
    previous: Document | None
    removed: bool
    size: int = 0
    """Bytes of its JSON."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A change on its way to disk. `before` is what it replaces."""

    key: ObjectKey
    after: Stored
    before: Stored | None
    removed: bool

    @property
    def change(self) -> Change:
        """The same as watchers see it."""
        previous = self.before.document if self.before is not None else None
        after = self.after
        size = len(after.body)
        return Change(self.key, after.version, after.document, previous, self.removed, size)


@dataclass(frozen=True, slots=True, eq=False)
class Write:
    """A queued write: an entry, or None for a mere barrier; `future` ends with its commit.

    Writes of one `epoch` were decided upon each other: when one fails, all later ones of the same
    epoch must fail, too.
    """

    entry: Entry | None
    epoch: int
    future: asyncio.Future[None] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a log holds when it is opened. `version` is the highest one ever given out."""

    version: int
    objects: list[tuple[ObjectKey, Stored]]
