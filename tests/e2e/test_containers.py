"""Images of a container engine, with the real `utsuwa up` and a Podman of the tests' own.

The same Service runs as a bundle and as a container: whoever looks from outside sees no
difference but the address.
"""

import json
import os
import signal
import stat
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import Up, until

from utsuwa.testing.engine import Podman

pytestmark = pytest.mark.e2e

START = """\
#!/bin/sh
echo "$GREETING from $K_SERVICE"
trap 'echo ended; exit 0' TERM
busybox httpd -f -p "$PORT" -h www &
wait
"""
ANSWER = """\
#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
echo "$GREETING $(cat /etc/app/who) $K_SERVICE $K_REVISION $HOSTNAME"
"""
FAILS = """\
#!/bin/sh
echo "no database"
exit 3
"""
MANIFEST = """\
apiVersion: v1
kind: ConfigMap
metadata: {{name: who}}
data: {{who: world}}
---
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {{name: {name}}}
spec:
  template:
    spec:
      timeoutSeconds: 5
      volumes: [{{name: app, configMap: {{name: who}}}}]
      containers:
      - image: {image}
        env: [{{name: GREETING, value: hello}}]
        ports: [{{containerPort: 8801}}]
        volumeMounts: [{{name: app, mountPath: /etc/app}}]
        resources: {{limits: {{memory: 64Mi, cpu: 500m}}}}
"""


@pytest.fixture
def cluster(with_engine: Up) -> Up:
    return with_engine


def an_app(directory: Path, start: str) -> Path:
    """A program that needs a shell and busybox: this machine has both, and so has the image."""
    answer = directory / "www" / "cgi-bin" / "answer"
    answer.parent.mkdir(parents=True)
    for path, text in ((directory / "start", start), (answer, ANSWER)):
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return directory


def conditions(up: Up, kind: str, name: str) -> list[tuple[Any, ...]]:
    """What a user sees of it, without times and names."""
    found = up.get(kind, name)["status"].get("conditions", [])
    return sorted(
        (one["type"], one["status"], one.get("reason", ""), one.get("severity", ""))
        for one in found
    )


def apply(up: Up, directory: Path, name: str, image: str) -> None:
    manifest = directory / f"{name}.yaml"
    manifest.write_text(MANIFEST.format(name=name, image=image))
    up.kubectl("apply", "-f", str(manifest))


def pod_of(up: Up, service: str) -> Any:
    return up.get("pods", "-l", f"serving.knative.dev/service={service}")["items"][0]


def test_a_service_is_the_same_as_a_bundle_and_as_a_container(
    cluster: Up, engine: Podman, tmp_path: Path
) -> None:
    """The same answers, conditions, logs, limits; and an end that hears SIGTERM."""
    app = an_app(tmp_path / "app", START)
    cluster.run("build", str(app), "-t", "dev.local/bundle:v1")
    engine.image("dev.local/boxed:v1", app, "./start")
    apply(cluster, tmp_path, "bundle", "dev.local/bundle:v1")
    apply(cluster, tmp_path, "boxed", "dev.local/boxed:v1")
    cluster.kubectl("wait", "ksvc", "--all", "--for=condition=Ready", "--timeout=60s")
    seen = {}
    for name in ("bundle", "boxed"):
        pod = pod_of(cluster, name)
        status, body = cluster.call(f"{name}.default.localhost", "/cgi-bin/answer")
        seen[name] = [
            status,
            body.replace(pod["metadata"]["name"], "POD").replace(name, "NAME"),
            cluster.kubectl("logs", pod["metadata"]["name"]).stdout.replace(name, "NAME"),
            conditions(cluster, "ksvc", name),
            conditions(cluster, "revision", f"{name}-00001"),
            conditions(cluster, "pod", pod["metadata"]["name"]),
            pod["status"]["qosClass"],
            cluster.kubectl("exec", pod["metadata"]["name"], "--", "cat", "/etc/app/who").stdout,
        ]
    assert seen["boxed"] == seen["bundle"]
    assert seen["boxed"][1] == "hello world NAME NAME-00001 POD\n"
    assert pod_of(cluster, "boxed")["status"]["podIP"] != "127.0.0.1"
    image = pod_of(cluster, "boxed")["status"]["containerStatuses"][0]["imageID"]
    assert image.startswith("dev.local/boxed@sha256:")

    pod = pod_of(cluster, "boxed")
    directory = f"{pod['metadata']['name']}_{pod['metadata']['uid']}"
    log = cluster.data_dir / "logs" / "default" / directory / "user-container" / "0.log"
    cluster.kubectl("delete", "ksvc", "boxed")
    until(lambda: not engine.containers(pod["metadata"]["uid"]), what="the container is gone")
    assert log.read_text() == "hello from boxed\nended\n"


def test_an_app_that_fails_fails_alike(cluster: Up, engine: Podman, tmp_path: Path) -> None:
    """Exit code and last line, in the Service's own condition."""
    app = an_app(tmp_path / "app", FAILS)
    cluster.run("build", str(app), "-t", "dev.local/bundle:v1")
    engine.image("dev.local/boxed:v1", app, "./start")
    told = {}
    for name in ("bundle", "boxed"):
        apply(cluster, tmp_path, name, f"dev.local/{name}:v1")
        told[name] = until(partial(failure, cluster, name), 60, f"{name} fails")
    assert told["boxed"] == told["bundle"]
    assert "no database" in told["boxed"][1]


def failure(up: Up, name: str) -> tuple[str, str] | None:
    for one in up.get("revision", f"{name}-00001").get("status", {}).get("conditions", []):
        if one["type"] == "ContainerHealthy" and one["status"] == "False":
            return one["reason"], one["message"].replace(name, "NAME")
    return None


def test_containers_outlive_control(cluster: Up, engine: Podman, tmp_path: Path) -> None:
    """It is killed; the next one finds the container, and goes on with its output."""
    engine.image("dev.local/boxed:v1", an_app(tmp_path / "app", START), "./start")
    apply(cluster, tmp_path, "boxed", "dev.local/boxed:v1")
    cluster.kubectl("wait", "ksvc", "boxed", "--for=condition=Ready", "--timeout=60s")
    before = pod_of(cluster, "boxed")
    control = cluster.pid_of("control")
    os.kill(control, signal.SIGKILL)
    until(lambda: cluster.pid_of("control") != control, what="another control")
    assert cluster.call("boxed.default.localhost", "/cgi-bin/answer")[0] == 200
    log = cluster.data_dir / "logs" / "control.log"
    until(lambda: "adopted=1" in log.read_text(), what="the container is found again")
    found = until(lambda: cluster.kubectl("get", "pods", "-o", "json", check=False).stdout)
    (after,) = json.loads(found)["items"]
    ids = [one["status"]["containerStatuses"][0]["containerID"] for one in (before, after)]
    assert ids[0] == ids[1]
    assert after["status"]["podIP"] == before["status"]["podIP"]
    name = after["metadata"]["name"]
    assert cluster.kubectl("logs", name).stdout == "hello from boxed\n"
    assert cluster.stop() == 0
    assert not engine.containers(after["metadata"]["uid"])


def test_an_image_that_nobody_has_is_said(cluster: Up, tmp_path: Path) -> None:
    """With the command that makes it."""
    apply(cluster, tmp_path, "missing", "dev.local/missing:v1")

    def told() -> str | None:
        for one in cluster.get("ksvc", "missing").get("status", {}).get("conditions", []):
            if one["type"] == "Ready" and one["status"] == "False":
                return str(one["message"])
        return None

    assert "podman build -t dev.local/missing:v1" in until(told, 60, "Ready is False")


def test_a_container_is_frozen_and_thawed(cluster: Up, engine: Podman, tmp_path: Path) -> None:
    """By its control group; its end reaches it as well."""
    engine.image("dev.local/boxed:v1", an_app(tmp_path / "app", START), "./start")
    manifest = MANIFEST.format(name="boxed", image="dev.local/boxed:v1")
    path = tmp_path / "boxed.yaml"
    frozen = "  template:\n    metadata: {annotations: {utsuwa.dev/freeze-after: 1s}}\n"
    path.write_text(manifest.replace("  template:\n", frozen))
    cluster.kubectl("apply", "-f", str(path))
    cluster.kubectl("wait", "ksvc", "boxed", "--for=condition=Ready", "--timeout=60s")
    until(lambda: "Frozen" in cluster.kubectl("get", "pods").stdout, 30, "it is frozen")
    uid = pod_of(cluster, "boxed")["metadata"]["uid"]
    status, body = cluster.call("boxed.default.localhost", "/cgi-bin/answer")
    assert (status, body.split()[0]) == (200, "hello")
    until(lambda: "Frozen" in cluster.kubectl("get", "pods").stdout, 30, "it is frozen again")
    cluster.kubectl("delete", "ksvc", "boxed")
    until(lambda: not engine.containers(uid), 30, "the container is gone")
