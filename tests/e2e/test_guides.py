"""The guides are scripts: their marked blocks are run, in order, each guide on a cluster of its own."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.conftest import IN_ONE_SHELL, ROOT, Up, at_home
from tests.e2e.test_readme import environment

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(200)]

GUIDES = ROOT / "docs" / "guides"
_BLOCK = re.compile(r"<!-- tested(?:: (?P<needs>\w+))? -->\n```sh\n(?P<script>.*?)```", re.DOTALL)
FIRST = {
    "access.md": "kubectl create namespace shop",
    "domains.md": "utsuwa deploy hello --source samples/hello",
    "scaling.md": "utsuwa deploy hello --source samples/hello",
    "traffic.md": (
        "utsuwa deploy hello --source samples/hello\nutsuwa deploy hello --env TARGET=again"
    ),
}
"""What the guide takes for granted."""
SHORTER = {"-z 30s": "-z 3s"}


def blocks(guide: Path) -> list[str]:
    """The scripts whose clients are here."""
    return [
        m["script"]
        for m in _BLOCK.finditer(guide.read_text())
        if m["needs"] is None or shutil.which(m["needs"])
    ]


TESTED = sorted(guide.name for guide in GUIDES.glob("*.md") if _BLOCK.search(guide.read_text()))


@pytest.fixture
def home() -> Iterator[Up]:
    """A cluster where guides expect it: in the user's state directory."""
    with at_home() as up:
        yield up


def script_of(guide: str, up: Up) -> str:
    lines = [
        *IN_ONE_SHELL,
        "export KUBECONFIG=~/.local/state/utsuwa/kubeconfig",
        FIRST.get(guide, ""),
        *blocks(GUIDES / guide),
    ]
    text = "\n".join(lines).replace(":8080", f":{up.gateway_port}")
    for long, short in SHORTER.items():
        text = text.replace(long, short)
    text = text.replace(":9464", f":{up.metrics_port}")
    return text.replace(":8443", f":{up.https_port}")


def test_most_guides_are_tried() -> None:
    """Guards the test below against a form of marks that it does not know."""
    assert len(TESTED) >= 6


@pytest.mark.parametrize("guide", TESTED)
def test_what_a_guide_tells_to_type_works(guide: str, home: Up, tmp_path: Path) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed: the guides' commands need it")
    work = tmp_path / "clone"
    work.mkdir()
    (work / "samples").symlink_to(ROOT / "samples")
    done = subprocess.run(
        ["bash", "-c", script_of(guide, home)],
        cwd=work, env=environment(home), capture_output=True, text=True,
        timeout=160, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
