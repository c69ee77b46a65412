"""Bundles: what counts as content, how a directory is started, tags, and failures."""

import subprocess
import threading
from pathlib import Path

import pytest

from utsuwa.model.images import ImageNotFoundError
from utsuwa.node.images import BuildError, ImageStore
from utsuwa.node.images.bundle import base_interpreter
from utsuwa.node.images.content import entries
from utsuwa.node.images.recipe import recipe


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "images")


def a_directory(root: Path, name: str = "app", **files: str) -> Path:
    directory = root / name
    for path, text in ({"main.py": "print(1)\n"} | files).items():
        place = directory / path.replace("__", "/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return directory


def test_the_same_content_is_the_same_bundle(store: ImageStore, tmp_path: Path) -> None:
    """Wherever it lies and whenever it was written; the second build does nothing."""
    one = store.build(a_directory(tmp_path, "one"), "one:1")
    two = store.build(a_directory(tmp_path, "two"), "two:1")
    assert one.digest == two.digest
    assert (one.reused, two.reused) == (False, True)


@pytest.mark.parametrize("change", ["bytes", "name", "mode", "link"])
def test_any_difference_makes_another_bundle(
    store: ImageStore, tmp_path: Path, change: str
) -> None:
    """Paths, modes, bytes and links all count."""
    directory = a_directory(tmp_path, **{"data.txt": "x"})
    before = store.build(directory, "app").digest
    data = directory / "data.txt"
    if change == "bytes":
        data.write_text("y")
    elif change == "name":
        data.rename(directory / "other.txt")
    elif change == "mode":
        data.chmod(0o755)
    else:
        data.unlink()
        data.symlink_to("main.py")
    assert store.build(directory, "app").digest != before


def test_caches_and_ignored_files_do_not_count(tmp_path: Path) -> None:
    """Version control, caches, virtual environments, and what .utsuwaignore names."""
    directory = a_directory(
        tmp_path,
        **{
            ".git__HEAD": "x",
            "node_modules__a__index.js": "x",
            "env__pyvenv.cfg": "x",
            "sub__notes.md": "x",
            "secret.key": "x",
            "public.key": "x",
            "docs__a.txt": "x",
            "sub__docs__b.txt": "x",
            ".utsuwaignore": "# notes\n*.md\n*.key\n!public.key\n/docs/\n",
        },
    )
    (directory / "__pycache__").mkdir()
    (directory / "__pycache__" / "main.pyc").write_text("x")
    assert [entry.path for entry in entries(directory)] == [
        "main.py",
        "public.key",
        "sub/docs/b.txt",
    ]


def test_a_link_that_leads_outside_is_refused(store: ImageStore, tmp_path: Path) -> None:
    """It would not be there on the day it is needed."""
    directory = a_directory(tmp_path)
    (directory / "passwd").symlink_to("/etc/passwd")
    with pytest.raises(BuildError, match="passwd is a link to /etc/passwd, which lies outside"):
        store.build(directory, "app")


def test_a_bundle_cannot_be_changed(store: ImageStore, tmp_path: Path) -> None:
    """Nothing below the tree is writable, and later changes of the source do not reach it."""
    directory = a_directory(tmp_path)
    bundle = store.bundle(store.build(directory, "app").digest)
    (directory / "main.py").write_text("print(2)\n")
    assert (bundle.root / "main.py").read_text() == "print(1)\n"
    assert bundle.root.stat().st_mode & 0o222 == 0
    assert (bundle.root / "main.py").stat().st_mode & 0o222 == 0


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ({}, ("{python}", "-u", "main.py")),
        ({"Procfile": "release: x\nweb: python serve.py --x\n"}, ("{python}", "serve.py", "--x")),
        (
            {"Procfile": "web: gunicorn -b :$PORT app:app\n"},
            ("/bin/sh", "-c", "exec gunicorn -b :$PORT app:app"),
        ),
        ({"Procfile": "web: cd x && ./run\n"}, ("/bin/sh", "-c", "cd x && ./run")),
        ({"Procfile": "web: 'my server' a\n"}, ("my server", "a")),
    ],
)
def test_the_start_command_is_found(
    tmp_path: Path, files: dict[str, str], command: tuple[str, ...]
) -> None:
    """Procfile first, then main.py; a shell only where one is needed."""
    assert recipe(a_directory(tmp_path, **files)).command == command


def test_app_py_package_json_and_start_are_found_in_this_order(tmp_path: Path) -> None:
    """Each one when those before it are missing."""
    directory = a_directory(
        tmp_path,
        **{"app.py": "", "package.json": '{"scripts": {"start": "node s.js"}}', "start": ""},
    )
    (directory / "start").chmod(0o755)
    (directory / "main.py").unlink()
    assert recipe(directory).command == ("{python}", "-u", "app.py")
    (directory / "app.py").unlink()
    assert recipe(directory).command == ("/bin/sh", "-c", "exec node s.js")
    assert recipe(directory).kind == "node"
    (directory / "package.json").unlink()
    assert recipe(directory).command == ("./start",)


def test_a_directory_without_a_start_says_what_was_looked_for(tmp_path: Path) -> None:
    """The message lists all of it, and what is there instead."""
    directory = a_directory(tmp_path, **{"readme.txt": "x"})
    (directory / "main.py").unlink()
    with pytest.raises(BuildError, match=r"Procfile .*main\.py.*package\.json.*found readme\.txt"):
        recipe(directory)


def test_a_start_that_is_not_executable_says_how_to_mend_it(tmp_path: Path) -> None:
    """chmod +x."""
    directory = a_directory(tmp_path, start="#!/bin/sh\n")
    (directory / "main.py").unlink()
    with pytest.raises(BuildError, match=r"not executable: chmod \+x"):
        recipe(directory)


def test_a_build_that_fails_leaves_nothing_behind(store: ImageStore, tmp_path: Path) -> None:
    """The reference points where it did, and no half bundle is left."""
    directory = a_directory(tmp_path)
    before = store.build(directory, "app")
    (directory / "package-lock.json").write_text("not json")
    (directory / "package.json").write_text("{}")
    with pytest.raises(BuildError, match="npm"):
        store.build(directory, "app")
    assert store.bundle("app").digest == before.digest
    assert len(list((tmp_path / "images" / "bundles").iterdir())) == 1


@pytest.mark.slow
def test_a_virtual_environment_is_built_once_and_used(store: ImageStore, tmp_path: Path) -> None:
    """From a package beside it: no index is asked."""
    package = tmp_path / "greeting"
    package.mkdir()
    (package / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    (package / "backend.py").write_text(_BACKEND)
    directory = a_directory(tmp_path, **{"requirements.txt": f"{package}\n"})
    built = store.build(directory, "app")
    bundle = store.bundle(built.digest)
    assert bundle.command[0] != base_interpreter()
    told = subprocess.run(
        [bundle.command[0], "-c", "import greeting; print(greeting.HI)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == "hi\n"
    assert store.build(directory, "app").reused


_BACKEND = """
import zipfile
def build_wheel(directory, config_settings=None, metadata_directory=None):
    name = "greeting-1-py3-none-any.whl"
    with zipfile.ZipFile(f"{directory}/{name}", "w") as wheel:
        wheel.writestr("greeting.py", "HI = 'hi'")
        info = "greeting-1.dist-info"
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: greeting\\nVersion: 1\\n")
        wheel.writestr(
            f"{info}/WHEEL",
            "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
        )
        wheel.writestr(f"{info}/RECORD", "")
    return name
"""


async def test_a_reference_resolves_to_a_digest(store: ImageStore, tmp_path: Path) -> None:
    """By tag, by default tag, and by digest itself."""
    built = store.build(a_directory(tmp_path), "gcr.io/samples/app")
    pinned = f"gcr.io/samples/app@{built.digest}"
    assert await store.resolve("gcr.io/samples/app") == pinned
    assert await store.resolve("gcr.io/samples/app:latest") == pinned
    assert await store.resolve(pinned) == pinned


async def test_a_tag_moves_with_the_next_build(store: ImageStore, tmp_path: Path) -> None:
    """The old bundle stays reachable by digest."""
    directory = a_directory(tmp_path)
    old = store.build(directory, "app:1")
    (directory / "main.py").write_text("print(2)\n")
    new = store.build(directory, "app:1")
    assert await store.resolve("app:1") == f"app@{new.digest}"
    assert await store.resolve(f"app@{old.digest}") == f"app@{old.digest}"
    assert [(t.ref, t.digest) for t in store.tags()] == [("app:1", new.digest)]


async def test_a_missing_image_says_what_there_is_and_what_to_do(
    store: ImageStore, tmp_path: Path
) -> None:
    """The reference, the store, similar names, and the command."""
    with pytest.raises(ImageNotFoundError, match="which is empty; build it with: utsuwa build"):
        await store.resolve("hello:2")
    store.build(a_directory(tmp_path), "hello:1")
    with pytest.raises(ImageNotFoundError) as caught:
        await store.resolve("hello:2")
    message = str(caught.value)
    assert "'hello:2' not found" in message
    assert str(tmp_path / "images") in message
    assert "it holds hello:1" in message
    assert "utsuwa build DIR -t hello:2" in message


async def test_a_bundle_that_was_taken_away_is_missing_from_then_on(
    store: ImageStore, tmp_path: Path
) -> None:
    """Also for a process that has read it before."""
    built = store.build(a_directory(tmp_path), "hello:1")
    directory = store.bundle(built.digest).root.parent
    directory.rename(tmp_path / "away")
    with pytest.raises(ImageNotFoundError):
        await store.resolve("hello:1")
    (tmp_path / "away").rename(directory)
    assert store.bundle(built.digest).digest == built.digest


async def test_a_digest_that_is_not_here_is_missing_too(store: ImageStore) -> None:
    """Images are not fetched from anywhere."""
    with pytest.raises(ImageNotFoundError, match="sha256"):
        await store.resolve(f"app@sha256:{'1' * 64}")


def test_builders_at_the_same_time_agree(tmp_path: Path) -> None:
    """One builds, the others wait and find it done."""
    directory = a_directory(tmp_path)
    results: list[bool] = []

    def build(number: int) -> None:
        store = ImageStore(tmp_path / "images")
        results.append(store.build(directory, f"app:{number}").reused)

    threads = [threading.Thread(target=build, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [False, True, True, True, True, True]
    assert len(ImageStore(tmp_path / "images").tags()) == 6


def test_the_remains_of_an_interrupted_build_are_replaced(
    store: ImageStore, tmp_path: Path
) -> None:
    """A bundle without a manifest is none."""
    directory = a_directory(tmp_path)
    bundle = store.bundle(store.build(directory, "app").digest)
    (bundle.root.parent / "manifest.json").unlink()
    again = ImageStore(tmp_path / "images")
    assert not again.build(directory, "app").reused
    assert again.bundle("app").root.is_dir()
