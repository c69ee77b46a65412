"""Class HPA with processes that are really busy, and what `kubectl top` says of them."""

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.e2e.conftest import Up, until

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(180)]

BUSY = """
import os, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ballast = bytearray(os.urandom(int(os.environ.get("BALLAST_MIB", "0")) << 20))
share = float(os.environ.get("BUSY", "0"))

def burn():
    while True:
        until = time.monotonic() + share / 10
        while time.monotonic() < until:
            pass
        time.sleep((1 - share) / 10)

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass

if share:
    threading.Thread(target=burn, daemon=True).start()
ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


def service(name: str, metric: str, target: str, **env: str) -> dict[str, Any]:
    """A service of class HPA with at most two pods, which asks for a tenth of a core."""
    annotations = {
        "class": "hpa.autoscaling.knative.dev", "metric": metric, "target": target,
        "min-scale": "1", "max-scale": "2",
    }  # fmt: skip
    container = {
        "image": "busy:1",
        "env": [{"name": key, "value": value} for key, value in env.items()],
        "resources": {"requests": {"cpu": "100m"}},
    }
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"template": {
            "metadata": {"annotations": {
                f"autoscaling.knative.dev/{key}": value for key, value in annotations.items()
            }},
            "spec": {"containers": [container]},
        }},
    }  # fmt: skip


def pods_of(up: Up, name: str) -> list[dict[str, Any]]:
    found = up.get("pods", "-l", f"serving.knative.dev/service={name}")["items"]
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


def decisions_of(up: Up, revision: str) -> list[dict[str, Any]]:
    path = (
        "/apis/autoscaling.internal.knative.dev/v1alpha1/namespaces/default/podautoscalers/"
        f"{revision}/decisions"
    )
    listed: dict[str, Any] = json.loads(up.kubectl("get", "--raw", path).stdout)
    items: list[dict[str, Any]] = listed["items"]
    return items


def test_pods_that_use_much_get_company_and_quiet_ones_stay_alone(up: Up, tmp_path: Path) -> None:
    """A fifth of a core where half of a tenth is wanted; 60 MiB where 20 are; and an idle one."""
    source = tmp_path / "busy"
    source.mkdir()
    (source / "main.py").write_text(textwrap.dedent(BUSY))
    up.run("build", str(source), "-t", "busy:1")
    services = [
        service("cpu", "cpu", "50", BUSY="0.2"),
        service("memory", "memory", "20", BALLAST_MIB="60"),
        service("idle", "cpu", "50"),
    ]
    manifest = tmp_path / "services.yaml"
    manifest.write_text(yaml.safe_dump_all(services))
    up.kubectl("apply", "-f", str(manifest))
    for name in ("cpu", "memory"):
        until(lambda name=name: len(pods_of(up, name)) == 2, 60, f"two pods of {name}")  # type: ignore[misc]  # bound at once
    assert len(pods_of(up, "idle")) == 1

    rows = [line.split() for line in up.kubectl("top", "pods", "--no-headers").stdout.splitlines()]
    assert len(rows) == 5
    by_service = {
        name: [row for row in rows if row[0].startswith(name)] for name in ("cpu", "idle")
    }
    busy = int(by_service["cpu"][0][1].removesuffix("m"))
    idle = int(by_service["idle"][0][1].removesuffix("m"))
    assert idle < 50
    assert idle < busy <= 400  # how much of what it asks for it gets is the machine's to say
    heavy = [int(row[2].removesuffix("Mi")) for row in rows if row[0].startswith("memory")]
    assert max(heavy) >= 60  # the second one may be filling its ballast yet
    (node,) = up.kubectl("top", "nodes", "--no-headers").stdout.splitlines()
    assert node.split()[2].endswith("%")

    grown = next(one for one in decisions_of(up, "cpu-00001") if one["desired"] == 2)
    assert grown["ratio"] > 1.1
    assert grown["reasons"][0]["sentence"].startswith("1 ready pods use")
