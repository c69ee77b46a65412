"""docs/clients.md is the script: its marked blocks are run, in order, in one shell."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec

import pytest
from tests.conformance.clouds import BIN
from tests.e2e.conftest import IN_ONE_SHELL, ROOT, Up, at_home

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]

ADDRESS = "127.0.0.24"
_BLOCK = re.compile(
    r"<!-- tested(?:: (?P<needs>\w+))? -->\n```(?P<kind>sh|python)\n(?P<script>.*?)```", re.DOTALL
)
BLOCKS = [
    (m["needs"] or "", m["kind"], m["script"])
    for m in _BLOCK.finditer((ROOT / "docs" / "clients.md").read_text())
]


@pytest.fixture
def clients() -> Iterator[Up]:
    """A cluster in the user's state directory, where `utsuwa env` looks."""
    with at_home(ADDRESS) as up:
        yield up


def missing(up: Up, client: str) -> str:
    """Why a block that needs `client` cannot be run; "" when it can."""
    if client == "python":
        return "" if find_spec("kubernetes") else "the Python client is not installed"
    if client and shutil.which(client) is None:
        return f"{client} is not installed"
    if client == "gcloud" and f"https://{ADDRESS}" not in "\n".join(up.lines):
        return f"gcloud calls port 443 alone, and {ADDRESS}:443 could not be bound"
    return ""


def script_of(up: Up) -> str:
    """Every block that can run here, with the ports of this cluster."""
    lines = [*IN_ONE_SHELL]
    for needs, kind, script in BLOCKS:
        if not missing(up, needs):
            lines.append(script if kind == "sh" else f"python - <<'PYTHON'\n{script}PYTHON")
    text = "\n".join(lines).replace(":8080", f":{up.gateway_port}")
    return text.replace(":6443", f":{up.api_port}")


def test_every_client_has_a_block() -> None:
    """What the page promises is there to be run."""
    needed = {needs for needs, _, _ in BLOCKS}
    assert needed == {"", "kubectl", "gcloud", "kn", "hey", "python"}


def test_the_page_works(clients: Up) -> None:
    left_out = {"KUBECONFIG", "UTSUWA_DATA_DIR", "XDG_STATE_HOME"}
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    done = subprocess.run(
        ["bash", "-c", script_of(clients)],
        cwd=ROOT,
        env={
            **kept, "HOME": str(clients.user_home), "PATH": f"{BIN}:{kept['PATH']}",
            "SHELL": "/bin/bash", "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        },
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "[200]\t200 responses" in done.stdout
    skipped = [why for needs, _, _ in BLOCKS if (why := missing(clients, needs))]
    if skipped:
        pytest.skip(f"the rest of the page works; not tried: {'; '.join(skipped)}")
