"""A packed directory as it lies on disk."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from utsuwa.node.images.recipe import PYTHON, Recipe

MANIFEST = "manifest.json"
SOURCE = "source"
ENVIRONMENT = "venv"


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


def base_interpreter() -> str:
    """The Python below any virtual environment that we run in: bundles have environments of their
    own."""
    found: str = getattr(sys, "_base_executable", None) or sys.executable
    return os.path.realpath(found)


def write_manifest(directory: Path, digest: str, how: Recipe, size: int) -> None:
    """Make a bundle of what lies in `directory`: without a manifest it is none."""
    manifest = {
        "digest": digest,
        "command": list(how.command),
        "kind": how.kind,
        "venv": how.kind == "python",
        "size": size,
    }
    temporary = directory / f".{MANIFEST}"
    temporary.write_text(json.dumps(manifest, indent=1))
    temporary.rename(directory / MANIFEST)


def read_bundle(directory: Path) -> Bundle:
    """The bundle in `directory`.

    Raises:
        FileNotFoundError: there is none.
    """
    manifest = json.loads((directory / MANIFEST).read_text())
    root = directory / SOURCE
    venv = directory / ENVIRONMENT / "bin"
    python = str(venv / "python") if manifest["venv"] else base_interpreter()
    command = tuple(python if word == PYTHON else word for word in manifest["command"])
    path = [str(root / "node_modules" / ".bin")] if manifest["kind"] == "node" else []
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
    )
