"""Quantities in canonical form."""

import pytest

from utsuwa.model.quantities import canonical


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0.5", "500m"),
        ("1000m", "1"),
        ("1500m", "1500m"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("0.1Ki", "102400m"),
        ("512", "512"),
        ("2000", "2k"),
        ("1e3", "1e3"),
        ("0", "0"),
        ("0Mi", "0"),
        ("-5", "-5"),
        ("0.1n", "1n"),
        ("1000E", "1000E"),
        (1, "1"),
        (0.25, "250m"),
        ("many", None),
        ("", None),
        ("1 Gi", None),
    ],
)
def test_a_quantity_takes_the_largest_suffix_without_a_fraction(
    value: object, expected: str | None
) -> None:
    """As Kubernetes writes what it read."""
    assert canonical(value) == expected


def test_a_canonical_quantity_stays_as_it_is() -> None:
    """Else each write would be a change."""
    for text in ("500m", "1Gi", "1536Mi", "102400m", "2k", "1e3", "1n", "12E"):
        assert canonical(text) == text
