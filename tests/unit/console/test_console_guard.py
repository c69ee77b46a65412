"""Whose requests are answered."""

import pytest

from utsuwa.console import guard

OURS = {"Host": "127.0.0.1:8090"}


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8090", "localhost:8090", "LOCALHOST", "[::1]:8090", "[::1]", "127.0.0.9:1"]
)
def test_names_of_this_machine_are_answered(host: str) -> None:
    assert guard.is_ours(host)


@pytest.mark.parametrize(
    "host",
    ["", "evil.example:8090", "hello.default.localhost:8090", "localhost.evil.example", "10.0.0.1:8090",
     "127.0.0.1.evil.example:8090", ":8090"],
)  # fmt: skip
def test_other_names_are_not(host: str) -> None:
    assert not guard.is_ours(host)


@pytest.mark.parametrize(
    ("headers", "ours"),
    [
        ({"Origin": "http://127.0.0.1:8090"}, True),
        ({"Origin": "http://127.0.0.1:30001"}, False),
        ({"Origin": "http://localhost:8090"}, False),
        ({"Origin": "null"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({}, True),
    ],
)
def test_only_our_own_pages_change_anything(headers: dict[str, str], ours: bool) -> None:
    assert guard.is_from_us({**OURS, **headers}) is ours
