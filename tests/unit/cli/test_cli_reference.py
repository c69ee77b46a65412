"""docs/cli.md says what the commands say."""

from pathlib import Path

import pytest

from utsuwa.cli import reference
from utsuwa.cli.root import root

REPOSITORY = Path(__file__).parents[3]


def test_the_page_is_current(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run scripts/cli-reference after changing a help text."""
    monkeypatch.chdir(REPOSITORY)
    assert reference.main(["--check"]) == 0


def test_a_page_that_is_not_current_is_found_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Missing, or of another day; writing it mends that."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    assert reference.main(["--check"]) == 1
    assert "run scripts/cli-reference" in capsys.readouterr().err
    reference.main([])
    assert reference.main(["--check"]) == 0


def test_every_command_has_a_section() -> None:
    """In the order of the overview."""
    import click

    text = reference.page()
    places = [text.index(f"## utsuwa {name}\n") for name in root.list_commands(click.Context(root))]
    assert places == sorted(places)
