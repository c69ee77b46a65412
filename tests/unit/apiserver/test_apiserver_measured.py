"""`metrics.k8s.io` and the decisions on a PodAutoscaler: measured on demand, read-only."""

import json
from typing import Any

import pytest

from utsuwa.apiserver import discovery
from utsuwa.apiserver.measured import NothingKnown
from utsuwa.cluster.port import Key
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import NODE, POD, POD_AUTOSCALER
from utsuwa.model.usage import ContainerUse, PodUse
from utsuwa.testing.apiserver import Serving

METRICS = "/apis/metrics.k8s.io/v1beta1"
AUTOSCALERS = "/apis/autoscaling.internal.knative.dev/v1alpha1/namespaces/default/podautoscalers"
USE = PodUse(0.25, 64 * 1024 * 1024, 15.0, (ContainerUse("user-container", 0.25, 64 << 20),))


async def ask(api: Serving, path: str, method: str = "GET", **headers: str) -> tuple[int, Any]:
    body = b"{}" if method in {"PUT", "PATCH", "POST"} else None
    async with api.http.request(method, path, data=body, headers=headers) as response:
        return response.status, json.loads(await response.read())


async def make_pod(api: Serving, name: str, use: PodUse | None, app: str = "hello") -> Document:
    pod = POD.document("default", name, spec={"containers": [{"name": "c", "image": "i"}]})
    pod["metadata"]["labels"] = {"app": app}
    made = await api.cluster.create(pod)
    if use is not None:
        api.told.pods[made["metadata"]["uid"]] = use
    return made


async def test_pods_that_run_are_listed_with_what_each_container_uses(api: Serving) -> None:
    """Nanocores and KiB, with the window of the average; what does not run is left out."""
    await make_pod(api, "busy", USE)
    await make_pod(api, "pending", None)
    status, listed = await ask(api, f"{METRICS}/namespaces/default/pods")
    assert (status, listed["kind"]) == (200, "PodMetricsList")
    (item,) = listed["items"]
    assert item["metadata"]["name"] == "busy"
    assert item["window"] == "15.000s"
    assert item["containers"] == [
        {"name": "user-container", "usage": {"cpu": "250000000n", "memory": "65536Ki"}}
    ]


async def test_pods_are_selected_by_namespace_and_label(api: Serving) -> None:
    """As `kubectl top pods -A -l` asks."""
    await make_pod(api, "one", USE, app="one")
    await make_pod(api, "two", USE, app="two")
    _, everywhere = await ask(api, f"{METRICS}/pods")
    _, selected = await ask(api, f"{METRICS}/pods?labelSelector=app%3Dtwo")
    _, elsewhere = await ask(api, f"{METRICS}/namespaces/knative-serving/pods")
    names = [
        [one["metadata"]["name"] for one in listed["items"]]
        for listed in (everywhere, selected, elsewhere)
    ]
    assert names == [["one", "two"], ["two"], []]


async def test_one_pod_is_answered_or_not_found(api: Serving) -> None:
    """Neither one that does not exist nor one that does not run."""
    await make_pod(api, "busy", USE)
    await make_pod(api, "pending", None)
    path = f"{METRICS}/namespaces/default/pods"
    status, found = await ask(api, f"{path}/busy")
    assert (status, found["kind"]) == (200, "PodMetrics")
    for name in ("pending", "nobody"):
        status, refused = await ask(api, f"{path}/{name}")
        assert (status, refused["reason"]) == (404, "NotFound")


async def test_nodes_are_measured_whole(api: Serving) -> None:
    await api.cluster.create(NODE.document("", "here"))
    api.told.machines["here"] = PodUse(1.5, 1 << 30, 0.5)
    _, listed = await ask(api, f"{METRICS}/nodes")
    assert listed["kind"] == "NodeMetricsList"
    assert listed["items"][0]["usage"] == {"cpu": "1500000000n", "memory": "1048576Ki"}
    _, one = await ask(api, f"{METRICS}/nodes/here")
    assert one["kind"] == "NodeMetrics"


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_what_is_measured_cannot_be_written(api: Serving, method: str) -> None:
    status, _ = await ask(api, f"{METRICS}/namespaces/default/pods", method)
    assert status == 405


async def test_decisions_are_told_of_a_podautoscaler_that_exists(api: Serving) -> None:
    """Oldest first; `limit` keeps the newest."""
    await api.cluster.create(POD_AUTOSCALER.document("default", "hello-00001", spec={}))
    decided: list[Document] = [{"desired": 1}, {"desired": 2}]
    api.told.decided[Key("default", "hello-00001")] = decided
    status, listed = await ask(api, f"{AUTOSCALERS}/hello-00001/decisions")
    assert (status, listed["items"]) == (200, decided)
    assert listed["kind"] == "PodAutoscalerDecisionList"
    assert listed["metadata"]["name"] == "hello-00001"
    _, newest = await ask(api, f"{AUTOSCALERS}/hello-00001/decisions?limit=1")
    assert newest["items"] == [{"desired": 2}]
    assert (await ask(api, f"{AUTOSCALERS}/nobody/decisions"))[0] == 404


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_decisions_cannot_be_written(api: Serving, method: str) -> None:
    await api.cluster.create(POD_AUTOSCALER.document("default", "hello-00001", spec={}))
    headers = {"Content-Type": "application/merge-patch+json"}
    status, _ = await ask(api, f"{AUTOSCALERS}/hello-00001/decisions", method, **headers)
    assert status == 405


def test_both_are_discovered_as_what_can_only_be_read() -> None:
    """kubectl top looks for the group, and for nothing else."""
    listed = discovery.api_resource_list("metrics.k8s.io/v1beta1")
    assert listed is not None
    assert {(one["name"], *one["verbs"]) for one in listed["resources"]} == {
        ("pods", "get", "list"),
        ("nodes", "get", "list"),
    }
    groups = [one["metadata"]["name"] for one in discovery.aggregated("v2", core=False)["items"]]
    assert "metrics.k8s.io" in groups
    scaling = discovery.api_resource_list("autoscaling.internal.knative.dev/v1alpha1")
    assert scaling is not None
    (sub,) = [one for one in scaling["resources"] if one["name"] == "podautoscalers/decisions"]
    assert sub["verbs"] == ["get"]


async def test_a_server_without_a_node_measures_nothing() -> None:
    source = NothingKnown()
    assert await source.measured(["uid"]) == {}
    assert await source.machine("here") is None
    assert source.decisions(Key("default", "hello")) == ()
