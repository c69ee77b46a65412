"""The image store: bundles by digest under `bundles/`, references under `tags/`.

A bundle is complete once its manifest is there; what has none is the remains of a build that was
interrupted, and is replaced. A lock per digest keeps two builders of the same content apart, and
the sweeper from what is being built; a tag is one small file, replaced by an atomic rename.

What a build packs is hashed once to see whether it is known already, which costs nothing else. If it
is not, it is copied, and the name comes from the hashes of the copy: whoever saves a file meanwhile
can never make a bundle that is not what its digest says.
"""

import contextlib
import difflib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from utsuwa.kit.wall import WallClock
from utsuwa.model.images import (
    TERMS,
    ImageNotFoundError,
    Reference,
    Terms,
    parse_reference,
)
from utsuwa.node.images.bundle import (
    ENVIRONMENT,
    INDEX,
    MODULES,
    PASSING,
    SOURCE,
    Bundle,
    passing_until,
    read_bundle,
    write_manifest,
)
from utsuwa.node.images.content import Earlier, Entry, digest, entries, hashes, place
from utsuwa.node.images.errors import BuildError
from utsuwa.node.images.install import (
    Progress,
    bare_environment,
    build_go,
    compile_python,
    install_node,
    install_python,
)
from utsuwa.node.images.layers import Cache, Layer
from utsuwa.node.images.locks import locked
from utsuwa.node.images.recipe import Recipe, recipe
from utsuwa.node.images.tree import freeze, remove

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
        self._root = root.absolute()  # installers run in other directories
        self._loaded: dict[str, Bundle] = {}

    def __repr__(self) -> str:
        return f"<ImageStore {self._root}: {len(self._loaded)} bundles loaded>"

    # --- building -----------------------------------------------------------------------------

    def build(
        self,
        directory: Path,
        ref: str,
        progress: Progress = lambda _: None,
        *,
        fresh: bool = False,
        passing: float | None = None,
    ) -> Built:
        """Pack `directory` and let `ref` point to the result. Blocks, for minutes where
        dependencies are installed; safe beside other builders. `fresh`: install dependencies
        anew, where they were installed before. `passing`: the seconds for which alone a bundle that
        comes of it is worth keeping once nobody needs it.

        Raises:
            BuildError: it cannot be built; nothing is left behind, `ref` points where it did.
            ValueError: `ref` is not a reference with a tag.
        """
        reference = parse_reference(ref)
        if reference.digest:
            raise ValueError(f"image {ref!r}: a build names its result by tag, not by digest")
        if not directory.is_dir():
            raise BuildError(f"{directory} is not a directory")
        try:
            built = self._build(directory, reference, progress, fresh=fresh)
        except FileNotFoundError as error:
            if error.filename and Path(error.filename).is_relative_to(directory):
                raise BuildError(f"{error.filename} went away while it was read") from error
            raise
        self._mark(built, passing)
        return built

    def _build(
        self, directory: Path, reference: Reference, progress: Progress, *, fresh: bool
    ) -> Built:
        how = recipe(directory)
        cache = Cache(self._root)
        layers = {
            what: layer
            for what, layer in (
                (ENVIRONMENT, cache.environment(directory, how, progress, fresh=fresh)),
                (MODULES, cache.modules(directory, how, progress, fresh=fresh)),
            )
            if layer is not None
        }
        resolved = how.resolved + "".join(layer.id for layer in layers.values())
        found = entries(directory)
        name = digest(found, hashes(directory, found), resolved)
        reused = self._take(name, reference)
        if not reused:
            # An installer that runs among the files might write to them: they are its own then.
            alone = how.python.inputs is None or how.node.inputs is None
            earlier = None if alone else self._earlier(reference)
            job = _Job(directory, how, found, resolved, layers, earlier)
            name, reused = self._make(job, reference, progress)
        size = sum(entry.size for entry in found)
        return Built(
            str(reference), name, how.command, how.kind, how.source, len(found), size, reused
        )

    def _take(self, name: str, reference: Reference) -> bool:
        """Let `reference` point to the bundle `name`, if there is one."""
        with locked(self._root, "bundle", name):
            if self._read(name) is None:
                return False
            self.tag(str(reference), name)
            return True

    def _mark(self, built: Built, passing: float | None) -> None:
        """Write down until when a passing bundle stays; one that was ever meant to last, lasts."""
        mark = self._directory(built.digest) / PASSING
        if passing is None:
            mark.unlink(missing_ok=True)
        elif not built.reused or mark.exists():
            mark.write_text(str(WallClock().now() + passing))

    def _earlier(self, reference: Reference) -> Earlier | None:
        directory = self._directory(self._tagged(reference) or "none")
        try:
            return Earlier(directory / SOURCE, json.loads((directory / INDEX).read_text()))
        except (FileNotFoundError, ValueError):
            return None

    def _make(self, job: "_Job", reference: Reference, progress: Progress) -> tuple[str, bool]:
        """The bundle's digest, and whether another builder was faster."""
        bundles = self._root / "bundles"
        bundles.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=".building-", dir=bundles))
        try:
            progress(f"packing {len(job.found)} files")
            packed = place(job.directory, stage / SOURCE, job.found, job.earlier)
            name = digest(job.found, packed, job.resolved)
            with locked(self._root, "bundle", name):
                if reused := self._read(name) is not None:
                    self.tag(str(reference), name)
                else:
                    target = self._directory(name)
                    remove(target)
                    (stage / INDEX).write_text(json.dumps(packed))
                    stage.chmod(0o755)
                    stage.rename(target)
                    self._finish(job, target, name, progress)
                    self.tag(str(reference), name)
        finally:
            remove(stage)
        return name, reused

    def _finish(self, job: "_Job", target: Path, name: str, progress: Progress) -> None:
        source, how = target / SOURCE, job.how
        try:
            if ENVIRONMENT not in job.layers:
                if how.python.arguments:
                    install_python(target / ENVIRONMENT, source, how.python, progress)
                elif how.kind == "python":
                    bare_environment(target / ENVIRONMENT)
            if (source / MODULES).is_dir():
                progress(f"{MODULES} is packed as it is, for the ignore file takes it in")
            elif (modules := job.layers.get(MODULES)) is not None:
                (source / MODULES).symlink_to(Path("..", "..", "..", modules.path))
            elif how.node.command:
                install_node(source, how.node, progress)
            if how.go:
                build_go(source, how.go, progress)
            if how.kind == "python":
                compile_python(source)
            freeze(source)
            size = sum(entry.size for entry in job.found)
            paths = {what: layer.path for what, layer in job.layers.items()}
            write_manifest(target, name, how, size, paths)
        except BaseException:
            remove(target)
            raise

    def tag(self, ref: str, name: str) -> None:
        """Let `ref` point to the bundle `name`, in one step."""
        tags = self._root / "tags"
        tags.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=tags, prefix=".", delete=False) as file:
            file.write(name)
        os.replace(file.name, tags / quote(str(parse_reference(ref)), safe=""))

    def untag(self, ref: str) -> None:
        """Let `ref` point to no bundle any more."""
        (self._root / "tags" / quote(str(parse_reference(ref)), safe="")).unlink(missing_ok=True)

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
        """Remove the bundle of a digest, unless a reference leads to it by now, or its builder
        has said that it stays for a while. Blocks."""
        with locked(self._root, "bundle", name):
            if any(one.digest == name for one in self.tags()) or self._kept(name):
                return False
            self._loaded.pop(name, None)
            remove(self._directory(name))
        return True

    def _kept(self, name: str) -> bool:
        until = passing_until(self._directory(name))
        return until is not None and until > WallClock().now()

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


@dataclass(frozen=True, slots=True)
class _Job:
    """What becomes a bundle."""

    directory: Path
    how: Recipe
    found: list[Entry]
    resolved: str
    layers: dict[str, Layer]
    earlier: Earlier | None
