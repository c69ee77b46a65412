"""What goes wrong is said where people look: in the answer, and in `kubectl get ksvc`.

Acceptance tests A5, A6 and A7. How soon it is said is measured and shown (`pytest -rP`), and not
asserted: a slow machine is no failure.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import Up, until

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(180)]

WINDOWS = '{"data":{"stable-window":"6s","scale-to-zero-grace-period":"1s"}}'

CRASHES = """
import sys
print("starting", flush=True)
print("cannot reach the database at db:5432", file=sys.stderr)
raise SystemExit(1)
"""

NEVER_READY = """
import os
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(503)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass

HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""

PROBED = """
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: warming}
spec:
  template:
    metadata:
      annotations: {serving.knative.dev/progress-deadline: 5s}
    spec:
      containers:
        - image: "warming:1"
          readinessProbe: {httpGet: {path: /health}, periodSeconds: 1}
"""


def built(up: Up, directory: Path, name: str, source: str) -> str:
    """The reference of a bundle that runs `source`."""
    directory.mkdir()
    (directory / "main.py").write_text(source)
    up.run("build", str(directory), "-t", f"{name}:1")
    return f"{name}:1"


def ready(up: Up, name: str, kind: str = "ksvc") -> dict[str, Any]:
    """The condition Ready, or nothing."""
    conditions = up.get(kind, name).get("status", {}).get("conditions", [])
    found: dict[str, Any] = next((one for one in conditions if one["type"] == "Ready"), {})
    return found


@contextmanager
def measured(what: str) -> Iterator[None]:
    begin = time.monotonic()
    yield
    print(f"{what}: {time.monotonic() - begin:.2f} s")


def is_false(up: Up, name: str) -> Callable[[], bool]:
    return lambda: ready(up, name).get("status") == "False"


def test_an_image_that_is_gone_is_said_by_the_next_request_and_by_the_service(hello: Up) -> None:
    """A5. And when the image is back, so is the service."""
    patch = ("patch", "cm", "config-autoscaler", "-n", "knative-serving", "--type=merge")
    hello.kubectl(*patch, "-p", WINDOWS)
    assert hello.call("hello.default.localhost")[0] == 200
    until(lambda: not hello.get("pods")["items"], 60, "zero pods")
    bundles = hello.data_dir / "images" / "bundles"
    away = hello.data_dir / "away"
    shutil.copytree(bundles, away, symlinks=True)
    remove(bundles)
    with measured("answer to the next request"):
        status, body = hello.call("hello.default.localhost")
    assert status == 503
    assert "image" in body
    with measured("condition of the Service"):
        until(is_false(hello, "hello"), 30, "Ready False")
    message = ready(hello, "hello")["message"]
    assert "hello" in message
    assert "not found" in message or "not there" in message
    assert "image" in hello.kubectl("get", "ksvc", "hello").stdout
    shutil.copytree(away, bundles, symlinks=True, dirs_exist_ok=True)
    until(lambda: hello.call("hello.default.localhost")[0] == 200, 60, "served again")
    until(lambda: ready(hello, "hello").get("status") == "True", 30, "Ready True")


def remove(tree: Path) -> None:
    """Bundles are read-only, so that nobody changes them by accident."""
    for directory in [tree, *(path for path in tree.rglob("*") if path.is_dir())]:
        directory.chmod(0o700)
    shutil.rmtree(tree)


def test_an_app_that_exits_is_said_with_its_code_and_its_last_line(up: Up, tmp_path: Path) -> None:
    """A6."""
    image = built(up, tmp_path / "crash", "crash", CRASHES)
    up.run("deploy", "crash", "--image", image, "--timeout", "30", check=False)
    with measured("condition of the Service"):
        until(is_false(up, "crash"), 30, "Ready False")
    for kind in ("ksvc", "configuration", "revision"):
        shown = up.kubectl("get", kind).stdout
        assert "False" in shown
        assert "cannot reach the database at db:5432" in shown, shown
        assert "ExitCode1" in shown, shown


def test_readiness_that_never_passes_is_false_with_the_probes_result(
    up: Up, tmp_path: Path
) -> None:
    """A7."""
    built(up, tmp_path / "warming", "warming", NEVER_READY)
    manifest = tmp_path / "warming.yaml"
    manifest.write_text(PROBED)
    up.kubectl("apply", "-f", str(manifest))
    with measured("condition of the Service, with a progress deadline of 5 s"):
        until(is_false(up, "warming"), 60, "Ready False")
    shown = up.kubectl("get", "ksvc").stdout
    assert "503" in shown, shown
    revision = ready(up, "warming-00001", "revision")
    assert (revision["status"], revision["reason"]) == ("False", "ProgressDeadlineExceeded")
    assert "503" in revision["message"]
