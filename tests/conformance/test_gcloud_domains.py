"""`gcloud run domain-mappings`, on both platforms that know clusters, as it is shipped
(`spec/kubernetes-api.md` §3)."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conformance.clouds import Cloud, cloud

from utsuwa.testing.kubectl import Ran

pytestmark = [pytest.mark.conformance, pytest.mark.slow, pytest.mark.timeout(120)]

HOSTS = {"kubernetes": 101, "gke": 111}


@pytest.fixture(scope="module", params=sorted(HOSTS))
def run(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cloud]:
    platform = request.param
    directory = tmp_path_factory.mktemp(f"domains-{platform}")
    with cloud(directory, platform=platform, host=HOSTS[platform]) as found:
        if platform == "gke":
            addons = "--addons=HorizontalPodAutoscaling,HttpLoadBalancing,Istio,CloudRun"
            found.ok("beta", "container", "clusters", "create", "c-run", addons,
                     "--zone=us-central1-a", "--enable-stackdriver-kubernetes",
                     "--machine-type=n1-standard-4", "--enable-ip-alias")  # fmt: skip
            found.environment["CLOUDSDK_RUN_CLUSTER"] = "c-run"
            found.environment["CLOUDSDK_RUN_CLUSTER_LOCATION"] = "us-central1-a"
        found.deploy("hello")
        yield found


def mappings(run: Cloud, *words: str) -> Ran:
    return run.gcloud("beta", "run", "domain-mappings", *words)


def test_create_waits_until_it_serves_and_says_what_dns_needs(run: Cloud) -> None:
    ran = mappings(run, "create", "--service=hello", "--domain=new.example.org")
    assert ran.code == 0, ran.err
    address = run.get("svc", "istio-ingressgateway", "-n", "istio-system")
    ip = address["status"]["loadBalancer"]["ingress"][0]["ip"]
    assert ["hello", "A", ip] in ran.rows
    assert ran.rows[0] == ["NAME", "RECORD", "TYPE", "CONTENTS"]
    assert run.up.call("new.example.org")[0] == 200


def test_list_and_describe(run: Cloud) -> None:
    assert mappings(run, "create", "--service=hello", "--domain=seen.example.org").code == 0
    listed = mappings(run, "list")
    assert listed.code == 0, listed.err
    assert [row for row in listed.rows if {"seen.example.org", "hello"} <= set(row)]
    told = run.data("beta", "run", "domain-mappings", "describe", "--domain=seen.example.org")
    assert told["spec"]["routeName"] == "hello"
    assert told["status"]["mappedRouteName"] == "hello"
    port = run.up.gateway_port
    assert told["status"]["url"] == f"http://seen.example.org:{port}"


def apply(run: Cloud, directory: Path, text: str) -> None:
    file = directory / "object.yaml"
    file.write_text(text)
    run.up.kubectl("apply", "-f", str(file))


def test_what_kn_or_kubectl_made_is_seen_too(run: Cloud, tmp_path: Path) -> None:
    """Whatever it refers to, and with all that gcloud has no word for."""
    document = """
apiVersion: serving.knative.dev/v1beta1
kind: DomainMapping
metadata: {name: other.example.org}
spec: {ref: {apiVersion: serving.knative.dev/v1, kind: Service, name: hello}}
"""
    apply(run, tmp_path, document)
    told = run.data("beta", "run", "domain-mappings", "describe", "--domain=other.example.org")
    assert told["spec"]["routeName"] == "hello"


def test_delete_takes_the_claim_with_it(run: Cloud) -> None:
    assert mappings(run, "create", "--service=hello", "--domain=gone.example.org").code == 0
    assert [c["metadata"]["name"] for c in run.get("cdc")["items"]].count("gone.example.org") == 1
    ran = mappings(run, "delete", "--domain=gone.example.org", "--quiet")
    assert ran.code == 0, ran.err
    ran = mappings(run, "describe", "--domain=gone.example.org")
    assert (ran.code, "gone.example.org" in ran.err) == (1, True)
    assert "gone.example.org" not in [c["metadata"]["name"] for c in run.get("cdc")["items"]]


def test_a_second_mapping_of_a_domain_is_a_conflict(run: Cloud) -> None:
    assert mappings(run, "create", "--service=hello", "--domain=twice.example.org").code == 0
    ran = mappings(run, "create", "--service=hello", "--domain=twice.example.org")
    assert ran.code == 1
    assert "[twice.example.org] already exists" in ran.err


def test_a_domain_of_another_namespace_is_in_use_elsewhere(run: Cloud, tmp_path: Path) -> None:
    run.up.kubectl("create", "namespace", "rival")
    claim = """
apiVersion: networking.internal.knative.dev/v1alpha1
kind: ClusterDomainClaim
metadata: {name: taken.example.org}
spec: {namespace: rival}
"""
    apply(run, tmp_path, claim)
    ran = mappings(run, "create", "--service=hello", "--domain=taken.example.org")
    assert ran.code == 1
    assert "[taken.example.org] is already in use elsewhere" in ran.err


def test_a_service_that_is_not_there_is_named(run: Cloud) -> None:
    ran = mappings(run, "create", "--service=nobody", "--domain=lost.example.org")
    assert ran.code == 1
    assert "nobody" in ran.err


def test_the_command_without_a_track_does_the_same(run: Cloud) -> None:
    ran = run.gcloud(
        "run", "domain-mappings", "create", "--service=hello", "--domain=ga.example.org"
    )
    assert ran.code == 0, ran.err
    assert "ga.example.org" in run.gcloud("run", "domain-mappings", "list").out
