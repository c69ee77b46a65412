"""What the console reads at run time is in the wheel."""

import zipfile
from pathlib import Path

import pytest

from utsuwa.console import assets, rendering

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names of the files in a wheel that is built now."""
    wheel = pytest.importorskip("hatchling.builders.wheel", reason="hatchling is not installed")
    built = next(wheel.WheelBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("w"))))
    with zipfile.ZipFile(built) as archive:
        return set(archive.namelist())


@pytest.mark.parametrize("directory", [assets._STATIC, rendering._TEMPLATES])
def test_templates_scripts_and_styles_are_packed(packed: set[str], directory: Path) -> None:
    files = {path for path in directory.rglob("*") if path.is_file()}
    assert len(files) > 10
    wanted = {path.relative_to(ROOT / "src").as_posix() for path in files}
    assert wanted - packed == set()


def test_the_words_of_the_settings_are_packed(packed: set[str]) -> None:
    """Where `views/settings.py` looks for them first."""
    assert "utsuwa/console/settings.md" in packed
