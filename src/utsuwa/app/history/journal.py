"""The journal: decisions and cold starts, kept in the file of the history and told again after a
restart of control.

Whoever decides remembers for as long as the process lives; the journal takes what is new every
other second and hands it to the file's thread, and gives it back at the next start. What a control
that was killed had not handed over yet is lost: two seconds of it.
"""

import zlib
from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

import msgspec

from utsuwa.app.history.file import Batch, Name, Note
from utsuwa.autoscale.horizontal import HorizontalDecision
from utsuwa.cluster.informer import Informer, key_of
from utsuwa.cluster.port import Key
from utsuwa.controllers.podautoscaler import Entry, HorizontalHistory, Memory
from utsuwa.kit.clock import Clock, parse_rfc3339
from utsuwa.kit.log import get_logger
from utsuwa.model import labels
from utsuwa.model.meta import labels_of
from utsuwa.routing.messages import ColdStart

_log = get_logger(__name__)

EVERY = 2.0
"""Seconds between two looks for what is new."""
HOUR = 3600.0
"""Seconds for which decisions are told of."""
_FIRST = 0.0

Item = Entry | HorizontalDecision | ColdStart
_KINDS: dict[str, type[Item]] = {
    "decision": Entry,
    "horizontal": HorizontalDecision,
    "cold-start": ColdStart,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}
_DECODERS = {name: msgspec.msgpack.Decoder(kind) for name, kind in _KINDS.items()}
_encode = msgspec.msgpack.Encoder().encode
T = TypeVar("T")


class Keeper(Protocol):
    """Who keeps notes: the file."""

    def write(self, batch: Batch) -> None:
        """Keep it; never waits."""
        ...

    async def notes(self, since: float) -> list[tuple[Name, Note]]:
        """All notes from `since` on, oldest first."""
        ...


class Journal:
    """Between those who remember and the file."""

    def __init__(
        self,
        keeper: Keeper,
        memory: Memory,
        horizontal: HorizontalHistory,
        revisions: Informer,
        clock: Clock,
    ) -> None:
        self._keeper = keeper
        self._memory = memory
        self._horizontal = horizontal
        self._revisions = revisions
        self._clock = clock

    def __repr__(self) -> str:
        return f"<Journal of {self._memory!r}>"

    async def restore(self) -> None:
        """Give back what the file has of revisions that are still there: those of the same name,
        and made before it was noted. The informer of revisions is synced."""
        born = {
            key_of(one): parse_rfc3339(one["metadata"]["creationTimestamp"])
            for one in self._revisions.list()
        }
        now = self._clock.now()
        found: dict[Key, list[Item]] = {}
        unreadable = 0
        for name, note in await self._keeper.notes(_FIRST):
            key = Key(name.namespace, name.revision)
            if key not in born or not born[key] <= note.time <= now:
                continue
            if note.kind != _NAMES[ColdStart] and note.time < now - HOUR:
                continue
            try:
                found.setdefault(key, []).append(item_of(note))
            except ValueError:
                unreadable += 1
        if unreadable:
            _log.warning("decisions of another version could not be read", count=unreadable)
        for key, items in found.items():
            self._memory.restore(key, [*_of(items, Entry), *_of(items, ColdStart)])
            if horizontal := _of(items, HorizontalDecision):
                self._horizontal.restore(key, horizontal)

    async def run(self) -> None:
        """Hand over what is new, for ever."""
        while True:
            await self._clock.sleep(EVERY)
            self.flush()

    def flush(self, *, all_of_it: bool = False) -> None:
        """Hand over what is new; `all_of_it`, at the end, also what might still change."""
        taken: Sequence[tuple[Key, Item]] = [
            *self._memory.take(all_of_it=all_of_it),
            *self._horizontal.take(),
        ]
        if taken:
            notes = [(self._name(key), note_of(item)) for key, item in taken]
            self._keeper.write(Batch(self._clock.now(), notes=notes))

    def _name(self, key: Key) -> Name:
        document = self._revisions.get(key)
        service = labels_of(document).get(labels.SERVICE) if document is not None else None
        return Name(key.namespace, key.name, service or key.name)


def note_of(item: Item) -> Note:
    """`item` as the file keeps it."""
    time = item.queued if isinstance(item, ColdStart) else item.time
    return Note(_NAMES[type(item)], time, zlib.compress(_encode(item), 1))


def item_of(note: Note) -> Item:
    """What was kept as `note`.

    Raises:
        ValueError: another version of this program has written it.
    """
    try:
        return _DECODERS[note.kind].decode(zlib.decompress(note.body))
    except (KeyError, zlib.error, msgspec.MsgspecError) as error:
        raise ValueError(f"a note of kind {note.kind} cannot be read: {error}") from error


def _of(items: Iterable[Item], kind: type[T]) -> list[T]:
    return [one for one in items if isinstance(one, kind)]
