"""The article, from its first command to its last, with the real gcloud, kubectl and hey.

Its whole output is a golden file, `article.golden`, in which what differs from run to run is
masked. `pytest --update-golden` is not there on purpose: write the output of a failed run, which
the test leaves beside its other files, over it, and look at the difference.
"""

import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from tests.conformance.clouds import BIN
from tests.e2e.conftest import Up

pytestmark = [pytest.mark.conformance, pytest.mark.slow, pytest.mark.timeout(300)]

HERE = Path(__file__).parent
GOLDEN = HERE / "article.golden"
ADDRESS = "127.0.0.23"
MASKS = (
    (r"\x1b\[[0-9;]*m|\x1b\(B", ""),
    (r"\x1b?\[1m|\x1b?\[m", ""),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| UTC)", "TIME"),
    (r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+]\d{4}", "TIME"),
    (r"sha256:[0-9a-f]{64}", "sha256:DIGEST"),
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "UID"),
    (r"v?1\.32\.0\+utsuwa\.[0-9.]+", "VERSION"),
    (r"custom-\d+-\d+", "custom-MACHINE"),
    (r"(istio-ingressgateway|control)-(?!plane)[a-z0-9]{5}\b", r"\1-SUFFIX"),
    (r"(resourceVersion: ).*", r"\1N"),
    (r"(Resource Version: +).*", r"\1N"),
    (r"(nonce[:=] *)[a-z]+", r"\1NONCE"),
    (r"(client-version: ).*", r"\1SDK"),
    (r"(?m)^([^:\n]+ )(?:\d+[dhms])+(?= +VERSION|$)", r"\1AGE"),
    (r"\d+/\d+ +\d+ +\d+ +AGE", "N/N  N  N  AGE"),
    (r"(?m)(-0000\d +autoscale-go +\d +(?:True|False|Unknown))(?: +\d+){0,2} *$", r"\1  N  N"),
    (r"((?:Actual Replicas|Desired Replicas|Current Min Instances): +)\d+", r"\1N"),
    (r"(?m)^\S+ +(autoscale-go-0000\d) +\S+ +(autoscale-go  +TIME)", r"MARK  \1  ACTIVE  \2"),
    (r"(?ms)^(Events:\n).*?(?=^\$)", r"\1..." + "\n"),
    (r"\.{3,}\s*done", "...done"),
    (r"\.{3,}", "..."),
)


def masked(text: str) -> str:
    """Without what no two runs share; runs of blanks, which widths decide, are one."""
    for pattern, instead in MASKS:
        text = re.sub(pattern, instead, text)
    lines = [re.sub(r"(?<=\S) {2,}", "  ", line).rstrip() for line in text.splitlines()]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("client", ["gcloud", "kubectl", "hey"])
def test_its_clients_are_here(client: str) -> None:
    """So that nobody takes a skipped article for one that works."""
    if shutil.which(client) is None:
        pytest.skip(f"{client} is not installed: the article cannot be run")


def test_the_article_runs_as_it_was_typed(tmp_path: Path) -> None:
    missing = [name for name in ("gcloud", "kubectl", "hey") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    up = Up(tmp_path / "data", ("--address", ADDRESS, "--domain", "example.com")).start().ready()
    try:
        if f"https://{ADDRESS}" not in "\n".join(up.lines):
            pytest.skip(f"gcloud calls port 443 alone, and {ADDRESS}:443 could not be bound")
        done = subprocess.run(
            ["bash", str(HERE / "article.sh")],
            env={
                **up.environment,
                "PATH": f"{BIN}:{os.environ['PATH']}",
                "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
                "ARTICLE_REQUESTS": os.environ.get("ARTICLE_REQUESTS", "600"),
                "ARTICLE_CONNECTIONS": os.environ.get("ARTICLE_CONNECTIONS", "100"),
            },
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, timeout=280, check=False,
        )  # fmt: skip
    finally:
        up.stop()
    host = socket.gethostname().lower().split(".")[0]
    found = masked(re.sub(rf"(?m)^{re.escape(host)}(?= )", "HOST", done.stdout))
    (tmp_path / "article.golden").write_text(found)
    assert done.returncode == 0, done.stdout
    assert found == GOLDEN.read_text(), f"differs; the output is {tmp_path / 'article.golden'}"
