"""Takes away what is left over: bundles that were meant to pass (`utsuwa dev` makes one a save),
remains of builds, layers beyond a limit. Other bundles are `image_garbage.py`'s.

Who needs a bundle is for the caller to say. Builders hold a lock on what they make.
"""

import contextlib
import json
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from utsuwa.node.images.bundle import MANIFEST, layers_of, passing_until
from utsuwa.node.images.layers import MANIFEST as LAYER
from utsuwa.node.images.locks import free
from utsuwa.node.images.tree import remove

INTERRUPTED = 3600.0
"""Seconds after which what is not complete is taken for the remains of a build."""
KEPT_BYTES = 2 << 30
KEPT_SECONDS = 30 * 86_400.0
"""Layers that no bundle uses: so many bytes of them, used within so long."""


@dataclass(frozen=True, slots=True)
class Swept:
    """How many were taken away."""

    bundles: int = 0
    layers: int = 0


@dataclass(frozen=True, slots=True)
class _Layer:
    path: Path
    key: str
    """Empty where no key leads to it any more."""
    used: float
    size: int


def sweep(root: Path, needed: Collection[str], now: float) -> Swept:
    """Sweep the images below `root`. `needed`: the digests (`sha256:…`) that something names
    besides the tags; `now`: the time of the day."""
    if not (root / "bundles").is_dir():
        return Swept()
    bundles = sum(_sweep_bundle(root, path, needed, now) for path in _of(root / "bundles"))
    return Swept(bundles, _sweep_layers(root, now))


def _of(directory: Path) -> list[Path]:
    return sorted(directory.iterdir()) if directory.is_dir() else []


def _sweep_bundle(root: Path, path: Path, needed: Collection[str], now: float) -> bool:
    name = f"sha256:{path.name}"
    if name in needed or not _old(path, now) or name in _tagged(root):
        return False
    with free(root, "bundle", name) as nobody_builds:
        # Again, now that nobody can: a builder may have found it meanwhile.
        if not nobody_builds or not _old(path, now) or name in _tagged(root):
            return False
        (path / MANIFEST).unlink(missing_ok=True)  # no bundle from now on
        remove(path)
    return True


def _old(path: Path, now: float) -> bool:
    if (path / MANIFEST).exists():
        until = passing_until(path)
        return until is not None and until < now
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_mtime < now - INTERRUPTED
    return False


def _tagged(root: Path) -> set[str]:
    found = set()
    for path in _of(root / "tags"):
        with contextlib.suppress(FileNotFoundError):
            found.add(path.read_text())
    return found


def _sweep_layers(root: Path, now: float) -> int:
    used = _used_layers(root)
    unused = sorted(
        (layer for layer in _layers(root) if layer.path.name not in used),
        key=lambda layer: layer.used,
        reverse=True,
    )
    kept = swept = 0
    for layer in unused:
        if layer.used > now - INTERRUPTED:
            kept += layer.size
            continue
        if layer.key and kept + layer.size <= KEPT_BYTES and layer.used > now - KEPT_SECONDS:
            kept += layer.size
            continue
        with free(root, "layer", layer.key or layer.path.name) as nobody_builds:
            if nobody_builds:
                if layer.key:
                    (root / "layers" / "keys" / layer.key).unlink(missing_ok=True)
                remove(layer.path)
                swept += 1
    return swept


def _used_layers(root: Path) -> set[str]:
    found: set[str] = set()
    for path in _of(root / "bundles"):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            found |= set(layers_of(path))
    return found


def _layers(root: Path) -> Iterator[_Layer]:
    keys = {}
    for path in _of(root / "layers" / "keys"):
        with contextlib.suppress(FileNotFoundError):
            keys[path.read_text()] = (path.name, path.stat().st_mtime)
    for path in _of(root / "layers"):
        if path.name == "keys":
            continue
        key, used = keys.get(path.name, ("", os.stat(path).st_mtime))
        try:
            size = int(json.loads((path / LAYER).read_text())["size"])
        except FileNotFoundError:
            size = 0  # being made, or the remains of it
        yield _Layer(path, key, used, size)
