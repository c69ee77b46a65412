"""What controllers have in common: a queue of keys, workers, retries, events, live settings.

A reconciler is told only a key. It reads the present state, computes what should exist, writes
what differs and returns when to look again: level-triggered, so a lost or doubled event costs a
look and nothing else (`spec/reconcilers.md` §1).
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from utsuwa.cluster.errors import ApiError, ConflictError, NotFoundError
from utsuwa.cluster.informer import Informer, Informers, key_of
from utsuwa.cluster.port import Cluster, Key
from utsuwa.controllers.events import EventRecorder
from utsuwa.controllers.live_settings import LiveSettings
from utsuwa.kit.backoff import Backoff
from utsuwa.kit.clock import Clock
from utsuwa.kit.documents import Document
from utsuwa.kit.ids import Ids
from utsuwa.kit.log import get_logger
from utsuwa.kit.queue import WorkQueue
from utsuwa.kit.tasks import TaskSet

_log = get_logger(__name__)

RECONCILE_DEADLINE = 30.0
"""Seconds one pass may take (`spec/config.md` §14)."""

ToKeys = Callable[[Document], Iterable[Key]]


class TerminalError(Exception):
    """Trying again would not help until the object changes; the message says why."""


class BlockedError(Exception):
    """What somebody else has made is in the way. Tried again after a back-off: it may go without
    any event that leads here."""


@dataclass(frozen=True, slots=True)
class Context:
    """What every controller is given."""

    cluster: Cluster
    informers: Informers
    clock: Clock
    ids: Ids
    settings: LiveSettings
    events: EventRecorder


class Reconciler(Protocol):
    """One pass over one object."""

    async def reconcile(self, key: Key) -> float | None:
        """Bring the world closer to what the object at `key` asks for.

        Returns:
            Seconds after which to look again, or None to wait for a change.

        Raises:
            ConflictError: something changed meanwhile; tried again at once.
            TerminalError: not tried again until the object changes.
            BlockedError: tried again after a back-off, and no failure of ours.
            Exception: anything else is tried again after a back-off.
        """
        ...


def own_key(document: Document) -> Iterable[Key]:
    """The object itself: for the kind that a controller reconciles."""
    return (key_of(document),)


def owner_key(kind: str) -> ToKeys:
    """The controller of a child, if it is of `kind`: for the children that a controller makes."""

    def to_keys(document: Document) -> Iterable[Key]:
        metadata = document["metadata"]
        for reference in metadata.get("ownerReferences", ()):
            if reference.get("controller") and reference["kind"] == kind:
                yield Key(metadata.get("namespace", ""), reference["name"])

    return to_keys


class Controller:
    """Feeds one reconciler with keys, one worker at a time per key."""

    def __init__(
        self,
        name: str,
        reconciler: Reconciler,
        *,
        workers: int = 4,
        backoff: Backoff | None = None,
    ) -> None:
        self.name = name
        self.queue: WorkQueue[Key] = WorkQueue(backoff)
        self.patience = 0.0
        """Seconds between a change and the look at it. Changes come in flocks: one look serves
        several, and who is in a hurry is not held up by those who only tell of it."""
        self.passes = {"done": 0, "again": 0, "failed": 0}
        """Looks so far: `again` are those that wait for something else, `failed` those that
        should not have."""
        self._reconciler = reconciler
        self._workers = workers
        self._log = get_logger(f"utsuwa.controllers.{name}")

    def __repr__(self) -> str:
        return f"<Controller {self.name}: {self.queue!r}>"

    def watch(self, informer: Informer, to_keys: ToKeys = own_key) -> None:
        """Look at the keys of `to_keys(object)` whenever an object of `informer` changes; both
        its old and its new form are asked, so that a change of owner is seen by both."""

        def changed(old: Document | None, new: Document | None) -> None:
            keys: set[Key] = set()
            for document in (old, new):
                if document is not None:
                    keys.update(to_keys(document))
            for key in keys:
                self.queue.add_after(key, self.patience)

        informer.on_change(changed)

    def start(self, tasks: TaskSet) -> None:
        """Start the workers. Informers must be synced, or first passes see half a world."""
        for number in range(self._workers):
            tasks.spawn(self._work(), name=f"controller {self.name} {number}")

    async def _work(self) -> None:
        while True:
            key = await self.queue.get()
            try:
                await self._pass(key)
            finally:
                self.queue.done(key)
            # A pass over memory may never have waited: without this, a key that is always ready
            # would keep everything else from running.
            await asyncio.sleep(0)

    async def _pass(self, key: Key) -> None:
        try:
            async with asyncio.timeout(RECONCILE_DEADLINE):
                again = await self._reconciler.reconcile(key)
        except ConflictError:
            self.passes["again"] += 1
            self.queue.add_failed(key)
        except TerminalError as error:
            self.passes["done"] += 1
            self.queue.forget(key)
            self._log.debug("gave up until it changes", object=key, reason=error)
        except BlockedError as error:
            self.passes["again"] += 1
            self.queue.add_failed(key)
            self._log.debug("blocked, trying again", object=key, reason=error)
        except NotFoundError as error:
            self.passes["again"] += 1
            self.queue.add_failed(key)
            self._log.debug("something is missing, trying again", object=key, reason=error)
        except ApiError as error:
            self.passes["failed"] += 1
            delay = self.queue.add_failed(key)
            self._log.warning("pass failed", object=key, reason=error, retry_in=f"{delay:.3f}s")
        except Exception as error:
            self.passes["failed"] += 1
            self.queue.add_failed(key)
            self._log.error("pass failed", error=error, object=key)
        else:
            self.passes["done"] += 1
            self.queue.forget(key)
            if again is not None:
                self.queue.add_after(key, again)
