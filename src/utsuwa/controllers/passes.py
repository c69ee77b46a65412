"""One pass over an object that has conditions (`spec/reconcilers.md` §1.1).

A reconciler of such a kind derives from :class:`StatusReconciler` and writes only what is
particular to it: :meth:`StatusReconciler.run`, which changes the status of its own copy of the
object through named verbs and writes children. Reading, doubting `Ready` on a new generation,
noting the generation, filling in times, and the one write of `/status`, only when something
changed, are done here.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

from utsuwa.cluster.errors import AlreadyExistsError, ApiError, ConflictError, NotFoundError
from utsuwa.cluster.informer import key_of
from utsuwa.cluster.port import Key
from utsuwa.controllers.framework import BlockedError, Context, Controller
from utsuwa.kit.clock import rfc3339
from utsuwa.kit.documents import Document, copy
from utsuwa.kit.log import get_logger
from utsuwa.model.conditions import ConditionSet, finish
from utsuwa.model.kinds import Kind, kind_of
from utsuwa.model.meta import generation_of, is_controlled_by, is_deleting, name_of, uid_of
from utsuwa.model.settings import Settings

_log = get_logger(__name__)

STATUS_TRIES = 4
"""How often a status write is tried when the object changes under it."""


class NotOwnedError(BlockedError):
    """A child's name is taken by an object that somebody else controls."""


class StatusReconciler(ABC):
    """Base of the reconcilers of kinds with conditions."""

    def __init__(self, context: Context, kind: Kind, conditions: ConditionSet) -> None:
        self.context = context
        self.kind = kind
        self.conditions = conditions

    @abstractmethod
    async def run(self, document: Document) -> float | None:
        """Bring the world closer to `document` (an own copy) and say so in its status; answers
        the delay in seconds after which to look again, if any."""

    def forget(self, key: Key) -> None:
        """The object is gone: drop what was remembered about it."""
        _log.debug("gone", kind=str(self.kind), object=key)

    async def reconcile(self, key: Key) -> float | None:
        """One pass; see the module."""
        try:
            live = await self.context.cluster.get(self.kind, key)
        except NotFoundError:
            self.forget(key)
            return None
        if is_deleting(live):
            return None
        document = copy(live)
        status = document.get("status") or {}
        document["status"] = status
        self.conditions.begin(status, generation_of(document))
        failure: Exception | None = None
        again: float | None = None
        try:
            again = await self.run(document)
        except Exception as error:  # told by status and event, then raised again
            failure = error
        now = rfc3339(self.context.clock.now())
        finish(live.get("status"), status, generation=generation_of(live), now=now)
        if status != live.get("status"):
            await self._write_status(live, status)
        if failure is not None:
            if not isinstance(failure, ConflictError):
                await self.context.events.warning(live, "InternalError", str(failure))
            raise failure
        return again

    async def _write_status(self, live: Document, status: Document) -> None:
        for left in reversed(range(STATUS_TRIES)):
            try:
                await self.context.cluster.update_status({**live, "status": status})
            except NotFoundError:
                return
            except ConflictError:
                if not left:
                    raise
            else:
                return
            try:
                fresh = await self.context.cluster.get(self.kind, key_of(live))
            except NotFoundError:
                return
            if uid_of(fresh) != uid_of(live):
                return
            live = fresh


async def create_child(context: Context, parent: Document, wanted: Document) -> Document:
    """Create a child and tell it by an event on `parent`.

    Raises:
        ConflictError: an object of that name has appeared meanwhile; look again.
        ApiError: the cluster refuses the child.
    """
    name = f"{wanted['kind']} {name_of(wanted)!r}"
    try:
        created = await context.cluster.create(wanted)
    except AlreadyExistsError as error:
        raise ConflictError(f"{name} appeared while it was being created") from error
    except ApiError as error:
        await context.events.warning(parent, "CreationFailed", f"Failed to create {name}: {error}")
        raise
    await context.events.normal(parent, "Created", f"Created {name}")
    return created


async def find(context: Context, kind: Kind, key: Key) -> Document | None:
    """The object as it is now, or None."""
    try:
        return await context.cluster.get(kind, key)
    except NotFoundError:
        return None


def check_owned(child: Document, parent: Document) -> None:
    """Make sure that `parent` controls `child`.

    Raises:
        NotOwnedError: it does not.
    """
    if not is_controlled_by(child, parent):
        raise NotOwnedError(
            f"{parent['kind']} {key_of(parent)} expected to own {kind_of(child).name} "
            f"{name_of(child)!r}, found it under another owner: rename one of the two"
        )


def resync(
    context: Context,
    controller: Controller,
    kind: Kind,
    of_interest: Callable[[Settings], object],
) -> None:
    """Look at every object of `kind` again whenever the settings `of_interest` change."""
    known = of_interest(context.settings.current)
    informer = context.informers.of(kind)

    def changed() -> None:
        nonlocal known
        now = of_interest(context.settings.current)
        if now != known:
            known = now
            for document in informer.list():
                controller.queue.add(key_of(document))

    context.settings.on_change(changed)
