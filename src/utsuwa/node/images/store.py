"""The image store: bundles by digest under `bundles/`, references under `tags/`.

A bundle is complete once its manifest is there; what has none is the remains of a build that was
interrupted, and is replaced. One lock file per digest keeps two builders of the same content
apart; a tag is one small file, replaced by an atomic rename.
"""

import contextlib
import difflib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from utsuwa.model.images import (
    TERMS,
    ImageNotFoundError,
    Reference,
    Terms,
    parse_reference,
)
from utsuwa.node.images.bundle import SOURCE, Bundle, read_bundle, write_manifest
from utsuwa.node.images.content import Entry, digest, entries
from utsuwa.node.images.errors import BuildError
from utsuwa.node.images.install import Progress, install
from utsuwa.node.images.recipe import Recipe, recipe

_LOADED_LIMIT = 4096


@dataclass(frozen=True, slots=True)
class Built:
    """The result of a build. `reused`: the content was known, nothing had to be built."""

    ref: str
    digest: str
    command: tuple[str, ...]
    kind: str
    source: str
    files: int
    size: int
    reused: bool


@dataclass(frozen=True, slots=True)
class Tagged:
    """One reference and the digest it points to."""

    ref: str
    digest: str


class ImageStore:
    """Bundles and their references below `root`.

    Mutable state: `_loaded`, bundles read before; they never change, so it is never stale.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._loaded: dict[str, Bundle] = {}

    def __repr__(self) -> str:
        return f"<ImageStore {self._root}: {len(self._loaded)} bundles loaded>"

    # --- building -----------------------------------------------------------------------------

    def build(self, directory: Path, ref: str, progress: Progress = lambda _: None) -> Built:
        """Pack `directory` and let `ref` point to the result. Blocks, for minutes where
        dependencies are installed; safe beside other builders.

        Raises:
            BuildError: it cannot be built; nothing is left behind, `ref` points where it did.
            ValueError: `ref` is not a reference with a tag.
        """
        reference = parse_reference(ref)
        if reference.digest:
            raise ValueError(f"image {ref!r}: a build names its result by tag, not by digest")
        if not directory.is_dir():
            raise BuildError(f"{directory} is not a directory")
        how = recipe(directory)
        found = entries(directory)
        name = digest(directory, found, how.resolved)
        reused = self._ensure(directory, found, how, name, progress)
        self.tag(ref, name)
        size = sum(entry.size for entry in found)
        return Built(
            str(reference), name, how.command, how.kind, how.source, len(found), size, reused
        )

    def _ensure(
        self, directory: Path, found: list[Entry], how: Recipe, name: str, progress: Progress
    ) -> bool:
        target = self._directory(name)
        if self._read(name) is not None:
            return True
        with self._locked(name):
            if self._read(name) is not None:
                return True  # another builder was faster
            _remove(target)
            target.mkdir(parents=True)
            try:
                progress(f"packing {len(found)} files")
                _copy(directory, target / SOURCE, found)
                install(target, how, progress)
                _freeze(target / SOURCE)
                write_manifest(target, name, how, sum(entry.size for entry in found))
            except BaseException:
                _remove(target)
                raise
        return False

    def tag(self, ref: str, name: str) -> None:
        """Let `ref` point to the bundle `name`, in one step."""
        tags = self._root / "tags"
        tags.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=tags, prefix=".", delete=False) as file:
            file.write(name)
        os.replace(file.name, tags / quote(str(parse_reference(ref)), safe=""))

    @contextlib.contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        locks = self._root / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        with (locks / name.removeprefix("sha256:")).open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    # --- removing -----------------------------------------------------------------------------

    @property
    def root(self) -> Path:
        """Where everything is."""
        return self._root

    def untagged(self) -> list[tuple[str, int]]:
        """Digest and size of the bundles to which no reference leads. Blocks."""
        tagged = {one.digest for one in self.tags()}
        with contextlib.suppress(FileNotFoundError):
            names = [f"sha256:{path.name}" for path in (self._root / "bundles").iterdir()]
            known = [(name, self._read(name)) for name in names if name not in tagged]
            return sorted((name, found.size) for name, found in known if found is not None)
        return []

    def remove(self, name: str) -> bool:
        """Remove the bundle of a digest, unless a reference leads to it by now. Blocks."""
        with self._locked(name):
            if any(one.digest == name for one in self.tags()):
                return False
            self._loaded.pop(name, None)
            _remove(self._directory(name))
        return True

    # --- reading ------------------------------------------------------------------------------

    def tags(self) -> list[Tagged]:
        """Every reference, sorted."""
        with contextlib.suppress(FileNotFoundError):
            files = [p for p in (self._root / "tags").iterdir() if not p.name.startswith(".")]
            return sorted(
                (Tagged(unquote(path.name), path.read_text()) for path in files),
                key=lambda tagged: tagged.ref,
            )
        return []

    async def resolve(self, image: str, terms: Terms = TERMS) -> str:
        """`repository@sha256:…` of `image`, a reference by tag or by digest.

        Raises:
            ImageNotFoundError: there is no such bundle here.
        """
        return self.resolve_now(image)

    def resolve_now(self, image: str) -> str:
        """As :meth:`resolve`, for callers without a loop: two small files are read."""
        try:
            reference = parse_reference(image)
        except ValueError as error:
            raise ImageNotFoundError(str(error)) from error
        name = reference.digest or self._tagged(reference)
        if not name or self._read(name) is None:
            raise ImageNotFoundError(self._missing(image))
        return reference.pinned(name)

    def bundle(self, name: str) -> Bundle:
        """The bundle of a digest (`sha256:…`) or of any reference.

        Raises:
            ImageNotFoundError: there is no such bundle here.
        """
        if not name.startswith("sha256:"):
            name = self.resolve_now(name).partition("@")[2]
        found = self._read(name)
        if found is None:
            raise ImageNotFoundError(self._missing(name))
        return found

    def _tagged(self, reference: Reference) -> str:
        try:
            return (self._root / "tags" / quote(str(reference), safe="")).read_text()
        except FileNotFoundError:
            return ""

    def _read(self, name: str) -> Bundle | None:
        known = self._loaded.get(name)
        if known is not None and not self._directory(name).exists():
            known = None  # taken away since
            del self._loaded[name]
        if known is None:
            try:
                known = read_bundle(self._directory(name))
            except FileNotFoundError:
                return None
            if len(self._loaded) >= _LOADED_LIMIT:
                self._loaded.clear()
            self._loaded[name] = known
        return known

    def _missing(self, image: str) -> str:
        known = [tagged.ref for tagged in self.tags()]
        last = image.rpartition("/")[2].partition(":")[0].partition("@")[0]
        similar = [ref for ref in known if last and last in ref][:3]
        similar += [ref for ref in difflib.get_close_matches(image, known, 3) if ref not in similar]
        there = (
            f"it holds {', '.join(similar)}" if similar else f"none of its {len(known)} is like it"
        )
        where = self._root if known else f"{self._root}, which is empty"
        hint = f"build it with: utsuwa build DIR -t {image.partition('@')[0]}"
        return f"image {image!r} not found in {where}{f' ({there})' if known else ''}; {hint}"

    def _directory(self, name: str) -> Path:
        return self._root / "bundles" / name.removeprefix("sha256:")


def _copy(directory: Path, target: Path, found: list[Entry]) -> None:
    target.mkdir()
    for entry in found:
        place = target / entry.path
        place.parent.mkdir(parents=True, exist_ok=True)
        if entry.link:
            place.symlink_to(entry.link)
        else:
            shutil.copyfile(directory / entry.path, place)
            place.chmod(0o755 if entry.executable else 0o644)


def _freeze(tree: Path) -> None:
    """Nobody writes below `tree` any more (but root could)."""
    for top, _, files in os.walk(tree):
        for name in files:
            path = os.path.join(top, name)
            if not os.path.islink(path):
                os.chmod(path, os.stat(path).st_mode & 0o555)
        os.chmod(top, 0o555)


def _remove(tree: Path) -> None:
    if not tree.exists():
        return
    for top, _, _ in os.walk(tree):
        os.chmod(top, 0o755)
    shutil.rmtree(tree)
