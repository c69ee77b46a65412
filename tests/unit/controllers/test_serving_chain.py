"""The whole chain from Service to Ready, with stand-ins for pods, autoscaler and data plane."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from utsuwa.cluster.port import Key
from utsuwa.controllers import (
    configuration,
    garbage,
    labeler,
    revision,
    revision_gc,
    route,
    service,
)
from utsuwa.kit.documents import Document, copy
from utsuwa.model.kinds import (
    CONFIG_MAP,
    CONFIGURATION,
    CORE_SERVICE,
    INGRESS,
    POD_AUTOSCALER,
    REVISION,
    ROUTE,
    SERVICE,
)
from utsuwa.testing.serving import (
    DIGEST,
    FakeImages,
    World,
    autoscaler,
    dataplane,
    running,
    workloads,
)

pytestmark = pytest.mark.looptime


def hello(image: str = "ex.io/app:1") -> Document:
    """A Service as admission leaves it."""
    container = {
        "name": "user-container",
        "image": image,
        "resources": {},
        "readinessProbe": {"successThreshold": 1, "tcpSocket": {"port": 0}},
    }
    spec = {
        "containerConcurrency": 0,
        "timeoutSeconds": 300,
        "enableServiceLinks": False,
        "containers": [container],
    }
    document = SERVICE.document(
        "default",
        "hello",
        spec={
            "template": {"metadata": {}, "spec": spec},
            "traffic": [{"latestRevision": True, "percent": 100}],
        },
    )
    document["metadata"]["annotations"] = {
        "serving.knative.dev/creator": "alice",
        "serving.knative.dev/lastModifier": "alice",
    }
    return document


@asynccontextmanager
async def serving(images: FakeImages | None = None) -> AsyncIterator[World]:
    resolver = images or FakeImages()
    builds = (
        service.build,
        configuration.build,
        labeler.build,
        revision_gc.build,
        lambda context: revision.build(context, resolver),
        lambda context: route.build(context, port=8080),
        workloads,
        autoscaler,
        dataplane,
        garbage.build,
    )
    async with running(builds) as world:
        domains = {"example.com": ""}
        await world.cluster.create(
            CONFIG_MAP.document("knative-serving", "config-domain", data=domains)
        )
        await world.settle()
        yield world


def ready(document: Document) -> dict[str, str]:
    return {
        entry["type"]: entry["status"] + (f"({entry['reason']})" if entry.get("reason") else "")
        for entry in document["status"]["conditions"]
    }


async def deploy(world: World, document: Document) -> Document:
    await world.cluster.create(document)
    await world.settle()
    return await world.get(SERVICE, "hello")


async def test_a_new_service_becomes_ready_with_all_its_names() -> None:
    """`spec/reconcilers.md` §10: at Ready, URL, both revision names, observedGeneration 1."""
    async with serving() as world:
        found = await deploy(world, hello())
        status = found["status"]
        assert ready(found) == {
            "ConfigurationsReady": "True",
            "Ready": "True",
            "RoutesReady": "True",
        }
        assert found["metadata"]["generation"] == 1
        assert status["observedGeneration"] == 1
        assert status["url"] == "http://hello.default.example.com:8080"
        assert status["address"] == {"url": "http://hello.default.svc.cluster.local"}
        assert status["latestCreatedRevisionName"] == "hello-00001"
        assert status["latestReadyRevisionName"] == "hello-00001"
        assert status["traffic"] == [
            {"latestRevision": True, "percent": 100, "revisionName": "hello-00001"}
        ]
        made = await world.get(REVISION, "hello-00001")
        assert ready(made) == {
            "Active": "True",
            "ContainerHealthy": "True",
            "Ready": "True",
            "ResourcesAvailable": "True",
        }
        assert made["status"]["containerStatuses"] == [
            {"name": "user-container", "imageDigest": f"ex.io/app@{DIGEST}"}
        ]
        assert made["metadata"]["annotations"]["serving.knative.dev/creator"] == "alice"


async def test_an_update_moves_traffic_to_the_new_revision() -> None:
    """A changed template makes the next Revision, which takes the traffic when it is ready."""
    async with serving() as world:
        found = copy(await deploy(world, hello()))
        found["spec"]["template"]["spec"]["containers"][0]["image"] = "ex.io/app:2"
        await world.cluster.update(found)
        await world.settle()
        found = await world.get(SERVICE, "hello")
        assert ready(found)["Ready"] == "True"
        assert found["status"]["observedGeneration"] == 2
        assert [t["revisionName"] for t in found["status"]["traffic"]] == ["hello-00002"]
        splits = (await world.get(INGRESS, "hello"))["spec"]["rules"][1]["http"]["paths"][0]
        assert [split["serviceName"] for split in splits["splits"]] == ["hello-00002"]


async def test_the_old_revision_goes_into_reserve_and_is_collected() -> None:
    """Labeler and collector: nothing leads to the old one, and with immediate GC it goes."""
    async with serving() as world:
        found = copy(await deploy(world, hello()))
        first = await world.get(REVISION, "hello-00001")
        assert first["metadata"]["labels"]["serving.knative.dev/routingState"] == "active"
        found["spec"]["template"]["spec"]["containers"][0]["image"] = "ex.io/app:2"
        await world.cluster.update(found)
        await world.settle()
        first = await world.get(REVISION, "hello-00001")
        assert first["metadata"]["labels"]["serving.knative.dev/routingState"] == "reserve"
        assert "serving.knative.dev/routes" not in first["metadata"]["annotations"]
        autoscaler_of_first = await world.get(POD_AUTOSCALER, "hello-00001")
        assert autoscaler_of_first["spec"]["reachability"] == "Unreachable"
        immediate = {
            "min-non-active-revisions": "0",
            "max-non-active-revisions": "0",
            "retain-since-create-time": "disabled",
            "retain-since-last-active-time": "disabled",
        }
        await world.cluster.create(
            CONFIG_MAP.document("knative-serving", "config-gc", data=immediate)
        )
        await world.settle()
        assert await world.find(REVISION, "hello-00001") is None
        assert ready(await world.get(SERVICE, "hello"))["Ready"] == "True"


async def test_tags_and_percents_split_traffic_and_roll_back() -> None:
    """Traffic-only edits leave the Configuration alone; a tag gets a host of its own."""
    async with serving() as world:
        found = copy(await deploy(world, hello()))
        found["spec"]["template"]["spec"]["containers"][0]["image"] = "ex.io/app:2"
        found["spec"]["traffic"] = [
            {"revisionName": "hello-00001", "latestRevision": False, "percent": 90, "tag": "v1"},
            {"latestRevision": True, "percent": 10, "tag": "next"},
        ]
        await world.cluster.update(found)
        await world.settle()
        found = copy(await world.get(SERVICE, "hello"))
        assert ready(found)["Ready"] == "True"
        assert [
            (t["tag"], t["revisionName"], t["percent"], t["url"])
            for t in found["status"]["traffic"]
        ] == [
            ("v1", "hello-00001", 90, "http://v1-hello.default.example.com:8080"),
            ("next", "hello-00002", 10, "http://next-hello.default.example.com:8080"),
        ]
        assert await world.find(CORE_SERVICE, "v1-hello") is not None
        found["spec"]["traffic"] = [
            {"revisionName": "hello-00001", "latestRevision": False, "percent": 100}
        ]
        await world.cluster.update(found)
        await world.settle()
        found = await world.get(SERVICE, "hello")
        assert ready(found)["Ready"] == "True"
        assert [t["revisionName"] for t in found["status"]["traffic"]] == ["hello-00001"]
        assert await world.find(CORE_SERVICE, "v1-hello") is None
        assert (await world.get(CONFIGURATION, "hello"))["metadata"]["generation"] == 2


async def test_deleting_the_service_deletes_everything_below() -> None:
    """Deletion only relies on cascading."""
    async with serving() as world:
        await deploy(world, hello())
        await world.cluster.delete(SERVICE, Key("default", "hello"))
        await world.settle(5)
        for kind in (SERVICE, CONFIGURATION, ROUTE, REVISION, INGRESS, CORE_SERVICE):
            assert (await world.cluster.list(kind, "default")).items == [], kind


async def test_a_missing_image_fails_the_service_within_five_seconds() -> None:
    """`spec/reconcilers.md` §4.4: Revision ContainerMissing, Service False on all conditions."""
    images = FakeImages()
    images.missing.add("ex.io/app:1")
    async with serving(images) as world:
        await world.cluster.create(hello())
        await world.settle(5)
        found = await world.get(SERVICE, "hello")
        assert ready(found) == {
            "ConfigurationsReady": "False(RevisionFailed)",
            "Ready": "False(RevisionMissing)",
            "RoutesReady": "False(RevisionMissing)",
        }
        for condition in found["status"]["conditions"]:
            assert "ex.io/app:1" in condition["message"]
            assert "build it first" in condition["message"]
        made = await world.get(REVISION, "hello-00001")
        assert ready(made)["ContainerHealthy"] == "False(ContainerMissing)"
        images.missing.clear()
        await world.settle(20)
        assert ready(await world.get(SERVICE, "hello"))["Ready"] == "True"
