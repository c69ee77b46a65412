from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utsuwa.kit.units import format_age, format_duration, parse_duration, parse_quantity


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("250m", "0.25"),
        ("1Gi", "1073741824"),
        ("0.5", "0.5"),
        ("1e3", "1000"),
        ("64M", "64000000"),
        ("-1", "-1"),
        ("100k", "100000"),
    ],
)
def test_a_quantity_is_the_number_it_stands_for(text: str, number: str) -> None:
    assert parse_quantity(text) == Decimal(number)


@pytest.mark.parametrize("text", ["", "Gi", "1 Gi", "1GiB", "one", "1K", "--1"])
def test_what_is_no_quantity_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="quantity"):
        parse_quantity(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90.0), ("1m30s", 90.0), ("1h", 3600.0), ("250ms", 0.25), ("0", 0.0), ("-1.5s", -1.5)],
)
def test_a_go_duration_is_read_as_go_reads_it(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "90", "1 m", "m", "1d", "1s2"])
def test_a_duration_without_a_unit_is_refused(text: str) -> None:
    """Go takes a bare number only if it is 0."""
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (3600, "1h0m0s"), (90, "1m30s"), (1.5, "1.5s"), (0.25, "250ms"), (-6, "-6s")],
)
def test_a_duration_prints_as_go_prints_it(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.integers(min_value=0, max_value=10**6))
def test_a_printed_duration_reads_back_as_itself(seconds: int) -> None:
    assert parse_duration(format_duration(seconds)) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"), (119, "119s"), (120, "2m"), (192, "3m12s"), (3600, "60m"), (10800, "3h"),
        (18180, "5h3m"), (86400, "24h"), (172800 + 14400, "2d4h"), (40 * 86400, "40d"),
        (3 * 365 * 86400, "3y"), (-5, "0s"),
    ],
)  # fmt: skip
def test_an_age_prints_as_kubectl_prints_it(seconds: float, text: str) -> None:
    assert format_age(seconds) == text
