"""Layers: dependencies, installed once and shared by every bundle that needs the same.

`layers/NAME` is one, complete once its `layer.json` is there; names mean nothing, for a virtual
environment cannot be moved once it is made. `layers/keys/KEY` names the layer for a key: the files
that say what is wanted, and the interpreter. A layer's `id` is what really came to be installed; it
counts for the digest of the bundles that use it.
"""

import contextlib
import hashlib
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from utsuwa.node.images.bundle import ENVIRONMENT, MODULES, base_interpreter
from utsuwa.node.images.install import Progress, install_node, install_python
from utsuwa.node.images.locks import locked
from utsuwa.node.images.recipe import Recipe
from utsuwa.node.images.tree import freeze, remove, size_of

MANIFEST = "layer.json"


@dataclass(frozen=True, slots=True)
class Layer:
    """What a bundle uses: `path`, below the root of all images, and the id of its content."""

    path: str
    id: str


@dataclass(frozen=True, slots=True)
class Cache:
    """Layers below `root`."""

    root: Path

    def environment(
        self, directory: Path, how: Recipe, progress: Progress, *, fresh: bool
    ) -> Layer | None:
        """The virtual environment that `how` needs; None where it needs none, or one that only
        this bundle can have. `fresh`: install it anew.

        Raises:
            BuildError: an installer failed.
        """
        needs = how.python
        if not needs.arguments or needs.inputs is None:
            return None
        words = ["python", *needs.arguments, "|", *needs.constraints, base_interpreter()]
        key = _key(directory, needs.inputs, [*words, sys.version, platform.machine()])

        def fill(place: Path, stage: Path) -> str:
            install_python(place / ENVIRONMENT, stage, needs, progress)
            return _installed(place / ENVIRONMENT)

        return self._layer(key, _Order(directory, needs.inputs, ENVIRONMENT, fill, fresh), progress)

    def modules(
        self, directory: Path, how: Recipe, progress: Progress, *, fresh: bool
    ) -> Layer | None:
        """As :meth:`environment`, for `node_modules`."""
        needs = how.node
        if not needs.command or needs.inputs is None:
            return None
        words = ["node", *needs.command, _identity("node"), platform.machine()]
        key = _key(directory, needs.inputs, words)

        def fill(place: Path, stage: Path) -> str:
            install_node(stage, needs, progress)
            (stage / MODULES).mkdir(exist_ok=True)  # where nothing had to be installed
            os.rename(stage / MODULES, place / MODULES)
            listed = place / MODULES / ".package-lock.json"
            return hashlib.sha256(
                listed.read_bytes() if listed.is_file() else key.encode()
            ).hexdigest()

        return self._layer(key, _Order(directory, needs.inputs, MODULES, fill, fresh), progress)

    def _layer(self, key: str, order: "_Order", progress: Progress) -> Layer:
        known = None if order.fresh else self._known(key)
        if known is None:
            with locked(self.root, "layer", key):
                known = None if order.fresh else self._known(key)
                if known is None:
                    known = self._make(key, order)
                    return Layer(f"layers/{known[0]}/{order.what}", known[1])
        progress(f"dependencies: as they were ({order.what})")
        return Layer(f"layers/{known[0]}/{order.what}", known[1])

    def _known(self, key: str) -> tuple[str, str] | None:
        """Name and id of the layer for `key`; marks it as used."""
        try:
            file = self.root / "layers" / "keys" / key
            name = file.read_text()
            manifest = json.loads((self.root / "layers" / name / MANIFEST).read_text())
            os.utime(file)
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
        return name, str(manifest["id"])

    def _make(self, key: str, order: "_Order") -> tuple[str, str]:
        layers = self.root / "layers"
        (layers / "keys").mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix="", dir=layers))
        try:
            with _staged(order.directory, order.inputs) as stage:
                found = order.fill(place, stage)
            before = self._known(key)
            if before is not None and before[1] == found:  # installed anew, and nothing is new
                remove(place)
                return before
            freeze(place / order.what)
            manifest = {"id": found, "key": key, "size": size_of(place)}
            (place / f".{MANIFEST}").write_text(json.dumps(manifest))
            place.chmod(0o755)
            (place / f".{MANIFEST}").rename(place / MANIFEST)
        except BaseException:
            remove(place)
            raise
        temporary = layers / "keys" / f".{place.name}"
        temporary.write_text(place.name)
        temporary.rename(layers / "keys" / key)
        return place.name, found


@dataclass(frozen=True, slots=True)
class _Order:
    directory: Path
    inputs: tuple[str, ...]
    what: str
    fill: Callable[[Path, Path], str]
    """Fills the first directory, given one with the inputs alone; answers the id."""
    fresh: bool


def _key(directory: Path, inputs: tuple[str, ...], words: list[str]) -> str:
    total = hashlib.sha256(json.dumps(words).encode())
    for name in sorted(inputs):
        data = (directory / name).read_bytes()
        total.update(f"\0{name}\0{len(data)}\0".encode("utf-8", "surrogateescape") + data)
    return total.hexdigest()


@contextlib.contextmanager
def _staged(directory: Path, inputs: tuple[str, ...]) -> Iterator[Path]:
    """A directory with `inputs` and nothing else: what is not in the key cannot count."""
    with tempfile.TemporaryDirectory(prefix="utsuwa-build-") as temporary:
        stage = Path(temporary)
        for name in inputs:
            place = stage / name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(directory / name, place)
        yield stage


def _installed(venv: Path) -> str:
    """What is in a virtual environment: names, versions, and where from."""
    total = hashlib.sha256()
    for found in sorted(venv.glob("lib/python*/site-packages/*.dist-info")):
        total.update(f"{found.name}\0".encode())
        origin = found / "direct_url.json"
        if origin.is_file():
            total.update(origin.read_bytes())
    return total.hexdigest()


def _identity(program: str) -> str:
    """Tells one installation of `program` from another without starting it."""
    path = os.path.realpath(shutil.which(program) or program)
    try:
        status = os.stat(path)
    except OSError:
        return path
    return f"{path} {status.st_size} {status.st_mtime_ns}"
