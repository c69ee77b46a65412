"""What the time of a cold request went to."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utsuwa.routing.messages import ColdStart
from utsuwa.routing.receipts import PHASES, log_fields, phases, server_timing, total

WHOLE = ColdStart(
    "default/a", "pod-1", 10.0, 10.001, 10.005, 10.1, 10.1, 10.12, "GET", "/x", 200
)  # fmt: skip


def test_the_phases_of_a_start_that_is_known_in_full() -> None:
    """The example of the module."""
    told = {name: round(part * 1e3, 3) for name, part in phases(WHOLE).items()}
    assert told == {"decide": 1.0, "start": 4.0, "listen": 95.0, "ready": 0.0, "first-byte": 20.0}


def test_a_moment_that_is_unknown_belongs_to_the_next_phase() -> None:
    """After a restart of control nobody knows when it was decided."""
    start = ColdStart("default/a", "pod-1", 10.0, first_byte=10.5, listening=10.4, ready=10.45)
    told = {name: round(part, 6) for name, part in phases(start).items()}
    assert told == {"decide": 0, "start": 0, "listen": 0.4, "ready": 0.05, "first-byte": 0.05}


def test_a_pod_that_was_on_its_way_already_costs_only_the_rest() -> None:
    """The second request of a burst: decided and started before it came."""
    start = ColdStart("default/a", "pod-1", 10.05, 10.001, 10.005, 10.1, 10.1, 10.12)
    told = [round(part, 6) for part in phases(start).values()]
    assert told == [0, 0, 0.05, 0, 0.02]


def test_a_pod_that_was_frozen_has_a_thaw_in_place_of_a_start() -> None:
    start = ColdStart("default/a", "pod-1", 10.0, first_byte=10.004, thawed=10.001)
    told = {name: round(part * 1e3, 3) for name, part in phases(start).items()}
    assert told == {"thaw": 1.0, "first-byte": 3.0}
    assert server_timing(start) == (
        'cold-start;dur=4;desc="frozen pod", thaw;dur=1, first-byte;dur=3'
    )
    assert log_fields(start)["thaw_ms"] == "1"


MOMENT = st.one_of(st.just(0.0), st.floats(0, 100))


@given(st.floats(1, 100), st.floats(0, 100), st.tuples(MOMENT, MOMENT, MOMENT, MOMENT))
def test_the_phases_always_add_up_to_the_whole(
    queued: float, lasted: float, moments: tuple[float, float, float, float]
) -> None:
    """Whatever clocks and messages made of the moments; none is negative."""
    start = ColdStart("a/b", "u", queued, *moments, first_byte=queued + lasted)
    told = phases(start)
    assert tuple(told) == PHASES
    assert all(part >= 0 for part in told.values())
    assert sum(told.values()) == pytest.approx(total(start), abs=1e-9)


def test_the_header_has_the_whole_and_each_phase() -> None:
    """In milliseconds, as browsers and `Server-Timing` want them."""
    assert server_timing(WHOLE) == (
        'cold-start;dur=120;desc="cold start", decide;dur=1, start;dur=4, listen;dur=95, '
        "ready;dur=0, first-byte;dur=20"
    )


def test_the_header_says_what_the_pod_came_from() -> None:
    """If it was not started anew; whatever an annotation says stays within its quotes."""
    warm = msgspec.structs.replace(WHOLE, origin='warm parent"\r\nX: ')
    assert server_timing(warm).startswith(
        'cold-start;dur=120;desc="cold start from a warm parentX ", decide;dur=1'
    )
    assert log_fields(warm)["origin"]
    assert "origin" not in log_fields(WHOLE)


def test_the_line_of_the_log_has_fields() -> None:
    fields = log_fields(WHOLE)
    assert (fields["total_ms"], fields["listen_ms"], fields["first_byte_ms"]) == ("120", "95", "20")
    assert (fields["revision"], fields["method"], fields["path"]) == ("default/a", "GET", "/x")
