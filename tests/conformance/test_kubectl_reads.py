"""kubectl's reading commands: discovery, get in all its forms, watch, describe, wait, logs."""

import asyncio
import json
from pathlib import Path

import pytest
import yaml

from utsuwa.cluster.port import Key
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import (
    CONFIG_MAP,
    DEPLOYMENT,
    EVENT,
    NODE,
    POD,
    POD_AUTOSCALER,
    REVISION,
    SERVICE,
)
from utsuwa.model.usage import ContainerUse, PodUse
from utsuwa.testing.apiserver import Serving
from utsuwa.testing.kubectl import Kubectl

pytestmark = [pytest.mark.conformance, pytest.mark.slow]


def ready_service(name: str = "hello") -> tuple[Document, Document]:
    service = SERVICE.document(
        "default", name, spec={"template": {"spec": {"containers": [{"image": "hello"}]}}}
    )
    status = {
        "url": f"http://{name}.default.localhost",
        "latestCreatedRevisionName": f"{name}-00002",
        "latestReadyRevisionName": f"{name}-00001",
        "conditions": [{"type": "Ready", "status": "Unknown", "reason": "Deploying"}],
    }
    return service, {**service, "status": status}


async def make_service(api: Serving, name: str = "hello") -> None:
    service, with_status = ready_service(name)
    await api.cluster.create(service)
    await api.cluster.update_status(with_status)


async def make_pod(api: Serving, name: str = "hello-abc", state: Document | None = None) -> None:
    pod = POD.document(
        "default", name, spec={"containers": [{"name": "user-container", "image": "hello"}]}
    )
    pod["metadata"]["labels"] = {"app": "hello"}
    await api.cluster.create(pod)
    status = {
        "phase": "Running",
        "podIP": "127.0.0.1",
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [
            {
                "name": "user-container", "image": "hello", "imageID": "", "ready": True,
                "restartCount": 0, "state": state or {"running": {}},
            }
        ],
    }  # fmt: skip
    await api.cluster.update_status({**pod, "status": status})


async def test_api_resources_lists_every_kind_by_its_names(kubectl: Kubectl) -> None:
    """Aggregated discovery: short names, groups and scopes reach the client."""
    out = (await kubectl.ok("api-resources", "--no-headers")).out
    rows = {tuple(line.split()) for line in out.splitlines()}
    assert ("services", "kservice,ksvc", "serving.knative.dev/v1", "true", "Service") in rows
    assert ("pods", "po", "v1", "true", "Pod") in rows
    assert ("nodes", "no", "v1", "false", "Node") in rows


async def test_version_says_kubernetes_1_32(kubectl: Kubectl) -> None:
    """The Cloud SDK's kubectl picks its own version by it."""
    told = json.loads((await kubectl.ok("version", "-o", "json")).out)
    assert (told["serverVersion"]["major"], told["serverVersion"]["minor"]) == ("1", "32")


async def test_get_prints_the_columns_of_knative(api: Serving, kubectl: Kubectl) -> None:
    """`spec/kubernetes-api.md` §4.5, row ksvc."""
    await make_service(api)
    rows = (await kubectl.ok("get", "ksvc")).rows
    assert rows == [
        ["NAME", "URL", "LATESTCREATED", "LATESTREADY", "READY", "REASON"],
        ["hello", "http://hello.default.localhost", "hello-00002", "hello-00001", "Unknown",
         "Deploying"],
    ]  # fmt: skip


async def test_get_of_several_kinds_at_once(api: Serving, kubectl: Kubectl) -> None:
    """The article's `kubectl get ksvc,configuration,route,revision`."""
    await make_service(api)
    revision = REVISION.document("default", "hello-00001", spec={})
    revision["metadata"]["labels"] = {"serving.knative.dev/configuration": "hello"}
    await api.cluster.create(revision)
    out = (await kubectl.ok("get", "ksvc,configuration,route,revision")).out
    assert "service.serving.knative.dev/hello" in out
    assert "revision.serving.knative.dev/hello-00001" in out


async def test_get_wide_shows_more_columns(api: Serving, kubectl: Kubectl) -> None:
    """Columns of priority 1 appear with -o wide alone."""
    await make_pod(api)
    assert "NODE" not in (await kubectl.ok("get", "pods")).rows[0]
    rows = (await kubectl.ok("get", "pods", "-o", "wide")).rows
    assert rows[0][:7] == ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE"]
    assert rows[1][:4] == ["hello-abc", "1/1", "Running", "0"]
    assert rows[1][5:7] == ["127.0.0.1", "<none>"]


@pytest.mark.parametrize("form", ["json", "yaml"])
async def test_get_as_data(api: Serving, kubectl: Kubectl, form: str) -> None:
    """The object itself, with its status."""
    await make_service(api)
    out = (await kubectl.ok("get", "ksvc", "hello", "-o", form)).out
    document = json.loads(out) if form == "json" else yaml.safe_load(out)
    assert document["kind"] == "Service"
    assert document["status"]["latestReadyRevisionName"] == "hello-00001"


async def test_get_jsonpath_and_name(api: Serving, kubectl: Kubectl) -> None:
    """What scripts use."""
    await make_service(api)
    told = await kubectl.ok("get", "ksvc", "hello", "-o", "jsonpath={.status.url}")
    assert told.out == "http://hello.default.localhost"
    told = await kubectl.ok("get", "ksvc", "-o", "name")
    assert told.out == "service.serving.knative.dev/hello\n"


async def test_get_by_labels_and_fields(api: Serving, kubectl: Kubectl) -> None:
    """Selectors are the server's work."""
    await make_pod(api, "one")
    await make_pod(api, "two")
    pod = await api.cluster.get(POD, Key("default", "two"))
    await api.cluster.merge(POD, Key("default", "two"), {"metadata": {"labels": {"app": "other"}}})
    assert pod["metadata"]["labels"] == {"app": "hello"}
    told = await kubectl.ok("get", "pods", "-l", "app in (hello,none)", "-o", "name")
    assert told.out == "pod/one\n"
    told = await kubectl.ok("get", "pods", "--field-selector", "metadata.name=two", "-o", "name")
    assert told.out == "pod/two\n"


async def test_get_in_chunks_prints_everything_once(api: Serving, kubectl: Kubectl) -> None:
    """`limit` and `continue`."""
    for number in range(7):
        await api.cluster.create(CONFIG_MAP.document("default", f"map-{number}"))
    told = await kubectl.ok("get", "cm", "--chunk-size=3", "-o", "name")
    assert told.out.split() == [f"configmap/map-{number}" for number in range(7)]


async def test_get_of_what_is_not_there_says_so(kubectl: Kubectl) -> None:
    """Exit 1 and the sentence that everybody knows."""
    ran = await kubectl("get", "ksvc", "nothing")
    assert ran.code == 1
    assert ran.err == (
        'Error from server (NotFound): services.serving.knative.dev "nothing" not found\n'
    )


async def test_watch_follows_a_service_until_ready(api: Serving, kubectl: Kubectl) -> None:
    """`get -w`: one row for each change, in columns."""
    await make_service(api)
    async with kubectl.running("get", "ksvc", "-w") as watching:
        assert (await watching.line()).startswith("NAME")
        assert "Deploying" in await watching.line()
        _, document = ready_service()
        document["status"]["conditions"][0] = {"type": "Ready", "status": "True"}
        await api.cluster.update_status(document)
        assert (await watching.line()).split()[-1] == "True"


async def test_watch_of_pods_shows_them_come_and_go(api: Serving, kubectl: Kubectl) -> None:
    """The article watches 0 → N → 0 with `kubectl get pods -w`."""
    async with kubectl.running("get", "pods", "-w", "--output-watch-events") as watching:
        await asyncio.sleep(1)  # nothing tells from outside that the watch stands
        await make_pod(api)
        assert (await watching.line()).split()[0] == "EVENT"
        assert (await watching.line()).split()[:2] == ["ADDED", "hello-abc"]
        assert (await watching.line()).split()[:4] == ["MODIFIED", "hello-abc", "1/1", "Running"]
        await kubectl.ok("delete", "pod", "hello-abc", "--now", "--wait=false")
        assert (await watching.line()).split()[3] in {"Running", "Terminating"}


async def test_watch_ends_well_when_the_server_closes(api: Serving, kubectl: Kubectl) -> None:
    """A clean end of the stream: kubectl exits 0."""
    await make_service(api)
    async with kubectl.running("get", "ksvc", "hello", "-w") as watching:
        await watching.line()
        await watching.line()
        await kubectl.ok("label", "ksvc", "hello", "seen=yes")
        await watching.line()  # a line that only the watch can have brought: it stands
        await api.server.close()
        assert await watching.ended() == 0


async def test_describe_shows_the_object_and_its_events(api: Serving, kubectl: Kubectl) -> None:
    """Events are found by the fields of `involvedObject`."""
    await make_service(api)
    service = await api.cluster.get(SERVICE, Key("default", "hello"))
    about = {
        "kind": "Service", "apiVersion": "serving.knative.dev/v1", "namespace": "default",
        "name": "hello", "uid": service["metadata"]["uid"],
    }  # fmt: skip
    for name, uid in (("mine", about["uid"]), ("other", "another")):
        await api.cluster.create(
            EVENT.document(
                "default", name, involvedObject={**about, "uid": uid}, type="Normal",
                reason=f"Reason-{name}", message="Something happened", count=1,
                firstTimestamp="2026-11-23T12:00:00Z", lastTimestamp="2026-11-23T12:00:00Z",
            )
        )  # fmt: skip
    out = (await kubectl.ok("describe", "ksvc", "hello")).out
    assert "Latest Ready Revision Name:    hello-00001" in out
    assert "Reason-mine" in out
    assert "Reason-other" not in out


async def test_describe_of_pods_and_deployments(api: Serving, kubectl: Kubectl) -> None:
    """kubectl reads these into its own types, and asks for them in protobuf first."""
    await make_pod(api)
    await api.cluster.create(
        DEPLOYMENT.document(
            "default", "web",
            spec={"replicas": 1, "selector": {"matchLabels": {"app": "hello"}}, "template": {
                "metadata": {"labels": {"app": "hello"}},
                "spec": {"containers": [{"name": "web", "image": "x"}]},
            }},
        )
    )  # fmt: skip
    assert "user-container:" in (await kubectl.ok("describe", "pod", "hello-abc")).out
    assert "1 desired" in (await kubectl.ok("describe", "deployment", "web")).out


async def test_events_are_listed(api: Serving, kubectl: Kubectl) -> None:
    """`kubectl events` reads them typed, `get events` as a table."""
    await api.cluster.create(
        EVENT.document(
            "default", "e", involvedObject={"kind": "Pod", "name": "p", "namespace": "default"},
            type="Warning", reason="Failed", message="It did not start", count=3,
            firstTimestamp="2026-11-23T12:00:00Z", lastTimestamp="2026-11-23T12:00:00Z",
        )
    )  # fmt: skip
    assert "pod/p" in (await kubectl.ok("get", "events")).out
    assert "It did not start" in (await kubectl.ok("events")).out


async def test_wait_returns_once_the_condition_holds(api: Serving, kubectl: Kubectl) -> None:
    """`wait --for=condition=Ready` lists, then watches with bookmarks."""
    await make_service(api)
    async with kubectl.running(
        "wait", "ksvc/hello", "--for=condition=Ready", "--timeout=20s"
    ) as waiting:
        await asyncio.sleep(1)  # let it come to its watch
        _, document = ready_service()
        document["status"]["conditions"][0] = {"type": "Ready", "status": "True"}
        await api.cluster.update_status(document)
        assert await waiting.line() == "service.serving.knative.dev/hello condition met"
        assert await waiting.ended() == 0


async def test_logs_follow_until_the_container_ends(
    api: Serving, kubectl: Kubectl, tmp_path: Path
) -> None:
    """`logs -f`: what is there, what comes, and an end by itself."""
    await make_pod(api)
    file = tmp_path / "output"
    file.write_text("first\nsecond\n")
    api.logs.current["hello-abc", "user-container"] = file
    assert (await kubectl.ok("logs", "hello-abc")).out == "first\nsecond\n"
    assert (await kubectl.ok("logs", "hello-abc", "--tail=1")).out == "second\n"
    async with kubectl.running("logs", "-f", "hello-abc", "--tail=1") as following:
        assert await following.line() == "second"
        with file.open("a") as output:
            output.write("third\n")
        assert await following.line() == "third"
        pod = await api.cluster.get(POD, Key("default", "hello-abc"))
        ended = [{"name": "user-container", "state": {"terminated": {"exitCode": 0}}}]
        await api.cluster.update_status(
            {**pod, "status": {**pod["status"], "containerStatuses": ended}}
        )
        assert await following.ended() == 0


async def test_logs_by_label(api: Serving, kubectl: Kubectl, tmp_path: Path) -> None:
    """The selector form lists the pods first, and reads their logs in no order of its own."""
    for name in ("a", "b"):
        await make_pod(api, name)
        file = tmp_path / name
        file.write_text(f"from {name}\n")
        api.logs.current[name, "user-container"] = file
    out = (await kubectl.ok("logs", "-l", "app=hello", "--prefix")).out
    assert sorted(out.splitlines()) == [
        "[pod/a/user-container] from a",
        "[pod/b/user-container] from b",
    ]


async def test_explain_knows_the_kinds(kubectl: Kubectl) -> None:
    """From OpenAPI v3."""
    out = (await kubectl.ok("explain", "ksvc.spec")).out
    assert "KIND:       Service" in out
    assert "VERSION:    v1" in out


async def test_top_shows_what_pods_and_nodes_use(api: Serving, kubectl: Kubectl) -> None:
    """`metrics.k8s.io/v1beta1`: found by discovery, shown in millicores and MiB."""
    await make_pod(api)
    pod = await api.cluster.get(POD, Key("default", "hello-abc"))
    use = PodUse(0.25, 64 << 20, 15.0, (ContainerUse("user-container", 0.25, 64 << 20),))
    api.told.pods[pod["metadata"]["uid"]] = use
    rows = (await kubectl.ok("top", "pods", "--containers")).rows
    assert rows[1] == ["hello-abc", "user-container", "250m", "64Mi"]
    assert (await kubectl.ok("top", "pod", "hello-abc", "--no-headers")).rows == [
        ["hello-abc", "250m", "64Mi"]
    ]
    node = NODE.document("", "here")
    await api.cluster.create(node)
    allocatable = {"cpu": "2", "memory": "1024Mi"}
    await api.cluster.update_status({**node, "status": {"allocatable": allocatable}})
    api.told.machines["here"] = PodUse(0.5, 256 << 20, 0.5)
    rows = (await kubectl.ok("top", "nodes", "--no-headers")).rows
    assert rows == [["here", "500m", "25%", "256Mi", "25%"]]


async def test_the_decisions_on_a_revision_are_had_by_their_path(
    api: Serving, kubectl: Kubectl
) -> None:
    """`kubectl get --raw`, and the sub-resource does not disturb `get podautoscalers`."""
    await api.cluster.create(POD_AUTOSCALER.document("default", "hello-00001", spec={}))
    api.told.decided[Key("default", "hello-00001")] = [{"desired": 3, "mode": "panic"}]
    path = (
        "/apis/autoscaling.internal.knative.dev/v1alpha1/namespaces/default/podautoscalers/"
        "hello-00001/decisions"
    )
    told = json.loads((await kubectl.ok("get", "--raw", path)).out)
    assert told["items"] == [{"desired": 3, "mode": "panic"}]
    assert "hello-00001" in (await kubectl.ok("get", "kpa")).out
