"""`kn`, unmodified, against the real `utsuwa up`: what it is told, and what it then shows.

`$KN` names the binary, else it is looked for in PATH.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.conformance.images.push import push
from tests.e2e.conftest import Up, until

KN = os.environ.get("KN") or shutil.which("kn")
IMAGES = "localhost/conformance"
HELLO, PIZZA = f"{IMAGES}/helloworld", f"{IMAGES}/pizzaplanetv1"

pytestmark = [pytest.mark.conformance, pytest.mark.e2e, pytest.mark.timeout(240)]


@dataclass(frozen=True)
class Kn:
    """Runs kn against one cluster."""

    up: Up

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        assert KN is not None
        return subprocess.run(
            [KN, *arguments],
            capture_output=True,
            text=True,
            env=self.up.environment,
            timeout=90,
            check=False,
        )

    def ok(self, *arguments: str) -> str:
        """Its output, which must be a success."""
        done = self(*arguments)
        assert done.returncode == 0, f"kn {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout

    def refused(self, *arguments: str) -> str:
        """What it says, which must be a failure."""
        done = self(*arguments)
        assert done.returncode == 1, f"kn {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stderr

    def json(self, *arguments: str) -> Any:
        return json.loads(self.ok(*arguments, "-o", "json"))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    if KN is None:
        pytest.skip("kn is not installed and $KN is not set: nothing here says how it gets on")
    data = tmp_path_factory.mktemp("kn") / "data"
    push(data, IMAGES)
    up = Up(data).start().ready()
    yield up
    up.stop()


@pytest.fixture
def kn(cluster: Up) -> Iterator[Kn]:
    """A cluster without services."""
    client = Kn(cluster)
    yield client
    client.ok("service", "delete", "--all", "--wait")


def call(kn: Kn, name: str, path: str = "/") -> str:
    status, body = kn.up.call(f"{name}.default.localhost", path)
    assert status == 200, body
    return body


def rows(output: str) -> dict[str, list[str]]:
    """A table of kn by the first column."""
    return {line.split()[0]: line.split()[1:] for line in output.splitlines()[1:]}


# --- services -------------------------------------------------------------------------------------


def test_an_empty_cluster(kn: Kn) -> None:
    assert kn.ok("service", "list") == "No services found.\n"
    assert kn.ok("revision", "list") == "No revisions found.\n"
    assert kn.ok("route", "list") == "No routes found.\n"


def test_create_waits_until_the_next_request_is_served(kn: Kn) -> None:
    said = kn.ok(
        "service", "create", "hello", "--image", HELLO,
        "--env", "A=1", "--concurrency-limit", "10", "--scale-max", "4", "--scale-window", "10s",
    )  # fmt: skip
    assert "Service 'hello' created to latest revision 'hello-00001' is available at URL:" in said
    assert call(kn, "hello").startswith("Hello World!")
    again = kn.refused("service", "create", "hello", "--image", HELLO)
    assert "the service already exists and no --force option was given" in again
    assert "replaced to latest" in kn.ok("service", "create", "hello", "--image", PIZZA, "--force")
    assert call(kn, "hello") == "What a spaceport!\n"


def test_list_and_describe(kn: Kn) -> None:
    kn.ok("service", "create", "hello", "--image", HELLO, "--env", "A=1", "--scale-max", "4")
    url = f"http://hello.default.localhost:{kn.up.gateway_port}"
    shown = rows(kn.ok("service", "list"))
    assert shown["hello"][:2] == [url, "hello-00001"]
    assert shown["hello"][3:] == ["3", "OK", "/", "3", "True"]
    assert kn.ok("service", "describe", "hello", "-o", "url") == url + "\n"
    text = kn.ok("service", "describe", "hello", "--verbose")
    for line in (
        "100%  @latest (hello-00001) [1]",
        "A=1\n",
        "++ Ready",
        "svc.cluster.local",
    ):
        assert line in text, text
    assert kn.json("service", "list")["items"][0]["metadata"]["name"] == "hello"
    document = yaml.safe_load(kn.ok("service", "describe", "hello", "-o", "yaml"))
    assert document["status"]["latestReadyRevisionName"] == "hello-00001"


def test_update_makes_a_revision_and_a_name_of_its_own(kn: Kn) -> None:
    kn.ok("service", "create", "hello", "--image", HELLO)
    said = kn.ok("service", "update", "hello", "--env", "B=2", "--revision-name", "hello-second")
    assert "updated to latest revision 'hello-second'" in said
    refused = kn.refused(
        "service", "update", "hello", "--env", "B=3", "--revision-name", "hello-second"
    )
    assert "without a name change" in refused
    assert 'services.serving.knative.dev "absent" not found' in kn.refused(
        "service", "update", "absent", "--env", "A=1"
    )


def test_apply_changes_only_what_differs(kn: Kn) -> None:
    assert "created" in kn.ok("service", "apply", "hello", "--image", HELLO)
    assert "hello-00001" in kn.ok("service", "apply", "hello", "--image", HELLO)
    assert "applied to latest revision 'hello-00002'" in kn.ok(
        "service", "apply", "hello", "--image", PIZZA
    )
    assert call(kn, "hello") == "What a spaceport!\n"


def test_no_wait_and_wait(kn: Kn) -> None:
    assert "created in namespace" in kn.ok(
        "service", "create", "hello", "--image", HELLO, "--no-wait"
    )
    assert "is ready" in kn.ok("service", "wait", "hello")
    call(kn, "hello")
    failed = kn.refused(
        "service", "create", "slow", "--image", f"{IMAGES}/failing", "--wait-timeout", "2"
    )
    assert "not ready after 2 seconds" in failed


def test_a_missing_image_is_told_at_once(kn: Kn) -> None:
    said = kn.refused("service", "create", "lost", "--image", f"{IMAGES}/lost")
    assert f'Unable to fetch image "{IMAGES}/lost"' in said
    assert "Error:  ContainerMissing" in kn.ok("service", "describe", "lost")


def test_create_from_a_file(kn: Kn, tmp_path: Path) -> None:
    spec = {"template": {"spec": {"containers": [{"image": HELLO}]}}}
    manifest = {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": "filed"},
        "spec": spec,
    }
    (path := tmp_path / "service.json").write_text(json.dumps(manifest))
    kn.ok("service", "create", "-f", str(path))
    call(kn, "filed")


def test_cluster_local(kn: Kn) -> None:
    said = kn.ok("service", "create", "inner", "--image", HELLO, "--cluster-local")
    assert "http://inner.default.svc.cluster.local" in said


@pytest.mark.parametrize("mode", ["replay", "export"])
def test_export(kn: Kn, mode: str) -> None:
    """With the revisions that get traffic; what comes out can be created again."""
    kn.ok("service", "create", "hello", "--image", HELLO)
    kn.ok("service", "update", "hello", "--image", PIZZA, "--traffic", "hello-00001=50,@latest=50")
    text = kn.ok("service", "export", "hello", "--with-revisions", "--mode", mode, "-o", "json")
    document = json.loads(text)
    kinds = [item["kind"] for item in document.get("items", ())] or [document["kind"]]
    assert kinds == {"replay": ["Service", "Service"], "export": ["Export"]}[mode]
    if mode == "export":
        assert [r["metadata"]["name"] for r in document["spec"]["revisions"]] == ["hello-00001"]


# --- revisions, routes, traffic -------------------------------------------------------------------


def test_traffic_and_tags(kn: Kn) -> None:
    kn.ok("service", "create", "hello", "--image", HELLO)
    kn.ok(
        "service", "update", "hello", "--image", PIZZA,
        "--tag", "hello-00001=old", "--tag", "@latest=new",
        "--traffic", "hello-00001=30", "--traffic", "@latest=70",
    )  # fmt: skip
    assert call(kn, "old-hello").startswith("Hello World!")
    assert call(kn, "new-hello") == "What a spaceport!\n"
    shown = rows(kn.ok("revision", "list", "-s", "hello"))
    assert shown["hello-00001"][:3] == ["hello", "30%", "old"]
    assert shown["hello-00002"][:3] == ["hello", "70%", "new"]
    text = kn.ok("route", "describe", "hello")
    assert " 30%  hello-00001 #old" in text
    assert " 70%  @latest (hello-00002) #new" in text
    kn.ok("service", "update", "hello", "--untag", "old", "--traffic", "@latest=100")
    assert kn.up.call("old-hello.default.localhost")[0] == 404
    assert "no such tag" not in kn.ok("route", "list")


def test_revisions(kn: Kn) -> None:
    kn.ok("service", "create", "hello", "--image", HELLO)
    kn.ok("service", "update", "hello", "--image", PIZZA)
    text = kn.ok("revision", "describe", "hello-00001", "--verbose")
    for line in (
        "Service:",
        "Latest Created:            false",
        "++ ContainerHealthy",
        "pinned to",
    ):
        assert line in text, text
    assert len(kn.json("revision", "list")["items"]) == 2
    assert "deleted" in kn.ok("revision", "delete", "hello-00001")
    assert list(rows(kn.ok("revision", "list"))) == ["hello-00002"]
    assert 'revisions.serving.knative.dev "hello-00001" not found' in kn.refused(
        "revision", "describe", "hello-00001"
    )


def test_unreferenced_revisions_are_pruned(kn: Kn) -> None:
    kn.ok("service", "create", "hello", "--image", HELLO)
    kn.ok("service", "update", "hello", "--image", PIZZA)
    kn.ok("revision", "delete", "--prune", "hello")
    assert list(rows(kn.ok("revision", "list"))) == ["hello-00002"]


def test_routes(kn: Kn) -> None:
    kn.ok("service", "create", "hello", "--image", HELLO)
    url = f"http://hello.default.localhost:{kn.up.gateway_port}"
    assert rows(kn.ok("route", "list"))["hello"] == [url, "True"]
    assert kn.json("route", "describe", "hello")["status"]["url"] == url
    assert "++ IngressReady" in kn.ok("route", "describe", "hello")


def test_delete(kn: Kn) -> None:
    kn.ok("service", "create", "one", "--image", HELLO)
    kn.ok("service", "create", "two", "--image", HELLO)
    said = kn.ok("service", "delete", "one", "two", "--wait")
    assert "'one' successfully deleted" in said
    assert "'two' successfully deleted" in said
    assert kn.ok("revision", "list") == "No revisions found.\n"
    assert "not found" in kn.refused("service", "delete", "one")


def test_domains(kn: Kn) -> None:
    """Where the operator lets claims be made with the mapping, as `config-network` says."""
    claims = '{"data":{"autocreate-cluster-domain-claims":"true"}}'
    kn.up.kubectl(
        "patch", "cm", "config-network", "-n", "knative-serving", "--type=merge", "-p", claims
    )
    kn.ok("service", "create", "hello", "--image", HELLO)
    assert "created" in kn.ok("domain", "create", "hello.example.com", "--ref", "ksvc:hello")
    until(lambda: "True" in rows(kn.ok("domain", "list"))["hello.example.com"], 20, "Ready")
    text = kn.ok("domain", "describe", "hello.example.com")
    assert "Kind:        Service" in text
    assert "++ DomainClaimed" in text
    assert kn.up.call("hello.example.com")[1].startswith("Hello World!")
    kn.ok("service", "create", "pizza", "--image", PIZZA)
    kn.ok("domain", "update", "hello.example.com", "--ref", "ksvc:pizza")
    until(lambda: kn.up.call("hello.example.com")[1] == "What a spaceport!\n", 20, "the new one")
    assert "deleted" in kn.ok("domain", "delete", "hello.example.com")
    assert "not found" in kn.refused("domain", "describe", "hello.example.com")
