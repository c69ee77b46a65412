"""The official Python client, typed and dynamic (`spec/kubernetes-api.md` §10)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from utsuwa.kit.documents import Document
from utsuwa.model.kinds import POD
from utsuwa.testing.apiserver import Serving

kubernetes = pytest.importorskip(
    "kubernetes", reason="the Python client is not installed: nothing here says how it gets on"
)

pytestmark = [
    pytest.mark.conformance,
    pytest.mark.slow,
    # The client leaves its pool of connections to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

T = TypeVar("T")
SERVING = ("serving.knative.dev", "v1", "default", "services")


async def threaded(function: Callable[..., T], *args: Any, **options: Any) -> T:
    """The client blocks, and the server is on this loop."""
    async with asyncio.timeout(30):
        return await asyncio.to_thread(function, *args, **options)


@pytest.fixture
async def client(api: Serving) -> AsyncIterator[Any]:
    from kubernetes import config

    made = await threaded(config.new_client_from_config, str(api.kubeconfig))
    yield made
    made.close()


def ksvc(name: str = "hello") -> Document:
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"template": {"spec": {"containers": [{"image": "hello"}]}}},
    }


async def test_version_and_namespaces(client: Any) -> None:
    version = await threaded(kubernetes.client.VersionApi(client).get_code)
    assert (version.major, version.minor) == ("1", "32")
    listed = await threaded(kubernetes.client.CoreV1Api(client).list_namespace)
    assert "default" in [one.metadata.name for one in listed.items]


async def test_config_map_create_patch_replace_delete(client: Any) -> None:
    """POST without a Content-Type, strategic merge, PUT, DELETE."""
    core = kubernetes.client.CoreV1Api(client)
    body = kubernetes.client.V1ConfigMap(
        metadata=kubernetes.client.V1ObjectMeta(name="c"), data={"a": "1", "b": "2"}
    )
    made = await threaded(core.create_namespaced_config_map, "default", body)
    assert made.metadata.uid
    patched = await threaded(
        core.patch_namespaced_config_map, "c", "default", {"data": {"a": "3", "b": None}}
    )
    assert patched.data == {"a": "3"}
    patched.data = {"x": "y"}
    replaced = await threaded(core.replace_namespaced_config_map, "c", "default", patched)
    assert replaced.data == {"x": "y"}
    gone = await threaded(core.delete_namespaced_config_map, "c", "default")
    assert gone["status"] == "Success"
    with pytest.raises(kubernetes.client.ApiException) as caught:
        await threaded(core.read_namespaced_config_map, "c", "default")
    assert (caught.value.status, caught.value.reason) == (404, "Not Found")
    assert 'configmaps \\"c\\" not found' in caught.value.body


async def test_a_pod_is_read_as_a_typed_object(api: Serving, client: Any) -> None:
    """Whatever the client requires of a Pod's status is there, or it raises."""
    pod = POD.document("default", "p", spec={"containers": [{"name": "c", "image": "i"}]})
    await api.cluster.create(pod)
    state = {"name": "c", "image": "i", "imageID": "", "ready": True, "restartCount": 0,
             "state": {"running": {"startedAt": "2026-11-23T12:00:00Z"}}}  # fmt: skip
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}],
              "containerStatuses": [state]}  # fmt: skip
    await api.cluster.update_status({**pod, "status": status})
    core = kubernetes.client.CoreV1Api(client)
    (read,) = (await threaded(core.list_namespaced_pod, "default", label_selector="")).items
    assert read.status.container_statuses[0].state.running.started_at.year == 2026


async def test_lists_come_in_pages(client: Any) -> None:
    """`limit` and `_continue`; all pages together are the list."""
    core = kubernetes.client.CoreV1Api(client)
    for number in range(5):
        body = {"metadata": {"name": f"c{number}"}}
        await threaded(core.create_namespaced_config_map, "default", body)
    names: list[str] = []
    token = ""
    for _ in range(3):
        options: dict[str, str] = {"_continue": token} if token else {}
        page = await threaded(core.list_namespaced_config_map, "default", limit=2, **options)
        names += [item.metadata.name for item in page.items]
        token = page.metadata._continue or ""
    assert token == ""
    assert names == [f"c{number}" for number in range(5)]


async def test_a_deployment_and_its_scale(client: Any) -> None:
    """`apps/v1` typed, with the `scale` sub-resource."""
    apps = kubernetes.client.AppsV1Api(client)
    body = {
        "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": "web:1"}]},
            },
        },
    }
    made = await threaded(apps.create_namespaced_deployment, "default", body)
    assert made.spec.replicas == 1
    change = {"spec": {"replicas": 3}}
    scale = await threaded(apps.patch_namespaced_deployment_scale, "web", "default", change)
    assert scale.spec.replicas == 3
    image = {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "web:2"}]}}}}
    patched = await threaded(apps.patch_namespaced_deployment, "web", "default", image)
    assert patched.spec.template.spec.containers[0].image == "web:2"
    assert patched.metadata.generation == 3


async def test_custom_objects(client: Any) -> None:
    """Create, get, list, patch and delete of a Knative Service."""
    custom = kubernetes.client.CustomObjectsApi(client)
    made = await threaded(custom.create_namespaced_custom_object, *SERVING, ksvc())
    assert made["metadata"]["generation"] == 1
    change = {"spec": {"template": {"spec": {"containerConcurrency": 7}}}}
    patched = await threaded(custom.patch_namespaced_custom_object, *SERVING, "hello", change)
    assert patched["spec"]["template"]["spec"]["containerConcurrency"] == 7
    listed = await threaded(custom.list_namespaced_custom_object, *SERVING)
    assert [one["metadata"]["name"] for one in listed["items"]] == ["hello"]
    await threaded(custom.delete_namespaced_custom_object, *SERVING, "hello")
    listed = await threaded(custom.list_namespaced_custom_object, *SERVING)
    assert listed["items"] == []


async def test_a_watch_without_a_version_tells_what_there_is(client: Any) -> None:
    """First what is there, then what comes; `stop` ends it."""
    core = kubernetes.client.CoreV1Api(client)
    await threaded(core.create_namespaced_secret, "default", {"metadata": {"name": "one"}})

    def follow() -> list[tuple[str, str]]:
        watch = kubernetes.watch.Watch()
        seen = []
        for event in watch.stream(core.list_namespaced_secret, "default", timeout_seconds=20):
            seen.append((event["type"], event["object"].metadata.name))
            if len(seen) == 1:
                core.create_namespaced_secret("default", {"metadata": {"name": "two"}})
            if len(seen) == 2:
                watch.stop()
        return seen

    assert await threaded(follow) == [("ADDED", "one"), ("ADDED", "two")]


async def test_the_dynamic_client(client: Any, tmp_path: Path) -> None:
    """Classic discovery; create, patch, server-side apply, list, watch, delete."""

    def work() -> None:
        cache = str(tmp_path / "discovery.json")
        dynamic = kubernetes.dynamic.DynamicClient(client, cache_file=cache)
        services = dynamic.resources.get(api_version="serving.knative.dev/v1", kind="Service")
        made = services.create(body=ksvc(), namespace="default")
        assert made.spec.template.spec.containers[0].image == "hello"
        merge = {"metadata": {"name": "hello", "labels": {"a": "b"}}}
        patched = services.patch(
            body=merge, namespace="default", content_type="application/merge-patch+json"
        )
        assert patched.metadata.labels.a == "b"
        wanted = {**ksvc("applied"), "metadata": {"name": "applied", "labels": {"by": "me"}}}
        applied = services.server_side_apply(
            body=wanted, namespace="default", field_manager="tests"
        )
        assert applied.metadata.managedFields[0].manager == "tests"
        names = [one.metadata.name for one in services.get(namespace="default").items]
        assert names == ["applied", "hello"]
        for event in services.watch(namespace="default", timeout=20):
            assert event["type"] == "ADDED"
            break
        services.delete(name="hello", namespace="default")
        with pytest.raises(kubernetes.dynamic.exceptions.NotFoundError):
            services.get(name="hello", namespace="default")

    await threaded(work)


async def test_the_dynamic_client_finds_core_kinds_and_their_definitions(
    client: Any, tmp_path: Path
) -> None:
    """CustomResourceDefinitions are how tools learn of the Knative kinds."""

    def work() -> None:
        cache = str(tmp_path / "discovery.json")
        dynamic = kubernetes.dynamic.DynamicClient(client, cache_file=cache)
        assert dynamic.resources.get(api_version="v1", kind="Pod").namespaced
        definitions = kubernetes.client.ApiextensionsV1Api(client)
        found = definitions.list_custom_resource_definition()
        names = [one.metadata.name for one in found.items]
        assert "services.serving.knative.dev" in names
        one = definitions.read_custom_resource_definition("revisions.serving.knative.dev")
        assert one.spec.names.short_names == ["rev"]
        assert one.status.stored_versions == ["v1"]

    await threaded(work)


async def test_create_from_a_dict(client: Any) -> None:
    """`utils.create_from_dict`, with a List."""
    items = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}} for name in ("a", "b")
    ]
    listed = {"apiVersion": "v1", "kind": "List", "items": items}
    made = await threaded(kubernetes.utils.create_from_dict, client, listed)
    assert len(made) == 2


async def test_an_access_review(client: Any) -> None:
    """A typed review, answered at once."""
    api = kubernetes.client.AuthorizationV1Api(client)
    body = {"spec": {"resourceAttributes": {"verb": "list", "resource": "pods"}}}
    told = await threaded(api.create_self_subject_access_review, body)
    assert told.status.allowed is True


async def test_the_version_of_an_old_object_conflicts(client: Any) -> None:
    """409, with the reason that clients retry on."""
    core = kubernetes.client.CoreV1Api(client)
    await threaded(core.create_namespaced_config_map, "default", {"metadata": {"name": "c"}})
    old = await threaded(core.read_namespaced_config_map, "c", "default")
    await threaded(core.patch_namespaced_config_map, "c", "default", {"data": {"a": "b"}})
    old.data = {"x": "y"}
    with pytest.raises(kubernetes.client.ApiException) as caught:
        await threaded(core.replace_namespaced_config_map, "c", "default", old)
    assert caught.value.status == 409
    assert "the object has been modified" in caught.value.body
