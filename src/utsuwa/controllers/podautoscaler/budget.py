"""The budget of pods of a rollout (`utsuwa.dev/rollout-max-surge`), over the cluster as it is.

It is looked up where it is needed: when a Revision is scaled, and when a Route asks how far it may
move traffic. The rules are those of :mod:`utsuwa.autoscale.budget`.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from utsuwa.autoscale import budget
from utsuwa.autoscale.budget import Holder
from utsuwa.autoscale.parameters import Parameters
from utsuwa.cluster.informer import Informers, key_of
from utsuwa.cluster.port import Key
from utsuwa.controllers.podautoscaler.pods import PodCounts
from utsuwa.kit.documents import Document, dig
from utsuwa.model import labels
from utsuwa.model.autoscaling_annotations import MAX_SCALE, MIN_SCALE
from utsuwa.model.go_values import parse_int
from utsuwa.model.kinds import CONFIGURATION, REVISION, ROUTE
from utsuwa.model.meta import annotations_of, generation_of, labels_of, name_of, namespace_of
from utsuwa.model.rollout_limits import LimitError, surge_of

LOOK_EVERY = 1.0
"""Seconds between two looks at a Revision under a budget: others' pods come and go."""


class Pods(Protocol):
    """What is known of a Revision's pods: the scaler."""

    def counts(self, key: Key) -> PodCounts:
        """By state."""
        ...

    def replicas(self, key: Key) -> int:
        """As many as its Deployment asks for."""
        ...

    def wanted(self, key: Key) -> int:
        """As many as its load asks for; -1 while unknown."""
        ...


class _Rollout(NamedTuple):
    """A Configuration in which several Revisions have pods."""

    holders: dict[Key, Holder]
    need: int
    surge: int


class PodBudget:
    """Bounds for each Revision of a Configuration that has a budget.

    Mutable state: `_needs`, by Configuration while a rollout lasts; `_promised`, pods that a
    Revision was last allowed, which may not be there yet; `_watched`, Revisions that are looked at
    again and again. Changed synchronously.
    """

    def __init__(self, informers: Informers, pods: Pods, tell: Callable[[Key], None]) -> None:
        """`tell` has a Revision looked at."""
        self._pods = pods
        self._tell = tell
        self._configurations = informers.of(CONFIGURATION)
        self._revisions = informers.of(REVISION)
        self._routes = informers.of(ROUTE)
        self._needs: dict[Key, int] = {}
        self._promised: dict[Key, int] = {}
        self._watched: set[Key] = set()

    def __repr__(self) -> str:
        return f"<PodBudget of {len(self._needs)} rollouts>"

    def watched(self, revision: Key, parameters: Parameters) -> Parameters:
        """As :meth:`within`, for who looks again every :data:`LOOK_EVERY` while there are bounds.
        The others are told to do so, too: a rollout is news to those that were there before."""
        limited = self.within(revision, parameters)
        if limited is parameters:
            self._watched.discard(revision)
            return parameters
        self._watched.add(revision)
        rollout = self._rollout(revision)
        for other in rollout.holders if rollout is not None else ():
            if other not in self._watched:
                self._tell(other)
        return limited

    def within(self, revision: Key, parameters: Parameters) -> Parameters:
        """`parameters` of `revision` as the budget allows; the same object where there is none."""
        rollout = self._rollout(revision)
        if rollout is None:
            return parameters
        others = [one for key, one in rollout.holders.items() if key != revision]
        own = rollout.holders[revision]
        limits = budget.bounds(own, others, need=rollout.need, surge=rollout.surge)
        return budget.within(parameters, limits)

    def promise(self, revision: Key, pods: int) -> None:
        """`revision` is about to be scaled to `pods`."""
        self._promised[revision] = pods

    def forget(self, revision: Key) -> None:
        """The Revision is gone."""
        self._promised.pop(revision, None)
        self._watched.discard(revision)

    def room(self, revision: Key) -> int:
        """Percent of the traffic that `revision` has the pods for; 100 without a budget."""
        rollout = self._rollout(revision)
        if rollout is None:
            return budget.WHOLE
        return budget.room(self._pods.counts(revision).ready, rollout.need)

    def _rollout(self, revision: Key) -> _Rollout | None:
        document = self._revisions.get(revision)
        name = labels_of(document or {}).get(labels.CONFIGURATION, "")
        configuration = self._configurations.get(Key(revision.namespace, name))
        surge = _surge(configuration) if configuration is not None else 0
        if configuration is None or not surge:
            return None
        key = key_of(configuration)
        siblings = self._revisions.list(key.namespace, labels={labels.CONFIGURATION: name})
        newest = _newest(siblings)
        shares = self._shares(configuration)
        holders = {key_of(one): self._holder(one, shares, newest) for one in siblings}
        holders = {k: one for k, one in holders.items() if one.pods or k == revision}
        if len(holders) < 2 or newest is None:
            self._needs.pop(key, None)
            return None
        annotations = annotations_of(newest)
        need = self._needs[key] = budget.needed(
            holders.values(),
            self._needs.get(key),
            minimum=MIN_SCALE.read(annotations, parse_int) or 0,
            maximum=MAX_SCALE.read(annotations, parse_int) or 0,
            surge=surge,
        )
        return _Rollout(holders, need, surge)

    def _holder(
        self, revision: Document, shares: dict[str, int], newest: Document | None
    ) -> Holder:
        key = key_of(revision)
        counts, promised = self._pods.counts(key), self._promised.get(key, 0)
        pods = max(counts.ready + counts.not_ready, self._pods.replicas(key), promised)
        wanted = self._pods.wanted(key)
        return Holder(shares.get(key.name, 0), pods, wanted, revision is newest)

    def _shares(self, configuration: Document) -> dict[str, int]:
        """Percent of each Revision, over the Routes that lead to `configuration`."""
        shares: dict[str, int] = {}
        names_ = labels.split_routes(annotations_of(configuration).get(labels.ROUTES, ""))
        for name in names_ or [name_of(configuration)]:
            route = self._routes.get(Key(namespace_of(configuration), name))
            for target in dig(route, "status", "traffic", default=()):
                revision = target.get("revisionName", "")
                shares[revision] = shares.get(revision, 0) + int(target.get("percent") or 0)
        return {name: min(share, budget.WHOLE) for name, share in shares.items()}


def _surge(configuration: Document) -> int:
    """0, too, for what admission would refuse today."""
    try:
        return surge_of(annotations_of(configuration))
    except LimitError:
        return 0


def _newest(revisions: list[Document]) -> Document | None:
    """The one that traffic moves to, or will: the newest that was not taken back."""

    def age(revision: Document) -> tuple[str, int]:
        number = labels_of(revision).get(labels.CONFIGURATION_GENERATION, "")
        created = revision["metadata"].get("creationTimestamp") or ""
        return created, int(number) if number.isdecimal() else generation_of(revision)

    able = [r for r in revisions if not annotations_of(r).get(labels.ROLLOUT_TAKEN_BACK)]
    return max(able, key=age, default=None)
