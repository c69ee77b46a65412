"""The latest changes, kept so that a watch can begin in the past.

Kept as JSON: a change is replayed rarely, and a document takes four times as much memory as its
JSON. The newest state of an object shares its JSON with the index, so history costs only what it
alone still knows.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from utsuwa.kit.documents import decode
from utsuwa.store.records import Change, Entry, ObjectKey


@dataclass(frozen=True, slots=True)
class _Past:
    key: ObjectKey
    version: int
    body: bytes
    previous: bytes | None
    removed: bool


class History:
    """A ring of changes, bounded in number and in bytes of JSON.

    Invariant: every change with a version above :attr:`oldest` is in the ring.
    """

    def __init__(self, start: int, *, limit: int, limit_bytes: int) -> None:
        self.oldest = start
        self._limit = limit
        self._limit_bytes = limit_bytes
        self._ring: deque[_Past] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._ring)

    def add(self, entry: Entry) -> None:
        """Remember `entry`, and forget what no longer fits."""
        after = entry.after
        previous = entry.before.body if entry.before is not None else None
        self._ring.append(_Past(entry.key, after.version, after.body, previous, entry.removed))
        self._bytes += len(after.body)
        while len(self._ring) > self._limit or self._bytes > self._limit_bytes:
            dropped = self._ring.popleft()
            self._bytes -= len(dropped.body)
            self.oldest = dropped.version

    def after(self, since: int, kind: str, namespace: str = "") -> Iterator[Change]:
        """The changes above version `since` of one kind, oldest first."""
        found: list[_Past] = []
        for past in reversed(self._ring):
            if past.version <= since:
                break
            if past.key.kind == kind and namespace in ("", past.key.namespace):
                found.append(past)
        for past in reversed(found):
            previous = decode(past.previous) if past.previous is not None else None
            yield Change(
                past.key, past.version, decode(past.body), previous, past.removed, len(past.body)
            )
