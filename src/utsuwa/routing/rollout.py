"""Gradual rollout: traffic moves to a Configuration's new Revision step by step. Pure.

The rules are those of `spec/reconcilers.md` §5.8. The state is a value; it is kept in an annotation
of the Route's Ingress, so that a restart goes on where it stood. Times are nanoseconds since 1970.

Worked example, 100 % within 60 s, the Ingress Ready 3 s after the start: the new Revision has 1 %
at once, 6 % at 6 s, 11 % at 9 s, … 96 % at 60 s and 100 % at 63 s.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from utsuwa.kit.documents import Document, decode, dig
from utsuwa.routing.traffic import Target, Traffic

SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Share:
    """How many percents of the Route's traffic a Revision has."""

    revision: str
    percent: int


@dataclass(frozen=True, slots=True)
class Steps:
    """When and how traffic moves on; all 0 when nothing moves."""

    start: int = 0
    next: int = 0
    duration: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class Course:
    """Where a Configuration's traffic of one tag stands: `shares` from the oldest Revision to the
    newest, which add up to `percent`."""

    configuration: str
    tag: str
    percent: int
    shares: tuple[Share, ...]
    steps: Steps = Steps()

    @property
    def place(self) -> tuple[str, str]:
        """Which of a Route's rollouts this is."""
        return self.tag, self.configuration

    @property
    def done(self) -> bool:
        """All traffic is where it belongs."""
        return len(self.shares) < 2

    @property
    def valid(self) -> bool:
        """Whether this can be a state of ours, or has somebody edited it."""
        total = sum(share.percent for share in self.shares)
        positive = all(share.percent >= 0 for share in self.shares)
        return total == self.percent <= 100 and positive and 0 <= self.steps.size <= self.percent

    @property
    def newest(self) -> str:
        """The Revision that traffic moves to."""
        return self.shares[-1].revision if self.shares else ""


Rollout = tuple[Course, ...]
"""By tag, then by Configuration."""


def goal_of(traffic: Traffic) -> Rollout:
    """Where traffic is to be in the end: each followed Configuration has one Revision with all of
    its percents."""
    return tuple(
        Course(target.configuration, tag, target.percent, (Share(target.revision, target.percent),))
        for tag in traffic.tags
        for target in sorted(traffic.hosts[tag], key=lambda target: target.configuration)
        if target.latest and target.percent
    )


def _no_bounds(_revision: str) -> int:
    return 100


def is_done(rollout: Rollout) -> bool:
    """Whether nothing moves."""
    return all(course.done for course in rollout)


def begun(rollout: Rollout, now: int, seconds: float) -> Rollout:
    """The Ingress serves the first percent: plan the steps of whatever has just started."""
    return tuple(
        _planned(course, now, seconds)
        if course.steps.start and not course.steps.duration
        else course
        for course in rollout
    )


def advanced(
    goal: Rollout,
    before: Rollout,
    now: int,
    *,
    refused: Collection[str] = (),
    room: Callable[[str], int] = _no_bounds,
) -> tuple[Rollout, int]:
    """From `before` towards `goal`: where traffic is to be now, and when to look again (0: no
    need).

    `refused` are Revisions that were taken back: what they have goes to the one before, and they
    get no more. `room` says how many percent a Revision has the pods for: no step goes beyond.
    """
    known = {course.place: _purged(course, refused) for course in before}
    after = tuple(
        _moved(
            _instead(course, known.get(course.place), refused), known.get(course.place), now, room
        )
        for course in goal
    )
    due = [course.steps.next for course in after if course.steps.next]
    return after, min(due, default=0)


def applied(traffic: Traffic, rollout: Rollout) -> Traffic:
    """`traffic` as it is split while `rollout` is under way, or was taken back."""
    there = {course.place: course.shares for course in goal_of(traffic)}
    moving = {course.place: course for course in rollout if course.shares != there[course.place]}
    if not moving:
        return traffic
    return replace(
        traffic,
        targets=_split(traffic.targets, moving),
        hosts={tag: _split(targets, moving, tag) for tag, targets in traffic.hosts.items()},
    )


def _split(
    targets: Sequence[Target], moving: Mapping[tuple[str, str], Course], tag: str | None = None
) -> tuple[Target, ...]:
    found: list[Target] = []
    for target in targets:
        place = (target.tag if tag is None else tag, target.configuration)
        course = moving.get(place) if target.latest else None
        if course is None:
            found.append(target)
        else:
            found += [
                replace(target, revision=share.revision, percent=share.percent)
                for share in course.shares
            ]
    return tuple(found)


# --- one Configuration ----------------------------------------------------------------------------


def _planned(course: Course, now: int, seconds: float) -> Course:
    least = max(1, math.ceil((now - course.steps.start) / SECOND))
    remaining = max(1.0, seconds - least)
    left = course.percent - 1
    count = min(max(1.0, remaining / least), float(left))
    duration = int(remaining / count * SECOND)
    size = math.floor(left / count + 0.5)  # half away from zero, as Go rounds
    steps = replace(course.steps, duration=duration, size=size, next=now + duration)
    return replace(course, steps=steps)


def _moved(goal: Course, before: Course | None, now: int, room: Callable[[str], int]) -> Course:
    if before is None or goal.percent < 2 or not before.shares:
        return goal
    shares = _adjusted(before, goal.percent)
    newest = goal.shares[0].revision
    if shares[-1].revision != newest:
        return replace(goal, shares=_started(shares, newest), steps=Steps(start=now))
    if len(shares) < 2:
        return goal
    # A step larger than a target that has shrunk would make the state look like no one's.
    steps = replace(before.steps, size=min(before.steps.size, goal.percent))
    course = replace(goal, shares=shares, steps=steps)
    if not course.steps.size or now < course.steps.next:
        return course
    return _bounded_step(course, now, room(newest) - shares[-1].percent)


def _purged(course: Course, refused: Collection[str]) -> Course:
    """What Revisions that were taken back have goes to the one before; the oldest stays."""
    kept: list[Share] = []
    for share in course.shares:
        if kept and share.revision in refused:
            kept[-1] = replace(kept[-1], percent=kept[-1].percent + share.percent)
        else:
            kept.append(share)
    return replace(course, shares=tuple(kept))


def _instead(goal: Course, before: Course | None, refused: Collection[str]) -> Course:
    """Where traffic moves when the newest Revision was taken back: to the one before it, if it
    has ever moved."""
    if goal.newest not in refused or before is None or not before.shares:
        return goal
    return replace(goal, shares=(Share(before.newest, goal.percent),))


def _adjusted(before: Course, percent: int) -> tuple[Share, ...]:
    """The target's percents were changed: more for the newest, less for the oldest."""
    more = percent - before.percent
    shares = list(before.shares)
    if more >= 0:
        shares[-1] = replace(shares[-1], percent=shares[-1].percent + more)
        return tuple(shares)
    less = -more
    while shares[0].percent <= less:
        less -= shares.pop(0).percent
    shares[0] = replace(shares[0], percent=shares[0].percent - less)
    return tuple(shares)


def _started(shares: tuple[Share, ...], newest: str) -> tuple[Share, ...]:
    """One percent for the new Revision, from the newest before it that has any."""
    kept = [share for share in shares if share.percent]
    last = kept.pop()
    if last.percent > 1:
        kept.append(replace(last, percent=last.percent - 1))
    return (*kept, Share(newest, 1))


def _bounded_step(course: Course, now: int, room: int) -> Course:
    """A step, or as much of it as there is room for. What could not be done is due at once."""
    size = course.steps.size
    left = course.percent - course.shares[-1].percent
    if room >= min(size, left):
        return _stepped(course, now)
    if room <= 0:
        return course
    part = _stepped(replace(course, steps=replace(course.steps, size=room)), now)
    return replace(part, steps=course.steps)


def _stepped(course: Course, now: int) -> Course:
    """Move one step to the newest Revision, from the one before it first."""
    *older, newest = course.shares
    left = course.steps.size
    while older and left:
        taken = min(left, older[-1].percent)
        left -= taken
        if taken == older[-1].percent:
            older.pop()
        else:
            older[-1] = replace(older[-1], percent=older[-1].percent - taken)
    percent = course.percent - sum(share.percent for share in older)
    shares = (*older, replace(newest, percent=percent))
    steps = replace(course.steps, next=now + course.steps.duration) if older else Steps()
    return replace(course, shares=shares, steps=steps)


# --- the annotation -------------------------------------------------------------------------------


def document_of(rollout: Rollout) -> Document:
    """As the annotation holds it."""
    courses = [_document(course) for course in rollout]
    return {"configurations": courses} if courses else {}


def _document(course: Course) -> Document:
    steps = course.steps
    times = {
        "starttime": steps.start,
        "nextStepTime": steps.next,
        "stepDuration": steps.duration,
        "stepSize": steps.size,
    }
    return {
        "configurationName": course.configuration,
        **({"tag": course.tag} if course.tag else {}),
        "percent": course.percent,
        "revisions": [
            {"revisionName": share.revision, "percent": share.percent} for share in course.shares
        ],
        "stepParams": {name: value for name, value in times.items() if value},
    }


def parse(text: str) -> Rollout:
    """The state that an annotation holds; empty where it holds none that could be ours."""
    try:
        found = decode(text) if text else {}
        courses = tuple(_course(entry) for entry in dig(found, "configurations", default=()))
    except (ValueError, TypeError, KeyError, AttributeError):
        return ()
    return courses if all(course.valid for course in courses) else ()


def _course(entry: Document) -> Course:
    steps = entry.get("stepParams") or {}
    return Course(
        entry["configurationName"],
        entry.get("tag") or "",
        int(entry["percent"]),
        tuple(
            Share(one["revisionName"], int(one["percent"])) for one in entry.get("revisions") or ()
        ),
        Steps(
            int(steps.get("starttime") or 0),
            int(steps.get("nextStepTime") or 0),
            int(steps.get("stepDuration") or 0),
            int(steps.get("stepSize") or 0),
        ),
    )
