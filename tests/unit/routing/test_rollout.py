"""Gradual rollout: steps of time and traffic, and every way in which they are disturbed."""

import pytest

from utsuwa.kit.documents import encode
from utsuwa.routing.rollout import (
    SECOND,
    Course,
    Rollout,
    Share,
    Steps,
    advanced,
    applied,
    begun,
    document_of,
    goal_of,
    is_done,
    parse,
)
from utsuwa.routing.traffic import Target, Traffic

START = 1_700_000_000 * SECOND


def at(seconds: float) -> int:
    return START + int(seconds * SECOND)


NO_STEPS = Steps()


def course(*shares: tuple[str, int], percent: int = 0, steps: Steps = NO_STEPS) -> Course:
    found = tuple(Share(name, share) for name, share in shares)
    return Course("hello", "", percent or sum(share.percent for share in found), found, steps)


def to(revision: str, percent: int = 100) -> Rollout:
    return (course((revision, percent)),)


def shares(rollout: Rollout) -> list[tuple[str, int]]:
    return [(share.revision, share.percent) for share in rollout[0].shares]


def test_the_worked_example() -> None:
    """100 % within 60 s, Ingress Ready after 3 s: 5 % each 3 s (`spec/reconcilers.md` §5.8)."""
    now, due = advanced(to("b"), to("a"), START)
    assert (shares(now), due) == ([("a", 99), ("b", 1)], 0)
    now = begun(now, at(3), 60)
    assert now[0].steps == Steps(START, at(6), 3 * SECOND, 5)
    assert begun(now, at(4), 60) == now
    seen = {}
    for second in range(6, 64, 3):
        now, due = advanced(to("b"), now, at(second))
        seen[second] = dict(shares(now))["b"]
        assert due == (at(second + 3) if second < 63 else 0)
    assert (seen[6], seen[9], seen[33], seen[60], seen[63]) == (6, 11, 51, 96, 100)
    assert is_done(now)
    assert now == to("b")


def test_nothing_moves_before_its_time() -> None:
    now = begun(advanced(to("b"), to("a"), START)[0], at(3), 60)
    assert advanced(to("b"), now, at(5)) == (now, at(6))


def test_without_a_past_or_with_one_percent_traffic_moves_at_once() -> None:
    assert advanced(to("b"), (), START) == (to("b"), 0)
    assert advanced(to("b", 1), to("a", 1), START) == (to("b", 1), 0)


def test_a_rollout_shorter_than_its_first_step_is_one_step() -> None:
    now = begun(advanced(to("b"), to("a"), START)[0], at(5), 2)
    assert now[0].steps == Steps(START, at(6), SECOND, 99)


def test_few_percents_are_moved_one_by_one() -> None:
    now = begun(advanced(to("b", 3), to("a", 3), START)[0], at(1), 61)
    assert now[0].steps == Steps(START, at(31), 30 * SECOND, 1)


def test_a_yet_newer_revision_starts_anew_and_the_one_before_it_drains_first() -> None:
    now = begun(advanced(to("b"), to("a"), START)[0], at(3), 60)
    now, _ = advanced(to("b"), now, at(6))
    now, due = advanced(to("c"), now, at(7))
    assert (shares(now), due) == ([("a", 94), ("b", 5), ("c", 1)], 0)
    assert now[0].steps == Steps(start=at(7))
    now = begun(now, at(10), 60)
    now, _ = advanced(to("c"), now, at(13))
    assert shares(now) == [("a", 94), ("c", 6)]


def test_a_newer_one_within_the_first_percent_takes_it_whole() -> None:
    now, _ = advanced(to("b"), to("a"), START)
    now, _ = advanced(to("c"), now, at(1))
    assert shares(now) == [("a", 99), ("c", 1)]


def test_more_for_the_target_goes_to_the_newest_less_comes_from_the_oldest() -> None:
    before = (course(("a", 30), ("b", 20), steps=Steps(START, at(9), SECOND, 5)),)
    assert shares(advanced(to("b", 60), before, at(1))[0]) == [("a", 30), ("b", 30)]
    assert shares(advanced(to("b", 40), before, at(1))[0]) == [("a", 20), ("b", 20)]
    assert advanced(to("b", 20), before, at(1))[0] == to("b", 20)


def test_a_step_larger_than_the_target_ends_it() -> None:
    before = (course(("a", 5), ("b", 10), steps=Steps(START, at(1), SECOND, 10)),)
    assert advanced(to("b", 15), before, at(1)) == (to("b", 15), 0)


def test_configurations_and_tags_move_on_their_own() -> None:
    """The earliest of their times is when to look again."""
    one = Course("one", "", 50, (Share("a", 40), Share("b", 10)), Steps(START, at(9), SECOND, 5))
    two = Course("one", "t", 100, (Share("a", 40), Share("b", 60)), Steps(START, at(7), SECOND, 5))
    goal = (
        Course("one", "", 50, (Share("b", 50),)),
        Course("one", "t", 100, (Share("b", 100),)),
        Course("new", "u", 100, (Share("c", 100),)),
    )
    after, due = advanced(goal, (one, two), at(5))
    assert after == (one, two, goal[2])
    assert due == at(7)


# --- the Route's traffic --------------------------------------------------------------------------

LATEST = Target("b", 60, configuration="hello", latest=True, protocol="h2c")
PINNED = Target("a", 40, configuration="hello")
TRAFFIC = Traffic((LATEST, PINNED), frozenset(), None, {"": (LATEST, PINNED)})


def test_only_targets_that_follow_the_latest_revision_roll_out() -> None:
    assert goal_of(TRAFFIC) == (Course("hello", "", 60, (Share("b", 60),)),)
    moving = (Course("hello", "", 60, (Share("a", 50), Share("b", 10))),)
    split = applied(TRAFFIC, moving)
    assert [(t.revision, t.percent, t.latest) for t in split.targets] == [
        ("a", 50, True), ("b", 10, True), ("a", 40, False),
    ]  # fmt: skip
    assert split.hosts[""] == split.targets
    assert applied(TRAFFIC, goal_of(TRAFFIC)) is TRAFFIC


# --- the annotation -------------------------------------------------------------------------------


def test_the_state_survives_its_annotation() -> None:
    moving = begun(advanced(to("b"), to("a"), START)[0], at(3), 60)
    assert parse(encode(document_of(moving)).decode()) == moving
    assert document_of(to("a")) == {
        "configurations": [
            {
                "configurationName": "hello",
                "percent": 100,
                "revisions": [{"revisionName": "a", "percent": 100}],
                "stepParams": {},
            }
        ]
    }
    assert document_of(()) == {}


EDITED = [
    Course("a", "", 100, (Share("a", 9),)),
    Course("a", "", 9, (Share("a", 9),), Steps(size=10)),
]


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", '{"configurations": [{}]}', '{"configurations": 3}',
        *(encode(document_of((course,))).decode() for course in EDITED),
    ],
)  # fmt: skip
def test_what_cannot_be_ours_is_dropped(text: str) -> None:
    assert parse(text) == ()
