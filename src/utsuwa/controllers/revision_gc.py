"""Old Revisions that nothing leads to are deleted (`spec/reconcilers.md` §8)."""

from collections.abc import Iterable
from dataclasses import dataclass

from utsuwa.cluster.errors import NotFoundError
from utsuwa.cluster.informer import key_of
from utsuwa.cluster.port import DeleteOptions, Key, Preconditions
from utsuwa.controllers.framework import Context, Controller, own_key, owner_key
from utsuwa.controllers.passes import find, resync
from utsuwa.kit.clock import parse_rfc3339
from utsuwa.kit.documents import Document, dig
from utsuwa.kit.log import get_logger
from utsuwa.model import labels
from utsuwa.model.kinds import CONFIGURATION, REVISION
from utsuwa.model.meta import annotations_of, is_deleting, labels_of, name_of, uid_of
from utsuwa.model.settings import GarbageCollection

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which Revisions go now, and in how many seconds another may have to."""

    doomed: tuple[Document, ...] = ()
    look_again: float | None = None


def judge(
    configuration: Document,
    revisions: Iterable[Document],
    settings: GarbageCollection,
    now: float,
) -> Verdict:
    """Decide on the Revisions of one Configuration at Unix time `now`.

    Of those that nothing leads to, the stale go, the longest unused first, as long as
    `min_non_active_revisions` are left; then the oldest beyond `max_non_active_revisions`.
    """
    fewest, most = settings.min_non_active_revisions, settings.max_non_active_revisions
    checks = (settings.retain_since_create_time, settings.retain_since_last_active_time)
    if most is None and checks == (None, None):
        return Verdict()
    idle = [one for one in revisions if _is_idle(one, configuration)]
    idle.sort(key=lambda one: (_last_active(one), name_of(one)))
    spare = len(idle) - fewest
    if spare <= 0:
        return Verdict()
    due = {name_of(one): _stale_at(one, settings) for one in idle}
    doomed = [one for one in idle if _reached(due[name_of(one)], now)][:spare]
    if len(doomed) < spare and most is not None:
        kept = [one for one in idle if one not in doomed]
        doomed += kept[: max(0, len(kept) - most)]
    if len(doomed) >= spare:
        return Verdict(tuple(doomed))
    waits = [at - now for at in due.values() if at is not None and at > now]
    return Verdict(tuple(doomed), min(waits, default=None))


class RevisionCollector:
    """Deletes what :func:`judge` says."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def reconcile(self, key: Key) -> float | None:
        """One look at the Revisions of a Configuration."""
        configuration = await find(self._context, CONFIGURATION, key)
        if configuration is None or is_deleting(configuration):
            return None
        own = self._context.informers.of(REVISION).owned_by(uid_of(configuration))
        verdict = judge(
            configuration, own, self._context.settings.current.gc, self._context.clock.now()
        )
        for revision in verdict.doomed:
            await self._delete(revision)
        return verdict.look_again

    async def _delete(self, revision: Document) -> None:
        """Delete it, unless somebody has looked its way since."""
        metadata = revision["metadata"]
        same = Preconditions(metadata["uid"], metadata["resourceVersion"])
        _log.info("deleting a revision that is no longer used", object=key_of(revision))
        try:
            await self._context.cluster.delete(
                REVISION, key_of(revision), DeleteOptions(preconditions=same)
            )
        except NotFoundError:
            return


def build(context: Context) -> Controller:
    """The collector of Revisions."""
    controller = Controller("revision-gc", RevisionCollector(context))
    controller.watch(context.informers.of(CONFIGURATION), own_key)
    controller.watch(context.informers.of(REVISION), owner_key(CONFIGURATION.name))
    resync(context, controller, CONFIGURATION, lambda settings: settings.gc)
    return controller


def _is_idle(revision: Document, configuration: Document) -> bool:
    latest = dig(configuration, "status", "latestReadyRevisionName", default="")
    return (
        labels_of(revision).get(labels.ROUTING_STATE) == labels.ROUTING_RESERVE
        and name_of(revision) != latest
        and annotations_of(revision).get(labels.NO_GC, "").lower() != "true"
        and not is_deleting(revision)
    )


def _created(revision: Document) -> float:
    return parse_rfc3339(revision["metadata"]["creationTimestamp"])


def _last_active(revision: Document) -> float:
    modified = annotations_of(revision).get(labels.ROUTING_STATE_MODIFIED)
    try:
        return parse_rfc3339(modified) if modified else _created(revision)
    except ValueError:
        return _created(revision)


def _stale_at(revision: Document, settings: GarbageCollection) -> float | None:
    """When every check that is on has expired; None while both are off."""
    ends = []
    if settings.retain_since_create_time is not None:
        ends.append(_created(revision) + settings.retain_since_create_time)
    if settings.retain_since_last_active_time is not None:
        ends.append(_last_active(revision) + settings.retain_since_last_active_time)
    return max(ends, default=None)


def _reached(at: float | None, now: float) -> bool:
    return at is not None and at <= now
