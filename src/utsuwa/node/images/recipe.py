"""How a directory is started, and what it needs first. Reads a few files, changes none.

Order: `Procfile` (`web:`), `main.py` or `app.py`, `package.json` (`scripts.start`), an executable
named `start`.
"""

import json
import re
import shlex
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from utsuwa.node.images.errors import BuildError

PYTHON = "{python}"
"""Stands in a command for the bundle's interpreter."""

_LOOKED_FOR = "Procfile (web: …), main.py, app.py, package.json (scripts.start), start (executable)"
_SHELL = re.compile(r"[|&;<>()`*?\[\]~#\n]|\$\(")


@dataclass(frozen=True, slots=True)
class Recipe:
    """Start command, kind of runtime and dependencies of a bundle.

    `install`: arguments for `pip install`, empty where no virtual environment is needed. `npm`:
    whether `npm ci` fills `node_modules`.
    """

    command: tuple[str, ...]
    kind: str
    source: str
    install: tuple[str, ...] = ()
    npm: bool = False

    @property
    def resolved(self) -> str:
        """What the digest must cover besides the files."""
        version = f"{sys.version_info[0]}.{sys.version_info[1]}" if self.install else ""
        return json.dumps([self.command, self.kind, self.install, version, self.npm])


def recipe(directory: Path) -> Recipe:
    """The recipe of `directory`.

    Raises:
        BuildError: nothing tells how to start it, or a file that should is broken.
    """
    command, kind, source = _start(directory)
    return Recipe(
        command,
        kind,
        source,
        install=_requirements(directory),
        npm=(directory / "package-lock.json").is_file(),
    )


def _start(directory: Path) -> tuple[tuple[str, ...], str, str]:
    line = _procfile(directory / "Procfile")
    if line:
        return _shell_words(line), _kind(directory), "Procfile"
    for name in ("main.py", "app.py"):
        if (directory / name).is_file():
            return (PYTHON, "-u", name), "python", name
    script = _npm_start(directory / "package.json")
    if script:
        return ("/bin/sh", "-c", script), "node", "package.json"
    start = directory / "start"
    if start.is_file():
        if not start.stat().st_mode & 0o100:
            raise BuildError(f"{start} is not executable: chmod +x {start}")
        return ("./start",), "command", "start"
    found = ", ".join(sorted(path.name for path in directory.iterdir())[:10]) or "nothing"
    raise BuildError(
        f"{directory}: nothing says how to start it. Looked for {_LOOKED_FOR}; found {found}"
    )


def _kind(directory: Path) -> str:
    if (directory / "package.json").is_file():
        return "node"
    python = ("requirements.txt", "pyproject.toml", "main.py", "app.py")
    return "python" if any((directory / name).is_file() for name in python) else "command"


def _procfile(path: Path) -> str:
    if not path.is_file():
        return ""
    for line in path.read_text().splitlines():
        name, colon, command = line.partition(":")
        if colon and name.strip() == "web" and command.strip():
            return command.strip()
    raise BuildError(f"{path} has no line `web: COMMAND`: add one, or remove the file")


def _shell_words(line: str) -> tuple[str, ...]:
    """Arguments where no shell is needed (one process less), else a shell that runs `line`."""
    if _SHELL.search(line):
        return ("/bin/sh", "-c", line)
    if "$" in line:
        return ("/bin/sh", "-c", f"exec {line}")
    words = shlex.split(line)
    if words[0] in {"python", "python3"}:
        return (PYTHON, *words[1:])
    if "=" in words[0]:
        return ("/bin/sh", "-c", line)
    return tuple(words)


def _npm_start(path: Path) -> str:
    if not path.is_file():
        return ""
    try:
        package = json.loads(path.read_text())
    except ValueError as error:
        raise BuildError(f"{path} is not JSON: {error}") from error
    script = (package.get("scripts") or {}).get("start", "")
    if not isinstance(script, str):
        raise BuildError(f"{path}: scripts.start must be a string")
    return f"exec {script}" if script and not _SHELL.search(script) else script


def _requirements(directory: Path) -> tuple[str, ...]:
    """Arguments for pip, relative to the bundle's source."""
    listed = directory / "requirements.txt"
    if listed.is_file():
        lines = (line.strip() for line in listed.read_text().splitlines())
        wanted = any(line and not line.startswith("#") for line in lines)
        return ("-r", "requirements.txt") if wanted else ()
    project = directory / "pyproject.toml"
    if not project.is_file():
        return ()
    try:
        table = tomllib.loads(project.read_text()).get("project") or {}
    except tomllib.TOMLDecodeError as error:
        raise BuildError(f"{project} is not TOML: {error}") from error
    if "dependencies" in (table.get("dynamic") or ()):
        return (".",)
    return tuple(table.get("dependencies") or ())
