"""What the end of a pod waits for."""

import pytest

from utsuwa.model.draining import Remaining, described, total


@pytest.mark.parametrize(
    ("remaining", "grace", "text"),
    [
        (Remaining(), 300, "no request is left"),
        (Remaining(1), 300, "waiting for 1 request, at most 300 s"),
        (Remaining(0, 2, 60), 300, "waiting for 2 open WebSockets, at most 60 s"),
        (Remaining(0, 1, 60), 30, "waiting for 1 open WebSocket, at most 30 s"),
        (
            Remaining(3, 1, 60), 300,
            "waiting for 3 requests, at most 300 s and 1 open WebSocket, at most 60 s",
        ),
    ],
)  # fmt: skip
def test_it_is_told_in_words(remaining: Remaining, grace: float, text: str) -> None:
    assert described(remaining, grace) == text


def test_several_gateways_add_up() -> None:
    assert total([Remaining(1, 2, 60), Remaining(3, 4, 60)]) == Remaining(4, 6, 60)
    assert total([]) == Remaining()
    assert total([]).nothing
