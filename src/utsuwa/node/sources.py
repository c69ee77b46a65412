"""From a directory to an image: a Dockerfile by the engine, anything else as a bundle."""

import asyncio
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from utsuwa.kit.clock import SystemClock
from utsuwa.model.images import Reference, parse_reference
from utsuwa.node.engine.door import Door, NoEngineError
from utsuwa.node.images import BuildError, ImageStore
from utsuwa.node.images.dockerfile import NAMES
from utsuwa.node.images.install import Progress
from utsuwa.node.images.recipe import recipe

AUTO, BUNDLE, DOCKERFILE = "auto", "bundle", "dockerfile"
BUILDERS = (AUTO, BUNDLE, DOCKERFILE)


@dataclass(frozen=True, slots=True)
class Image:
    """What was built: its name, the digest that pins it, and how to tell a person. `reused`: it
    was there already."""

    ref: str
    digest: str
    told: str
    reused: bool = False

    @property
    def pinned(self) -> str:
        """`repository@sha256:…`."""
        return parse_reference(self.ref).pinned(self.digest)


def dockerfile(directory: Path) -> Path | None:
    """The Dockerfile of `directory`."""
    return next((directory / name for name in NAMES if (directory / name).is_file()), None)


def by_engine(directory: Path, builder: str, door: Door | None = None) -> Path | None:
    """The Dockerfile that an engine would build, if `builder` lets it and one is there."""
    file = None if builder == BUNDLE else dockerfile(directory)
    return file if file is not None and (door or _door()).present else None


def build(
    directory: Path,
    ref: str,
    store: ImageStore,
    progress: Progress,
    *,
    builder: str = AUTO,
    fresh: bool = False,
    passing: float | None = None,
    door: Door | None = None,
) -> Image:
    """Make an image named `ref` of `directory`. Blocks. `fresh`: nothing that earlier builds kept.
    `passing`: as :meth:`ImageStore.build`.

    Raises:
        BuildError: it cannot be built; the message says why, and what helps.
        ValueError: `ref` is not a reference with a tag.
    """
    reference = parse_reference(ref)
    if reference.digest:
        raise ValueError(f"image {ref!r}: a build names its result by tag, not by digest")
    if not directory.is_dir():
        raise BuildError(f"{directory} is not a directory")
    file = None if builder == BUNDLE else dockerfile(directory)
    if builder == DOCKERFILE and file is None:
        raise BuildError(
            f"{directory}: --builder dockerfile needs a {' or '.join(NAMES)}, and there is none"
        )
    if file is not None:
        try:
            digest = asyncio.run(_by_engine(door or _door(), file, reference, progress, fresh))
            store.untag(ref)  # what the engine has now is what the name means
            return Image(str(reference), digest, f"by {file.name}")
        except NoEngineError as error:
            if builder == DOCKERFILE or not _starts(directory):
                raise BuildError(f"{file} needs a container engine: {error}") from error
            progress(f"{file} is not used, and a bundle is built: {error}")
    built = store.build(directory, ref, progress, fresh=fresh, passing=passing)
    told = (
        f"{built.files} files, {built.size / 1024:.0f} KiB; starts {' '.join(built.command)} "
        f"({built.source})"
    )
    return Image(built.ref, built.digest, told, built.reused)


def _starts(directory: Path) -> bool:
    """Whether a bundle can be made of `directory`."""
    try:
        recipe(directory)
    except BuildError:
        return False
    return True


def _door() -> Door:
    return Door(SystemClock(), label="")


async def _by_engine(
    door: Door, file: Path, reference: Reference, progress: Progress, fresh: bool
) -> str:
    try:
        engine = await door.engine()
        module = import_module("utsuwa.node.engine.building")
        digest: str = await module.build(engine.wire, file, reference, progress, fresh=fresh)
        return digest
    finally:
        await door.close()
