"""Objects in SQLite: optimistic concurrency, group commit, watch with history.

The store knows JSON documents by kind, namespace and name, and gives each write a version; what a
write means (generation, finalizers, grace) is decided above, in :mod:`utsuwa.cluster`.
"""

from utsuwa.store.errors import (
    HistoryGoneError,
    StoreClosedError,
    StoreError,
    StoreLockedError,
    WriteFailedError,
)
from utsuwa.store.records import Change, ObjectKey
from utsuwa.store.store import Store
from utsuwa.store.watchers import Watcher

__all__ = [
    "Change",
    "HistoryGoneError",
    "ObjectKey",
    "Store",
    "StoreClosedError",
    "StoreError",
    "StoreLockedError",
    "Watcher",
    "WriteFailedError",
]
