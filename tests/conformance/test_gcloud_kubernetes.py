"""Every command and flag of `gcloud run --platform=kubernetes` (`spec/kubernetes-api.md` §3), one
test a command, against one running cluster."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.conformance.clouds import IMAGE, Cloud, cloud

pytestmark = [pytest.mark.conformance, pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with cloud(tmp_path_factory.mktemp("gcloud"), platform="kubernetes", host=121) as found:
        yield found


@pytest.fixture(scope="module")
def web(run: Cloud) -> str:
    """A service with two revisions that tests only look at."""
    run.deploy("web", "--concurrency=40")
    run.deploy("web", "--concurrency=50")
    return "web"


# --- deploy ---------------------------------------------------------------------------------------


def test_deploy_waits_until_it_serves_and_says_where(run: Cloud) -> None:
    ran = run.deploy("first")
    assert "Creating Revision" in ran.err
    assert "Routing traffic" in ran.err
    assert "[first-00001] has been deployed and is serving 100 percent of traffic" in plain(ran.err)
    assert f"http://first.default.localhost:{run.up.gateway_port}" in ran.err
    assert run.up.call("first.default.localhost")[0] == 200


def test_deploy_of_what_is_there_makes_a_new_revision(run: Cloud) -> None:
    run.deploy("again")
    ran = run.deploy("again", "--set-env-vars=TARGET=again")
    assert "[again-00002] has been deployed" in plain(ran.err)
    assert "Hello again!" in run.up.call("again.default.localhost")[1]


def test_deploy_that_cannot_start_ends_with_the_condition(run: Cloud) -> None:
    ran = run.gcloud("run", "deploy", "broken", "--image=dev.local/nothing:1")
    assert ran.code == 1
    assert "dev.local/nothing:1" in ran.err


def test_deploy_takes_every_flag_to_its_place(run: Cloud) -> None:
    """`spec/kubernetes-api.md` §3.1, the table of flags."""
    ran = run.gcloud(
        "run", "deploy", "flags", f"--image={IMAGE}", "--async",
        "--concurrency=7", "--timeout=33", "--min-instances=1", "--max-instances=4",
        "--cpu=1", "--memory=256Mi", "--port=9000", "--service-account=default",
        "--command=python3", "--args=-u,main.py", "--labels=team=blue",
        "--set-env-vars=A=1,B=2", "--ingress=internal", "--revision-suffix=green",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    stored = run.service("flags")
    template = stored["spec"]["template"]
    container = template["spec"]["containers"][0]
    assert stored["metadata"]["labels"]["networking.knative.dev/visibility"] == "cluster-local"
    assert stored["metadata"]["labels"]["team"] == "blue"
    assert template["metadata"]["name"] == "flags-green"
    assert template["metadata"]["labels"]["team"] == "blue"
    assert template["metadata"]["annotations"]["autoscaling.knative.dev/minScale"] == "1"
    assert template["metadata"]["annotations"]["autoscaling.knative.dev/maxScale"] == "4"
    assert template["spec"]["containerConcurrency"] == 7
    assert template["spec"]["timeoutSeconds"] == 33
    assert template["spec"]["serviceAccountName"] == "default"
    assert container["resources"]["limits"] == {"cpu": "1", "memory": "256Mi"}
    assert container["ports"][0]["containerPort"] == 9000
    assert (container["command"], container["args"]) == (["python3"], ["-u", "main.py"])
    assert container["env"] == [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]


def test_deploy_with_http2_names_the_port(run: Cloud) -> None:
    run.ok("run", "deploy", "two", f"--image={IMAGE}", "--use-http2", "--async")
    container = run.service("two")["spec"]["template"]["spec"]["containers"][0]
    assert container["ports"][0]["name"] == "h2c"


def test_deploy_with_secrets_and_config_maps(run: Cloud) -> None:
    """As environment and as files."""
    run.up.kubectl("create", "secret", "generic", "key", "--from-literal=value=s3cret")
    run.up.kubectl("create", "configmap", "words", "--from-literal=target=config")
    run.ok(
        "run", "deploy", "given", f"--image={IMAGE}", "--async",
        "--set-secrets=/etc/key/file=key:value,KEY=key:value",
        "--set-config-maps=TARGET=words:target,/etc/words/file=words:target",
    )  # fmt: skip
    spec = run.service("given")["spec"]["template"]["spec"]
    env = {entry["name"]: entry["valueFrom"] for entry in spec["containers"][0]["env"]}
    assert env["KEY"]["secretKeyRef"] == {"name": "key", "key": "value"}
    assert env["TARGET"]["configMapKeyRef"] == {"name": "words", "key": "target"}
    mounts = {mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"]}
    assert mounts == {"/etc/key/file", "/etc/words/file"}
    volumes = spec["volumes"]
    assert [v for v in volumes if v.get("secret", {}).get("secretName") == "key"]
    assert [v for v in volumes if v.get("configMap", {}).get("name") == "words"]


def test_deploy_without_traffic_under_a_tag(run: Cloud) -> None:
    """The new revision answers at the tag's address alone."""
    run.deploy("tagged")
    ran = run.deploy("tagged", "--no-traffic", "--tag=next", "--set-env-vars=TARGET=next")
    assert "next---tagged.default" in ran.err or "next-tagged.default" in ran.err
    assert "Hello next!" in run.up.call("next-tagged.default.localhost")[1]
    assert "Hello next!" not in run.up.call("tagged.default.localhost")[1]


@pytest.mark.parametrize(("track", "stage"), [("beta", "BETA"), ("alpha", "ALPHA")])
def test_deploy_of_other_tracks(run: Cloud, track: str, stage: str) -> None:
    """The same paths; the track is noted on the service."""
    run.ok(track, "run", "deploy", f"on-{track}", f"--image={IMAGE}", "--async")
    annotations = run.service(f"on-{track}")["metadata"]["annotations"]
    assert annotations["run.googleapis.com/launch-stage"] == stage


# --- services -------------------------------------------------------------------------------------


def test_services_update(run: Cloud) -> None:
    """Changed in place: what was set before stays; a bound of zero is none."""
    run.deploy("changed", "--concurrency=40", "--max-instances=3", "--set-env-vars=A=1")
    run.ok(
        "run", "services", "update", "changed",
        "--concurrency=10", "--max-instances=0", "--update-env-vars=B=2",
    )  # fmt: skip
    template = run.service("changed")["spec"]["template"]
    assert template["spec"]["containerConcurrency"] == 10
    assert template["metadata"]["annotations"]["autoscaling.knative.dev/maxScale"] == "0"
    names = [entry["name"] for entry in template["spec"]["containers"][0]["env"]]
    assert names == ["A", "B"]


def test_services_update_traffic_by_revisions(run: Cloud) -> None:
    run.deploy("split")
    run.deploy("split", "--set-env-vars=TARGET=two")
    ran = run.ok(
        "run", "services", "update-traffic", "split", "--to-revisions=split-00001=30,LATEST=70"
    )
    assert ["30%", "split-00001"] in [row[:2] for row in plain_rows(ran.out + ran.err)]
    traffic = run.service("split")["status"]["traffic"]
    assert sorted((t["revisionName"], t["percent"]) for t in traffic) == [
        ("split-00001", 30), ("split-00002", 70),
    ]  # fmt: skip
    run.ok("run", "services", "update-traffic", "split", "--to-latest")
    (only,) = run.service("split")["spec"]["traffic"]
    assert (only["latestRevision"], only["percent"]) == (True, 100)


def test_services_update_traffic_by_tags(run: Cloud) -> None:
    run.deploy("tags")
    run.ok("run", "services", "update-traffic", "tags", "--set-tags=stable=tags-00001")
    tagged = [t for t in run.service("tags")["status"]["traffic"] if t.get("tag") == "stable"]
    assert [t["revisionName"] for t in tagged] == ["tags-00001"]
    run.ok("run", "services", "update-traffic", "tags", "--clear-tags")
    assert not [t for t in run.service("tags")["spec"]["traffic"] if t.get("tag")]


def test_services_list(run: Cloud, web: str) -> None:
    ran = run.ok("run", "services", "list")
    assert plain_rows(ran.out)[0] == [
        "SERVICE", "NAMESPACE", "URL", "LAST", "DEPLOYED", "BY", "LAST", "DEPLOYED", "AT",
    ]  # fmt: skip
    (row,) = [row for row in plain_rows(ran.out) if web in row]
    url = f"http://web.default.localhost:{run.up.gateway_port}"
    assert row[1:5] == [web, "default", url, "admin"]


def test_services_list_filters_and_prints_as_asked(run: Cloud, web: str) -> None:
    told = run.ok(
        "run", "services", "list", f"--filter=metadata.name={web}", "--format=value(status.url)"
    )
    assert told.out == f"http://web.default.localhost:{run.up.gateway_port}\n"


def test_services_list_in_another_namespace(run: Cloud) -> None:
    run.up.kubectl("create", "namespace", "elsewhere")
    run.ok("run", "deploy", "far", f"--image={IMAGE}", "--namespace=elsewhere")
    listed = run.data("run", "services", "list", "--namespace=elsewhere")
    assert [found["metadata"]["name"] for found in listed] == ["far"]


def test_services_describe(run: Cloud, web: str) -> None:
    told = plain(run.ok("run", "services", "describe", web).out)
    assert "Service web in namespace default" in told
    assert "100% LATEST (currently web-00002)" in told
    assert ["Concurrency:", "50"] in plain_rows(told)


def test_services_export_and_replace(run: Cloud, tmp_path: Path) -> None:
    """What describe exports is what replace takes."""
    run.deploy("moved", "--concurrency=40")
    file = tmp_path / "moved.yaml"
    file.write_text(run.ok("run", "services", "describe", "moved", "--format=export").out)
    document = yaml.safe_load(file.read_text())
    document["spec"]["template"]["spec"]["containerConcurrency"] = 11
    document["spec"]["template"]["metadata"].pop("name", None)
    file.write_text(yaml.safe_dump(document))
    run.ok("run", "services", "replace", str(file))
    stored = run.service("moved")
    assert stored["spec"]["template"]["spec"]["containerConcurrency"] == 11
    assert stored["status"]["latestReadyRevisionName"] == "moved-00002"


def test_services_replace_makes_what_is_not_there(run: Cloud, tmp_path: Path) -> None:
    document = {
        "apiVersion": "serving.knative.dev/v1", "kind": "Service",
        "metadata": {"name": "fresh"},
        "spec": {"template": {"spec": {"containers": [{"image": IMAGE}]}}},
    }  # fmt: skip
    file = tmp_path / "fresh.yaml"
    file.write_text(yaml.safe_dump(document))
    run.ok("run", "services", "replace", str(file))
    assert run.up.call("fresh.default.localhost")[0] == 200


def test_services_delete_at_once_and_waiting(run: Cloud) -> None:
    for name, flag in (("gone-one", "--async"), ("gone-two", "--no-async")):
        run.ok("run", "deploy", name, f"--image={IMAGE}", "--async")
        run.ok("run", "services", "delete", name, "--quiet", flag)
        left = [found["metadata"]["name"] for found in run.get("ksvc")["items"]]
        assert name not in left


def test_services_describe_of_what_is_not_there(run: Cloud) -> None:
    ran = run.gcloud("run", "services", "describe", "nothing")
    assert ran.code == 1
    assert "Cannot find service [nothing]" in plain(ran.err)


# --- revisions, routes, configurations ------------------------------------------------------------


def test_revisions_list(run: Cloud, web: str) -> None:
    rows = plain_rows(run.ok("run", "revisions", "list", f"--service={web}").out)
    assert rows[0][:4] == ["REVISION", "ACTIVE", "SERVICE", "DEPLOYED"]
    assert [row[1] for row in rows[1:]] == ["web-00002", "web-00001"]


def test_revisions_describe(run: Cloud, web: str) -> None:
    told = plain(run.ok("run", "revisions", "describe", "web-00001").out)
    assert "Revision web-00001" in told
    assert ["Concurrency:", "40"] in plain_rows(told)


def test_revisions_delete(run: Cloud) -> None:
    run.deploy("old")
    run.deploy("old", "--concurrency=9")
    run.ok("run", "revisions", "delete", "old-00001", "--quiet")
    names = [found["metadata"]["name"] for found in run.data("run", "revisions", "list")]
    assert "old-00001" not in names
    assert "old-00002" in names


def test_routes_list_and_describe(run: Cloud, web: str) -> None:
    listed = run.data("run", "routes", "list")
    assert web in [found["metadata"]["name"] for found in listed]
    told = run.data("run", "routes", "describe", web)
    assert told["status"]["traffic"][0]["revisionName"] == "web-00002"


def test_configurations_list_and_describe(run: Cloud, web: str) -> None:
    listed = run.data("run", "configurations", "list")
    assert web in [found["metadata"]["name"] for found in listed]
    told = run.data("run", "configurations", "describe", web)
    assert told["status"]["latestReadyRevisionName"] == "web-00002"


# --- other ways in --------------------------------------------------------------------------------


def test_a_kubeconfig_and_a_context_by_flag(run: Cloud, web: str) -> None:
    """`--kubeconfig` and `--context`, with no platform in the environment."""
    environment = {k: v for k, v in run.environment.items() if k != "CLOUDSDK_RUN_PLATFORM"}
    plainly = Cloud(run.up, environment)
    ran = plainly.ok(
        "run", "services", "list", "--platform=kubernetes", "--context=utsuwa",
        f"--kubeconfig={run.up.data_dir / 'kubeconfig'}",
    )  # fmt: skip
    assert web in ran.out


def test_credentials_switched_off(run: Cloud, web: str) -> None:
    """Without a token: the client certificate of the kubeconfig is who we are."""
    environment = {**run.environment, "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true"}
    environment.pop("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE")
    assert web in Cloud(run.up, environment).ok("run", "services", "list").out


def plain(text: str) -> str:
    """Without gcloud's marks for bold and colour."""
    import re

    return re.sub(r"\x1b\[[0-9;]*m|\x1b\(B|\[m|\[1m", "", text)


def plain_rows(text: str) -> list[list[str]]:
    """The words of each line."""
    return [line.split() for line in plain(text).splitlines()]
