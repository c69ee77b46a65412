"""What a directory needs before it can start, and which of its files say so. Reads, changes
nothing.

`inputs` are the files on which the installed packages depend: with the interpreter, they are the
key under which these are kept. None: they depend on anything (a package of the directory itself,
a script that an installer runs), so nothing can be kept.
"""

import json
import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utsuwa.node.images.errors import BuildError

_LOCKS = ("uv.lock", "poetry.lock", "pdm.lock")
_NESTED = re.compile(r"^(?:-r|-c|--requirement|--constraint)(?:\s+|=|(?=\S))(?P<path>\S+)")
_LOCAL = re.compile(
    r"^(?:-e|--editable|-f|--find-links)\b|file:|^\.{0,2}/|^\.{1,2}$|\s@\s+\.{0,2}/"
)
_PACKAGE = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:[\[<>=!~;@(^,#]|\s|$)")
_NODE_SCRIPTS = frozenset({"preinstall", "install", "postinstall", "prepare"})
_NODE_TOOLS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("package-lock.json", ("npm", "ci", "--no-audit", "--no-fund")),
    ("npm-shrinkwrap.json", ("npm", "ci", "--no-audit", "--no-fund")),
    ("yarn.lock", ("yarn", "install", "--frozen-lockfile", "--non-interactive")),
    ("pnpm-lock.yaml", ("pnpm", "install", "--frozen-lockfile")),
)
_NODE_UNLOCKED = ("npm", "install", "--no-audit", "--no-fund", "--omit=dev")
_NODE_SETTINGS = (".npmrc", ".yarnrc", ".yarnrc.yml", "pnpm-workspace.yaml")


@dataclass(frozen=True, slots=True)
class PythonNeeds:
    """`arguments` for `pip install`, empty where nothing is; `constraints`: versions that a lock
    file has fixed."""

    arguments: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    inputs: tuple[str, ...] | None = ()


@dataclass(frozen=True, slots=True)
class NodeNeeds:
    """The `command` that fills `node_modules`, empty where nothing is needed; `because` of which
    file."""

    command: tuple[str, ...] = ()
    because: str = ""
    inputs: tuple[str, ...] | None = ()


# --- Python ---------------------------------------------------------------------------------------


def python_needs(directory: Path) -> PythonNeeds:
    """What pip has to install.

    Raises:
        BuildError: a file that says so is broken.
    """
    if (directory / "requirements.txt").is_file():
        return _of_requirements(directory)
    project = directory / "pyproject.toml"
    if not project.is_file():
        return PythonNeeds()
    table = _toml(project)
    described = table.get("project") or {}
    if "dependencies" in (described.get("dynamic") or ()) or _by_poetry_alone(table):
        return PythonNeeds((".",), inputs=None)
    wanted = described.get("dependencies") or []
    if not isinstance(wanted, list) or not all(isinstance(one, str) for one in wanted):
        raise BuildError(f"{project}: expected project.dependencies to be a list of strings")
    local = any(_LOCAL.search(one) for one in wanted)
    pins = _pins(directory) if wanted else ()
    return PythonNeeds(tuple(wanted), pins, None if local else ())


def python_packages(directory: Path) -> frozenset[str]:
    """The names of the packages that are asked for, not of what these need in turn.

    Raises:
        BuildError: a file that says so is broken.
    """
    if (directory / "requirements.txt").is_file():
        lines = _requirement_lines(directory, "requirements.txt", [])
    else:
        lines = list(python_needs(directory).arguments)
        project = directory / "pyproject.toml"
        if lines == ["."]:
            lines += (_toml(project).get("tool") or {}).get("poetry", {}).get("dependencies") or {}
    names = set()
    for line in lines:
        if found := _PACKAGE.match(line):
            names.add(re.sub(r"[-_.]+", "-", found["name"]).lower())
            if names & {"fastapi"} and re.search(r"\[.*\b(?:standard|all)\b.*\]", line):
                names.add("uvicorn")
    return frozenset(names)


def _by_poetry_alone(table: dict[str, Any]) -> bool:
    poetry = (table.get("tool") or {}).get("poetry") or {}
    return "project" not in table and len(poetry.get("dependencies") or {}) > 1  # one is python


def _of_requirements(directory: Path) -> PythonNeeds:
    inputs: list[str] = []
    lines = list(_requirement_lines(directory, "requirements.txt", inputs))
    if not lines:
        return PythonNeeds()
    local = any(_LOCAL.search(line) or _is_path(directory, line) for line in lines)
    return PythonNeeds(("-r", "requirements.txt"), (), None if local else tuple(inputs))


def _requirement_lines(directory: Path, name: str, inputs: list[str]) -> list[str]:
    """The lines that count of a requirements file and of those it names; `inputs` gets their
    paths."""
    inputs.append(name)
    lines = []
    for raw in (directory / name).read_text(errors="replace").splitlines():
        line = raw.partition(" #")[0].strip()
        if not line or line.startswith("#"):
            continue
        lines.append(line)
        if found := _NESTED.match(line):
            nested = str(Path(name).parent / found["path"])
            if "://" in nested or nested in inputs:
                continue
            if not (directory / nested).is_file():
                raise BuildError(f"{directory / name}: names {found['path']}, which is not there")
            lines += _requirement_lines(directory, nested, inputs)
    return lines


def _is_path(directory: Path, line: str) -> bool:
    """pip takes a word for a path where it has a slash or ends as an archive does."""
    looks = "/" in line or line.endswith((".whl", ".tar.gz", ".zip"))
    return looks and os.path.exists(directory / line)


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BuildError(f"{path} is not TOML: {error}") from error


def _pins(directory: Path) -> tuple[str, ...]:
    """What a lock file fixed, `name==version` each. Where it has several versions of a package
    (one a platform), pip chooses: it knows the markers."""
    lock = next((directory / name for name in _LOCKS if (directory / name).is_file()), None)
    if lock is None:
        return ()
    versions: dict[str, set[str]] = {}
    for package in _toml(lock).get("package") or ():
        source = package.get("source") or {}
        elsewhere = {"virtual", "editable", "directory", "git", "url", "path"}
        if elsewhere & set(source) or source.get("type") in elsewhere or "version" not in package:
            continue
        versions.setdefault(str(package.get("name")), set()).add(str(package["version"]))
    return tuple(
        f"{name}=={next(iter(known))}"
        for name, known in sorted(versions.items())
        if len(known) == 1
    )


# --- Node.js --------------------------------------------------------------------------------------


def node_needs(directory: Path, *, unlocked: bool) -> NodeNeeds:
    """What fills `node_modules`. `unlocked`: also where no lock file says which versions.

    Raises:
        BuildError: package.json is broken.
    """
    package = _package(directory / "package.json")
    for lock, command in _NODE_TOOLS:
        if (directory / lock).is_file():
            return NodeNeeds(command, lock, _node_inputs(directory, package, lock))
    if unlocked and package.get("dependencies"):
        inputs = _node_inputs(directory, package, "package.json")
        return NodeNeeds(_NODE_UNLOCKED, "package.json", inputs)
    return NodeNeeds()


def _package(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        package = json.loads(path.read_text())
    except ValueError as error:
        raise BuildError(f"{path} is not JSON: {error}") from error
    if not isinstance(package, dict):
        raise BuildError(f"{path}: expected an object, found {type(package).__name__}")
    return package


def _node_inputs(directory: Path, package: dict[str, Any], lock: str) -> tuple[str, ...] | None:
    scripts = package.get("scripts") or {}
    all_of_it = json.dumps(package) + (directory / lock).read_text(errors="replace")
    if _NODE_SCRIPTS & set(scripts) or "workspaces" in package:
        return None
    if re.search(r'"(?:file|link|portal|workspace):|"link":\s*true', all_of_it):
        return None
    names = dict.fromkeys(("package.json", lock, *_NODE_SETTINGS))
    return tuple(name for name in names if (directory / name).is_file())
