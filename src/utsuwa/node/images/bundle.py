"""A packed directory as it lies on disk."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from utsuwa.node.images.recipe import PYTHON, Recipe

MANIFEST = "manifest.json"
INDEX = "files.json"
PASSING = "passing"
"""The file that says until when a bundle of `utsuwa dev` stays though nobody needs it."""
SOURCE = "source"
ENVIRONMENT = "venv"
MODULES = "node_modules"


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a runtime needs to run one. `root` is the read-only tree, also the working directory;
    `env` comes before the environment of the container."""

    digest: str
    root: Path
    command: tuple[str, ...]
    kind: str
    env: Mapping[str, str]
    size: int = 0
    shared: tuple[Path, ...] = ()
    """What it uses that lies elsewhere, for it has it together with others."""


def base_interpreter() -> str:
    """The Python below any virtual environment that we run in: bundles have environments of their
    own."""
    found: str = getattr(sys, "_base_executable", None) or sys.executable
    return os.path.realpath(found)


def write_manifest(
    directory: Path, digest: str, how: Recipe, size: int, layers: Mapping[str, str]
) -> None:
    """Make a bundle of what lies in `directory`: without a manifest it is none. `layers`: where
    what it shares with others lies, below the root of all images."""
    manifest = {
        "digest": digest,
        "command": list(how.command),
        "kind": how.kind,
        "venv": how.kind == "python" or bool(how.python.arguments),
        "size": size,
        "layers": dict(layers),
    }
    temporary = directory / f".{MANIFEST}"
    temporary.write_text(json.dumps(manifest, indent=1))
    temporary.rename(directory / MANIFEST)


def layers_of(directory: Path) -> list[str]:
    """The layers that the bundle in `directory` uses, by name.

    Raises:
        FileNotFoundError: there is no bundle.
    """
    manifest = json.loads((directory / MANIFEST).read_text())
    return [path.split("/")[1] for path in (manifest.get("layers") or {}).values()]


def passing_until(directory: Path) -> float | None:
    """Until when the bundle in `directory` stays; None where that was not said."""
    try:
        return float((directory / PASSING).read_text())
    except (FileNotFoundError, ValueError):
        return None


def read_bundle(directory: Path) -> Bundle:
    """The bundle in `directory`.

    Raises:
        FileNotFoundError: there is none.
    """
    manifest = json.loads((directory / MANIFEST).read_text())
    root = directory / SOURCE
    layers: dict[str, str] = manifest.get("layers") or {}
    shared = layers.get(ENVIRONMENT)
    venv = (directory.parent.parent / shared if shared else directory / ENVIRONMENT) / "bin"
    python = str(venv / "python") if manifest["venv"] else base_interpreter()
    command = tuple(python if word == PYTHON else word for word in manifest["command"])
    path = [str(root / MODULES / ".bin")] if (root / MODULES).is_dir() else []
    path += [str(venv)] if manifest["venv"] else [os.path.dirname(python)]
    return Bundle(
        digest=manifest["digest"],
        root=root,
        command=command,
        kind=manifest["kind"],
        env={
            "PATH": ":".join((*path, os.environ.get("PATH", os.defpath))),
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        size=manifest["size"],
        shared=tuple(directory.parent.parent / name for name in layers.values()),
    )
