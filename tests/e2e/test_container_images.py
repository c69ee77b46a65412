"""Where images of containers come from, and what is said when they do not: registries with pull
secrets, local images without a network, images that are gone when they are needed again."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import ROOT, Up, until
from tests.e2e.test_containers import START, an_app

from utsuwa.testing.engine import Podman
from utsuwa.testing.registry import BEARER, Registry, registry

pytestmark = pytest.mark.e2e

WINDOWS = '{"data":{"stable-window":"6s","scale-to-zero-grace-period":"1s"}}'
OFFLINE = "UTSUWA_TEST_WITHOUT_NETWORK"


def an_image(engine: Podman, directory: Path, name: str, *, much: int = 0) -> None:
    """An app of `much` bytes that cannot be packed, and a few more."""
    app = an_app(directory, START)
    (app / "much").write_bytes(os.urandom(much))
    engine.image(name, app, "./start")


def pushed(engine: Podman, directory: Path, there: Registry, *, much: int = 0) -> str:
    """The reference of an image that the registry alone holds."""
    name = f"{there.host}/team/shop:v1"
    an_image(engine, directory, "dev.local/pushed:v1", much=much)
    engine.run("push", f"--creds={there.user}:{there.password}", "dev.local/pushed:v1", name)
    engine.run("rmi", "--force", "dev.local/pushed:v1")
    return name


def answer(up: Up, name: str) -> tuple[int, str]:
    return up.call(f"{name}.default.localhost", "/cgi-bin/answer")


def ready(up: Up, name: str) -> Any:
    """The Service's own condition."""
    status = up.get("ksvc", name).get("status", {})
    return next((c for c in status.get("conditions", ()) if c["type"] == "Ready"), {})


def test_an_image_of_a_registry_that_wants_credentials(
    with_engine: Up, engine: Podman, tmp_path: Path
) -> None:
    """Those of the ServiceAccount; `deploy` says how far the image has come, so do events."""
    up = with_engine
    with registry(BEARER) as there:
        image = pushed(engine, tmp_path / "app", there, much=3 << 20)
        up.kubectl(
            "create", "secret", "docker-registry", "team", f"--docker-server={there.host}",
            f"--docker-username={there.user}", f"--docker-password={there.password}",
        )  # fmt: skip
        named = '{"imagePullSecrets":[{"name":"team"}]}'
        up.kubectl("patch", "serviceaccount", "default", "-p", named)
        there.flowing.clear()
        deploy = subprocess.Popen(
            [sys.executable, "-m", "utsuwa.cli", "deploy", "shop", "--image", image],
            env=up.environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        told = until(partial(coming, up), 60, "the Service says how far the image is")
        assert re.search(r"pulling image .*/team/shop@sha256:\w+: \d.* of \d\.\d MB", told)
        there.flowing.set()
        _, lines = deploy.communicate(timeout=60)
        assert deploy.returncode == 0, lines
        assert "PullingImage: pulling image" in lines
        digest = there.digest("team/shop", "v1")
    assert answer(up, "shop")[0] == 200
    revision = up.get("revision", "shop-00001")
    assert revision["status"]["containerStatuses"][0]["imageDigest"].endswith(digest)
    events = {event["reason"]: event["message"] for event in up.get("events")["items"]}
    assert events["Pulling"].startswith(f'Pulling image "{there.host}/team/shop@')
    assert re.search(r"Pulled image .* in \d+\.\d s, \d.* MB", events["Pulled"])


def failed(up: Up) -> str:
    """Why the Service is not ready and will not be."""
    found = ready(up, "shop")
    return str(found["message"]) if found.get("status") == "False" else ""


def coming(up: Up) -> str:
    """What the Service says of its image while it comes."""
    listed = up.get("ksvc")["items"]  # it may not be there yet
    found = listed[0].get("status", {}).get("conditions", []) if listed else []
    for one in found:
        message = str(one.get("message", ""))
        if one["type"] == "ConfigurationsReady" and " of " in message:
            return message
    return ""


def test_what_a_registry_refuses_is_told_in_its_words(
    with_engine: Up, engine: Podman, tmp_path: Path
) -> None:
    """And that the pull secret which was named does not exist; then it is made."""
    up = with_engine
    with registry(BEARER) as there:
        image = pushed(engine, tmp_path / "app", there)
        manifest = tmp_path / "shop.yaml"
        manifest.write_text(
            "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: shop}\n"
            "spec: {template: {spec: {imagePullSecrets: [{name: team}], containers: "
            f"[{{image: '{image}', ports: [{{containerPort: 8801}}]}}]}}}}}}\n"
        )
        up.kubectl("apply", "-f", str(manifest))
        said = until(partial(failed, up), 50, "the Service says why")
        assert "unauthorized" in said
        assert "the pull secret default/team does not exist" in said
        up.kubectl(
            "create", "secret", "docker-registry", "team", f"--docker-server={there.host}",
            f"--docker-username={there.user}", f"--docker-password={there.password}",
        )  # fmt: skip
        up.kubectl("wait", "ksvc", "shop", "--for=condition=Ready", "--timeout=60s")


def test_an_image_that_is_gone_when_it_is_needed_again(
    with_engine: Up, engine: Podman, tmp_path: Path
) -> None:
    """The request gets an answer with the reason, and the Service says so."""
    up = with_engine
    up.kubectl("patch", "cm", "config-autoscaler", "-n", "knative-serving", "-p", WINDOWS)
    an_image(engine, tmp_path / "app", "dev.local/shop:v1")
    up.run("deploy", "shop", "--image", "dev.local/shop:v1", "--env", "GREETING=hello")
    until(lambda: not up.get("pods")["items"], 60, "no pod is left")
    engine.run("rmi", "--force", "dev.local/shop:v1")
    status, body = answer(up, "shop")
    assert status == 503
    assert "dev.local/shop:v1" in body
    assert "podman build -t dev.local/shop:v1" in body
    said = until(lambda: ready(up, "shop").get("message"), 5, "the Service says so")
    assert "dev.local/shop:v1" in said
    an_image(engine, tmp_path / "again", "dev.local/shop:v1")
    until(lambda: answer(up, "shop")[0] == 200, 60, "it is served again")
    until(lambda: ready(up, "shop")["status"] == "True", 30, "the Service is well again")


@pytest.mark.timeout(120)
def test_a_container_created_ahead_is_used_if_it_is_still_right(
    with_engine: Up, engine: Podman, tmp_path: Path
) -> None:
    """The Pod that comes has its name and address; a Secret that changes makes another one; a
    control that is started anew removes what it did not make; the end leaves nothing."""
    up = with_engine
    up.kubectl("patch", "cm", "config-autoscaler", "-n", "knative-serving", "-p", WINDOWS)
    an_image(engine, tmp_path / "app", "dev.local/shop:v1")
    up.kubectl("create", "secret", "generic", "words", "--from-literal=GREETING=hello")
    manifest = tmp_path / "shop.yaml"
    manifest.write_text(
        "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: shop}\n"
        "spec: {template: {spec: {containers: [{image: dev.local/shop:v1,"
        " envFrom: [{secretRef: {name: words}}]}]}}}\n"
    )
    up.kubectl("apply", "-f", str(manifest))
    up.kubectl("wait", "ksvc", "shop", "--for=condition=Ready", "--timeout=50s")
    waiting = until(partial(set_up, engine, up), 60, "a container is created ahead")
    status, body = answer(up, "shop")
    pod = up.get("pods")["items"][0]
    own = pod["status"]["containerStatuses"][0]["containerID"].removeprefix("podman://")
    assert own == waiting
    assert (status, body) == (200, f"hello  shop shop-00001 {pod['metadata']['name']}\n")
    again = until(partial(set_up, engine, up), 60, "another is created ahead")
    changed = '{"stringData":{"GREETING":"good day"}}'
    up.kubectl("patch", "secret", "words", "-p", changed)
    until(lambda: set_up(engine, up) not in {"", again}, 30, "one with the new environment")
    control = up.pid_of("control")
    os.kill(control, signal.SIGKILL)
    before = set_up(engine, up)
    until(lambda: set_up(engine, up) not in {"", before}, 30, "one of the new control's")
    assert answer(up, "shop")[1].startswith("good day")
    assert up.stop() == 0
    assert engine.run("ps", "--all", "--quiet") == ""


def set_up(engine: Podman, up: Up) -> str:
    """The id of the one container that waits for its Pod; "" while there are Pods."""
    log = (up.data_dir / "logs" / "control.log").read_text()
    told = [line for line in log.splitlines() if "container created ahead" in line]
    if up.get("pods")["items"] or not told:
        return ""
    listed = engine.run("ps", "--all", "--no-trunc", "--format", "{{.ID}} {{.Status}}")
    ids = [line.split()[0] for line in listed.splitlines() if line.endswith("Initialized")]
    return ids[0] if len(ids) == 1 else ""


@pytest.mark.timeout(180)
def test_a_directory_and_a_local_image_need_neither_registry_nor_network(
    request: pytest.FixtureRequest,
) -> None:
    """All of it, engine and clients included, on a machine whose only network is loopback."""
    if os.environ.get(OFFLINE) is None:
        _alone(request.node.nodeid)
        return
    engine: Podman = request.getfixturevalue("engine")
    up: Up = request.getfixturevalue("with_engine")
    tmp_path: Path = request.getfixturevalue("tmp_path")
    routes = Path("/proc/net/route").read_text().splitlines()[1:]
    assert not [line for line in routes if line.split()[1] == "00000000"], "a way out of here"
    an_image(engine, tmp_path / "app", "dev.local/shop:v1")
    up.run("deploy", "boxed", "--image", "dev.local/shop:v1", "--env", "GREETING=hello")
    engine.run("tag", "dev.local/shop:v1", "registry.example/team/shop:latest")
    up.run("deploy", "tagged", "--image", "registry.example/team/shop:latest")
    up.run("deploy", "packed", "--source", str(tmp_path / "app"), "--env", "GREETING=hello")
    for name in ("boxed", "tagged", "packed"):
        status, body = answer(up, name)
        assert (status, body.split()[-1].rpartition("-deployment-")[0]) == (200, f"{name}-00001")
    assert json.loads(up.run("services", "-o", "json").stdout)


def _alone(test: str) -> None:
    """Run one test on a network of its own, where nothing is but loopback."""
    if shutil.which("unshare") is None or os.geteuid() != 0:
        pytest.skip("no network of its own: needs root and unshare (util-linux)")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", test]
    up = 'ip link set lo up && exec "$@"'
    done = subprocess.run(
        ["unshare", "--net", "--mount", "sh", "-c", up, "sh", *command],
        env={**os.environ, OFFLINE: "1"}, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout, done.stdout
