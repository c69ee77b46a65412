"""docs/guides/domains.md is the script: its blocks are run, in order, in one shell."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conformance.clouds import BIN
from tests.e2e.conftest import ROOT, SAMPLES, Up, at_home

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(240)]

BLOCKS = re.findall(
    r"^```sh\n(.*?)^```",
    (ROOT / "docs" / "guides" / "domains.md").read_text(),
    re.DOTALL | re.MULTILINE,
)
UNTIL_REDIRECTED = """
until curl -s -o /dev/null -w '%{http_code}' http://hello.default.localhost:8080 | grep 301
do sleep 0.1
done
"""


@pytest.fixture
def guide() -> Iterator[Up]:
    """A cluster in the user's state directory, with the Service that the page asks for."""
    with at_home() as up:
        up.run("deploy", "hello", "--source", str(SAMPLES / "hello"))
        yield up


def test_the_page_works(guide: Up, tmp_path: Path) -> None:
    for tool in ("kubectl", "curl", "openssl"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed: the page needs it")
    lines = [
        "set -euo pipefail",
        "trap 'echo \"failed: $BASH_COMMAND\" >&2' ERR",
        "export KUBECONFIG=~/.local/state/utsuwa/kubeconfig",
        *BLOCKS,
        UNTIL_REDIRECTED,
    ]
    script = "\n".join(lines).replace(":8080", f":{guide.gateway_port}")
    left_out = {"KUBECONFIG", "UTSUWA_DATA_DIR", "XDG_STATE_HOME", "CURL_CA_BUNDLE"}
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    done = subprocess.run(
        ["bash", "-c", script.replace(":8443", f":{guide.https_port}")],
        cwd=tmp_path, env={**kept, "HOME": str(guide.user_home), "PATH": f"{BIN}:{kept['PATH']}"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert done.stdout.count("Hello World!") == 3
    assert len(BLOCKS) >= 6
