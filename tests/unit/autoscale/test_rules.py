"""One sentence per rule: what it did to the number of pods."""

import re

import pytest

from utsuwa.autoscale.reasons import SENTENCES
from utsuwa.autoscale.rules import RULES, Role, tell

NUMBERS: dict[str, object] = dict.fromkeys(
    (
        "average", "cap", "floor", "grace", "kept", "pods", "rate", "ratio", "ready", "retention", "target",
        "timeout", "waiting", "wanted", "window", "percent",
    ),
    7,
) | {"metric": "concurrency", "method": "GET", "path": "/a", "client": "::1"}  # fmt: skip


def shown(timestamp: float) -> str:
    return f"t{timestamp:g}"


def sentence(code: str, **numbers: object) -> str:
    (told,) = tell({"reasons": [{"code": code, "numbers": {**NUMBERS, **numbers}}]}, shown)
    assert told.code == code
    return told.sentence


def test_every_rule_of_the_autoscaler_has_its_sentence() -> None:
    """And one that only explanations know."""
    assert set(RULES) == set(SENTENCES) | {"still-needed"}


@pytest.mark.parametrize("code", sorted(set(SENTENCES)))
def test_a_sentence_fits_the_numbers_of_its_reason(code: str) -> None:
    """Whatever its reason has is all that it may use; when panic began is known of the decision."""
    own = set(re.findall(r"{(\w+)}", SENTENCES[code]))
    assert set(re.findall(r"{(\w+)}", RULES[code].words)) <= own | {"since"}
    assert "{" not in sentence(code)


@pytest.mark.parametrize(
    ("code", "numbers", "words"),
    [
        ("woken", {"path": "/cart", "client": "10.1.2.3"}, "woken by GET /cart from 10.1.2.3"),
        ("max-scale", {"wanted": 9, "cap": 5}, "capped by max-scale: wanted 9, at most 5"),
        ("delayed", {"kept": 4, "wanted": 1},
         "not scaling down because scale-down-delay keeps 4: wanted 1"),
        ("active-window", {"window": 60.0},
         "last pod kept because it has not been active for 60 s yet"),
        ("stable-load", {"average": 12.3456, "window": 60.0, "pods": 2, "target": 7.0},
         "average concurrency 12.35 over 60 s needs 2 (7 per pod)"),
    ],
)  # fmt: skip
def test_the_words_of_a_rule(code: str, numbers: dict[str, object], words: str) -> None:
    assert sentence(code, **numbers) == words


def test_panic_says_since_when() -> None:
    decision = {
        "panicSince": "2023-11-14T22:13:20.000000Z",
        "reasons": [{"code": "panic-kept", "numbers": {"wanted": 1, "kept": 7}}],
    }
    (told,) = tell(decision, shown)
    assert told.sentence == (
        "not scaling down because of panic since t1.7e+09, which keeps 7: wanted 1"
    )


def test_where_only_the_stable_window_keeps_the_pods_that_is_said() -> None:
    """No rule holds them: the average of a minute does, while the last seconds need fewer."""
    decision = {
        "mode": "stable", "metric": "concurrency", "target": 10.0, "stable": 25.0, "panic": 0.0,
        "desired": 3,
    }  # fmt: skip
    (told,) = tell(decision, shown, {"stableWindow": 60.0})
    assert told.role is Role.HELD
    assert told.sentence == (
        "not scaling down because the last 60.0 s still average 25 concurrency, which needs 3"
    ).replace("60.0", "60")
    assert tell({**decision, "panic": 29.0}, shown) == []
    assert tell({**decision, "desired": 5}, shown) == []


def test_a_rule_of_another_version_is_told_in_its_own_words() -> None:
    """A newer control knows more rules, an older one fewer numbers."""
    reasons = [
        {"code": "moon", "sentence": "the moon is full", "numbers": {}},
        {"code": "woken", "sentence": "a request came", "numbers": {"path": "/"}},
    ]
    told = tell({"reasons": reasons}, shown)
    assert [one.sentence for one in told] == ["the moon is full", "a request came"]
