"""Values in Go's spelling."""

import pytest

from utsuwa.model.go_values import (
    OutOfRangeError,
    parse_bool,
    parse_float,
    parse_int,
    parse_seconds,
)


@pytest.mark.parametrize(
    ("text", "value"), [("1e2", 100.0), (".5", 0.5), ("0x1p4", 16.0), ("-1", -1.0)]
)
def test_floats_that_go_reads(text: str, value: float) -> None:
    """Decimal and hexadecimal."""
    assert parse_float(text) == value


@pytest.mark.parametrize(
    "text", ["", " 1", "1_0", "1e", "inf", "NaN", "1e400", "0x1", "1f", "0x1p99999"]
)
def test_floats_that_are_refused(text: str) -> None:
    """Python's own parser would take half of these."""
    with pytest.raises(ValueError, match="expected"):
        parse_float(text)


def test_an_integer_that_does_not_fit_is_out_of_range() -> None:
    """Told apart, for its message is another one."""
    assert parse_int("-2147483648") == -(2**31)
    for text in ("2147483648", "9" * 5000):
        with pytest.raises(OutOfRangeError):
            parse_int(text)


@pytest.mark.parametrize("text", ["", "1.0", "1_0", " 1", "٣", "0x10"])
def test_integers_that_are_refused(text: str) -> None:
    """Digits of other scripts, underscores and blanks among them."""
    with pytest.raises(ValueError, match="expected an integer"):
        parse_int(text)


def test_truth_has_six_spellings_each() -> None:
    """As `strconv.ParseBool`."""
    assert parse_bool("T") is True
    assert parse_bool("0") is False
    with pytest.raises(ValueError, match="found 'yes'"):
        parse_bool("yes")


def test_durations_are_exact_to_the_nanosecond() -> None:
    """A sum of parts is a whole number of seconds when it looks like one."""
    assert parse_seconds("59.9s100ms") == 60.0
    with pytest.raises(OutOfRangeError):
        parse_seconds("9999999h")
