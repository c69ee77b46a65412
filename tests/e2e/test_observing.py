"""docs/guides/observing.md is the script: its marked blocks are run, in order, in one shell."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.e2e.conftest import ROOT, Up

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(180)]

_BLOCK = re.compile(r"<!-- tested(?:: (?P<needs>\w+))? -->\n```sh\n(?P<script>.*?)```", re.DOTALL)
BLOCKS = [
    (m["needs"] or "", m["script"])
    for m in _BLOCK.finditer((ROOT / "docs" / "guides" / "observing.md").read_text())
]


def script_of(up: Up) -> str:
    lines = ["set -euo pipefail", "trap 'echo \"failed: $BASH_COMMAND\" >&2' ERR"]
    lines += [script for needs, script in BLOCKS if not needs or shutil.which(needs)]
    return "\n".join(lines).replace(":8080", f":{up.gateway_port}")


def test_every_block_does_what_it_says(up: Up, tmp_path: Path) -> None:
    """One that fails is named."""
    tools = tmp_path / "bin"
    tools.mkdir()
    launcher = tools / "utsuwa"
    launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m utsuwa.cli "$@"\n')
    launcher.chmod(0o755)
    environment = {**up.environment, "PATH": f"{tools}:{up.environment['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", script_of(up)], cwd=ROOT, env=environment, capture_output=True, text=True,
        timeout=150, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "auto-00001: 1 ready" in done.stdout


@pytest.mark.parametrize("tool", sorted({needs for needs, _ in BLOCKS if needs}))
def test_the_tools_of_its_blocks_are_there(tool: str) -> None:
    """A block that was not run is seen to be skipped."""
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed: its block was not run")
