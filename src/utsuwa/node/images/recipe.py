"""How a directory is started, and what it needs first. Reads a few files, changes none.

Order: `Procfile` (`web:`), `main.py` or `app.py`, `package.json` (`scripts.start`), an executable
named `start`, `go.mod`.
"""

import json
import re
import shlex
import sys
from dataclasses import dataclass, field
from pathlib import Path

from utsuwa.node.images.errors import BuildError
from utsuwa.node.images.needs import (
    NodeNeeds,
    PythonNeeds,
    node_needs,
    python_needs,
    python_packages,
)
from utsuwa.node.images.webapp import server_of

PYTHON = "{python}"
"""Stands in a command for the bundle's interpreter."""
GO_PROGRAM = "utsuwa-go-program"
"""What `go build` makes."""

_LOOKED_FOR = (
    "Procfile (web: …), main.py, app.py, package.json (scripts.start), start (executable), go.mod"
)
_SHELL = re.compile(r"[|&;<>()`*?\[\]~#\n]|\$\(")


@dataclass(frozen=True, slots=True)
class Recipe:
    """Start command, kind of runtime and dependencies of a bundle. `go`: the package that
    `go build` makes the program of, empty where there is none."""

    command: tuple[str, ...]
    kind: str
    source: str
    python: PythonNeeds = field(default_factory=PythonNeeds)
    node: NodeNeeds = field(default_factory=NodeNeeds)
    go: str = ""

    @property
    def resolved(self) -> str:
        """What the digest must cover besides the files."""
        install = self.python.arguments
        version = f"{sys.version_info[0]}.{sys.version_info[1]}" if install else ""
        return json.dumps([self.command, self.kind, install, version, bool(self.node.command)])


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
        python=python_needs(directory),
        node=node_needs(directory, unlocked=kind == "node"),
        go=_go_package(directory) if kind == "go" else "",
    )


def _start(directory: Path) -> tuple[tuple[str, ...], str, str]:
    line = _procfile(directory / "Procfile")
    if line:
        return _shell_words(line), _kind(directory), "Procfile"
    for name in ("main.py", "app.py"):
        if (directory / name).is_file():
            served = server_of(directory / name, python_packages(directory))
            command = ("/bin/sh", "-c", served) if served else (PYTHON, "-u", name)
            return command, "python", f"app of {name}" if served else name
    script = _npm_start(directory / "package.json")
    if script:
        return ("/bin/sh", "-c", script), "node", "package.json"
    start = directory / "start"
    if start.is_file():
        if not start.stat().st_mode & 0o100:
            raise BuildError(f"{start} is not executable: chmod +x {start}")
        return ("./start",), "command", "start"
    if (directory / "go.mod").is_file():
        return (f"./{GO_PROGRAM}",), "go", "go.mod"
    found = ", ".join(sorted(path.name for path in directory.iterdir())[:10]) or "nothing"
    raise BuildError(
        f"{directory}: nothing says how to start it. Looked for {_LOOKED_FOR}; found {found}"
    )


def _kind(directory: Path) -> str:
    if (directory / "package.json").is_file():
        return "node"
    python = ("requirements.txt", "pyproject.toml", "main.py", "app.py")
    return "python" if any((directory / name).is_file() for name in python) else "command"


def _go_package(directory: Path) -> str:
    """What to build: the top where it has a program, else the only one below `cmd`."""
    for file in sorted(directory.glob("*.go")):
        if re.search(r"^package main\b", file.read_text(errors="replace"), re.MULTILINE):
            return "."
    programs = sorted({path.parent.name for path in directory.glob("cmd/*/*.go")})
    if len(programs) == 1:
        return f"./cmd/{programs[0]}"
    found = f"cmd/ has {', '.join(programs)}" if programs else "no file has `package main`"
    raise BuildError(
        f"{directory}: expected one Go program, at the top or below cmd/; {found}. Add an "
        "executable `start`, or a Dockerfile"
    )


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
