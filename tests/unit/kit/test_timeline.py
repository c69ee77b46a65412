"""When which part of a growing file was written."""

from pathlib import Path

from utsuwa.kit.timeline import Timeline, index_of, record


def test_each_part_has_the_time_at_which_it_was_complete() -> None:
    """The bytes of a burst came at its end at the latest."""
    times = Timeline()
    times.extend(record(10, 5) + record(30, 9))
    assert [times.at(end) for end in (1, 10, 11, 30, 31)] == [5, 5, 9, 9, None]


def test_it_tells_how_much_there_was_before_a_time() -> None:
    """What came at that very time is not before it."""
    times = Timeline()
    times.extend(record(10, 5) + record(30, 9))
    assert [times.before(time) for time in (5, 6, 9, 10)] == [0, 10, 10, 30]


def test_half_a_record_waits() -> None:
    """It is being written."""
    times = Timeline()
    assert times.extend(record(10, 5)[:-1]) == 0
    assert times.at(1) is None
    assert times.extend(record(10, 5) + b"x") == 16


def test_a_file_that_was_cut_begins_anew() -> None:
    """And a clock that was set back does not run backwards here."""
    times = Timeline()
    times.extend(record(10, 5) + record(4, 8) + record(6, 7))
    assert (times.at(4), times.at(6), times.size) == (8, 8, 6)
    assert repr(times) == "<Timeline of 6 bytes in 2 records>"


def test_the_index_lies_beside_the_file() -> None:
    """With another ending, so that who looks for logs does not find it."""
    assert index_of(Path("a/0.log")) == Path("a/0.times")
