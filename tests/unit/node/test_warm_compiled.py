"""What the program in a warm parent compiles ahead of its forks."""

import sys
from pathlib import Path

import pytest

from utsuwa.node.warm.inside import app


@pytest.fixture(autouse=True)
def _nothing_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "compiled", {})


def test_a_script_is_compiled_once(tmp_path: Path) -> None:
    """The child finds the very code of its parent, unless the script has changed since."""
    script = tmp_path / "main.py"
    script.write_text("a = 1")
    app.Entry("script", str(script), []).compile_ahead()
    (_, code), *_ = app.compiled.values()
    entry = app.Entry("script", str(script), [])
    entry.compile_ahead()
    assert app.compiled[str(script)][1] is code
    script.write_text("a = 2")
    entry.compile_ahead()
    assert app.compiled[str(script)][0] == b"a = 2"


def test_what_is_wrong_with_a_script_is_told_by_the_child(tmp_path: Path) -> None:
    """Ahead nothing is said of it, and nothing is kept; nor is a module looked at."""
    script = tmp_path / "main.py"
    script.write_text("def")
    app.Entry("script", str(script), []).compile_ahead()
    app.Entry("script", str(tmp_path / "missing.py"), []).compile_ahead()
    app.Entry("module", "json", []).compile_ahead()
    assert app.compiled == {}
    assert sys.modules["__main__"].__name__ == "__main__"
