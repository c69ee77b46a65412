"""What a user types is checked before it is sent; the message names the flag."""

import pytest

from utsuwa.cli import names


@pytest.mark.parametrize("good", ["a", "hello", "a-1", "x" * 63])
def test_a_label_is_taken(good: str) -> None:
    """RFC 1035."""
    assert names.label(good, "NAME") == good


@pytest.mark.parametrize("bad", ["", "A", "1a", "a-", "-a", "a.b", "x" * 64, "a\n"])
def test_what_cannot_be_a_label_is_refused_with_the_flag_and_the_value(bad: str) -> None:
    """RFC 1035."""
    with pytest.raises(ValueError, match=r"--tag .*expected at most 63") as error:
        names.label(bad, "--tag")
    assert repr(bad) in str(error.value)


def test_environment_keeps_equals_signs_in_values_and_removes_with_a_minus() -> None:
    """Only the first `=` separates."""
    assert names.environment(("A=1", "B=x=y", "C-", "D=")) == (
        ("A", "1"),
        ("B", "x=y"),
        ("C", None),
        ("D", ""),
    )


@pytest.mark.parametrize("bad", ["A", "=1", "1A=2", "A B=1"])
def test_what_sets_no_variable_is_refused(bad: str) -> None:
    """The message names the flag."""
    with pytest.raises(ValueError, match=r"^--env "):
        names.environment((bad,))
