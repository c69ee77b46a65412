"""The running autoscaler: takes what gateways tell, ticks, and moves pods at once when it must.

A revision is ticked every 2 s while it is active and not at all while it rests, so idle ones cost
nothing. Three things do not wait for a tick:

* a wake-up, or load, on a revision of which nothing is wanted: the Deployment is patched right
  from the message, before the reconciler looks (the cold-start path);
* **starved**: requests wait, and no pod is on its way. The original would let them wait for up to
  2 s more; we decide as soon as the figures say so.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from utsuwa.autoscale.autoscaler import Autoscaler, informs
from utsuwa.autoscale.decider import TICK, Decision
from utsuwa.autoscale.onset import Onset
from utsuwa.autoscale.parameters import UNKNOWN_SCALE, Parameters
from utsuwa.autoscale.reasons import Reason, because
from utsuwa.autoscale.scaling import Scaling, bounded
from utsuwa.cluster.errors import ApiError
from utsuwa.cluster.port import Key
from utsuwa.controllers.framework import Context
from utsuwa.controllers.podautoscaler.budget import PodBudget
from utsuwa.controllers.podautoscaler.history import Budget, Entry
from utsuwa.controllers.podautoscaler.memory import Memory
from utsuwa.controllers.podautoscaler.pods import PodCounter, PodCounts
from utsuwa.kit.documents import dig
from utsuwa.kit.log import get_logger
from utsuwa.kit.tasks import TaskSet
from utsuwa.model import names
from utsuwa.model.kinds import DEPLOYMENT, POD
from utsuwa.routing.messages import ColdStart, ColdStarts, RevisionStats, Stats, Wake

_log = get_logger(__name__)

TICK_PHASE = 0.25
"""Ticks happen this long after an even second: the figures of the last one are in by then."""
SETTLING = 5.0
"""Seconds after our own start in which silence of the gateways does not mean idleness."""
BATCH = 50
"""Decisions between two breaths of the event loop: about a millisecond."""
EARLY_WAKES = 10_000
"""Wake-ups remembered for revisions that are not known yet."""


class Target(msgspec.Struct, frozen=True):
    """What is scaled, and how."""

    deployment: Key
    parameters: Parameters
    initialized: bool
    """Whether the initial scale was reached once."""


class _Revision:
    """One revision's state: its target, its autoscaler."""

    __slots__ = ("autoscaler", "directions", "key", "onset", "raised", "target")

    def __init__(self, key: Key, target: Target, autoscaler: Autoscaler) -> None:
        self.key = key
        self.target = target
        self.autoscaler = autoscaler
        self.onset: Onset | None = None
        self.raised = 0.0
        self.directions = {"up": 0, "down": 0, "same": 0}


class Scaler:
    """Measures and decides for every revision of class KPA; the sink of the gateways' words.

    Mutable state: `_revisions` by key; `_active`, those that need ticks; `_early`, wake-ups of
    revisions not known yet; `_shared`, the budget for so many. Everything is changed synchronously, on the loop.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._clock = context.clock
        self._deployments = context.informers.of(DEPLOYMENT)
        self._revisions: dict[Key, _Revision] = {}
        self._active: set[Key] = set()
        self._early: dict[Key, Wake] = {}
        self._shared = (0, Budget.shared(0))
        self._listeners: list[Callable[[Key], None]] = []
        self._work = asyncio.Event()
        self._tasks: TaskSet | None = None
        self._settled = math.ceil(context.clock.now() + SETTLING)
        self._pods = PodCounter(context.informers.of(POD), self._pods_changed)
        self._leave_zero: Callable[[Key, int], Awaitable[bool]] | None = None
        self.memory = Memory()
        """What was decided, and why."""
        self.budget = PodBudget(context.informers, self, self._tell)
        """What rollouts may have of pods."""

    def __repr__(self) -> str:
        return f"<Scaler {len(self._revisions)} revisions, {len(self._active)} active>"

    # --- for the wiring -----------------------------------------------------------------------

    def start(self, tasks: TaskSet) -> None:
        """Start ticking."""
        self._tasks = tasks
        tasks.spawn(self._tick_forever(), name="autoscaler ticks")

    def leave_zero_by(self, work: Callable[[Key, int], Awaitable[bool]]) -> None:
        """`work` scales a Deployment from zero together with its Pods, and says whether it has."""
        self._leave_zero = work

    def on_change(self, listener: Callable[[Key], None]) -> None:
        """Call `listener` with each revision that should be reconciled."""
        self._listeners.append(listener)

    # --- what gateways say --------------------------------------------------------------------

    def wake(self, message: Wake) -> None:
        """A first request came for an idle revision: counts as a statistic of 1 and 1, and moves
        the first pod at once if none is wanted."""
        key = _key(message.revision)
        revision = self._revisions.get(key)
        if revision is None:
            if len(self._early) < EARLY_WAKES:
                self._early.setdefault(key, message)
            return
        second = math.floor(message.time)
        if revision.onset is not None and revision.onset.second == second:
            revision.onset.again()
        elif not revision.autoscaler.loaded_since(second - 1):  # by what another gateway has
            revision.onset = Onset(second)
        revision.autoscaler.wake(second)
        self._rouse(revision)
        if revision.autoscaler.desired <= 0:
            self._decide(revision, _woken_by(message), at_once=True)

    def stats(self, gateway: str, message: Stats) -> None:
        """One gateway's figures of one second; those of several gateways add up."""
        for figures in message.revisions:
            revision = self._revisions.get(_key(figures.revision))
            if revision is None:
                _log.debug("figures of nobody", gateway=gateway, revision=figures.revision)
                continue
            concurrency = self._concurrency(revision, message.second, figures)
            if not revision.autoscaler.parameters.reachable:
                # Nothing new comes to it: it must not stay for what may be open for ever. Its pods
                # wait for WebSockets when they end.
                concurrency = max(0.0, concurrency - figures.tunnels)
            revision.autoscaler.record(message.second, concurrency, figures.requests)
            self._rouse(revision)
            trigger = self._impatient(revision, figures)
            if trigger is not None:
                self._decide(revision, trigger, at_once=True)

    def _concurrency(self, revision: _Revision, second: int, figures: RevisionStats) -> float:
        """What to record; just after a waking it may differ from the average that was told."""
        onset = revision.onset
        if onset is None or second < onset.second:
            return figures.concurrency
        if second == onset.second:
            return onset.within(figures.concurrency, figures.in_flight + figures.waiting)
        if second == onset.second + 1:
            revision.autoscaler.record(onset.second, onset.after(figures.concurrency), 0.0)
        else:
            revision.onset = None
        return figures.concurrency

    def _impatient(self, revision: _Revision, figures: RevisionStats) -> Reason | None:
        """Why not to wait for the next tick, if there is a reason."""
        desired = revision.autoscaler.desired
        if desired <= 0:
            return because("load-at-zero") if figures.concurrency > 0 else None
        if figures.waiting == 0:
            return None
        want, _ = self._bounded(revision, desired)
        ready = self._pods.counts(revision.key).ready
        return because("starved", waiting=figures.waiting) if want <= ready else None

    def cold_starts(self, message: ColdStarts) -> None:
        """What requests that found no pod have waited for."""
        for start in message.starts:
            if (key := _key(start.revision)) in self._revisions:
                self.memory.started(key, start)

    def raised(self, revision: str) -> float:
        """When it was last decided that `revision` (namespace/name) shall have more pods."""
        found = self._revisions.get(_key(revision))
        return 0.0 if found is None else found.raised

    # --- what the reconciler asks -------------------------------------------------------------

    def track(self, key: Key, target: Target) -> Autoscaler:
        """Look after the revision `key`, with these parameters from now on."""
        revision = self._revisions.get(key)
        now = self._clock.now()
        if revision is None:
            ready = self._pods.counts(key).ready
            autoscaler = Autoscaler(
                target.parameters, now=now, ready=ready, idle_from=self._settled
            )
            revision = self._revisions[key] = _Revision(key, target, autoscaler)
            self._rouse(revision)
            early = self._early.pop(key, None)
            if early is not None:
                self.wake(early)
        else:
            revision.target = target
            revision.autoscaler.update(target.parameters, now)
            if not revision.autoscaler.resting:
                self._rouse(revision)
        return revision.autoscaler

    def forget(self, key: Key) -> None:
        """The revision is gone."""
        self._revisions.pop(key, None)
        self._active.discard(key)
        self._early.pop(key, None)
        self.memory.forget(key)
        self.budget.forget(key)

    def replicas(self, key: Key) -> int:
        """Pods that the revision's Deployment asks for."""
        revision = self._revisions.get(key)
        name = names.deployment_name(key.name)
        target = revision.target.deployment if revision else Key(key.namespace, name)
        return int(dig(self._deployments.get(target), "spec", "replicas", default=0))

    def wanted(self, key: Key) -> int:
        """Pods that the revision's load asks for; -1 while that is unknown."""
        revision = self._revisions.get(key)
        return UNKNOWN_SCALE if revision is None else revision.autoscaler.desired

    def counts(self, key: Key) -> PodCounts:
        """The revision's pods by state."""
        return self._pods.counts(key)

    def note(self, key: Key, scaling: Scaling) -> None:
        """What the bounds and the way to zero made of the last decision."""
        revision = self._revisions.get(key)
        if revision is not None:
            self._remember(revision, revision.autoscaler.last, scaling)

    def revisions(self) -> list[Key]:
        """Every revision that is looked after."""
        return list(self._revisions)

    # --- for whoever asks why -----------------------------------------------------------------

    def current(self, revision: Key) -> Entry | None:
        """The newest decision on `revision`, or None."""
        past = self.memory.known(revision)
        return None if past is None else past.history.current

    def history(self, revision: Key) -> list[Entry]:
        """The last hour's decisions on `revision`, oldest first: changes, and some between."""
        past = self.memory.known(revision)
        return [] if past is None else past.history.entries()

    def last_cold_starts(self, revision: Key) -> list[ColdStart]:
        """The newest of `revision`, oldest first."""
        past = self.memory.known(revision)
        return [] if past is None else list(past.starts)

    def directions(self, revision: Key) -> Mapping[str, int]:
        """How many decisions wanted more pods (`up`), fewer (`down`), as many (`same`)."""
        found = self._revisions.get(revision)
        return {} if found is None else found.directions

    def parameters(self, revision: Key) -> Parameters | None:
        """What steers `revision` now, or None where nobody looks after it."""
        found = self._revisions.get(revision)
        return None if found is None else found.target.parameters

    # --- deciding -----------------------------------------------------------------------------

    async def _tick_forever(self) -> None:
        last = 0.0
        while True:
            if not self._active:
                self._work.clear()
                await self._work.wait()
            now = self._clock.now()
            due = math.floor((now - TICK_PHASE) / TICK) * TICK + TICK + TICK_PHASE
            if due == last:  # a timer may be a hair early
                due += TICK
            await self._clock.sleep(due - now)
            last = due
            await self._tick_all()

    async def _tick_all(self) -> None:
        for number, key in enumerate(list(self._active), start=1):
            revision = self._revisions.get(key)
            if revision is not None:
                self._decide(revision, None, at_once=False)
            if number % BATCH == 0:
                await self._clock.sleep(0)

    def _decide(self, revision: _Revision, trigger: Reason | None, *, at_once: bool) -> None:
        """One decision; `at_once` moves pods up without waiting for the reconciler."""
        autoscaler = revision.autoscaler
        before = (autoscaler.desired, autoscaler.excess)
        ready = self._pods.counts(revision.key).ready
        now = self._clock.now()
        decision = autoscaler.tick(now=now, ready=ready, trigger=trigger)
        if autoscaler.resting:
            self._active.discard(revision.key)
        if decision is None:
            return
        was = max(0, before[0])
        if decision.desired > was:
            revision.raised = now
            revision.directions["up"] += 1
        else:
            revision.directions["down" if decision.desired < was else "same"] += 1
        if at_once:
            self._scale_up(revision, decision.desired)
        if informs(before, (autoscaler.desired, autoscaler.excess)):
            self._tell(revision.key)
        current = self.current(revision.key)
        scaling = None if current is None or before[0] != decision.desired else current.scaling
        self._remember(revision, decision, scaling)

    def _scale_up(self, revision: _Revision, desired: int) -> None:
        """Patch the Deployment to what the reconciler would set, unless that means fewer pods
        than it has: going down is the reconciler's alone."""
        deployment = self._deployments.get(revision.target.deployment)
        if desired <= 0 or deployment is None or self._tasks is None:
            return
        want, _ = self._bounded(revision, desired)
        if want >= dig(deployment, "spec", "replicas", default=1):
            self.budget.promise(revision.key, want)
            self._tasks.start(self._patch(revision, want), name=f"scale {revision.key}")

    async def _patch(self, revision: _Revision, want: int) -> None:
        key = revision.target.deployment
        try:
            if self._leave_zero is not None and await self._leave_zero(key, want):
                return
            await self._context.cluster.merge(
                DEPLOYMENT, key, {"spec": {"replicas": want}}, subresource="scale"
            )
        except ApiError as error:
            _log.warning("scaling at once failed, the reconciler will", object=key, reason=error)
            self._tell(revision.key)

    def _bounded(self, revision: _Revision, desired: int) -> tuple[int, tuple[Reason, ...]]:
        target = revision.target
        parameters = self.budget.within(revision.key, target.parameters)
        return bounded(parameters, desired, initialized=target.initialized)

    def _remember(
        self, revision: _Revision, decision: Decision | None, scaling: Scaling | None
    ) -> None:
        entry = Entry(self._clock.now(), decision, scaling)
        self.memory.note(revision.key, entry, self._budget())

    def _budget(self) -> Budget:
        """What each may keep now; made anew when the number of those that are active changes."""
        active = len(self._active)
        if active != self._shared[0]:
            self._shared = (active, Budget.shared(active))
        return self._shared[1]

    def _rouse(self, revision: _Revision) -> None:
        self._active.add(revision.key)
        self._work.set()

    def _tell(self, key: Key) -> None:
        for listener in self._listeners:
            listener(key)

    def _pods_changed(self, key: Key) -> None:
        revision = self._revisions.get(key)
        if revision is not None:
            ready = self._pods.counts(key).ready
            revision.autoscaler.disturb(self._clock.now(), ready)
            self._rouse(revision)
        self._tell(key)


def _woken_by(message: Wake) -> Reason:
    return because(
        "woken",
        method=message.method or "?",
        path=message.path or "?",
        client=message.client or "?",
    )


def _key(revision: str) -> Key:
    namespace, _, name = revision.partition("/")
    return Key(namespace, name)
