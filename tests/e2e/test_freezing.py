"""The idle ladder with real processes: a pod that nobody needs stands still, and runs again for
the first who does. Acceptance A16."""

import http.client
import json
import os
import re
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import Up, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

APP = """
import http.server, os, random, threading, time

life, ticks = random.randrange(1 << 60), 0

def tick():
    global ticks
    while True:
        ticks += 1
        time.sleep(0.001)

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        time.sleep(float(self.path.strip("/") or 0))
        body = f"{life} {ticks}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

time.sleep(float(os.environ.get("SLOW", "0")))
threading.Thread(target=tick, daemon=True).start()
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
HOST = "web.default.localhost"


def service(*, slow: float = 0, scale: int = 1, **container: Any) -> str:
    annotations = {
        "utsuwa.dev/freeze-after": "1s",
        "autoscaling.knative.dev/min-scale": str(scale),
    }
    env = [{"name": "SLOW", "value": str(slow)}]
    spec = {"containers": [{"image": "web:1", "env": env, **container}]}
    return json.dumps(
        {
            "apiVersion": "serving.knative.dev/v1",
            "kind": "Service",
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {"template": {"metadata": {"annotations": annotations}, "spec": spec}},
        }
    )


@pytest.fixture
def web(up: Up, tmp_path: Path) -> Up:
    """A cluster with an app that counts for as long as it runs; deployed by each test."""
    app = tmp_path / "app"
    app.mkdir()
    (app / "main.py").write_text(APP)
    up.run("build", str(app), "-t", "web:1")
    return up


def deploy(up: Up, manifest: str) -> None:
    path = up.data_dir.parent / "service.json"
    path.write_text(manifest)
    up.kubectl("apply", "-f", str(path))
    up.kubectl("wait", "--for=condition=Ready", "--timeout=60s", "service.serving.knative.dev/web")


def conditions(up: Up) -> list[dict[str, Any]]:
    """Those of the only pod, by type; none while there is not exactly one."""
    pods = up.get("pods")["items"]
    return [
        {one["type"]: one for one in pod.get("status", {}).get("conditions", [])} for pod in pods
    ]


def frozen(up: Up, count: int = 1) -> bool:
    found = [one.get("utsuwa.dev/Frozen", {}).get("status") for one in conditions(up)]
    return found == ["True"] * count


def ask(up: Up, path: str = "/") -> tuple[int, int]:
    """The process that answers, by a number of its own, and how often it has ticked."""
    status, body = up.call(HOST, path)
    assert status == 200, body
    life, ticks = body.split()
    return int(life), int(ticks)


def pid_of_pod(up: Up) -> int:
    """As the machine counts; the pod itself may count otherwise."""
    (record,) = (up.data_dir / "pods").glob("*.json")
    (container,) = json.loads(record.read_text())["containers"].values()
    return int(container["pid"])


def cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_a_pod_that_nobody_needs_stands_still_until_somebody_does(web: Up) -> None:
    """Its memory stays, its processor time does too; kubectl shows it; it answers as it was."""
    deploy(web, service())
    life, _ = ask(web)
    until(lambda: frozen(web), 20, "frozen")

    line = web.kubectl("get", "pods", "--no-headers").stdout.split()
    assert line[1:3] == ["1/1", "Frozen"]
    pid = pid_of_pod(web)
    before = cpu_ticks(pid)
    time.sleep(1.0)  # a thread of it wakes a thousand times a second when it runs
    assert cpu_ticks(pid) == before

    connection = http.client.HTTPConnection("127.0.0.1", web.gateway_port, timeout=30)
    connection.request("GET", "/", headers={"Host": HOST, "Utsuwa-Cold-Start-Receipt": "1"})
    answer = connection.getresponse()
    assert answer.status == 200
    assert int(answer.read().split()[0]) == life
    connection.close()
    timing = answer.headers["Server-Timing"]
    found = dict(re.findall(r"([a-z-]+);dur=([\d.]+)", timing))
    assert list(found) == ["cold-start", "thaw", "first-byte"]
    until(lambda: not frozen(web), 10, "thawed")
    assert web.get("pods")["items"][0]["status"]["conditions"][-1]["reason"] == "Requested"
    until(lambda: "thaw" in web.run("explain", "web").stdout, 10, "explained")


def test_what_is_in_use_is_not_frozen(web: Up) -> None:
    """Not a request that takes three times as long as a pod may be idle, not one before it is
    ready, however long that takes."""
    deploy(web, service(slow=3))
    until(lambda: frozen(web), 20, "frozen")
    told = conditions(web)[0]
    assert told["Ready"]["status"] == "True"
    assert told["utsuwa.dev/Frozen"]["lastTransitionTime"] >= told["Ready"]["lastTransitionTime"]
    _, before = ask(web)
    _, after = ask(web, "/3")
    assert after - before > 500, "it stood while somebody waited"


def test_ends_like_any_other(web: Up) -> None:
    """SIGTERM reaches a pod that stands, and it goes at once."""
    deploy(web, service())
    pid = pid_of_pod(web)
    until(lambda: frozen(web), 20, "frozen")
    web.kubectl("delete", "service.serving.knative.dev", "web")
    until(lambda: not web.get("pods")["items"], 10, "the pod is gone")
    assert not Path(f"/proc/{pid}").exists()


def test_nobody_else_is_needed_to_thaw_it(web: Up) -> None:
    """With control stopped, the gateway thaws; a new control and a new gateway find it frozen."""
    deploy(web, service())
    life, _ = ask(web)
    until(lambda: frozen(web), 20, "frozen")

    control = web.pid_of("control")
    os.kill(control, signal.SIGSTOP)
    try:
        assert ask(web)[0] == life
    finally:
        os.kill(control, signal.SIGCONT)
    until(lambda: not frozen(web), 10, "thawed")
    until(lambda: frozen(web), 20, "frozen again")

    os.kill(control, signal.SIGKILL)
    until(lambda: web.pid_of("control") != control, 20, "another control")
    until(lambda: web.kubectl("get", "pods", check=False).returncode == 0, 20, "it answers")
    until(lambda: frozen(web), 20, "adopted as it was")
    gateway = web.pid_of("gateway")
    os.kill(gateway, signal.SIGKILL)
    until(lambda: web.pid_of("gateway") != gateway, 20, "another gateway")
    assert ask(web)[0] == life
    until(lambda: not frozen(web), 10, "thawed by the new gateway, told to the new control")


def test_a_command_in_it_wakes_it(web: Up) -> None:
    """kubectl exec and port-forward, and it rests again afterwards."""
    deploy(web, service())
    until(lambda: frozen(web), 20, "frozen")
    name = web.get("pods")["items"][0]["metadata"]["name"]
    assert web.kubectl("exec", name, "--", "echo", "here").stdout.strip() == "here"
    until(lambda: frozen(web), 20, "frozen again")


def test_probes_let_it_rest(web: Up) -> None:
    """A liveness probe asks nothing of it while it stands, so it is not restarted for it."""
    probe = {"httpGet": {"path": "/"}, "periodSeconds": 1, "failureThreshold": 3}
    deploy(web, service(livenessProbe=probe))
    until(lambda: frozen(web), 20, "frozen")
    time.sleep(4)
    assert frozen(web)
    assert web.get("pods")["items"][0]["status"]["containerStatuses"][0]["restartCount"] == 0
    with socket.create_connection(("127.0.0.1", web.gateway_port)):
        assert ask(web)[0]


def test_several_gateways_need_it_together(tmp_path: Path) -> None:
    """It rests once none of them needs it, and each of them wakes it."""
    up = Up(tmp_path / "data", ("--gateway-workers", "2")).start().ready()
    try:
        app = tmp_path / "app"
        app.mkdir()
        (app / "main.py").write_text(APP)
        up.run("build", str(app), "-t", "web:1")
        deploy(up, service())
        for _ in range(3):
            assert len({ask(up)[0] for _ in range(8)}) == 1
            until(lambda: frozen(up), 20, "frozen")
        logs = [path.read_text() for path in (up.data_dir / "logs").glob("gateway-*.log")]
        assert len(logs) == 2
        assert not any("never frozen" in text or "not thawed" in text for text in logs)
    finally:
        up.stop()
