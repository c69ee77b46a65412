"""What a container of an engine may expect of its surroundings (`spec/conformance.md` §5), and
what happens when it wants more than it has."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import Up, until

from utsuwa.testing.engine import Podman

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

LOOK = """\
echo user $(id -u) $(id -g) in $(pwd)
touch /somewhere 2>/dev/null || echo root read-only
busybox grep -e CapEff -e NoNewPrivs -e Seccomp: /proc/self/status | busybox tr -d "\\t"
echo stdin $(busybox wc -c </dev/stdin)
busybox dd if=/dev/zero of=/memory/big bs=1M count=4 2>/dev/null || echo memory full
busybox df -k /memory | busybox tail -n 1 | busybox cut -d " " -f 1
echo again >>/claim/file; cat /claim/file
cat /limits/memory; echo; env | busybox grep MEMORY
"""
POD = """\
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  restartPolicy: Never
  securityContext: {{fsGroup: 4000}}
  volumes:
  - {{name: memory, emptyDir: {{medium: Memory, sizeLimit: 1Mi}}}}
  - {{name: claim, persistentVolumeClaim: {{claimName: data}}}}
  - name: limits
    downwardAPI:
      items:
      - {{path: memory, resourceFieldRef: {{containerName: look, resource: limits.memory}}}}
  containers:
  - name: look
    image: {image}
    command: [sh, /script/look]
    workingDir: /www
    securityContext:
      runAsUser: 2020
      runAsGroup: 3030
      readOnlyRootFilesystem: true
      allowPrivilegeEscalation: false
      capabilities: {{drop: [ALL]}}
    env:
    - {{name: MEMORY, valueFrom: {{resourceFieldRef: {{resource: limits.memory, divisor: 1Mi}}}}}}
    resources: {{limits: {{memory: 64Mi, cpu: 500m}}}}
    volumeMounts:
    - {{name: memory, mountPath: /memory}}
    - {{name: claim, mountPath: /claim}}
    - {{name: limits, mountPath: /limits}}
    - {{name: script, mountPath: /script}}
"""
SCRIPT = "  - {name: script, configMap: {name: script}}\n"
GREEDY = """\
apiVersion: v1
kind: Pod
metadata: {{name: greedy}}
spec:
  restartPolicy: Never
  containers:
  - name: eat
    image: {image}
    command: [sh, -c, "echo eating; x=$(busybox yes | busybox head -c 300000000); sleep 9"]
    resources: {{limits: {{memory: 32Mi}}}}
"""


def ended(up: Up, name: str) -> Any:
    """How its container ended, once it has."""
    status = up.get("pod", name)["status"].get("containerStatuses", [{}])[0]
    return status.get("state", {}).get("terminated")


def test_what_a_container_finds(with_engine: Up, engine: Podman, tmp_path: Path) -> None:
    """User, rights, files, input, limits; a claim that the next Pod finds as it was left."""
    (tmp_path / "look").write_text(LOOK)
    with_engine.kubectl("create", "configmap", "script", f"--from-file={tmp_path / 'look'}")
    for name in ("first", "second"):
        manifest = POD.format(name=name, image=engine.shell_image())
        manifest = manifest.replace("  - name: limits\n", f"{SCRIPT}  - name: limits\n", 1)
        (tmp_path / "pod.yaml").write_text(manifest)
        with_engine.kubectl("apply", "-f", str(tmp_path / "pod.yaml"))
        how = until(partial(ended, with_engine, name), 60, f"{name} has ended")
        assert how["exitCode"] == 0, how
    assert with_engine.kubectl("logs", "second").stdout.splitlines() == [
        "user 2020 3030 in /www",
        "root read-only",
        "CapEff:0000000000000000",
        "NoNewPrivs:1",
        "Seccomp:2",
        "stdin 0",
        "memory full",
        "tmpfs",
        "again",
        "again",
        "67108864",
        "MEMORY=64",
    ]
    with_engine.kubectl("delete", "pod", "first", "second")
    assert str(tmp_path) not in Path("/proc/mounts").read_text()


def test_a_container_that_needs_too_much_memory(
    with_engine: Up, engine: Podman, tmp_path: Path
) -> None:
    """Is killed, and told why."""
    (tmp_path / "pod.yaml").write_text(GREEDY.format(image=engine.shell_image()))
    with_engine.kubectl("apply", "-f", str(tmp_path / "pod.yaml"))
    how = until(partial(ended, with_engine, "greedy"), 60, "it is killed")
    assert (how["reason"], how["exitCode"]) == ("OOMKilled", 137)
    assert how["message"] == "killed: it needed more memory than its limit of 32Mi; eating"
    assert (
        with_engine.kubectl("get", "pod", "greedy", "--no-headers").stdout.split()[2] == "OOMKilled"
    )
