"""README is the script: its marked blocks are run, in order, against a real cluster."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.conftest import IN_ONE_SHELL, ROOT, Up, at_home

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(240)]

ADDRESS = "127.0.0.19"
"""Of this cluster's ports 80 and 443, which gcloud needs."""
_BLOCK = re.compile(r"<!-- tested(?:: (?P<needs>\w+))? -->\n```sh\n(?P<script>.*?)```", re.DOTALL)
BLOCKS = [
    (m["needs"] or "", m["script"]) for m in _BLOCK.finditer((ROOT / "README.md").read_text())
]
SHORT_WINDOWS = '{"data":{"stable-window":"6s","scale-to-zero-grace-period":"1s"}}'


@pytest.fixture
def readme() -> Iterator[Up]:
    """A cluster where README expects it: in the user's state directory."""
    with at_home(ADDRESS) as up:
        yield up


def script_of(up: Up) -> str:
    """Every block that can run here, with the ports of this cluster, in one shell."""
    lines = [*IN_ONE_SHELL]
    for needs, script in BLOCKS:
        if not missing(up, needs):
            lines.append(script)
    return "\n".join(lines).replace(":8080", f":{up.gateway_port}")


def missing(up: Up, client: str) -> str:
    """Why a block that needs `client` cannot be run; "" when it can."""
    if not client:
        return ""
    if shutil.which(client) is None:
        return f"{client} is not installed"
    if client == "gcloud" and f"https://{ADDRESS}" not in "\n".join(up.lines):
        return f"gcloud calls port 443 alone, and {ADDRESS}:443 could not be bound"
    return ""


def environment(up: Up) -> dict[str, str]:
    """A shell in which nothing is set but what README sets."""
    left_out = {
        "KUBECONFIG", "UTSUWA_DATA_DIR", "XDG_STATE_HOME",
        "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
    }  # fmt: skip
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    path = f"{Path(sys.executable).parent}:{kept['PATH']}"
    return {**kept, "HOME": str(up.user_home), "PATH": path, "CLOUDSDK_CORE_DISABLE_PROMPTS": "1"}


def test_what_readme_tells_to_type_works(readme: Up) -> None:
    """Copied from top to bottom, every command of README succeeds, and curl shows what README
    shows. Windows are shortened, so that zero is not a minute away."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed: README's commands need it")
    patch = ("patch", "cm", "config-autoscaler", "-n", "knative-serving", "--type", "merge", "-p")
    readme.kubectl(*patch, SHORT_WINDOWS)
    done = subprocess.run(
        ["bash", "-c", script_of(readme)],
        cwd=ROOT, env=environment(readme), capture_output=True, text=True,
        timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "Hello World!\nThis is hello-00001.\n" in done.stdout
    assert "Hello again!\nThis is hello-00002.\n" in done.stdout
    assert "Error distribution" not in done.stdout  # hey's heading above failed requests
    skipped = [why for needs, _ in BLOCKS if (why := missing(readme, needs))]
    if skipped:
        pytest.skip(f"the rest of README works; not tried: {'; '.join(skipped)}")
