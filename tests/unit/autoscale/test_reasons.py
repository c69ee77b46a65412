"""Every rule that can fire has a sentence, and every sentence fits its numbers."""

import ast
from pathlib import Path

import pytest

from utsuwa.autoscale import reasons
from utsuwa.autoscale.reasons import SENTENCES, because

SOURCES = Path(reasons.__file__).parents[1]


def codes_in_source() -> set[str]:
    """The first argument of each `Reason(...)` and `because(...)` that is a plain string."""
    found: set[str] = set()
    files = [*(SOURCES / "autoscale").glob("*.py"), *(SOURCES / "controllers").rglob("*.py")]
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
                first = node.args[0]
                if node.func.id in {"Reason", "because"} and isinstance(first, ast.Constant):
                    found.add(str(first.value))
    return found


def test_every_code_used_has_a_sentence() -> None:
    """A reason without words could not be shown."""
    used = codes_in_source()
    assert len(used) > 15
    assert used <= set(SENTENCES)


def test_a_reason_reads_as_a_sentence() -> None:
    """Floats without trailing zeros."""
    reason = because("max-scale", wanted=9, cap=5)
    assert reason.sentence == "wanted 9, max-scale is 5"
    assert because("grace", grace=30.0).sentence.endswith("held for 30 s")


def test_a_reason_without_its_numbers_is_an_error() -> None:
    """Better than a sentence with holes."""
    with pytest.raises(KeyError):
        _ = because("max-scale").sentence
