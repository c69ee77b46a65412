"""Gradual rollout under any history: what always holds of where traffic is."""

from dataclasses import dataclass, field
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from utsuwa.kit.documents import encode
from utsuwa.routing.rollout import (
    SECOND,
    Course,
    Rollout,
    Share,
    advanced,
    begun,
    document_of,
    is_done,
    parse,
)

START = 1_700_000_000


def to(revision: int, percent: int, tag: str = "") -> Course:
    name = f"hello-{revision:05}"
    return Course("hello", tag, percent, (Share(name, percent),))


@dataclass
class Run:
    """A Route as its reconciler moves it: state through the annotation each time, so that every
    pass is as one after a restart."""

    duration: float
    percent: int = 100
    revision: int = 1
    now: int = START * SECOND
    refused: set[str] = field(default_factory=set)
    room: int = 100
    state: Rollout = ()

    def __post_init__(self) -> None:
        self.state = self.goal

    @property
    def goal(self) -> Rollout:
        return (to(self.revision, self.percent), to(self.revision, 100, "t"))

    @property
    def newest(self) -> int:
        """Percent of the newest Revision on the Route's own host."""
        name = f"hello-{self.revision:05}"
        return sum(s.percent for s in self.state[0].shares if s.revision == name)

    def look(self) -> int:
        """One pass; answers when to look again."""
        before = begun(parse(encode(document_of(self.state)).decode()), self.now, self.duration)
        after, due = advanced(
            self.goal, before, self.now, refused=self.refused, room=lambda _: self.room
        )
        assert parse(encode(document_of(after)).decode()) == after
        for course, goal in zip(after, self.goal, strict=True):
            names = [share.revision for share in course.shares]
            assert sum(share.percent for share in course.shares) == goal.percent
            assert all(share.percent > 0 for share in course.shares)
            assert names == sorted(set(names)), "from the oldest to the newest, each once"
        self.state = after
        return due

    def finish(self, within: float) -> None:
        """Look whenever it is due until all has moved."""
        end = self.now + int(within * SECOND)
        while not is_done(self.state):
            due = self.look()
            self.now = max(self.now, due) if due else self.now + SECOND
            assert self.now <= end, self.state


durations = st.integers(1, 3600)
percents = st.integers(2, 100)


@given(durations, percents, st.floats(0, 30))
def test_a_rollout_only_goes_forward_and_ends_in_time(
    duration: int, percent: int, ready_after: float
) -> None:
    """In equal steps, the last of which may be smaller; no later than its duration, the time
    that the first percent took, and two steps more (shares are whole percents)."""
    run = Run(duration, percent)
    run.revision = 2
    run.look()
    run.now += int(ready_after * SECOND)
    seen = [run.newest]
    while not is_done(run.state[:1]):
        due = run.look()
        seen.append(run.newest)
        run.now = max(run.now + 1, due)
        assert len(seen) <= 400
    taken = (run.now - START * SECOND) / SECOND
    assert taken <= 2 * (max(duration, 2) + ready_after) + 2
    assert seen[0] == 1
    assert seen == sorted(seen)
    assert seen[-1] == percent
    rises = [after - before for before, after in pairwise(seen) if after != before]
    assert len(set(rises[:-1])) <= 1


@given(durations, st.data())
def test_any_history_keeps_the_sum_and_ends_where_it_should(
    duration: int, data: st.DataObject
) -> None:
    """New Revisions, other percents, time, lack of pods, Revisions taken back: sums hold at each
    moment, a Revision that was taken back gets nothing while another can serve, and in the end
    the newest that was not taken back has everything."""
    run = Run(duration)
    for _ in range(data.draw(st.integers(1, 30))):
        match data.draw(st.sampled_from(["deploy", "percent", "wait", "room", "refuse"])):
            case "deploy":
                run.revision += 1
            case "percent":
                run.percent = data.draw(percents)
            case "wait":
                run.now += data.draw(st.integers(0, 2 * duration)) * SECOND
            case "room":
                run.room = data.draw(st.integers(0, 100))
            case "refuse" if run.revision > 1 and len(run.state[0].shares) > 1:
                run.refused.add(run.state[0].newest)
            case _:
                pass
        run.look()
        for course in run.state:
            assert not {share.revision for share in course.shares[1:]} & run.refused
    run.room = 100
    run.look()
    run.finish(within=4 * duration + 400)
    latest = f"hello-{run.revision:05}"
    assert all(course.newest not in run.refused for course in run.state) or latest in run.refused
    if latest not in run.refused:
        assert run.state == run.goal


@given(durations, st.lists(st.integers(0, 100), min_size=1, max_size=60))
def test_no_step_goes_beyond_the_room(duration: int, rooms: list[int]) -> None:
    """Neither is a step made without room, nor does traffic go back when there is less."""
    run = Run(duration)
    run.revision = 2
    run.look()
    for room in rooms:
        before = run.newest
        run.room = room
        run.now += duration * SECOND // 7
        run.look()
        assert before <= run.newest <= max(before, room)
    run.room = 100
    run.finish(within=4 * duration + 400)
    assert run.state == run.goal


@given(durations, durations, st.floats(0, 1))
def test_one_rollout_after_another(first: int, second: int, part: float) -> None:
    """The next Revision begins at 1 %, and what came before it is drained newest first."""
    run = Run(first)
    run.revision = 2
    run.look()
    run.now += int(part * first * SECOND)
    run.look()
    run.look()
    oldest = run.state[0].shares[0]
    run.revision, run.duration = 3, second
    run.look()
    assert run.newest == 1
    assert run.state[0].shares[0].percent >= oldest.percent - 1
    run.finish(within=2 * second + 400)
    assert run.state == run.goal
