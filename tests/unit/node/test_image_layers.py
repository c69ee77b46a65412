"""Dependencies that are installed once, and bundles that share files."""

import json
import os
import threading
import zipfile
from pathlib import Path

import pytest

from utsuwa.node.images import BuildError, ImageStore

PACKAGE = "utsuwa_test_greeting"


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "images")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where pip looks, and nowhere else."""
    place = tmp_path / "index"
    place.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(place))
    release(place, "1")
    return place


def release(index: Path, version: str) -> None:
    info = f"{PACKAGE}-{version}.dist-info"
    with zipfile.ZipFile(index / f"{PACKAGE}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{PACKAGE}.py", f"VERSION = {version!r}\n")
        wheel.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: {version}\n"
        )
        wheel.writestr(
            f"{info}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        wheel.writestr(f"{info}/RECORD", "")


def an_app(root: Path, code: str = "1", needs: str = PACKAGE) -> Path:
    root.mkdir(exist_ok=True)
    (root / "main.py").write_text(f"print({code})\n")
    (root / "requirements.txt").write_text(f"{needs}\n")
    return root


def layers(store_root: Path) -> list[str]:
    return [path.name for path in (store_root / "layers").iterdir() if path.name != "keys"]


@pytest.mark.slow
def test_dependencies_are_installed_once(store: ImageStore, index: Path, tmp_path: Path) -> None:
    """Other code, the same requirements: the same layer, and pip is not asked."""
    first = store.build(an_app(tmp_path / "app"), "app:1")
    said: list[str] = []
    second = store.build(an_app(tmp_path / "app", "2"), "app:1", said.append)
    assert first.digest != second.digest
    assert not any("installing" in line for line in said)
    one, two = store.bundle(first.digest), store.bundle(second.digest)
    assert one.command[0] == two.command[0]
    assert len(layers(tmp_path / "images")) == 1
    site = next(Path(one.command[0]).parent.parent.glob("lib/*/site-packages"))
    assert (site / f"{PACKAGE}.py").stat().st_mode & 0o222 == 0


@pytest.mark.slow
def test_what_was_really_installed_counts_for_the_digest(
    store: ImageStore, index: Path, tmp_path: Path
) -> None:
    """A newer release comes when one asks for it, and makes another bundle of the same files."""
    app = an_app(tmp_path / "app")
    first = store.build(app, "app:1")
    assert store.build(app, "app:1", fresh=True).digest == first.digest
    release(index, "2")
    assert store.build(app, "app:1").digest == first.digest
    second = store.build(app, "app:1", fresh=True)
    assert second.digest != first.digest
    assert store.build(app, "app:1").digest == second.digest
    assert len(layers(tmp_path / "images")) == 2


@pytest.mark.slow
def test_other_requirements_are_another_layer(
    store: ImageStore, index: Path, tmp_path: Path
) -> None:
    """And what cannot be installed leaves none behind."""
    store.build(an_app(tmp_path / "app"), "app:1")
    release(index, "2")
    store.build(an_app(tmp_path / "app", needs=f"{PACKAGE}==2"), "app:1")
    assert len(layers(tmp_path / "images")) == 2
    with pytest.raises(BuildError, match="No matching distribution"):
        store.build(an_app(tmp_path / "app", needs=f"{PACKAGE}==3"), "app:1")
    assert len(layers(tmp_path / "images")) == 2


@pytest.mark.slow
def test_builders_at_the_same_time_install_once(index: Path, tmp_path: Path) -> None:
    """The others wait, and have the same."""
    said: list[str] = []
    digests: set[str] = set()

    def build(number: int) -> None:
        store = ImageStore(tmp_path / "images")
        app = an_app(tmp_path / f"app{number}", str(number))
        digests.add(store.build(app, f"app:{number}", said.append).digest)

    threads = [threading.Thread(target=build, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(digests) == 3
    assert said.count("creating a virtual environment") == 1
    assert len(layers(tmp_path / "images")) == 1


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An npm that notes each run; what it installs tells the lock file it saw."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("npm", "node"):
        script = programs / name
        script.write_text(
            "#!/bin/sh\necho run >> $RUNS\nmkdir -p node_modules/a\n"
            "cp package-lock.json node_modules/a/index.js\nls > node_modules/a/seen\n"
        )
        script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


def test_node_modules_are_shared(store: ImageStore, npm: Path, tmp_path: Path) -> None:
    """A link leads to them; the installer sees nothing but what decides."""
    app = tmp_path / "app"
    app.mkdir()
    (app / "package.json").write_text('{"scripts": {"start": "node s.js"}}')
    (app / "package-lock.json").write_text("{}")
    for code in ("1", "2"):
        (app / "s.js").write_text(code)
        bundle = store.bundle(store.build(app, "app:1").digest)
        assert (bundle.root / "s.js").read_text() == code
        assert (bundle.root / "node_modules" / "a" / "index.js").read_text() == "{}"
        seen = (bundle.root / "node_modules" / "a" / "seen").read_text().split()
        assert seen == ["node_modules", "package-lock.json", "package.json"]
        assert bundle.env["PATH"].startswith(str(bundle.root / "node_modules" / ".bin"))
    assert npm.read_text() == "run\n"


def test_images_may_lie_at_a_relative_path(
    npm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Installers run elsewhere, and install to the right place all the same."""
    app = tmp_path / "app"
    app.mkdir()
    (app / "package.json").write_text('{"scripts": {"start": "node s.js"}}')
    (app / "package-lock.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    store = ImageStore(Path("images"))
    bundle = store.bundle(store.build(Path("app"), "app:1").digest)
    assert bundle.root.is_absolute()
    assert (bundle.root / "node_modules" / "a" / "index.js").is_file()


def test_scripts_of_the_app_run_among_its_files_each_time(
    store: ImageStore, npm: Path, tmp_path: Path
) -> None:
    """They may read any of them."""
    app = tmp_path / "app"
    app.mkdir()
    scripts = {"start": "node s.js", "postinstall": "node s.js"}
    (app / "package.json").write_text(json.dumps({"scripts": scripts}))
    (app / "package-lock.json").write_text("{}")
    for code in ("1", "2"):
        (app / "s.js").write_text(code)
        bundle = store.bundle(store.build(app, "app:1").digest)
        assert "s.js" in (bundle.root / "node_modules" / "a" / "seen").read_text()
        assert not (bundle.root / "node_modules").is_symlink()
    assert npm.read_text() == "run\nrun\n"


def test_a_bundle_shares_the_files_that_did_not_change(store: ImageStore, tmp_path: Path) -> None:
    """With their compiled code; one whose mode changed is another file."""
    app = tmp_path / "app"
    app.mkdir()
    for name in ("main", "kept", "mode"):
        (app / f"{name}.py").write_text("x = 1\n")
    one = store.bundle(store.build(app, "app:1").digest).root
    (app / "main.py").write_text("x = 2\n")
    (app / "mode.py").chmod(0o755)
    two = store.bundle(store.build(app, "app:1").digest).root
    assert (one / "kept.py").samefile(two / "kept.py")
    (compiled,) = (two / "__pycache__").glob("kept.*.pyc")
    assert compiled.samefile(one / "__pycache__" / compiled.name)
    assert (two / "main.py").read_text() == "x = 2\n"
    assert not (one / "mode.py").samefile(two / "mode.py")
    assert len(list((two / "__pycache__").iterdir())) == 3


def test_a_file_saved_during_a_build_never_makes_a_wrong_bundle(
    store: ImageStore, tmp_path: Path
) -> None:
    """The digest is that of what was packed, not of what was there a moment before."""
    app = tmp_path / "app"
    app.mkdir()
    (app / "main.py").write_text("x = 1\n")

    def save(line: str) -> None:
        if line.startswith("packing"):
            (app / "main.py").write_text("x = 2\n")

    built = store.build(app, "app:1", save)
    assert (store.bundle(built.digest).root / "main.py").read_text() == "x = 2\n"
    assert store.build(app, "app:1").digest == built.digest
    (app / "main.py").write_text("x = 1\n")
    before = store.build(app, "app:1")
    assert before.digest != built.digest
    assert (store.bundle(before.digest).root / "main.py").read_text() == "x = 1\n"


def test_go_compiles_the_program(
    store: ImageStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the go that is in the PATH; without one it says so."""
    app = tmp_path / "app"
    app.mkdir()
    (app / "go.mod").write_text("module app\n")
    (app / "main.go").write_text("package main\n")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(BuildError, match="go is not in PATH: install Go, or add a Dockerfile"):
        store.build(app, "app:1")
    (tmp_path / "bin").mkdir()
    go = tmp_path / "bin" / "go"
    go.write_text('#!/bin/sh\n[ "$1 $6" = "build ." ] && echo program > "$5"\n')
    go.chmod(0o755)
    bundle = store.bundle(store.build(app, "app:1").digest)
    assert bundle.command == ("./utsuwa-go-program",)
    assert (bundle.root / "utsuwa-go-program").read_text() == "program\n"
