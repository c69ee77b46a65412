"""`utsuwa up` as a user meets it: start, second start, bad input, the end."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.e2e.conftest import SAMPLES, Up, free_port, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


def test_a_deployed_app_answers_at_its_url(hello: Up) -> None:
    """Ready means: the next request gets 200."""
    url = hello.get("ksvc", "hello")["status"]["url"]
    assert url == f"http://hello.default.localhost:{hello.gateway_port}"
    status, body = hello.call("hello.default.localhost")
    assert (status, "hello-00001" in body) == (200, True)


def test_it_prints_that_it_is_ready_and_where_and_ends_in_order_on_ctrl_c(up: Up) -> None:
    ready = up.lines.index("utsuwa is ready")
    words = ["apps", "kubernetes", "console", "metrics", "clients", "or,", "https"]
    until(lambda: len(up.lines) > ready + len(words), 5, "all addresses")
    assert [line.split()[0] for line in up.lines[ready + 1 :]] == words
    control, gateway = up.pid_of("control"), up.pid_of("gateway")
    assert up.stop(signal.SIGINT) == 0
    assert not Path(f"/proc/{control}").exists()
    assert not Path(f"/proc/{gateway}").exists()


def test_pods_end_with_it_and_services_come_back_with_the_next_start(hello: Up) -> None:
    pods = hello.get("pods")["items"]
    assert len(pods) == 1
    assert hello.stop(signal.SIGTERM) == 0
    leftover = subprocess.run(
        ["pgrep", "-f", str(hello.data_dir)], capture_output=True, text=True, check=False
    )
    assert leftover.stdout == ""
    again = Up(hello.data_dir, (), hello.gateway_port, hello.api_port).start().ready()
    try:
        status, _ = again.call("hello.default.localhost")
        assert status == 200
    finally:
        again.stop()


def test_what_it_notes_of_its_run_is_for_its_owner_alone(up: Up) -> None:
    """Pids and the lock are nobody else's business."""
    for name in ("lock", "processes.json"):
        assert (up.data_dir / "run" / name).stat().st_mode & 0o777 == 0o600, name


def test_a_second_start_on_one_directory_is_refused_with_the_pid_of_the_first(up: Up) -> None:
    assert up.process is not None
    second = Up(up.data_dir).start()
    assert second.process is not None
    assert second.process.wait(15) == 1
    until(lambda: second.lines, 5)
    assert str(up.process.pid) in second.lines[-1]
    assert "--data-dir" in second.lines[-1]
    assert up.call("nobody.localhost")[0] == 404


def test_a_port_in_use_is_named_with_the_flag_that_chooses_another(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        refused = Up(tmp_path / "data", (), taken.getsockname()[1], free_port()).start()
        assert refused.process is not None
        assert refused.process.wait(15) == 1
    until(lambda: refused.lines, 5)
    assert "--gateway-port" in refused.lines[-1]


def test_a_data_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused = Up(tmp_path / "file" / "data")
    done = subprocess.run(
        [sys.executable, "-m", "utsuwa.cli", "up", "--data-dir", str(refused.data_dir)],
        capture_output=True, text=True, timeout=30, check=False, env=dict(os.environ),
    )  # fmt: skip
    assert done.returncode == 1
    assert str(refused.data_dir) in done.stderr
    assert "--data-dir" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_host_gets_404_in_one_line(up: Up) -> None:
    status, body = up.call("nobody.default.localhost")
    assert status == 404
    assert body.count("\n") <= 1
    assert "nobody.default.localhost" in body


def test_garbage_on_the_gateways_port_harms_nobody(hello: Up) -> None:
    for garbage in (b"\x00\xff\x16\x03\x01\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"A" * 100_000):
        with socket.create_connection(("127.0.0.1", hello.gateway_port), timeout=5) as client:
            client.sendall(garbage)
            try:
                answer = client.recv(4096)
            except ConnectionResetError:
                answer = b""
            assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 505"))
    assert hello.call("hello.default.localhost")[0] == 200


def test_an_image_that_does_not_exist_is_said_in_the_ready_condition(up: Up) -> None:
    refused = up.run("deploy", "gone", "--image", "gone:1", check=False)
    assert refused.returncode == 1
    assert "gone:1" in refused.stderr
    assert "Traceback" not in refused.stderr
    ready = condition(up, "gone", "ConfigurationsReady")
    assert ready["status"] == "False"
    assert "gone:1" in ready["message"]


def test_an_app_that_exits_is_said_with_exit_code_and_last_line(up: Up, tmp_path: Path) -> None:
    app = tmp_path / "crash"
    app.mkdir()
    (app / "main.py").write_text(
        "import sys\nprint('no database', file=sys.stderr)\nraise SystemExit(3)\n"
    )
    up.run("build", str(app), "-t", "crash:1")
    refused = up.run("deploy", "crash", "--image", "crash:1", "--timeout", "20", check=False)
    assert refused.returncode == 1
    found = condition(up, "crash", "ConfigurationsReady")
    assert (found["status"], found["reason"]) == ("False", "RevisionFailed")
    assert "no database" in found["message"]
    revision = up.get("revision", "crash-00001")
    healthy = next(c for c in revision["status"]["conditions"] if c["type"] == "ContainerHealthy")
    assert healthy["reason"] == "ExitCode3"


def test_an_app_that_never_listens_is_said_with_the_probes_last_result(
    up: Up, tmp_path: Path
) -> None:
    app = tmp_path / "deaf"
    app.mkdir()
    (app / "main.py").write_text("import time\ntime.sleep(3600)\n")
    up.run("build", str(app), "-t", "deaf:1")
    manifest = tmp_path / "deaf.yaml"
    manifest.write_text(
        """
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: deaf}
spec:
  template:
    metadata:
      annotations: {serving.knative.dev/progress-deadline: 3s}
    spec:
      containers: [{image: "deaf:1"}]
"""
    )
    up.kubectl("apply", "-f", str(manifest))
    until(lambda: condition(up, "deaf", "Ready").get("status") == "False", 20)
    assert "refused" in condition(up, "deaf", "ConfigurationsReady")["message"]


def test_malformed_yaml_and_unknown_fields_are_refused_by_name(up: Up, tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("apiVersion: v1\nkind: [\n")
    assert up.kubectl("apply", "-f", str(broken), check=False).returncode == 1
    unknown = tmp_path / "unknown.yaml"
    unknown.write_text(
        """
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: x}
spec: {template: {spec: {containers: [{image: "hello:1"}], replicaz: 3}}}
"""
    )
    refused = up.kubectl("apply", "-f", str(unknown), check=False)
    assert refused.returncode == 1
    assert 'unknown field "spec.template.spec.replicaz"' in refused.stderr


def condition(up: Up, service: str, kind: str) -> dict[str, str]:
    status = up.get("ksvc", service).get("status", {})
    found: list[dict[str, str]] = [c for c in status.get("conditions", []) if c["type"] == kind]
    return found[0] if found else {}


def test_the_samples_are_what_their_manifests_say(up: Up) -> None:
    """Each sample's own commands work: build, apply its service.yaml, call it."""
    for name in ("autoscale", "hello", "websocket"):
        text = (SAMPLES / name / "service.yaml").read_text()
        image = next(
            line.split("image:")[1].strip() for line in text.splitlines() if "image:" in line
        )
        up.run("build", str(SAMPLES / name), "-t", image)
        up.kubectl("apply", "-f", str(SAMPLES / name / "service.yaml"))
    up.kubectl("wait", "ksvc", "--all", "--for=condition=Ready", "--timeout=60s")
