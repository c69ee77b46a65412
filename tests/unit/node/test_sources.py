"""Who builds a directory, and what is said where nobody can."""

from pathlib import Path

import pytest

from utsuwa.kit.clock import SystemClock
from utsuwa.node.engine.door import Door
from utsuwa.node.images import BuildError, ImageStore
from utsuwa.node.sources import build


@pytest.fixture
def no_engine(tmp_path: Path) -> Door:
    environment = {"DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    return Door(SystemClock(), label="", environment=environment)


def a_directory(root: Path, *names: str) -> Path:
    app = root / "app"
    app.mkdir()
    for name in names:
        (app / name).write_text("")
    return app


def test_a_directory_without_a_dockerfile_is_a_bundle(tmp_path: Path, no_engine: Door) -> None:
    """Nobody looks for an engine; the pinned name has the digest."""
    store = ImageStore(tmp_path / "images")
    image = build(a_directory(tmp_path, "main.py"), "a/be:1", store, print, door=no_engine)
    assert image.pinned == store.resolve_now("a/be:1")
    assert image.told == "1 files, 0 KiB; starts {python} -u main.py (main.py)"
    again = build(tmp_path / "app", "a/be:1", store, print, door=no_engine)
    assert (again.digest, again.reused) == (image.digest, True)


def test_without_an_engine_a_bundle_is_built_and_it_is_said(
    tmp_path: Path, no_engine: Door
) -> None:
    """Where one can be."""
    said: list[str] = []
    app = a_directory(tmp_path, "main.py", "Dockerfile")
    build(app, "app:1", ImageStore(tmp_path / "images"), said.append, door=no_engine)
    assert said[0].startswith(f"{app}/Dockerfile is not used, and a bundle is built: no container")


@pytest.mark.parametrize("builder", ["auto", "dockerfile"])
def test_a_dockerfile_alone_needs_an_engine(tmp_path: Path, no_engine: Door, builder: str) -> None:
    """One sentence, and the command that installs one."""
    names = ["Dockerfile"] if builder == "auto" else ["Dockerfile", "main.py"]
    app, store = a_directory(tmp_path, *names), ImageStore(tmp_path / "images")
    with pytest.raises(BuildError, match=r"^\S+/Dockerfile needs a container engine: .*install"):
        build(app, "app:1", store, print, builder=builder, door=no_engine)


def test_a_builder_without_its_file_is_told(tmp_path: Path, no_engine: Door) -> None:
    """What it looked for."""
    app, store = a_directory(tmp_path, "main.py"), ImageStore(tmp_path / "images")
    with pytest.raises(BuildError, match="needs a Dockerfile or Containerfile, and there is none"):
        build(app, "app:1", store, print, builder="dockerfile", door=no_engine)


def test_what_cannot_be_built_is_told_before_anything_is_done(
    tmp_path: Path, no_engine: Door
) -> None:
    """No directory; a name that cannot be moved."""
    store = ImageStore(tmp_path / "images")
    with pytest.raises(BuildError, match="is not a directory"):
        build(tmp_path / "none", "app:1", store, print, door=no_engine)
    with pytest.raises(ValueError, match="by tag, not by digest"):
        build(tmp_path, f"app@sha256:{'0' * 64}", store, print, door=no_engine)


def test_a_name_that_moves_to_the_engine_is_no_bundle_any_more(tmp_path: Path) -> None:
    """Bundles would come first."""
    store = ImageStore(tmp_path / "images")
    store.build(a_directory(tmp_path, "main.py"), "app:1")
    store.untag("app:1")
    assert store.tags() == []
    store.untag("app:1")
