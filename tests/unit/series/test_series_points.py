"""Points: what adds up, what peaks, and how they are shown."""

from hypothesis import given
from hypothesis import strategies as st

from utsuwa.series import COLUMNS, NOTHING, Point, merged, shown, together

points = st.builds(Point, *[st.integers(0, 10_000)] * len(NOTHING))


def test_a_minute_has_all_requests_and_the_peak_of_the_rest() -> None:
    """Counts add up; in flight, pods and latencies are as high as they were at once."""
    minute = merged(
        Point(s2=80, s5=1, in_flight=80, ready=1, p99=900), Point(s2=20, in_flight=500, ready=7)
    )
    assert minute == Point(s2=100, s5=1, in_flight=500, ready=7, p99=900)


def test_a_service_has_the_pods_of_all_its_revisions_and_the_latency_of_the_slower() -> None:
    """Percentiles cannot be added."""
    both = together(Point(s2=9, ready=2, memory=3, p95=40), Point(s2=1, ready=1, memory=4, p95=700))
    assert both == Point(s2=10, ready=3, memory=7, p95=700)


@given(points, points, points)
def test_both_are_the_same_in_any_order(one: Point, two: Point, three: Point) -> None:
    """So that blocks may come, and be merged, in any order."""
    for operation in (merged, together):
        assert operation(one, two) == operation(two, one)
        left = operation(operation(one, two), three)
        assert left == operation(one, operation(two, three))
        assert operation(one, NOTHING) == one


def test_people_get_milliseconds_and_bytes() -> None:
    """Column by column, one for each name."""
    columns = shown([(7, Point(s2=3, p50=125, cpu=1500, memory=16))])
    told = dict(zip(COLUMNS, columns, strict=True))
    assert told["time"] == [7]
    assert told["2xx"] == [3]
    assert told["p50"] == [12.5]
    assert told["cpu"] == [1500]
    assert told["memory"] == [1024 * 1024]
    assert shown([]) == [[]] * len(COLUMNS)
