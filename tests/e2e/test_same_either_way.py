"""One Service as a bundle and as a container of an engine, with all that a Pod can be: an init
container, a sidecar, volumes that change, probes that fail, restarts. Whoever looks from outside
sees the same.
"""

import os
import re
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from tests.e2e.conftest import Up, running, until
from tests.e2e.test_containers import conditions, pod_of

from utsuwa.testing.engine import Podman

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

SERVE = """\
#!/bin/sh
echo "serving $K_SERVICE as $(cat /work/prepared)"
trap 'echo ended; exit 0' TERM
exec 2>/dev/null # where shells say, sooner or later, how their children ended
busybox httpd -f -p "$PORT" -h www &
echo $! > /work/pid
wait $!
echo "the server has ended"
exit 7
"""
PREPARE = """\
#!/bin/sh
echo "preparing for $WHO"
echo "$WHO" > /work/prepared
"""
BESIDE = """\
#!/bin/sh
mkdir -p /tmp/beside && echo "from beside" > /tmp/beside/index.html
trap 'exit 0' TERM
busybox httpd -f -p 127.0.0.1:8882 -h /tmp/beside &
wait
"""
ANSWERS = {
    "answer": """\
echo "$GREETING $(cat /etc/app/who) $(cat /work/prepared)"
busybox wget -q -O - http://127.0.0.1:8882/
""",
    "unready": "touch /work/unready && echo unready\n",
    "crash": "kill $(cat /work/pid); echo crashed\n",
}
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
    metadata:
      annotations: {{autoscaling.knative.dev/min-scale: "1", autoscaling.knative.dev/max-scale: "1"}}
    spec:
      timeoutSeconds: 20
      volumes:
      - {{name: app, configMap: {{name: who}}}}
      - {{name: work, emptyDir: {{}}}}
      initContainers:
      - name: prepare
        image: {image}
        command: [./prepare]
        env: [{{name: WHO, value: prepared}}]
        volumeMounts: [{{name: work, mountPath: /work}}]
      containers:
      - name: serve
        image: {image}
        command: [./serve]
        env:
        - {{name: GREETING, valueFrom: {{configMapKeyRef: {{name: who, key: who}}}}}}
        ports: [{{containerPort: 8801}}]
        readinessProbe:
          exec: {{command: [sh, -c, "! test -e /work/unready"]}}
          periodSeconds: 1
          failureThreshold: 1
          timeoutSeconds: 60
        volumeMounts:
        - {{name: app, mountPath: /etc/app}}
        - {{name: work, mountPath: /work}}
      - name: beside
        image: {image}
        command: [./beside]
        volumeMounts: [{{name: work, mountPath: /work}}]
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, engine: Podman) -> Iterator[Up]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", f"unix://{engine.socket}")
        # An address of our own: services are called by name, and so on port 80.
        address = f"127.1.{os.getpid() >> 8 & 255}.{os.getpid() & 255 or 1}"
        data = tmp_path_factory.mktemp("either") / "data"
        with running(data, "--address", address) as up:
            yield up


@pytest.fixture(scope="module")
def services(cluster: Up, engine: Podman, tmp_path_factory: pytest.TempPathFactory) -> Up:
    """The same application twice: `bundle` and `boxed`."""
    directory = tmp_path_factory.mktemp("app")
    answers = directory / "app" / "www" / "cgi-bin"
    answers.mkdir(parents=True)
    plain = "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n'\n"
    for name, text in ANSWERS.items():
        (answers / name).write_text(plain + text)
    app = directory / "app"
    # Without a command of its own a bundle is what its `start` says.
    for name, text in (
        ("serve", SERVE),
        ("start", SERVE),
        ("prepare", PREPARE),
        ("beside", BESIDE),
    ):
        (app / name).write_text(text)
    for path in (*answers.iterdir(), *(one for one in app.iterdir() if one.is_file())):
        path.chmod(0o755)
    cluster.kubectl(
        "patch", "configmap", "config-features", "-n", "knative-serving", "--type", "merge",
        "-p", '{"data":{"kubernetes.podspec-init-containers":"enabled"}}',
    )  # fmt: skip
    cluster.run("build", str(app), "-t", "dev.local/bundle:v1")
    engine.image("dev.local/boxed:v1", app, "./serve")
    for name in ("bundle", "boxed"):
        manifest = directory / f"{name}.yaml"
        manifest.write_text(MANIFEST.format(name=name, image=f"dev.local/{name}:v1"))
        cluster.kubectl("apply", "-f", str(manifest))
    cluster.kubectl("wait", "ksvc", "--all", "--for=condition=Ready", "--timeout=90s")
    return cluster


BOTH = ("bundle", "boxed")


def called(up: Up, name: str, path: str) -> tuple[int, str]:
    return up.call(f"{name}.default.localhost", f"/cgi-bin/{path}")


def plain(text: str, name: str) -> str:
    """Without what differs from one pod to the next."""
    return re.sub(rf"{name}-00001-deployment-\w+-\w+", "POD", text).replace(name, "NAME")


def statuses(up: Up, name: str) -> list[Any]:
    """Every container: its state, whether it is ready, how often it was restarted."""
    found = []
    status = pod_of(up, name)["status"]
    for one in (*status["initContainerStatuses"], *status["containerStatuses"]):
        state = {
            kind: {key: value for key, value in told.items() if key in {"reason", "exitCode"}}
            for kind, told in one["state"].items()
        }
        found.append((one["name"], state, one["ready"], one["restartCount"]))
    return found


def test_answers_statuses_conditions_and_logs(services: Up) -> None:
    """Init container, sidecar, volumes, logs and commands of each container."""
    seen = {}
    for name in BOTH:
        pod = pod_of(services, name)["metadata"]["name"]
        logs = {
            container: plain(services.kubectl("logs", pod, "-c", container).stdout, name)
            for container in ("prepare", "serve", "beside")
        }
        seen[name] = [
            called(services, name, "answer"),
            statuses(services, name),
            logs,
            conditions(services, "ksvc", name),
            conditions(services, "revision", f"{name}-00001"),
            conditions(services, "pod", pod),
            services.kubectl("exec", pod, "-c", "beside", "--", "cat", "/work/prepared").stdout,
            plain(services.kubectl("get", "pod", pod, "--no-headers").stdout, name).split()[:4],
        ]
    assert seen["boxed"] == seen["bundle"]
    assert seen["boxed"][0] == (200, "world world prepared\nfrom beside\n")
    assert seen["boxed"][1] == [
        ("prepare", {"terminated": {"exitCode": 0, "reason": "Completed"}}, True, 0),
        ("serve", {"running": {}}, True, 0),
        ("beside", {"running": {}}, True, 0),
    ]
    assert seen["boxed"][2] == {
        "prepare": "preparing for prepared\n",
        "serve": "serving NAME as prepared\n",
        "beside": "",
    }


def test_a_change_reaches_volumes_and_not_the_environment(services: Up) -> None:
    services.kubectl("patch", "configmap", "who", "-p", '{"data":{"who":"moon"}}')
    for name in BOTH:
        until(partial(says, services, name, "world moon"), 60, "the change is there")


def test_a_pod_that_is_not_ready_holds_requests_until_it_is_again(services: Up) -> None:
    """Its only one: nothing is lost, and nothing is answered by a pod that says no."""
    for name in BOTH:
        assert called(services, name, "unready") == (200, "unready\n")
        until(partial(is_ready, services, name, "False"), what="not ready")
        pod = pod_of(services, name)["metadata"]["name"]
        services.kubectl(
            "exec", pod, "-c", "serve", "--", "sh", "-c",
            "(sleep 2; rm /work/unready) >/dev/null 2>&1 &",
        )  # fmt: skip
        assert called(services, name, "answer")[0] == 200
        until(partial(is_ready, services, name, "True"), what="ready again")


def test_services_call_one_another_by_name(services: Up) -> None:
    """Each of the names that the original knows, from one kind to the other."""
    for caller, callee in (BOTH, BOTH[::-1]):
        pod = pod_of(services, caller)["metadata"]["name"]
        for host in (f"{callee}.default", f"{callee}.default.svc.cluster.local"):
            until(partial(reaches, services, pod, host), what=f"{caller} reaches {host}")


def test_who_is_no_pod_is_not_answered_by_names_inside(services: Up) -> None:
    status, text = services.call("bundle.default.svc.cluster.local", "/cgi-bin/answer")
    assert (status, "pods alone may call" in text) == (404, True)


def reaches(up: Up, pod: str, host: str) -> bool:
    command = ("busybox", "wget", "-q", "-O", "-", f"http://{host}/cgi-bin/answer")
    done = up.kubectl("exec", pod, "-c", "serve", "--", *command, check=False)
    return done.stdout.endswith("from beside\n")


def test_a_container_that_ends_is_started_again(services: Up) -> None:
    """Alone: the other one and the address stay; its last words are kept."""
    seen = {}
    for name in BOTH:
        before = pod_of(services, name)
        called(services, name, "crash")
        until(partial(restarted, services, name), 60, f"{name} is started again")
        assert called(services, name, "answer")[0] == 200
        after = pod_of(services, name)
        assert after["status"]["podIP"] == before["status"]["podIP"]
        serve, beside = after["status"]["containerStatuses"]
        last = serve["lastState"]["terminated"]
        previous = services.kubectl(
            "logs", after["metadata"]["name"], "-c", "serve", "--previous"
        ).stdout
        seen[name] = (
            beside["restartCount"], last["reason"], last["exitCode"],
            plain(last["message"], name), plain(previous, name),
        )  # fmt: skip
    assert seen["boxed"] == seen["bundle"]
    assert seen["boxed"][:3] == (0, "Error", 7)
    assert seen["boxed"][4] == "serving NAME as prepared\nthe server has ended\n"


def restarted(up: Up, name: str) -> bool:
    serve = pod_of(up, name)["status"]["containerStatuses"][0]
    return bool(serve["restartCount"] == 1 and serve["ready"])


def says(up: Up, name: str, wanted: str) -> bool:
    return called(up, name, "answer")[1].startswith(wanted)


def is_ready(up: Up, name: str, wanted: str) -> bool:
    found = pod_of(up, name)["status"]["conditions"]
    return bool(next(one["status"] for one in found if one["type"] == "Ready") == wanted)
