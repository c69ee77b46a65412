"""Recorded admission cases of the original: defaults, errors and warnings, word for word."""

from pathlib import Path
from typing import Any

import pytest

from utsuwa.testing.golden import read_cases, run

CASES = list(read_cases(Path(__file__).parent / "data" / "admission.jsonl"))


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_admission_answers_what_the_original_answered(case: dict[str, Any]) -> None:
    """`spec/resources.md` §4-§6, as recorded."""
    assert run("admission", case) == []


def test_a_wrong_answer_is_noticed() -> None:
    """The runner itself: a case with another outcome must not pass."""
    case = {**CASES[0], "expect": {"errors": ["validation failed: nothing"], "warnings": []}}
    assert run("admission", case)
