"""Pods from a warm parent, as a user sees them: the real `utsuwa up`, kubectl and a client."""

import http.client
import json
import os
import signal
from typing import Any

import pytest
from tests.e2e.conftest import SAMPLES, Up, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


@pytest.fixture
def warm(up: Up) -> Up:
    """The sample, whose manifest asks for it, with its parent ready, at zero."""
    data = '{"data":{"stable-window":"6s","scale-to-zero-grace-period":"1s"}}'
    config = ("-n", "knative-serving", "patch", "cm", "config-autoscaler")
    up.kubectl(*config, "--type", "merge", "-p", data)
    up.run("build", str(SAMPLES / "hello"), "-t", "dev.local/hello:latest")
    up.kubectl("apply", "-f", str(SAMPLES / "hello" / "service.yaml"))
    up.kubectl("wait", "--for=condition=Ready", "ksvc/hello", "--timeout=30s")
    until(lambda: parents(up))
    until(lambda: "warm parent ready" in log_of(up))
    until(lambda: not up.get("pods")["items"], 60, "zero")
    return up


def log_of(up: Up) -> str:
    return (up.data_dir / "logs" / "control.log").read_text()


def parents(up: Up) -> list[int]:
    """The pids of the parents."""
    found = (up.data_dir / "warm").glob("*.json")
    return [json.loads(path.read_text())["instance"]["pid"] for path in found]


def called(up: Up) -> str:
    """One request; the receipt of its cold start."""
    connection = http.client.HTTPConnection("127.0.0.1", up.gateway_port, timeout=30)
    try:
        headers = {"Host": "hello.default.localhost", "Utsuwa-Cold-Start-Receipt": "1"}
        connection.request("GET", "/", headers=headers)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        assert answer.read().startswith(b"Hello Utsuwa!")
        return answer.headers.get("Server-Timing") or ""
    finally:
        connection.close()


def pod_of(up: Up) -> Any:
    (pod,) = up.get("pods")["items"]
    return pod


def test_a_cold_start_from_a_warm_parent(warm: Up) -> None:
    """Its receipt, its annotation and its event say so; logs and exec are as ever; its exit is
    told."""
    receipt = called(warm)
    assert 'desc="cold start from a warm parent"' in receipt
    pod = pod_of(warm)
    name = pod["metadata"]["name"]
    assert pod["metadata"]["annotations"]["utsuwa.dev/started-from"] == "warm parent"
    assert "listening on port" in warm.kubectl("logs", name).stdout
    inside = warm.kubectl("exec", name, "--", "sh", "-c", "echo $HOSTNAME $PORT").stdout.split()
    assert inside == [name, str(pod["spec"]["containers"][0]["ports"][0]["hostPort"])]
    until(lambda: "forked from a warm parent" in warm.kubectl("describe", "pod", name).stdout)
    os.kill(leader(warm, pod), signal.SIGKILL)
    ended = until(lambda: pod_of(warm)["status"]["containerStatuses"][0]["lastState"])
    assert ended["terminated"]["exitCode"] == 137
    called(warm)


def leader(up: Up, pod: Any) -> int:
    record = up.data_dir / "pods" / f"{pod['metadata']['uid']}.json"
    pid: int = json.loads(record.read_text())["containers"]["user-container"]["pid"]
    return pid


def test_a_restart_of_control_costs_neither_pods_nor_parents(warm: Up) -> None:
    """Both are adopted; the next cold start is forked again."""
    called(warm)
    pod, before = pod_of(warm), parents(warm)
    os.kill(warm.pid_of("control"), signal.SIGKILL)
    until(lambda: "warm parent adopted" in log_of(warm))
    warm.kubectl("get", "pods")
    assert pod_of(warm)["metadata"]["uid"] == pod["metadata"]["uid"]
    assert parents(warm) == before
    until(lambda: not warm.get("pods")["items"], 60, "zero")
    assert "from a warm parent" in called(warm)


def test_a_parent_goes_with_its_revision(warm: Up) -> None:
    """And nothing of it is left."""
    (pid,) = parents(warm)
    warm.kubectl("delete", "ksvc", "hello")
    until(lambda: not parents(warm))
    until(lambda: not os.path.exists(f"/proc/{pid}"))
