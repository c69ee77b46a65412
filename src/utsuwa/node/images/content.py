"""The content of a directory: which files count, and the digest over them.

Ignored are version control, caches, virtual environments and `node_modules`, and what an ignore
file names (`ignore.py`).
"""

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from utsuwa.node.images.errors import BuildError
from utsuwa.node.images.ignore import OWN, Ignored, of_bundle

_IN_MEMORY = 8 << 20
"""Bytes up to which a file is read at once."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file or symbolic link. `path` is relative, with `/`; `link` is empty for files."""

    path: str
    executable: bool = False
    size: int = 0
    link: str = ""


def entries(directory: Path) -> list[Entry]:
    """What counts of `directory`, sorted by path.

    Raises:
        BuildError: a link leads out of the directory, or a file is neither file, directory nor
            link.
    """
    return sorted(_walk(directory, "", of_bundle(directory)), key=lambda entry: entry.path)


def _walk(top: Path, below: str, ignored: Ignored) -> Iterator[Entry]:
    with os.scandir(top / below) as found:
        for item in found:
            path = f"{below}/{item.name}" if below else item.name
            if item.is_dir(follow_symlinks=False):
                virtual = os.path.exists(os.path.join(item.path, "pyvenv.cfg"))
                if not virtual and not ignored.prunes(path):
                    yield from _walk(top, path, ignored)
            elif not ignored(path, directory=False):
                yield _entry(top, path, item)


def _entry(top: Path, path: str, item: "os.DirEntry[str]") -> Entry:
    if item.is_symlink():
        target = os.readlink(item.path)
        if not Path(item.path).resolve().is_relative_to(top.resolve()):
            raise BuildError(
                f"{path} is a link to {target}, which lies outside of {top}: "
                f"copy the file, or name it in {OWN}"
            )
        return Entry(path, link=target)
    status = item.stat(follow_symlinks=False)
    if not stat.S_ISREG(status.st_mode):
        raise BuildError(
            f"{path} is neither a file, a directory nor a link: remove it, or name it in {OWN}"
        )
    return Entry(path, bool(status.st_mode & stat.S_IXUSR), status.st_size)


def hashes(directory: Path, found: list[Entry]) -> dict[str, str]:
    """The sha256 of each file among `found`, by path."""
    return {entry.path: _hash(directory / entry.path) for entry in found if not entry.link}


def digest(found: list[Entry], known: Mapping[str, str], resolved: str) -> str:
    """`sha256:…` over paths, modes, bytes (by their hashes) and links, and over `resolved`: how it
    is started and what was installed."""
    total = hashlib.sha256(b"utsuwa bundle 1\0" + resolved.encode() + b"\0")
    for entry in found:
        kind = "l" if entry.link else "x" if entry.executable else "f"
        total.update(f"{kind} {entry.path}\0".encode("utf-8", "surrogateescape"))
        if entry.link:
            total.update(entry.link.encode("utf-8", "surrogateescape") + b"\0")
        else:
            total.update(bytes.fromhex(known[entry.path]))
    return f"sha256:{total.hexdigest()}"


def place(
    directory: Path, target: Path, found: list[Entry], earlier: "Earlier | None" = None
) -> dict[str, str]:
    """Copy `found` to `target`; the hashes of what came to lie there, which is what counts while
    somebody writes to `directory`. What `earlier` has already is linked, compiled code included.
    """
    target.mkdir(parents=True)
    result = {}
    for entry in found:
        goal = target / entry.path
        goal.parent.mkdir(parents=True, exist_ok=True)
        if entry.link:
            goal.symlink_to(entry.link)
            continue
        source = directory / entry.path
        if entry.size <= _IN_MEMORY:
            data = source.read_bytes()
            name = hashlib.sha256(data).hexdigest()
            if not (earlier and earlier.lend(entry, name, goal)):
                goal.write_bytes(data)
        else:
            name = _hash(source)
            if not (earlier and earlier.lend(entry, name, goal)):
                name = _copied(source, goal)
        if goal.stat().st_nlink == 1:
            goal.chmod(0o755 if entry.executable else 0o644)
        result[entry.path] = name
    return result


@dataclass(frozen=True, slots=True)
class Earlier:
    """A bundle whose files never change, so another one may have them as well."""

    root: Path
    hashes: Mapping[str, str]

    def lend(self, entry: Entry, name: str, goal: Path) -> bool:
        """Let `goal` be the same file as ours at the same place, if it is the same content."""
        if self.hashes.get(entry.path) != name:
            return False
        own = self.root / entry.path
        try:
            if bool(own.stat().st_mode & stat.S_IXUSR) != entry.executable:
                return False
            os.link(own, goal)
        except OSError:
            return False  # taken away meanwhile, too many links, a file system without links
        if own.suffix == ".py":
            compiled = own.parent / "__pycache__"
            for one in compiled.glob(f"{own.stem}.*.pyc"):
                (goal.parent / "__pycache__").mkdir(exist_ok=True)
                os.link(one, goal.parent / "__pycache__" / one.name)
        return True


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _copied(source: Path, goal: Path) -> str:
    total = hashlib.sha256()
    with source.open("rb") as file, goal.open("wb") as copy:
        while data := file.read(_IN_MEMORY):
            total.update(data)
            copy.write(data)
    return total.hexdigest()
