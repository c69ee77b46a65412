"""How far a Route's traffic has moved: rollout, guard and budget (`spec/reconcilers.md` §5.8).

The steps are decided in :mod:`utsuwa.routing.rollout`, what goes wrong in
:mod:`utsuwa.routing.guard`. Here state is read and written: the steps in an annotation of the
Ingress, a Revision that was taken back in an annotation of its own, where `kubectl describe`
shows it and `kubectl annotate` removes it, which tries again. Both outlast control.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Protocol

from utsuwa.cluster.errors import NotFoundError
from utsuwa.cluster.informer import key_of
from utsuwa.cluster.port import Key
from utsuwa.controllers.framework import Context, TerminalError
from utsuwa.controllers.passes import find
from utsuwa.kit.documents import Document
from utsuwa.kit.units import parse_duration
from utsuwa.model import labels
from utsuwa.model.conditions import is_ready
from utsuwa.model.kinds import REVISION, SERVICE
from utsuwa.model.lifecycle import route as lifecycle
from utsuwa.model.meta import (
    annotations_of,
    controller_of,
    generation_of,
    namespace_of,
    observed_generation_of,
)
from utsuwa.model.rollout_limits import LimitError, Limits, limits_of
from utsuwa.routing import guard, rollout
from utsuwa.routing.hosts import Hosts
from utsuwa.routing.traffic import Traffic

SHORTEST = 0.001
LOOK_EVERY = 1.0
"""Seconds between two looks at figures or pods; gateways tell once a second."""


class Figures(Protocol):
    """What gateways told of a Revision; see :class:`utsuwa.routing.guard.Figures`."""

    def measured(self, revision: str, *, now: float, since: float, window: int) -> guard.Measured:
        """Figures of the last `window` seconds, and not before `since`."""
        ...


class Budget(Protocol):
    """For how many percent of the traffic a Revision has the pods, where a Service limits how
    many a rollout may have; 100 where it does not."""

    def room(self, revision: Key) -> int:
        """Percent of the Route's traffic that `revision` may have now."""
        ...


class NoBudget:
    """Pods are never the limit."""

    def room(self, revision: Key) -> int:
        """Everything."""
        del revision
        return 100


@dataclass(frozen=True, slots=True)
class Stand:
    """Where traffic is now."""

    course: rollout.Rollout
    again: float | None = None
    """Seconds until something may move."""
    refused: dict[str, str] = field(default_factory=dict)
    """Latest Revisions that traffic was taken back from, and why."""
    tidings: tuple[tuple[str, str], ...] = ()
    """Events, by reason and message, to be told once this is written down."""

    def tell(self, status: Document) -> None:
        """The condition, unless all is where it belongs."""
        if self.refused:
            lifecycle.mark_rollout_taken_back(status, *next(iter(self.refused.items())))
        elif not rollout.is_done(self.course):
            lifecycle.mark_rollout_in_progress(status)


class Progress:
    """Moves traffic on, or back."""

    def __init__(self, context: Context, figures: Figures, budget: Budget) -> None:
        self._context = context
        self._figures = figures
        self._budget = budget

    async def now(self, hosts: Hosts, traffic: Traffic, existing: Document | None) -> Stand:
        """Where traffic is to be at this moment; `existing` is the Ingress, which has the state."""
        goal = rollout.goal_of(traffic)
        if existing is None:
            return Stand(goal)
        before = rollout.parse(annotations_of(existing).get(labels.ROLLOUT, ""))
        before = await self._existing(hosts, before)
        refused = await self._refused(hosts, goal, before)
        seconds = rollout_seconds(hosts)
        if not seconds:
            held = {course.place for course in goal if course.newest in refused}
            before = tuple(course for course in before if course.place in held)
        now = int(self._context.clock.now() * rollout.SECOND)
        if _serves(hosts, existing):
            before = rollout.begun(before, now, seconds)
        limits = _limits(hosts)
        if limits is not None:
            refused |= await self._judge(hosts, before, limits, refused)
        course, due = rollout.advanced(
            goal, before, now, refused=refused, room=lambda name: self._room(hosts, name)
        )
        again = _delay(due, now, guarded=limits is not None)
        back = {
            one.newest: refused[one.newest]
            for one, at in zip(goal, course, strict=True)
            if one.newest in refused and at.newest != one.newest
        }
        return Stand(course, again, back, tuple(_tidings(before, course, seconds)))

    async def announce(self, hosts: Hosts, stand: Stand) -> None:
        """Tell what has begun and ended, on the Route and on its Service."""
        for reason, message in stand.tidings:
            await self._event(hosts.route, reason, message)

    def _room(self, hosts: Hosts, revision: str) -> int:
        return self._budget.room(Key(namespace_of(hosts.route), revision))

    async def _existing(self, hosts: Hosts, before: rollout.Rollout) -> rollout.Rollout:
        """Without the rollouts one of whose Revisions was deleted: that cannot serve."""
        kept = []
        for course in before:
            found = [await self._revision(hosts, share.revision) for share in course.shares]
            if None not in found:
                kept.append(course)
        return tuple(kept)

    async def _refused(
        self, hosts: Hosts, goal: rollout.Rollout, before: rollout.Rollout
    ) -> dict[str, str]:
        names = {share.revision for course in (*goal, *before) for share in course.shares}
        refused = {}
        for name in sorted(names):
            mark = annotations_of(await self._revision(hosts, name) or {})
            if why := mark.get(labels.ROLLOUT_TAKEN_BACK):
                refused[name] = why
        return refused

    async def _revision(self, hosts: Hosts, name: str) -> Document | None:
        return await find(self._context, REVISION, Key(namespace_of(hosts.route), name))

    async def _judge(
        self, hosts: Hosts, before: rollout.Rollout, limits: Limits, known: Collection[str]
    ) -> dict[str, str]:
        """Take back what goes wrong: the Revisions marked now, and why; those in `known` were."""
        refused: dict[str, str] = {}
        now = self._context.clock.now()
        for course in before:
            since = course.steps.start / rollout.SECOND
            for share in course.shares[1:]:
                key = Key(namespace_of(hosts.route), share.revision)
                measured = self._figures.measured(
                    str(key), now=now, since=since, window=limits.window
                )
                why = guard.verdict(limits, measured)
                if why and share.revision not in {*refused, *known}:
                    await self._take_back(hosts, key, why)
                    refused[share.revision] = why
        return refused

    async def _take_back(self, hosts: Hosts, revision: Key, why: str) -> None:
        """Note it on the Revision first: whatever happens next, it gets no more traffic."""
        patch = {"metadata": {"annotations": {labels.ROLLOUT_TAKEN_BACK: why}}}
        try:
            await self._context.cluster.merge(REVISION, revision, patch)
        except NotFoundError:
            return
        message = f"Revision {revision.name}: {why}"
        await self._event(hosts.route, "RolloutTakenBack", message, warning=True)

    async def _event(
        self, route: Document, reason: str, message: str, *, warning: bool = False
    ) -> None:
        objects = [route]
        owner = controller_of(route)
        if owner is not None and owner["kind"] == SERVICE.name:
            service = await find(self._context, SERVICE, key_of(route)._replace(name=owner["name"]))
            objects += [service] if service is not None else []
        events = self._context.events
        for document in objects:
            await (events.warning if warning else events.normal)(document, reason, message)


def rollout_seconds(hosts: Hosts) -> float:
    """Over how long traffic moves to a new Revision: the Route's annotation, else the operator's
    setting; 0 is at once."""
    found = labels.ROLLOUT_DURATION.find(annotations_of(hosts.route))
    if found is None:
        return float(hosts.settings.network.rollout_duration)
    try:
        return parse_duration(found[1])
    except ValueError as error:
        raise TerminalError(
            f"Route {key_of(hosts.route)}: annotation {found[0]}: {error}"
        ) from error


def _limits(hosts: Hosts) -> Limits | None:
    try:
        return limits_of(annotations_of(hosts.route))
    except LimitError as error:
        raise TerminalError(f"Route {key_of(hosts.route)}: {error}") from error


def _delay(due: int, now: int, *, guarded: bool) -> float | None:
    """Seconds until the next look: at what is due (0: nothing), sooner while there are figures to
    be looked at, and a little later if a step that was due waits for pods."""
    if not due:
        return None
    left = (due - now) / rollout.SECOND if due > now else LOOK_EVERY
    return max(SHORTEST, min(left, LOOK_EVERY) if guarded else left)


def _serves(hosts: Hosts, ingress: Document) -> bool:
    """Whether the gateways have taken up what the Route was last waiting for."""
    return (
        generation_of(ingress) == observed_generation_of(ingress)
        and is_ready(ingress)
        and not lifecycle.is_ingress_ready(hosts.route["status"])
    )


def _tidings(
    before: rollout.Rollout, after: rollout.Rollout, seconds: float
) -> list[tuple[str, str]]:
    known = {course.place: course for course in before}
    found = []
    for course in after:
        was = known.get(course.place)
        at = f" of tag {course.tag}" if course.tag else ""
        if course.steps.start and (was is None or was.steps.start != course.steps.start):
            message = f"Traffic{at} moves to Revision {course.newest} in {seconds:g} s"
            found.append(("RolloutStarted", message))
        elif course.done and was is not None and not was.done and was.newest == course.newest:
            message = f"Revision {course.newest} has all the traffic{at}: {course.percent} %"
            found.append(("RolloutFinished", message))
    return found
