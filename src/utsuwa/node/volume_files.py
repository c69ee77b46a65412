"""A volume's directory: written so that a reader sees all of the old content, or all of the new.

As Kubernetes does it: files lie in a directory of their own, `..data` is a link to it that is
replaced by one rename, and each name at the top is a link through `..data`.
"""

import os
import shutil
import tempfile
from pathlib import Path

from utsuwa.node.volume_content import Content, File

_DATA = "..data"


def empty(directory: Path) -> None:
    """A directory that any user of the Pod may write; kept where it is there already."""
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o777)


def fill(directory: Path, content: Content) -> None:
    """Let `directory` have `content`, and nothing else. Blocks."""
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o755)
    data = directory / _DATA
    before = data.resolve() if data.is_symlink() else None
    if before is not None and _read(before) == content:
        return
    fresh = Path(tempfile.mkdtemp(prefix="..", dir=directory))
    fresh.chmod(0o755)
    for path, file in content.items():
        _write(fresh / path, file)
    _link(data, fresh.name)
    top = {Path(path).parts[0] for path in content}
    for name in top:
        if not (directory / name).is_symlink():
            _link(directory / name, f"{_DATA}/{name}")
    for entry in directory.iterdir():
        if entry.is_symlink() and entry.name != _DATA and entry.name not in top:
            entry.unlink()
    if before is not None:
        shutil.rmtree(before, ignore_errors=True)


def _write(path: Path, file: File) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(file.content)
    path.chmod(file.mode)


def _link(path: Path, target: str) -> None:
    temporary = path.with_name(f"..new-{path.name}")
    temporary.symlink_to(target)
    os.replace(temporary, path)


def _read(directory: Path) -> dict[str, File]:
    found = {}
    for root, _, names in os.walk(directory):
        for name in names:
            path = Path(root) / name
            mode = path.stat().st_mode & 0o7777
            found[str(path.relative_to(directory))] = File(path.read_bytes(), mode)
    return found
