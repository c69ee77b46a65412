"""Requests made up from our own OpenAPI documents: whatever is sent, the answer is as documented.

The same requests each time; `make schemathesis` makes up new ones for as long as it is told to. Watches are left out: they answer for as long
as the client asks, which is their own tests' subject.
"""

import asyncio
import base64
import importlib.util
import json
import os
import sys
from pathlib import Path

import pytest
import yaml

from utsuwa.testing.apiserver import Serving

pytestmark = [pytest.mark.conformance, pytest.mark.slow, pytest.mark.timeout(900)]

CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance",
    "response_schema_conformance",
)  # fmt: skip
ENDLESS = frozenset({"watch", "allowWatchBookmarks", "sendInitialEvents"})
SECONDS = int(os.environ.get("SECONDS_EACH", "0"))
"""To try, with new requests each time; 0: a number of requests, the same ones each time."""


@pytest.mark.parametrize("version", ["api/v1", "apis/apps/v1", "apis/serving.knative.dev/v1"])
async def test_what_is_documented_holds(api: Serving, tmp_path: Path, version: str) -> None:
    """No 5xx, no hang, no answer that the document does not tell of."""
    if importlib.util.find_spec("schemathesis") is None:
        pytest.skip("schemathesis is not installed: nothing here tries what nobody thought of")
    async with api.http.get(f"/openapi/v3/{version}") as response:
        document = await response.json()
    for path in document["paths"].values():
        for method, operation in path.items():
            if method != "parameters":
                operation["parameters"] = [
                    one for one in operation["parameters"] if one["name"] not in ENDLESS
                ]
    (tmp_path / "document.json").write_text(json.dumps(document))
    keys = credentials(api.kubeconfig, tmp_path)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "schemathesis.cli", "run", "document.json", "--url", api.url, *keys,
        *bounds(),
        "--seed", "1", "--no-shrink", "--request-timeout", "10", "--checks", ",".join(CHECKS),
        "--warnings", "off", "--continue-on-failure", "--no-color",
        cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()
    assert b" generated, " in out, out.decode()


def bounds() -> tuple[str, ...]:
    """What ends a run: the examples are through, or the time is up."""
    if SECONDS:
        return ("--phases", "coverage,fuzzing", "--max-examples", "10", "--max-time", str(SECONDS))
    return ("--phases", "fuzzing", "--max-examples", "4", "--generation-deterministic")


def credentials(kubeconfig: Path, folder: Path) -> list[str]:
    """The kubeconfig's certificates as files, and the options that name them."""
    config = yaml.safe_load(kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    files = {
        "--tls-verify": cluster["certificate-authority-data"],
        "--request-cert": user["client-certificate-data"],
        "--request-cert-key": user["client-key-data"],
    }
    options: list[str] = []
    for number, (option, data) in enumerate(files.items()):
        file = folder / f"{number}.pem"
        file.write_bytes(base64.b64decode(data))
        options += [option, str(file)]
    return options
