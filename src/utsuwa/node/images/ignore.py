"""Which files of a directory are left out, by the ignore files that people already have.

Two dialects. `git` (`.utsuwaignore`, `.gcloudignore`): a pattern without a slash fits a name at any
depth, what lies below a directory that is left out is gone for good. `docker` (`.dockerignore`): each
pattern is tied to the top, and `!` takes back even what lies below a directory that is left out.
In both the last pattern that fits decides.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

OWN, GCLOUD, DOCKER, PODMAN = ".utsuwaignore", ".gcloudignore", ".dockerignore", ".containerignore"
IGNORE_FILES = (OWN, GCLOUD, DOCKER)
"""For a bundle the first of them that is there decides."""
ALWAYS_IGNORED = (
    ".git/", ".hg/", ".svn/", ".venv/", "__pycache__/", "node_modules/", ".mypy_cache/",
    ".pytest_cache/", ".ruff_cache/", ".tox/", "*.pyc", ".DS_Store",
    f"/{OWN}", f"/{GCLOUD}", f"/{DOCKER}", f"/{PODMAN}",
)  # fmt: skip

_INCLUDE = "#!include:"
_PARTS = re.compile(
    r"(?P<into>/\*\*/)|(?P<above>^\*\*/)|(?P<below>/\*\*$)|(?P<all>\*\*)|(?P<some>\*)"
    r"|(?P<one>\?)|(?P<escaped>\\.)|(?P<set>\[[!^]?\]?[^\]]*\])"
)
_MEANING = {"into": "/(?:.*/)?", "above": "(?:.*/)?", "below": "/.+", "all": ".*", "some": "[^/]*"}


@dataclass(frozen=True, slots=True)
class _Pattern:
    expression: re.Pattern[str]
    directories_only: bool = False
    negated: bool = False
    covers: bool = False
    """Whether it fits what lies below, too."""

    def matches(self, path: str, *, directory: bool) -> bool:
        if self.covers:
            while path and not self.expression.fullmatch(path):
                path = path.rpartition("/")[0]
            return bool(path)
        if self.directories_only and not directory:
            return False
        return self.expression.fullmatch(path) is not None


def _expression(glob: str) -> str:
    """The regular expression of a glob: `*` and `?` stay within a name, `**` does not."""
    result, end = "", 0
    for part in _PARTS.finditer(glob):
        result += re.escape(glob[end : part.start()])
        end = part.end()
        kind, text = str(part.lastgroup), part.group()
        if kind == "set":
            negated = text[1] in "!^"
            inner = text[2 if negated else 1 : -1].replace("\\", "\\\\").replace("[", "\\[")
            result += f"[{'^' if negated else ''}{inner.replace(']', chr(92) + ']')}]"
        elif kind == "escaped":
            result += re.escape(text[1])
        else:
            result += "[^/]" if kind == "one" else _MEANING[kind]
    return result + re.escape(glob[end:])


def _compiled(glob: str) -> re.Pattern[str]:
    try:
        return re.compile(_expression(glob), re.DOTALL)
    except re.error:  # such as the set [z-a]: it fits its own letters, as in a shell
        return re.compile(re.escape(glob))


def _git(line: str) -> _Pattern | None:
    text = line.strip()
    if not text or text.startswith("#"):
        return None
    negated = text.startswith("!")
    text = text.removeprefix("!")
    directories_only = text.endswith("/")
    text = text.rstrip("/")
    glob = text.lstrip("/") if "/" in text else f"**/{text}"
    return _Pattern(_compiled(glob), directories_only, negated) if glob else None


def _docker(line: str) -> _Pattern | None:
    text = line.strip()
    if not text or text.startswith("#"):
        return None
    negated = text.startswith("!")
    text = text.removeprefix("!").strip().strip("/").removeprefix("./")
    if not text:
        return None
    return _Pattern(_compiled("**" if text == "." else text), False, negated, covers=True)


class Ignored:
    """Decides which paths are left out; the last pattern that fits wins."""

    def __init__(self, git: Iterable[str] = (), docker: Iterable[str] = ()) -> None:
        parsed = [*map(_git, git), *map(_docker, docker)]
        self._patterns = [pattern for pattern in parsed if pattern is not None]
        self._may_come_back = any(one.covers and one.negated for one in self._patterns)

    def __repr__(self) -> str:
        return f"<Ignored: {len(self._patterns)} patterns>"

    def __call__(self, path: str, *, directory: bool) -> bool:
        """Whether `path` (relative, with `/`) is left out."""
        for pattern in reversed(self._patterns):
            if pattern.matches(path, directory=directory):
                return not pattern.negated
        return False

    def prunes(self, path: str) -> bool:
        """Whether nothing below the directory `path` can count."""
        return not self._may_come_back and self(path, directory=True)

    def covers(self, path: str) -> bool:
        """Whether `path`, a file, or a directory that it lies in is left out."""
        parts = path.split("/")
        above = ("/".join(parts[:end]) for end in range(1, len(parts)))
        return any(map(self.prunes, above)) or self(path, directory=False)


def of_bundle(directory: Path) -> Ignored:
    """What a bundle of `directory` leaves out."""
    for name in IGNORE_FILES:
        if (directory / name).is_file():
            lines = list(_lines(directory, name))
            if name == DOCKER:
                return Ignored(ALWAYS_IGNORED, lines)
            return Ignored((*ALWAYS_IGNORED, *lines))
    return Ignored(ALWAYS_IGNORED)


def of_context(directory: Path, dockerfile: str) -> Callable[[str], bool]:
    """What the engine does not get to see of `directory`: what `.gcloudignore` names, and what the
    first of its own ignore files names. The file `dockerfile` itself it always gets."""
    git = Ignored(_lines(directory, GCLOUD))
    own = Ignored()
    for name in (f"{dockerfile}{DOCKER}", PODMAN, DOCKER):
        if (directory / name).is_file():
            own = Ignored(docker=_lines(directory, name))
            break

    def left_out(path: str) -> bool:
        return path != dockerfile and (git.covers(path) or own.covers(path))

    return left_out


def _lines(directory: Path, name: str, depth: int = 0) -> Iterator[str]:
    file = directory / name
    if not file.is_file():
        return
    for line in file.read_text(errors="replace").splitlines():
        if line.startswith(_INCLUDE) and depth == 0:
            yield from _lines(directory, line.removeprefix(_INCLUDE).strip(), depth + 1)
        else:
            yield line
