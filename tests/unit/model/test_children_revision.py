"""The Deployment and the PodAutoscaler of a Revision (`spec/reconcilers.md` §4.2, §6)."""

from typing import Any

import pytest

from utsuwa.kit.documents import Document, copy
from utsuwa.model.children.configuration import revision_of
from utsuwa.model.children.revision import (
    deployment_of,
    deployment_update,
    initial_scale,
    pod_autoscaler_of,
    pod_autoscaler_update,
)
from utsuwa.model.children.service import configuration_of
from utsuwa.model.defaults import default
from utsuwa.model.kinds import SERVICE
from utsuwa.model.settings import Settings

STOCK = Settings()


def revision(
    spec: Document | None = None, annotations: dict[str, str] | None = None, **container: Any
) -> Document:
    """The first Revision of a Service, as it is stored; `container` are members of its one."""
    template: Document = {
        "metadata": {"labels": {"team": "blue"}, "annotations": annotations or {}},
        "spec": {"containers": [{"image": "ex.io/app:1", **container}], **(spec or {})},
    }
    service = default(SERVICE.document("default", "hello", spec={"template": template}), STOCK)
    service["metadata"].update(uid="uid-service", generation=1)
    configuration = configuration_of(service)
    configuration["metadata"].update(uid="uid-configuration", generation=1)
    document = default(revision_of(configuration, "2026-01-01T00:00:00Z"), STOCK)
    document["metadata"].update(uid="uid-revision", generation=1)
    document["status"] = {
        "containerStatuses": [{"name": "user-container", "imageDigest": "ex.io/app@sha256:1"}]
    }
    return document


def the_container(deployment: Document) -> Document:
    found: Document = deployment["spec"]["template"]["spec"]["containers"][0]
    return found


def test_a_deployment_is_named_labelled_and_selected_as_the_original_has_it() -> None:
    """`spec/reconcilers.md` §4.2."""
    document = deployment_of(revision(annotations={"mine": "1"}), STOCK)
    assert document["metadata"]["name"] == "hello-00001-deployment"
    labels = dict(document["metadata"]["labels"])
    assert labels.pop("serving.knative.dev/deployment-hash")
    assert labels == {
        "app": "hello-00001",
        "serving.knative.dev/configuration": "hello",
        "serving.knative.dev/configurationGeneration": "1",
        "serving.knative.dev/configurationUID": "uid-configuration",
        "serving.knative.dev/revision": "hello-00001",
        "serving.knative.dev/revisionUID": "uid-revision",
        "serving.knative.dev/service": "hello",
        "serving.knative.dev/serviceUID": "uid-service",
        "team": "blue",
    }
    assert document["metadata"]["annotations"] == {"mine": "1"}
    spec = document["spec"]
    assert spec["replicas"] == 1
    assert spec["selector"] == {"matchLabels": {"serving.knative.dev/revisionUID": "uid-revision"}}
    assert spec["progressDeadlineSeconds"] == 600
    assert spec["template"]["metadata"]["labels"] == labels
    assert spec["template"]["metadata"]["annotations"] == {
        "mine": "1",
        "kubectl.kubernetes.io/default-container": "user-container",
    }


def test_the_container_runs_the_digest_and_knows_who_it_is() -> None:
    """`PORT` is left to the node agent, which gives each pod a port of its own."""
    container = the_container(deployment_of(revision(env=[{"name": "A", "value": "1"}]), STOCK))
    assert container["image"] == "ex.io/app@sha256:1"
    assert container["ports"] == [{"name": "user-port", "containerPort": 8080, "protocol": "TCP"}]
    assert {entry["name"]: entry["value"] for entry in container["env"]} == {
        "A": "1",
        "K_REVISION": "hello-00001",
        "K_CONFIGURATION": "hello",
        "K_SERVICE": "hello",
    }
    assert container["terminationMessagePolicy"] == "FallbackToLogsOnError"


def test_the_pod_ends_within_the_requests_timeout() -> None:
    """terminationGracePeriodSeconds = timeoutSeconds."""
    document = deployment_of(revision({"timeoutSeconds": 42}), STOCK)
    pod = document["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] == 42
    assert "timeoutSeconds" not in pod
    assert "containerConcurrency" not in pod


def test_the_default_probe_asks_the_serving_port_at_short_intervals() -> None:
    """An absent period means 0 in a Revision; in a Pod it would mean 10 s."""
    container = the_container(deployment_of(revision(ports=[{"containerPort": 3000}]), STOCK))
    assert container["readinessProbe"] == {
        "successThreshold": 1,
        "tcpSocket": {"port": 3000},
        "periodSeconds": 0,
    }


def test_probes_that_state_a_port_keep_it_save_for_liveness() -> None:
    """Liveness goes to the user port whatever it says; a name stands for the serving port."""
    container = the_container(
        deployment_of(
            revision(
                ports=[{"containerPort": 3000, "name": "http1"}],
                readinessProbe={"httpGet": {"path": "/ready", "port": 9000}},
                startupProbe={"tcpSocket": {"port": "http1"}},
                livenessProbe={"httpGet": {"path": "/alive", "port": 9000}},
            ),
            STOCK,
        )
    )
    assert container["readinessProbe"]["httpGet"]["port"] == 9000
    assert container["startupProbe"]["tcpSocket"]["port"] == 3000
    assert container["livenessProbe"]["httpGet"]["port"] == 3000


def test_pods_spread_over_nodes_unless_told_otherwise() -> None:
    """default-affinity-type, and the user's own affinity above it."""
    spread = deployment_of(revision(), STOCK)["spec"]["template"]["spec"]
    assert "podAntiAffinity" in spread["affinity"]
    settings = Settings.parse({"config-deployment": {"default-affinity-type": "none"}})
    assert "affinity" not in deployment_of(revision(), settings)["spec"]["template"]["spec"]


@pytest.mark.parametrize(
    ("annotation", "config", "expected"),
    [
        (None, {}, 1),
        (None, {"initial-scale": "3"}, 3),
        ("5", {"initial-scale": "3"}, 5),
        ("0", {}, 1),
        ("0", {"allow-zero-initial-scale": "true"}, 0),
        ("many", {}, 1),
    ],
)
def test_initial_scale(annotation: str | None, config: dict[str, str], expected: int) -> None:
    """The annotation wins where it is allowed."""
    given = {} if annotation is None else {"autoscaling.knative.dev/initial-scale": annotation}
    settings = Settings.parse({"config-autoscaler": config})
    document = revision()
    document["metadata"]["annotations"].update(given)
    assert initial_scale(document, settings) == expected


def test_a_progress_deadline_annotation_wins() -> None:
    """Go duration, in seconds on the Deployment."""
    document = revision(annotations={"serving.knative.dev/progress-deadline": "30s"})
    assert deployment_of(document, STOCK)["spec"]["progressDeadlineSeconds"] == 30


def test_an_unchanged_deployment_is_left_alone() -> None:
    """Also when the autoscaler has changed its replicas or the Revision its routing state."""
    document = revision()
    existing = deployment_of(document, STOCK)
    existing["spec"]["replicas"] = 9
    document["metadata"]["labels"]["serving.knative.dev/routingState"] = "reserve"
    document["metadata"]["annotations"]["serving.knative.dev/routes"] = "a,b"
    assert deployment_update(existing, deployment_of(document, STOCK)) is None


def test_a_changed_setting_changes_the_deployment() -> None:
    """The hash covers everything but the replicas."""
    existing = deployment_of(revision(), STOCK)
    existing["spec"]["replicas"] = 9
    settings = Settings.parse({"config-deployment": {"progress-deadline": "30s"}})
    changed = deployment_update(existing, deployment_of(revision(), settings))
    assert changed is not None
    assert changed["spec"]["replicas"] == 9
    assert changed["spec"]["progressDeadlineSeconds"] == 30


def test_the_autoscaler_targets_the_deployment_with_class_and_metric() -> None:
    """`spec/resources.md` §3.7."""
    document = revision({"containerConcurrency": 80}, {"autoscaling.knative.dev/min-scale": "1"})
    found = pod_autoscaler_of(document, STOCK)
    assert found["metadata"]["name"] == "hello-00001"
    assert found["spec"] == {
        "containerConcurrency": 80,
        "scaleTargetRef": {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "name": "hello-00001-deployment",
        },
        "protocolType": "http1",
        "reachability": "Reachable",
    }
    assert found["metadata"]["annotations"] == {
        "autoscaling.knative.dev/class": "kpa.autoscaling.knative.dev",
        "autoscaling.knative.dev/metric": "concurrency",
        "autoscaling.knative.dev/min-scale": "1",
    }


@pytest.mark.parametrize(
    ("state", "expected"), [("active", "Reachable"), ("reserve", "Unreachable"), ("pending", None)]
)
def test_reachability_follows_the_routing_state(state: str, expected: str | None) -> None:
    """`spec/reconcilers.md` §6."""
    document = revision()
    document["metadata"]["labels"]["serving.knative.dev/routingState"] = state
    assert pod_autoscaler_of(document, STOCK)["spec"].get("reachability") == expected


def test_pods_that_do_not_come_up_make_a_revision_unreachable() -> None:
    """So that no minimum keeps failing pods alive."""
    document = revision()
    document["status"]["conditions"] = [{"type": "ContainerHealthy", "status": "False"}]
    deployment: Document = {"spec": {"replicas": 1}, "status": {}}
    found = pod_autoscaler_of(document, STOCK, deployment)
    assert found["spec"]["reachability"] == "Unreachable"
    deployment["status"]["readyReplicas"] = 1
    assert pod_autoscaler_of(document, STOCK, deployment)["spec"]["reachability"] == "Reachable"


def test_annotations_taken_from_the_revision_are_taken_from_the_autoscaler() -> None:
    """Save class and metric; what others have annotated stays."""
    document = revision(annotations={"autoscaling.knative.dev/min-scale": "1"})
    existing = pod_autoscaler_of(document, STOCK)
    existing["metadata"]["annotations"]["other"] = "theirs"
    assert pod_autoscaler_update(existing, pod_autoscaler_of(document, STOCK)) is None
    plain = copy(document)
    del plain["metadata"]["annotations"]["autoscaling.knative.dev/min-scale"]
    changed = pod_autoscaler_update(existing, pod_autoscaler_of(plain, STOCK))
    assert changed is not None
    assert changed["metadata"]["annotations"] == {
        "autoscaling.knative.dev/class": "kpa.autoscaling.knative.dev",
        "autoscaling.knative.dev/metric": "concurrency",
        "other": "theirs",
    }
