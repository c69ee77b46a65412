"""A track: seconds, minutes, silence, and blocks that survive being packed."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utsuwa.series import (
    MINUTE,
    NOTHING,
    SECOND,
    Block,
    Point,
    Track,
    fold,
    merged,
    pack,
    unpack,
)

START = 1_700_000_040  # the beginning of a minute
BUSY = Point(s2=10, in_flight=5, desired=1, ready=1, total=1)
FAR = START + 10**6


def series(track: Track, step: int, since: int = 0) -> dict[int, Point]:
    return fold(track.blocks(step), since, FAR)


def test_a_minute_is_made_of_its_seconds() -> None:
    """The one that runs is told as far as it has come."""
    track = Track()
    for second in range(90):
        track.add(START + second, BUSY)
    assert series(track, MINUTE) == {
        START: BUSY._replace(s2=600), START + 60: BUSY._replace(s2=300),
    }  # fmt: skip


def test_a_silent_revision_gets_no_points_and_lines_stay_on_the_ground() -> None:
    """The last point before and the last second after the silence are zeros."""
    track = Track()
    track.add(START, BUSY, rested=True)
    track.add(START + 1, NOTHING, rested=True)
    assert track.silent
    track.add(START + 50, BUSY, rested=True)
    assert series(track, SECOND) == {
        START - 1: NOTHING, START: BUSY, START + 1: NOTHING, START + 49: NOTHING, START + 50: BUSY,
    }  # fmt: skip


def test_after_a_restart_nothing_is_said_of_the_time_before() -> None:
    """Control was away: nobody knows that the revision rested."""
    track = Track()
    track.add(START, BUSY, rested=False)
    assert list(series(track, SECOND)) == [START]


def test_what_was_written_is_not_written_again_until_it_grows() -> None:
    """A batch has only the blocks that have changed."""
    track = Track()
    track.add(START, BUSY)
    assert [len(block.times) for block in track.unwritten()] == [1]
    assert track.unwritten() == []
    track.add(START + 1, BUSY)
    assert [len(block.times) for block in track.unwritten()] == [2]


def test_only_the_latest_two_blocks_stay_once_they_are_written() -> None:
    """And nothing is dropped before it was."""
    track = Track()
    for second in range(150):
        track.add(START + second, BUSY)
    assert len(track.blocks(SECOND)) == 3
    track.unwritten()
    track.add(START + 180, BUSY)
    assert len(track.blocks(SECOND)) == 2
    assert not track.holds(SECOND, START)
    assert track.holds(SECOND, START + 120)


def test_a_minute_in_which_control_was_restarted_has_the_requests_of_both_halves() -> None:
    """The first half was sealed and written; the second has a life of its own."""
    before, after = Track(life=1), Track(life=2)
    before.add(START, BUSY)
    before.seal()
    after.add(START + 30, BUSY._replace(s2=7, ready=3))
    both = [*before.blocks(MINUTE), *after.blocks(MINUTE)]
    assert fold(both, 0, FAR) == {START: merged(BUSY, BUSY._replace(s2=7, ready=3))}


def test_the_longer_of_two_states_of_one_block_counts() -> None:
    """The file has it as it was ten seconds ago."""
    track = Track()
    track.add(START, BUSY)
    (old,) = track.unwritten()
    track.add(START + 1, BUSY)
    assert len(fold([old, *track.blocks(SECOND)], 0, FAR)) == 2


@given(
    st.lists(
        st.tuples(
            st.integers(0, 59),
            st.builds(Point, *[st.integers(0, 2**31)] * len(NOTHING)),
        ),
        max_size=60,
        unique_by=lambda pair: pair[0],
    )
)
def test_what_is_packed_comes_out_again(rows: list[tuple[int, Point]]) -> None:
    """Whatever the numbers."""
    block = Block(SECOND, START)
    for offset, point in sorted(rows):
        block.put(START + offset, point)
    again = unpack(pack(block), SECOND, START)
    assert (again.times, again.points) == (block.times, block.points)


@pytest.mark.parametrize("body", [b"", b"not packed", pack(Block(1, 0))[:-3]])
def test_damaged_bytes_are_refused(body: bytes) -> None:
    """With the one error that the file's owner expects."""
    with pytest.raises(ValueError, match="a block of"):
        unpack(body, SECOND, START)


def test_a_week_of_a_hundred_busy_services_is_less_than_fifty_mebibytes() -> None:
    """Each busy in every minute, with figures that never repeat."""
    noise = random.Random(1)
    block = Block(MINUTE, START)
    for minute in range(60):
        pods = noise.randint(1, 13)
        block.put(START + 60 * minute, Point(
            s2=noise.randint(5_000, 30_000), s5=noise.randint(0, 20),
            in_flight=noise.randint(50, 500), waiting=noise.randint(0, 50),
            desired=pods, ready=pods, total=pods,
            p50=noise.randint(10_000, 12_000), p95=noise.randint(12_000, 20_000),
            p99=noise.randint(20_000, 60_000), cpu=noise.randint(500, 2_000),
            memory=noise.randint(3_000, 4_000),
        ))  # fmt: skip
    week = len(pack(block)) * 7 * 24 * 100
    assert week < 40 * 1024 * 1024
