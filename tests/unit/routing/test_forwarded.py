"""The header `Forwarded`."""

import pytest

from utsuwa.routing.forwarded import forwarded


@pytest.mark.parametrize(
    ("x_for", "x_proto", "x_host", "value"),
    [
        ("", "", "", ""),
        ("1.2.3.4", "http", "a.b", "for=1.2.3.4;host=a.b;proto=http"),
        ("", "https", "a.b", "host=a.b;proto=https"),
        ("1.2.3.4,5.6.7.8 ", "", "", "for=1.2.3.4, for=5.6.7.8"),
        ("2001:db8::7", "http", "", 'for="[2001:db8::7]";proto=http'),
        ("1.2.3.4,", "", "", "for=1.2.3.4"),
    ],
)
def test_it_is_made_from_its_ancestors(x_for: str, x_proto: str, x_host: str, value: str) -> None:
    """Host and protocol belong to the first hop."""
    assert forwarded(x_for, x_proto, x_host) == value
