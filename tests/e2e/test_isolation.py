"""What a pod of a bundle sees of the machine and of the cluster that runs it, and what it sees
where isolation is not wanted."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import Up, until

from utsuwa.node import enclosure

MINE = Path(f"/tmp/utsuwa-test-{os.getpid()}")

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

APP = """
import http.server, json, os, pathlib, sys

def tried(work):
    try:
        return work()
    except OSError as error:
        return type(error).__name__

def look():
    data = pathlib.Path(os.environ["DATA_DIR"])
    mine = pathlib.Path(os.environ["MINE"])
    told = {
        "uid": os.getuid(),
        "pids": [int(name) for name in os.listdir("/proc") if name.isdigit()],
        "me": os.getpid(),
        "etc": os.access("/etc", os.W_OK),
        "here": tried(lambda: pathlib.Path("written").write_text("x")),
        "kubeconfig": tried(lambda: len((data / "kubeconfig").read_text())),
        "listing": tried(lambda: sorted(os.listdir(data))),
        "earlier": tried(lambda: mine.read_text()),
        "python": sys.version_info[0],
    }
    tried(lambda: mine.write_text(str(os.getpid())))
    return told

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps(look()).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


@pytest.fixture
def web(up: Up, tmp_path: Path) -> Up:
    (tmp_path / "probe").mkdir()
    if why := enclosure.is_possible(tmp_path / "probe", []):
        pytest.skip(f"no isolation here: {why}")
    source = tmp_path / "source"
    source.mkdir()
    (source / "main.py").write_text(APP)
    up.run("build", str(source), "-t", "web:1")
    return up


def apply(up: Up, manifest: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    path = up.data_dir.parent / "service.json"
    path.write_text(json.dumps(manifest))
    return up.kubectl("apply", "-f", str(path), check=False)


def look(up: Up, name: str, **annotations: str) -> dict[str, Any]:
    """What a new Service sees at its first request."""
    env = [
        {"name": "DATA_DIR", "value": str(up.data_dir)},
        {"name": "MINE", "value": str(MINE)},
    ]
    container = {"image": "web:1", "env": env}
    template = {
        "metadata": {"annotations": {f"utsuwa.dev/{key}": annotations[key] for key in annotations}},
        "spec": {"containers": [container]},
    }
    manifest = {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"template": template},
    }
    assert apply(up, manifest).returncode == 0
    up.kubectl("wait", "--for=condition=Ready", f"ksvc/{name}", "--timeout=60s")
    return again(up, name)


def again(up: Up, name: str) -> dict[str, Any]:
    status, body = up.call(f"{name}.default.localhost")
    assert status == 200, body
    told: dict[str, Any] = json.loads(body)
    return told


def test_a_pod_sees_what_it_needs(web: Up) -> None:
    """Its own processes, its own `/tmp`, its own bundle; nothing of the cluster, no more rights
    than a stranger. `kubectl exec` is inside, too."""
    told = look(web, "web")
    assert told["uid"] >= 1_900_000_000
    assert told["me"] in told["pids"]
    assert len(told["pids"]) <= 4
    assert not told["etc"]
    assert told["here"] == 1
    assert told["kubeconfig"] in {"FileNotFoundError", "PermissionError"}
    assert "images" in told["listing"]
    assert "state.db" not in told["listing"]
    assert told["earlier"] == "FileNotFoundError"
    assert again(web, "web")["earlier"] == str(told["me"])
    assert not MINE.exists()

    pod = web.get("pods")["items"][0]["metadata"]["name"]
    command = f"id -u; cat {MINE}"
    inside = web.kubectl("exec", pod, "--", "sh", "-c", command).stdout.split()
    assert inside == [str(told["uid"]), str(told["me"])]


def test_a_new_control_finds_it_and_ends_it(web: Up) -> None:
    """All of its tree of processes."""
    before = look(web, "web")
    (record,) = (web.data_dir / "pods").glob("*.json")
    (container,) = json.loads(record.read_text())["containers"].values()
    control = web.pid_of("control")
    os.kill(control, 9)
    until(lambda: web.pid_of("control") != control, 20, "another control")
    until(lambda: web.kubectl("get", "pods", check=False).returncode == 0, 20, "it answers")
    assert again(web, "web")["earlier"] == str(before["me"]), "the same process"
    web.kubectl("delete", "ksvc", "web")
    until(lambda: not web.get("pods")["items"], 20, "the pod is gone")
    pids = (container["pid"], container["first"]["pid"])
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), 10, "all have ended")


def test_without_isolation_it_sees_the_machine(web: Up) -> None:
    """By the annotation of its template."""
    told = look(web, "open", isolation="none")
    assert told["uid"] == os.getuid()
    assert os.getpid() in told["pids"]
    assert told["kubeconfig"] > 0
    MINE.unlink()  # it is the machine's


def test_another_value_of_the_annotation_is_refused(web: Up) -> None:
    """With what is expected."""
    manifest = {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "template": {
                "metadata": {"annotations": {"utsuwa.dev/isolation": "off"}},
                "spec": {"containers": [{"image": "web:1"}]},
            }
        },
    }
    refused = apply(web, manifest)
    assert "expected one of auto, none" in refused.stderr
