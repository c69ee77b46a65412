"""The content of a directory: which files count, and the digest over them.

Ignored are version control, caches, virtual environments and `node_modules`, and whatever
`.utsuwaignore` names: one pattern a line, `#` comments, `*` and `?` as in a shell, a trailing `/`
for directories only, a `/` elsewhere ties the pattern to the top, `!` takes a file back in.
"""

import fnmatch
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from utsuwa.node.images.errors import BuildError

IGNORE_FILE = ".utsuwaignore"
ALWAYS_IGNORED = (
    ".git/", ".hg/", ".svn/", ".venv/", "__pycache__/", "node_modules/", ".mypy_cache/",
    ".pytest_cache/", ".ruff_cache/", ".tox/", "*.pyc", ".DS_Store", f"/{IGNORE_FILE}",
)  # fmt: skip

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """One file or symbolic link. `path` is relative, with `/`; `link` is empty for files."""

    path: str
    executable: bool = False
    size: int = 0
    link: str = ""


@dataclass(frozen=True, slots=True)
class _Pattern:
    glob: str
    directories_only: bool
    anchored: bool
    negated: bool

    def matches(self, path: str, *, directory: bool) -> bool:
        if self.directories_only and not directory:
            return False
        subject = path if self.anchored else path.rpartition("/")[2]
        return fnmatch.fnmatchcase(subject, self.glob)


def _parse(line: str) -> _Pattern | None:
    text = line.strip()
    if not text or text.startswith("#"):
        return None
    negated = text.startswith("!")
    text = text.removeprefix("!")
    directories_only = text.endswith("/")
    text = text.rstrip("/")
    return _Pattern(text.lstrip("/"), directories_only, "/" in text, negated)


class Ignored:
    """Decides which paths are left out; the last pattern that matches wins."""

    def __init__(self, lines: Iterable[str]) -> None:
        parsed = (_parse(line) for line in (*ALWAYS_IGNORED, *lines))
        self._patterns = [pattern for pattern in parsed if pattern is not None]

    def __call__(self, path: str, *, directory: bool) -> bool:
        """Whether `path` (relative, with `/`) is left out."""
        for pattern in reversed(self._patterns):
            if pattern.matches(path, directory=directory):
                return not pattern.negated
        return False


def entries(directory: Path) -> list[Entry]:
    """What counts of `directory`, sorted by path.

    Raises:
        BuildError: a link leads out of the directory, or a file is neither file, directory nor
            link.
    """
    ignore_file = directory / IGNORE_FILE
    lines = ignore_file.read_text().splitlines() if ignore_file.is_file() else []
    return sorted(_walk(directory, "", Ignored(lines)), key=lambda entry: entry.path)


def _walk(top: Path, below: str, ignored: Ignored) -> Iterator[Entry]:
    with os.scandir(top / below) as found:
        for item in found:
            path = f"{below}/{item.name}" if below else item.name
            if item.is_dir(follow_symlinks=False):
                virtual = os.path.exists(os.path.join(item.path, "pyvenv.cfg"))
                if not virtual and not ignored(path, directory=True):
                    yield from _walk(top, path, ignored)
            elif not ignored(path, directory=False):
                yield _entry(top, path, item)


def _entry(top: Path, path: str, item: "os.DirEntry[str]") -> Entry:
    if item.is_symlink():
        target = os.readlink(item.path)
        if not Path(item.path).resolve().is_relative_to(top.resolve()):
            raise BuildError(
                f"{path} is a link to {target}, which lies outside of {top}: "
                f"copy the file, or name it in {IGNORE_FILE}"
            )
        return Entry(path, link=target)
    status = item.stat(follow_symlinks=False)
    if not stat.S_ISREG(status.st_mode):
        raise BuildError(
            f"{path} is neither a file, a directory nor a link: remove it, or name it in "
            f"{IGNORE_FILE}"
        )
    return Entry(path, bool(status.st_mode & stat.S_IXUSR), status.st_size)


def digest(directory: Path, found: list[Entry], resolved: str) -> str:
    """`sha256:…` over paths, modes, bytes and links, and over `resolved`: how it is started."""
    total = hashlib.sha256(b"utsuwa bundle 1\0" + resolved.encode() + b"\0")
    for entry in found:
        kind = "l" if entry.link else "x" if entry.executable else "f"
        total.update(f"{kind} {entry.path}\0".encode("utf-8", "surrogateescape"))
        if entry.link:
            total.update(entry.link.encode("utf-8", "surrogateescape") + b"\0")
        else:
            total.update(_file_digest(directory / entry.path))
    return f"sha256:{total.hexdigest()}"


def _file_digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
