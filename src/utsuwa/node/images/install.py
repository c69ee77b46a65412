"""Runs the installers: pip, npm and its kin, go. Each line they print is told as it comes."""

import compileall
import ensurepip
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

from utsuwa.node.images.bundle import base_interpreter
from utsuwa.node.images.errors import BuildError
from utsuwa.node.images.needs import NodeNeeds, PythonNeeds
from utsuwa.node.images.recipe import GO_PROGRAM

Progress = Callable[[str], None]
_KEPT_LINES = 15
_CONSTRAINTS = ".utsuwa-constraints.txt"


def install_python(venv: Path, source: Path, needs: PythonNeeds, progress: Progress) -> None:
    """Make the virtual environment `venv` with what `needs` names, seen from `source`.

    Raises:
        BuildError: pip failed; its last lines are in the message.
    """
    progress("creating a virtual environment")
    python, wheel = venv / "bin" / "python", _pip_of_python()
    without = ["--without-pip"] if wheel else []
    _run([base_interpreter(), "-m", "venv", *without, str(venv)], source, progress)
    progress(f"installing {' '.join(needs.arguments)}")
    pip = [str(python), *([str(wheel / "pip")] if wheel else ["-m", "pip"]), "install"]
    quiet = ["--disable-pip-version-check", "--no-input", "--progress-bar=off"]
    constraints = source / _CONSTRAINTS
    if needs.constraints:
        constraints.write_text("\n".join(needs.constraints) + "\n")
        quiet += ["-c", _CONSTRAINTS]
    try:
        _run([*pip, *quiet, *needs.arguments], source, progress)
    finally:
        constraints.unlink(missing_ok=True)


def _pip_of_python() -> Path | None:
    """The wheel of pip that Python brings along: pip runs from it as it is, and to install it in
    each environment first takes longer than most of what it is to install."""
    given = sysconfig.get_config_var("WHEEL_PKG_DIR")
    places = [Path(ensurepip.__file__).parent / "_bundled", Path("/usr/share/python-wheels")]
    for place in [Path(given), *places] if given else places:
        if found := sorted(place.glob("pip-*.whl")):
            return found[-1]
    return None


def install_node(source: Path, needs: NodeNeeds, progress: Progress) -> None:
    """Fill `source/node_modules`.

    Raises:
        BuildError: the installer is missing, or failed.
    """
    program = shutil.which(needs.command[0])
    asked = " ".join(needs.command[:2])
    if program is None:
        what = (
            "Node.js"
            if needs.command[0] == "npm"
            else f"it with: npm install -g {needs.command[0]}"
        )
        raise BuildError(
            f"{needs.because} asks for `{asked}`, but {needs.command[0]} is not in PATH: install "
            f"{what}"
        )
    progress(asked)
    _run([program, *needs.command[1:]], source, progress)


def build_go(source: Path, package: str, progress: Progress) -> None:
    """Compile `package` to the program that the bundle starts.

    Raises:
        BuildError: go is missing, or found an error.
    """
    program = shutil.which("go")
    if program is None:
        raise BuildError(
            "go.mod asks for `go build`, but go is not in PATH: install Go, or add a Dockerfile, "
            "or an executable `start`"
        )
    command = [program, "build", "-trimpath", "-buildvcs=false", "-o", GO_PROGRAM, package]
    progress(" ".join(["go", *command[1:]]))
    _run(command, source, progress)


def compile_python(source: Path) -> None:
    """Compile what has not been compiled: once here, not at each cold start, for the tree is
    read-only for its pods. What does not compile tells so when it is imported."""
    compileall.compile_dir(source, quiet=2, maxlevels=64)


def bare_environment(venv: Path) -> None:
    """A virtual environment without packages, as PEP 405 defines one: two files.

    What happens to be installed beside the machine's Python must neither be there for one app and
    missing for the next, nor slow their starts: a crowded site-packages costs 20 ms a start.
    """
    interpreter = base_interpreter()
    programs = venv / "bin"
    programs.mkdir(parents=True)
    (programs / "python").symlink_to(interpreter)
    (programs / "python3").symlink_to("python")
    (venv / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages").mkdir(
        parents=True
    )
    (venv / "pyvenv.cfg").write_text(
        f"home = {os.path.dirname(interpreter)}\ninclude-system-site-packages = false\n"
    )


def _run(command: list[str], directory: Path, progress: Progress) -> None:
    environment = {**os.environ, "PYTHONNOUSERSITE": "1"}
    lines: list[str] = []
    with subprocess.Popen(
        command,
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.rstrip())
            progress(line.rstrip())
    if process.returncode:
        tail = "\n".join(lines[-_KEPT_LINES:])
        raise BuildError(f"{_told(command)} failed (exit code {process.returncode}):\n{tail}")


def _told(command: list[str]) -> str:
    """The command as a person would type it."""
    words = [Path(command[0]).name, *command[1:]]
    if words[1:] and words[1].endswith("/pip"):
        words = ["pip", *words[2:]]
    return " ".join(words)
