"""What is swept: bundles that nobody needs, layers beyond a limit, remains."""

import json
import os
from pathlib import Path

import pytest

from utsuwa.node.images import ImageStore
from utsuwa.node.images.locks import locked
from utsuwa.node.images.sweep import Swept, sweep

DAY = 86_400.0


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "images"


def build(root: Path, tmp_path: Path, code: str, passing: float | None = 0.0) -> str:
    app = tmp_path / "app"
    app.mkdir(exist_ok=True)
    (app / "main.py").write_text(code)
    return ImageStore(root).build(app, "app:1", passing=passing).digest


def later(root: Path, seconds: float) -> float:
    """A time so long after the newest bundle was built."""
    return max(path.stat().st_ctime for path in (root / "bundles").iterdir()) + seconds


def bundles(root: Path) -> set[str]:
    return {f"sha256:{path.name}" for path in (root / "bundles").iterdir()}


def test_a_bundle_without_a_name_or_a_user_goes(root: Path, tmp_path: Path) -> None:
    """The one that a tag leads to stays, and the one that somebody names."""
    built = [build(root, tmp_path, code) for code in ("1", "2", "3")]
    assert sweep(root, {built[0]}, later(root, 120)) == Swept(bundles=1)
    assert bundles(root) == {built[0], built[2]}


def test_a_bundle_stays_for_as_long_as_was_said(root: Path, tmp_path: Path) -> None:
    """Also when somebody would have it removed for its age."""
    first = build(root, tmp_path, "1", passing=DAY)
    build(root, tmp_path, "2")
    assert sweep(root, set(), later(root, DAY / 2)) == Swept()
    assert not ImageStore(root).remove(first)
    assert sweep(root, set(), later(root, DAY + 120)) == Swept(bundles=1)
    assert first not in bundles(root)


@pytest.mark.parametrize("times", [(None, 0.0), (0.0, None)])
def test_a_bundle_that_was_ever_meant_to_last_lasts(
    root: Path, tmp_path: Path, times: tuple[float | None, ...]
) -> None:
    """Its age is not ours to judge."""
    for passing in times:
        first = build(root, tmp_path, "1", passing=passing)
    build(root, tmp_path, "2")
    assert sweep(root, set(), later(root, 900 * DAY)) == Swept()
    assert ImageStore(root).remove(first)


def test_what_is_being_built_is_left_alone(root: Path, tmp_path: Path) -> None:
    """Its builder holds the lock."""
    first = build(root, tmp_path, "1")
    build(root, tmp_path, "2")
    with locked(root, "bundle", first):
        assert sweep(root, set(), later(root, 120)) == Swept()
    assert sweep(root, set(), later(root, 120)) == Swept(bundles=1)


def test_remains_go_after_an_hour(root: Path, tmp_path: Path) -> None:
    """Of bundles and of layers."""
    build(root, tmp_path, "1")
    (root / "bundles" / ".building-x").mkdir()
    (root / "layers" / "half").mkdir(parents=True)
    assert sweep(root, set(), later(root, 1800)) == Swept()
    assert sweep(root, set(), later(root, 4000)) == Swept(bundles=1, layers=1)


def a_layer(root: Path, name: str, size: int, used: float) -> None:
    (root / "layers" / "keys").mkdir(parents=True, exist_ok=True)
    (root / "layers" / name).mkdir()
    (root / "layers" / name / "layer.json").write_text(json.dumps({"size": size, "id": "x"}))
    key = root / "layers" / "keys" / f"key-{name}"
    key.write_text(name)
    os.utime(key, (used, used))


def test_layers_are_kept_up_to_a_limit(root: Path, tmp_path: Path) -> None:
    """Those used last; what a bundle uses is not counted, and stays."""
    digest = build(root, tmp_path, "1")
    now = later(root, 0)
    for name, size, days in (("a", 1, 1), ("b", 1, 2), ("c", 1, 3), ("d", 9, 5), ("e", 0, 40)):
        a_layer(root, name, size << 30, now - days * DAY)
    manifest = root / "bundles" / digest.removeprefix("sha256:") / "manifest.json"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**content, "layers": {"venv": "layers/d/venv"}}))
    assert sweep(root, set(), now) == Swept(layers=2)
    assert {path.name for path in (root / "layers").iterdir()} == {"a", "b", "d", "keys"}
    assert {path.name for path in (root / "layers" / "keys").iterdir()} == {
        "key-a", "key-b", "key-d",
    }  # fmt: skip


def test_nothing_to_sweep(root: Path) -> None:
    """Nothing was ever built."""
    assert sweep(root, set(), 0.0) == Swept()
