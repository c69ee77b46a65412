"""Dependencies: a virtual environment or `node_modules`, once per bundle."""

import compileall
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from utsuwa.node.images.bundle import ENVIRONMENT, SOURCE, base_interpreter
from utsuwa.node.images.errors import BuildError
from utsuwa.node.images.recipe import Recipe

Progress = Callable[[str], None]
_KEPT_LINES = 15


def install(directory: Path, how: Recipe, progress: Progress) -> None:
    """Add to the bundle in `directory` what its recipe asks for.

    Raises:
        BuildError: an installer failed; its last lines are in the message.
    """
    source = directory / SOURCE
    venv = directory / ENVIRONMENT
    if how.kind == "python" and not how.install:
        _bare_environment(venv)
    if how.install:
        progress("creating a virtual environment")
        _run([base_interpreter(), "-m", "venv", str(venv)], source, progress)
        progress(f"installing {' '.join(how.install)}")
        pip = [str(venv / "bin" / "python"), "-m", "pip", "install"]
        quiet = ["--disable-pip-version-check", "--no-input", "--progress-bar=off"]
        _run([*pip, *quiet, *how.install], source, progress)
    if how.npm:
        npm = shutil.which("npm")
        if npm is None:
            raise BuildError(
                "package-lock.json asks for `npm ci`, but npm is not in PATH: install Node.js"
            )
        progress("npm ci")
        _run([npm, "ci", "--no-audit", "--no-fund"], source, progress)
    if how.kind == "python":
        # Compiled once here, not at each cold start: the tree is read-only for its pods.
        compileall.compile_dir(source, quiet=2, force=True)


def _bare_environment(venv: Path) -> None:
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
        raise BuildError(f"{' '.join(command)} failed (exit code {process.returncode}):\n{tail}")
